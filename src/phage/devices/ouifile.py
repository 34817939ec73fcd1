"""Reads the registries of MAC addresses as they are published.

The IEEE's CSV and text files (`oui`, `mam`, `oui36`, `iab`, `cid`) and Wireshark's file `manuf`
are told apart by their contents. A record that is damaged fails the whole file: half of a registry
would name the wrong makers, and what is in force is better.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from phage.devices.identifier import cleaned
from phage.devices.registry import Assignment
from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_OCTETS = 64 * 2**20
"""All registries together are ten megabytes."""

_HEADER = ["Registry", "Assignment", "Organization Name", "Organization Address"]
_BITS = {6: 24, 7: 28, 9: 36}
_REGISTRIES = {24: "MA-L", 28: "MA-M", 36: "MA-S"}
_IAB = frozenset({0x0050C2, 0x40D855})
"""The blocks of the old individual address blocks, of 36 bits."""

_HEX = re.compile(r"([0-9A-F]{2})-([0-9A-F]{2})-([0-9A-F]{2})\s+\(hex\)\s*(.*)")
_BASE16 = re.compile(r"([0-9A-F]{6})(?:-([0-9A-F]{6}))?\s+\(base 16\)\s*(.*)")
_MANUF = re.compile(r"([0-9A-F]{2}(?::[0-9A-F]{2}){2,5})(?:/(\d\d))?\t([^\t]*)(?:\t([^\t]*))?")


class OuiFileError(PhageError):
    """A file is no registry, or damaged; names file and record."""


def read_assignments(name: str, raw: bytes) -> list[Assignment]:
    """Return what a file assigns; of equal prefixes the first. Raises OuiFileError.

    Args:
        name: The file's name, for messages.
        raw: What is in it.
    """
    text = raw.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    if text.startswith(_HEADER[0] + ","):
        records = _read_csv(name, text)
    elif "(base 16)" in text[:4096]:
        records = _read_text(name, text)
    elif any(_MANUF.match(line) for line in text[:65_536].splitlines()):
        records = _read_manuf(name, text)
    else:
        message = (
            f"{name}: is none of the IEEE's registries: it begins with {cleaned(text[:40])!r}; "
            "CSV and text files of https://standards-oui.ieee.org/ are read, and Wireshark's manuf"
        )
        raise OuiFileError(message)
    found: dict[tuple[int, int], Assignment] = {}
    for each in records:
        found.setdefault((each.bits, each.prefix), each)
    if not found:
        message = f"{name}: holds no assignment"
        raise OuiFileError(message)
    return list(found.values())


def _read_csv(name: str, text: str) -> Iterator[Assignment]:
    if not text.endswith("\n"):
        message = f"{name}: ends within a record: it was cut off; get it again"
        raise OuiFileError(message)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for number, row in enumerate(reader, 1):
            if number == 1 and row == _HEADER:
                continue
            bits = _BITS.get(len(row[1])) if len(row) == len(_HEADER) else None
            if bits is None:
                message = f"{name}:{reader.line_num}: record {number} is damaged: {_short(row)}"
                raise OuiFileError(message)
            prefix = _number(name, reader.line_num, row[1])
            yield Assignment(prefix, bits, _vendor(row[2]), cleaned(row[0], 8))
    except csv.Error as error:
        message = f"{name}:{reader.line_num}: is damaged: {error}"
        raise OuiFileError(message) from error


def _read_text(name: str, text: str) -> Iterator[Assignment]:
    base, number = "", 0
    if not text.endswith("\n"):
        message = f"{name}: ends within a record: it was cut off; get it again"
        raise OuiFileError(message)
    for number, line in enumerate(text.splitlines(), 1):
        if match := _HEX.match(line):
            if base:
                break
            base = "".join(match.group(1, 2, 3))
        elif match := _BASE16.match(line):
            if not base:
                break
            yield _of_range(name, number, base, match)
            base = ""
    if base:
        message = f"{name}:{number}: the record of {base} is damaged"
        raise OuiFileError(message)


def _of_range(name: str, line: int, base: str, match: re.Match[str]) -> Assignment:
    first, last, vendor = match.groups()
    if last is None:
        return Assignment(int(first, 16), 24, _vendor(vendor), _REGISTRIES[24])
    varying = (int(first, 16) ^ int(last, 16)).bit_length()
    bits = 48 - varying
    if bits not in {28, 36}:
        message = f"{name}:{line}: {first}-{last} is no assignment of 28 or 36 bits"
        raise OuiFileError(message)
    registry = "IAB" if int(base, 16) in _IAB else _REGISTRIES[bits]
    return Assignment(int(base + first, 16) >> varying, bits, _vendor(vendor), registry)


def _read_manuf(name: str, text: str) -> Iterator[Assignment]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _MANUF.fullmatch(line.rstrip())
        if match is None:
            message = f"{name}:{number}: is damaged: {cleaned(line, 60)!r}"
            raise OuiFileError(message)
        digits, length, short, long = match.groups()
        octets = digits.replace(":", "")
        bits = int(length or len(octets) * 4)
        if bits in _REGISTRIES:  # Others are of no registry: 40 and 44 bits, single addresses.
            prefix = int(octets.ljust(12, "0"), 16) >> (48 - bits)
            yield Assignment(prefix, bits, _vendor(long or short), _REGISTRIES[bits])


def _number(name: str, line: int, digits: str) -> int:
    try:
        return int(digits, 16)
    except ValueError:
        message = f"{name}:{line}: {cleaned(digits, 20)!r} is no hexadecimal number"
        raise OuiFileError(message) from None


def _vendor(text: str) -> str:
    return cleaned(" ".join(text.split())) or "Private"


def _short(row: list[str]) -> str:
    return cleaned(repr(row), 80)
