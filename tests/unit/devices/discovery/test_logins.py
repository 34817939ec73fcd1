"""Default passwords by Telnet and SSH, and whom they are tried on."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import threading
from typing import TYPE_CHECKING

import asyncssh
import pytest

from phage.clock import SystemClock
from phage.devices.discovery import credentials, logins
from phage.devices.discovery.credentials import Credentials
from phage.devices.discovery.scan import Discovery
from phage.records.scan import ScanOptions, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

GOOD = ("admin", "1234")

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(logins, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(logins, "ANSWER_SECONDS", 60.0)  # Machines are loaded.


class Door(asyncssh.SSHServer):
    """Lets one user in."""

    tried: list[tuple[str, str]]

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self.tried.append((username, password))
        return (username, password) == GOOD


@contextlib.asynccontextmanager
async def ssh_server(tried: list[tuple[str, str]]) -> AsyncIterator[int]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    made = type("Made", (Door,), {"tried": tried})
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=made, server_host_keys=[key])
    try:
        yield server.get_port()
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def telnet_server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def shell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\xff\xfd\x18\xff\xfb\x01Camera\r\nlogin: ")
    assert await reader.readexactly(6) == b"\xff\xfc\x18\xff\xfe\x01"
    user = (await reader.readline()).strip()
    writer.write(b"Password: ")
    password = (await reader.readline()).strip()
    good = (user.decode(), password.decode()) == GOOD
    writer.write(b"\r\n\r\nBusyBox v1.1\r\n# " if good else b"\r\nLogin incorrect\r\nlogin: ")
    await writer.drain()


def found(server: contextlib.AbstractAsyncContextManager[int], name: str) -> dict[str, str]:
    """Return who a default password let in."""

    async def run() -> dict[str, str]:
        async with server as port:
            tried = Credentials(threading.Event())
            await asyncio.to_thread(tried.run, [("127.0.0.1", [Service("tcp", port, name)])])
            return dict.fromkeys(tried.found.get("127.0.0.1", {}).values(), name)

    return asyncio.run(run())


def test_ssh() -> None:
    tried: list[tuple[str, str]] = []
    assert found(ssh_server(tried), "ssh") == {"admin": "ssh"}
    assert len(tried) <= 1 + len(credentials.PAIRS)


def test_telnet() -> None:
    assert found(telnet_server(shell), "telnet") == {"admin": "telnet"}


@pytest.mark.parametrize("said", [b"", b"A" * 100_000, b"\xff", b"login: ", b"$ "])
def test_what_is_no_telnet_ends(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "ANSWER_SECONDS", 0.2)

    async def hostile(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    assert found(telnet_server(hostile), "telnet") == {}


def test_passwords_are_tried_on_own_addresses_and_only_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        Credentials, "run", lambda _self, hosts: asked.extend(address for address, _ in hosts)
    )
    home = [ipaddress.ip_network("192.0.2.0/24")]
    services = {each: [Service("tcp", 22, "ssh")] for each in ("192.0.2.7", "198.51.100.7")}
    for wanted, expected in ((False, []), (True, ["192.0.2.7"])):
        discovery = Discovery(ScanOptions((), credentials=wanted), home, SystemClock())
        discovery.try_credentials(services, {})
        assert asked == expected
