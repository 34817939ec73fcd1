"""Records of flow exports a second, decoded from memory; beside plain Python."""

from __future__ import annotations

import ipaddress
import random
import struct
import time
from dataclasses import dataclass
from functools import cached_property

from phage.collect.datagrams import ExportDecoder

PEER = "field after field, in Python"

RECORDS = 30
"""Records of a datagram: what fits into a frame of Ethernet."""

DATAGRAMS = 64
ROUNDS = 400
PEER_ROUNDS = 3

VARIABLE = 0xFFFF
TEMPLATE = 256

FIELDS = (
    (8, 4), (12, 4), (15, 4), (10, 4), (14, 4), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2),
    (16, 4), (17, 4), (9, 1), (13, 1), (4, 1), (6, 1), (5, 1), (61, 1), (89, 1), (48, 2),
)  # fmt: skip
"""Element and length: what a router's template for IPv4 holds."""

EXPORTER = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 9])


@dataclass(frozen=True)
class Traffic:
    """Datagrams of one exporter.

    Attributes:
        version: 9, or 10 for IPFIX.
        fields: Element and length of each field of the template.
    """

    version: int
    fields: tuple[tuple[int, int], ...]

    @cached_property
    def template(self) -> bytes:
        """A datagram with the template."""
        body = struct.pack(">HH", TEMPLATE, len(self.fields))
        body += b"".join(struct.pack(">HH", *field) for field in self.fields)
        return self._datagram(0, 0 if self.version == 9 else 2, body)

    @cached_property
    def datagrams(self) -> list[bytes]:
        """Datagrams with data."""
        source = random.Random(5)  # noqa: S311  Data, not secrets.
        return [
            self._datagram(number, TEMPLATE, b"".join(self._record(source) for _ in range(RECORDS)))
            for number in range(DATAGRAMS)
        ]

    def rate(self) -> float:
        """Return records a second of thread time."""
        decoder = ExportDecoder()
        decoder.feed(self.template, EXPORTER, 0)
        records = 0
        began = time.thread_time()
        for _ in range(ROUNDS):
            records += decoder.count(self.datagrams, EXPORTER, 0)
        return records / (time.thread_time() - began)

    def peer_rate(self) -> float:
        """Return the same for a decoder in Python."""
        offset = 20 if self.version == 9 else 16
        records = 0
        began = time.thread_time()
        for _ in range(PEER_ROUNDS):
            for datagram in self.datagrams:
                records += len(_in_python(datagram, offset + 4, self.fields))
        return records / (time.thread_time() - began)

    def _record(self, source: random.Random) -> bytes:
        parts = []
        for _, length in self.fields:
            if length == VARIABLE:
                text = source.randbytes(source.randrange(4, 12))
                parts.append(bytes([len(text)]) + text)
            else:
                parts.append(source.randbytes(length))
        return b"".join(parts)

    def _datagram(self, sequence: int, number: int, body: bytes) -> bytes:
        rest = struct.pack(">HH", number, len(body) + 4) + body
        if self.version == 9:
            return struct.pack(">HHIIII", 9, 1, 1_000_000, 1_700_000_000, sequence, 1) + rest
        return struct.pack(">HHIII", 10, len(rest) + 16, 1_700_000_000, sequence, 1) + rest


def _in_python(
    datagram: bytes, at: int, fields: tuple[tuple[int, int], ...]
) -> list[dict[int, object]]:
    """Decode the records of a datagram, one field after the other."""
    records = []
    while at < len(datagram):
        record: dict[int, object] = {}
        for element, given in fields:
            length = given
            if given == VARIABLE:
                length = datagram[at]
                at += 1
            octets = datagram[at : at + length]
            at += length
            if element in (8, 12, 15):
                record[element] = ipaddress.IPv4Address(octets)
            else:
                record[element] = int.from_bytes(octets, "big")
        records.append(record)
    return records


def traffic(version: str) -> tuple[tuple[str, Traffic], ...]:
    """Return what is measured of a version, by the names of the figures."""
    if version == "v9":
        return (("export.decode.v9", Traffic(9, FIELDS)),)
    named = (*FIELDS[:11], (82, VARIABLE), *FIELDS[11:])
    return (
        ("export.decode.ipfix", Traffic(10, FIELDS)),
        ("export.decode.ipfix.variable", Traffic(10, named)),
    )
