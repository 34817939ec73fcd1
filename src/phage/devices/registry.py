"""To whom MAC addresses were assigned: the registries of the IEEE, by 24, 28 and 36 bits.

Kept in one file of columns beside the store: sixty thousand assignments are read in milliseconds
and take two megabytes. The longest prefix counts: a quarter of all assignments are parts of a block
that itself belongs to the IEEE.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from phage.errors import StateError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

BITS = (36, 28, 24)
"""Lengths of prefixes, the longest first."""

_MAGIC = b"phage oui 1\n"
_DIGEST = 32
_ROW = np.dtype([("prefix", "<u8"), ("name", "<u4"), ("bits", "u1"), ("tag", "u1")])


@frozen
class Assignment:
    """A prefix of MAC addresses, and whose it is.

    Attributes:
        prefix: Its bits, as a number.
        bits: How many: 24, 28 or 36.
        vendor: Whom it was assigned to.
        registry: "MA-L", "MA-M", "MA-S", "IAB", "CID".
    """

    prefix: int
    bits: int
    vendor: str
    registry: str = ""


class OuiRegistry:
    """Assignments in columns; immutable. Texts stay octets until they are asked for."""

    def __init__(self, rows: npt.NDArray[Any], text: bytes) -> None:
        self._rows = rows
        self._text = text
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
        self._ends = np.concatenate(([-1], ends)).astype(np.int64)
        self._by_bits = {bits: rows[rows["bits"] == bits] for bits in BITS}
        self._prefixes = {bits: each["prefix"].copy() for bits, each in self._by_bits.items()}
        self._asked = lru_cache(maxsize=4096)(self._look_up)

    def __len__(self) -> int:
        return len(self._rows)

    def vendor_of(self, mac: str) -> str:
        """Return to whom a MAC address was assigned; '' where nobody knows."""
        return self._asked(mac)

    def counts(self) -> Mapping[str, int]:
        """Return how many assignments there are in each registry."""
        tags, counts = np.unique(self._rows["tag"], return_counts=True)
        return {self._line(int(tag)): int(count) for tag, count in zip(tags, counts, strict=True)}

    def assignments(self) -> Iterator[Assignment]:
        """Yield all assignments."""
        for prefix, name, bits, tag in self._rows.tolist():
            yield Assignment(prefix, bits, self._line(name), self._line(tag))

    def with_registries(self, fresh: Iterable[Assignment]) -> OuiRegistry:
        """Return this with the registries of new assignments replaced by them."""
        new = list(fresh)
        replaced = {each.registry for each in new}
        return registry_of(
            [*(each for each in self.assignments() if each.registry not in replaced), *new]
        )

    def to_octets(self) -> bytes:
        """Return it as it is written."""
        return len(self._rows).to_bytes(4, "little") + self._rows.tobytes() + self._text

    def _line(self, number: int) -> str:
        return self._text[self._ends[number] + 1 : self._ends[number + 1]].decode()

    def _look_up(self, mac: str) -> str:
        try:
            number = int(mac.replace(":", ""), 16)
        except ValueError:
            return ""
        for bits in BITS:
            prefixes = self._prefixes[bits]
            wanted = np.uint64(number >> (48 - bits))
            place = int(np.searchsorted(prefixes, wanted))
            if place < len(prefixes) and prefixes[place] == wanted:
                return self._line(int(self._by_bits[bits]["name"][place]))
        return ""


def registry_of(assignments: Iterable[Assignment]) -> OuiRegistry:
    """Return a registry of assignments; of equal prefixes the last counts."""
    chosen = {(each.bits, each.prefix): each for each in assignments}
    ordered = [chosen[key] for key in sorted(chosen)]
    lines = dict.fromkeys([each.registry for each in ordered])
    lines.update(dict.fromkeys(each.vendor for each in ordered))
    number = {line: index for index, line in enumerate(lines)}
    rows = np.array(
        [(each.prefix, number[each.vendor], each.bits, number[each.registry]) for each in ordered],
        dtype=_ROW,
    )
    return OuiRegistry(rows, "".join(f"{line}\n" for line in lines).encode())


def save(path: Path, registry: OuiRegistry) -> None:
    """Write a registry, whole or not at all. Raises OSError."""
    body = registry.to_octets()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(_MAGIC + hashlib.sha256(body).digest() + body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load(path: Path) -> OuiRegistry:
    """Read a registry; an empty one where there is none. Raises StateError where it is damaged."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return registry_of(())
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise StateError(message) from error
    head = len(_MAGIC) + _DIGEST
    body = raw[head:]
    if not raw.startswith(_MAGIC) or hashlib.sha256(body).digest() != raw[len(_MAGIC) : head]:
        message = f"{path}: is damaged; `phage import oui` makes it anew"
        raise StateError(message)
    count = int.from_bytes(body[:4], "little")
    end = 4 + count * _ROW.itemsize
    return OuiRegistry(np.frombuffer(body[4:end], _ROW), body[end:])
