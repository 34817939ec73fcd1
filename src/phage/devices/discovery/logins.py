"""One attempt to log in at a service: web page, FTP, Telnet, SSH.

Each attempt tells whether the user was let in; None where the service asks for no password, or
does not answer. What services say is hostile, and only compared.
"""

from __future__ import annotations

import asyncio
import base64
import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

ANSWER_SECONDS = 4.0
MAX_OCTETS = 4096

QUIET_SECONDS = 1.0
"""A Telnet service that says nothing for so long waits for an answer."""

_USER = re.compile(rb"(?:login|user(?: ?name)?) ?[:>]\s*$", re.IGNORECASE)
_PASSWORD = re.compile(rb"pass(?:word|wd|code)? ?[:>]\s*$", re.IGNORECASE)
_REFUSED = re.compile(rb"incorrect|invalid|denied|fail|wrong|bad |error", re.IGNORECASE)
_PROMPT = re.compile(rb"[#$>%\]]\s*(?:\x1b\[[0-9;]*[a-zA-Z])*\s*$")

_IAC, _WILL, _WONT, _DO, _DONT = 255, 251, 252, 253, 254


async def http(address: str, port: int, user: str, password: str) -> bool | None:
    """Ask for a page with Basic authentication (RFC 7617)."""
    host = f"[{address}]" if ":" in address else address
    key = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    request = f"GET / HTTP/1.0\r\nHost: {host}\r\nAuthorization: Basic {key}\r\n\r\n"
    (answer,) = await _talk(address, port, [request.encode("ascii")], greeting=False)
    if b" 401" in answer[:16]:
        return False if b"basic" in answer.lower() else None
    return True if b" 200" in answer[:16] else None


async def ftp(address: str, port: int, user: str, password: str) -> bool | None:
    """Log in by FTP (RFC 959)."""
    lines = [f"USER {user}\r\n".encode("ascii"), f"PASS {password}\r\n".encode("ascii")]
    answers = await _talk(address, port, lines, greeting=True)
    if answers[-1].startswith(b"230"):
        return True
    return False if answers[-1].startswith(b"530") else None


async def telnet(address: str, port: int, user: str, password: str) -> bool | None:
    """Log in by Telnet (RFC 854); every option that is offered is refused."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(3 * ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                return await _telnet(reader, writer, user, password)
            finally:
                writer.transport.abort()
    return None


async def _telnet(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: str, password: str
) -> bool | None:
    asked = await _heard(reader, writer)
    if _USER.search(asked):
        writer.write(f"{user}\r\n".encode("ascii"))
        asked = await _heard(reader, writer)
    if not _PASSWORD.search(asked):
        return None
    writer.write(f"{password}\r\n".encode("ascii"))
    answer = await _heard(reader, writer)
    if _REFUSED.search(answer) or _USER.search(answer) or _PASSWORD.search(answer):
        return False
    if _PROMPT.search(answer):
        return True
    return None if answer.strip() else False


async def _heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return what is said until nobody says more, or somebody asks for something."""
    text = b""
    with suppress(TimeoutError):
        while len(text) < MAX_OCTETS:
            async with asyncio.timeout(QUIET_SECONDS if text else ANSWER_SECONDS):
                data = await reader.read(MAX_OCTETS)
            if not data:
                break
            plain, refusals = _negotiated(data)
            text += plain
            writer.write(refusals)
            if _USER.search(text) or _PASSWORD.search(text):
                break
    return text


def _negotiated(data: bytes) -> tuple[bytes, bytes]:
    """Return text without Telnet's commands, and what refuses the options in them."""
    text, answers, at = bytearray(), bytearray(), 0
    while at < len(data):
        if data[at] != _IAC:
            text.append(data[at])
            at += 1
            continue
        command = data[at + 1] if at + 1 < len(data) else 0
        if command in {_WILL, _WONT, _DO, _DONT} and at + 2 < len(data):
            if command in {_WILL, _DO}:
                answers += bytes([_IAC, _DONT if command == _WILL else _WONT, data[at + 2]])
            at += 3
        else:
            at += 2
    return bytes(text), bytes(answers)


async def ssh(address: str, port: int, user: str, password: str) -> bool | None:
    """Log in by SSH with a password; nothing is run there."""
    import asyncssh  # noqa: PLC0415  Of the extra `discovery`.

    asyncssh.set_log_level("ERROR")  # Its log would tell of each attempt.
    try:
        async with asyncio.timeout(3 * ANSWER_SECONDS):
            connection = await asyncssh.connect(
                address, port, username=user, password=password, known_hosts=None, config=None,
                client_keys=None, agent_path=None, preferred_auth=("password",
                                                                   "keyboard-interactive"),
            )  # fmt: skip
    except asyncssh.PermissionDenied:
        return False
    except (asyncssh.Error, OSError, TimeoutError, ValueError):
        return None
    connection.abort()
    return True


ATTEMPTS: Mapping[str, Callable[[str, int, str, str], Awaitable[bool | None]]] = {
    "http": http,
    "ftp": ftp,
    "telnet": telnet,
    "ssh": ssh,
}
"""Attempts by the name of the service."""


async def _talk(address: str, port: int, lines: list[bytes], *, greeting: bool) -> list[bytes]:
    """Return the answer to each line; b'' where there is none."""
    answers = [b""] * len(lines)
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                if greeting:
                    await reader.read(MAX_OCTETS)
                for at, line in enumerate(lines):
                    writer.write(line)
                    answers[at] = await reader.read(MAX_OCTETS)
            finally:
                writer.transport.abort()
    return answers
