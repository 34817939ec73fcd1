"""7-Zip as a program in the sandbox: lists, then writes all members in one stream.

The sizes of the list cut the stream into members; a member that is cut short is a fault.
"""

from __future__ import annotations

import functools
import shutil
import subprocess  # noqa: TID251  It runs in the sandbox, killed with its process group.
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.scan.unpack.items import ENCRYPTED, Entry, Fault, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.content import Content

LISTING = 32 * 2**20
"""Octets of a list: a hundred thousand members."""

BLOCK = 256 * 1024


@frozen
class _Listed:
    name: str
    size: int
    encrypted: bool


@functools.cache
def program() -> str:
    """Return the program; '' where it is not installed."""
    return shutil.which("7zz") or shutil.which("7z") or ""


def open_archive(content: Content, passwords: tuple[str, ...], done: set[str]) -> Iterator[Item]:
    """Yield the members that are not done yet, with the first password that fits."""
    fault = Fault("", "is no archive that can be opened")
    for password in ("", *passwords):
        listed, said = _list(content, password)
        if listed is None:
            if _is_locked(said):
                fault = Fault("", f"{ENCRYPTED}: no password fits")
                continue
            yield Fault("", said or fault.text)
            return
        locked = any(each.encrypted for each in listed)
        if locked and not _fits(content, password):
            fault = Fault("", f"{ENCRYPTED}: no password fits")
            continue
        yield from _members(content, password, listed, done)
        return
    yield fault


def _command(verb: str, password: str, content: Content, *options: str) -> list[str]:
    return [program(), verb, f"-p{password}", "-y", "-bd", "-mmt1", *options, "--", content.path]


def _run(command: list[str], content: Content) -> tuple[int, str, str]:
    done = subprocess.run(
        command,
        pass_fds=(content.descriptor,),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return (
        done.returncode,
        done.stdout[:LISTING].decode("utf-8", "replace"),
        done.stderr[:65_536].decode("utf-8", "replace"),
    )


def _list(content: Content, password: str) -> tuple[list[_Listed] | None, str]:
    code, text, errors = _run(_command("l", password, content, "-slt", "-ba"), content)
    if code not in {0, 1}:
        return None, _reason(text + errors)
    found = []
    for block in text.replace("\r", "").split("\n\n"):
        about = dict(line.split(" = ", 1) for line in block.splitlines() if " = " in line)
        name = about.get("Path", "")
        is_folder = about.get("Folder") == "+" or about.get("Attributes", "").startswith("D")
        if name and not is_folder:
            size = about.get("Size", "")
            encrypted = about.get("Encrypted") == "+"
            found.append(_Listed(name, int(size) if size.isdigit() else -1, encrypted))
    return found, ""


def _fits(content: Content, password: str) -> bool:
    """Tell whether a password opens the archive: the first encrypted member is tried."""
    command = _command("t", password or "-", content)
    done = subprocess.run(
        command,
        pass_fds=(content.descriptor,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode in {0, 1}


def _members(
    content: Content, password: str, listed: list[_Listed], done: set[str]
) -> Iterator[Item]:
    process = subprocess.Popen(
        _command("x", password or "-", content, "-so"),
        pass_fds=(content.descriptor,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    stream = process.stdout
    if stream is None:
        return
    try:
        for each in listed:
            wanted = each.name not in done
            if wanted:
                yield Entry(each.name, each.encrypted)
            # Without a size (a compressed file) everything that comes is its.
            left = each.size if each.size >= 0 else -1
            while left and (piece := stream.read(BLOCK if left < 0 else min(BLOCK, left))):
                left -= len(piece) if left > 0 else 0
                if wanted:
                    yield piece
            if left > 0 and wanted:
                locked = f"{ENCRYPTED}: no password fits" if each.encrypted else "is damaged"
                yield Fault(each.name, locked)
    finally:
        process.kill()
        process.wait()
        stream.close()


def _is_locked(said: str) -> bool:
    said = said.lower()
    return "password" in said or "encrypted" in said


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "rror" in line or "password" in line.lower()]
    text = "; ".join(dict.fromkeys(telling))[:300] or "cannot be opened"
    return text.replace("ERRORS:", "").strip()
