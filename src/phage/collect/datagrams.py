"""Files of datagrams: captures, and payloads of UDP as a sender or a recorder wrote them."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.native import DatagramSender, ExportDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DatagramFileError", "DatagramSender", "ExportDecoder", "describe_file"]

_MAGICS = frozenset(
    bytes.fromhex(magic)
    for magic in (
        "a1b2c3d4",
        "d4c3b2a1",
        "a1b23c4d",
        "4d3cb2a1",
        "a1b2cd34",
        "34cdb2a1",
        "0a0d0d0a",
    )
)
"""The first octets of pcap and pcapng."""

_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""The first octets of gzip and zstandard: only captures are read packed."""

_LARGEST = 64 * 1024 * 1024
"""Octets of a file of datagrams; a recording beyond that is a capture."""


class DatagramFileError(PhageError):
    """A file of datagrams could not be read."""


def mapped(address: str) -> bytes:
    """Return an address as 16 octets, IPv4 as ::ffff:a.b.c.d."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return bytes(10) + b"\xff\xff" + parsed.packed
    return parsed.packed


def is_capture(path: Path) -> bool:
    """Tell whether a file begins as a capture does, plain or packed. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(4)
    return head in _MAGICS or head.startswith(_PACKED)


def describe_file(
    decoder: ExportDecoder, path: Path, exporter: str, expression: str | None = None
) -> Iterator[str]:
    """Yield lines of JSON, several at once, of the records in a file.

    A capture tells who sent each datagram. Files that end in `.lp` hold datagrams behind their
    lengths (16 bits, little-endian), those in `.tlp` behind a time (seconds, 64-bit float) and
    the length; any other file is one datagram. These are taken as sent by `exporter`.

    Raises DatagramFileError on a file that cannot be read.
    """
    try:
        if not is_capture(path):
            with path.open("rb") as file:
                content = file.read(_LARGEST + 1)
                if len(content) > _LARGEST:
                    message = f"{path}: larger than {_LARGEST} octets and no capture"
                    raise DatagramFileError(message)
                address = mapped(exporter)
                for time, datagram in _datagrams(path, content):
                    yield decoder.describe(datagram, address, time)
                return
        decoder.open_file(str(path), expression)
        while (lines := decoder.describe_next()) is not None:
            yield lines
    except (OSError, ValueError) as error:
        message = f"{path}: {error}"
        raise DatagramFileError(message) from error


def _datagrams(path: Path, content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield time (nanoseconds) and payload of each datagram."""
    layouts = {".lp": "<H", ".tlp": "<dH"}
    if path.suffix not in layouts:
        yield 0, content
        return
    layout = struct.Struct(layouts[path.suffix])
    at = 0
    while at < len(content):
        if at + layout.size > len(content):
            message = f"{path}: ends inside the length of a datagram, at octet {at}"
            raise DatagramFileError(message)
        *times, length = layout.unpack_from(content, at)
        at += layout.size
        if at + length > len(content):
            message = f"{path}: ends inside a datagram of {length} octets, at octet {at}"
            raise DatagramFileError(message)
        time = times[0] * 1e9 if times else 0.0
        if not 0 <= time < 2**63:
            message = f"{path}: the time of a datagram is none that there is, before octet {at}"
            raise DatagramFileError(message)
        yield int(time), content[at : at + length]
        at += length
