"""Look-ups agree with an independent, slow reference: one table for each length of prefix.

PHAGE_LOOKUPS says how many are compared; `make soak` compares ten million.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import pytest

from phage.intel.index import prefix_set_of_columns

LOOKUPS = int(os.environ.get("PHAGE_LOOKUPS", "200000"))
PREFIXES = 50_000
NOTHING = 0xFFFF_FFFF
AT_ONCE = 500_000

Octets = npt.NDArray[np.uint8]


class Reference:
    """Tables by length, asked from the longest: of equal prefixes the later counts."""

    def __init__(self, numbers: list[int], lengths: list[int], bits: int) -> None:
        self.bits = bits
        self.tables: dict[int, dict[int, int]] = {}
        for value, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
            table = self.tables.setdefault(length, {})
            table[number >> (bits - length) if length else 0] = value

    def lookup(self, number: int) -> int:
        for length in sorted(self.tables, reverse=True):
            found = self.tables[length].get(number >> (self.bits - length) if length else 0)
            if found is not None:
                return found
        return NOTHING


def numbers_of(octets: Octets) -> list[int]:
    return [int.from_bytes(each) for each in octets]


def masked(octets: Octets, lengths: npt.NDArray[np.int64]) -> Octets:
    bits = np.unpackbits(octets, axis=1)
    bits[np.arange(octets.shape[1] * 8)[None, :] >= lengths[:, None]] = 0
    return np.packbits(bits, axis=1)


def edges(octets: Octets, lengths: npt.NDArray[np.int64]) -> Octets:
    """Return first and last addresses of prefixes, and those just outside them."""
    first = masked(octets, lengths)
    bits = np.unpackbits(first, axis=1)
    bits[np.arange(octets.shape[1] * 8)[None, :] >= lengths[:, None]] = 1
    last = np.packbits(bits, axis=1)
    size = octets.shape[1]
    outside = [
        (int.from_bytes(each) + step) % (1 << 8 * size)
        for each, step in [(one, -1) for one in first] + [(one, 1) for one in last]
    ]
    beyond = np.frombuffer(b"".join(each.to_bytes(size) for each in outside), np.uint8)
    return np.concatenate([first, last, beyond.reshape(-1, size)])


@pytest.mark.parametrize(
    ("size", "choice"),
    [
        (4, [0, 1, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32]),
        (16, [0, 3, 19, 32, 33, 47, 48, 63, 64, 65, 96, 112, 127, 128]),
    ],
)
def test_look_ups_are_those_of_the_reference(size: int, choice: list[int]) -> None:
    rng = np.random.default_rng(size)
    octets = rng.integers(0, 256, (PREFIXES, size), dtype=np.uint8)
    # Half of them crowd in a few networks, nested in one another: what an attacker would list.
    octets[: PREFIXES // 2, : size - 2] = octets[0, : size - 2]
    lengths = rng.choice(np.array(choice), PREFIXES)
    crowded = rng.integers(size * 8 - 17, size * 8 + 1, PREFIXES // 2)
    lengths[: PREFIXES // 2] = crowded
    whole = np.zeros((PREFIXES, 16), np.uint8)
    whole[:, 16 - size :] = masked(octets, lengths)
    if size == 4:
        whole[:, 10:12] = 255
    index = prefix_set_of_columns(
        whole,
        (lengths + (96 if size == 4 else 0)).astype(np.uint8),
        np.arange(PREFIXES, dtype=np.uint32),
    )
    reference = Reference(numbers_of(octets), lengths.tolist(), size * 8)
    few = rng.choice(PREFIXES, 5_000, replace=False)
    near = edges(octets[few], lengths[few])
    left = max(LOOKUPS // 2 - len(near), 0)
    while True:
        random = rng.integers(0, 256, (min(left, AT_ONCE), size), dtype=np.uint8)
        random[::2, : size - 2] = octets[0, : size - 2]
        asked = np.concatenate([near, random])
        if size == 16:  # ::ffff:0:0/96 is IPv4.
            asked = asked[
                ~((asked[:, :10] == 0).all(axis=1) & (asked[:, 10:12] == 255).all(axis=1))
            ]
        packed = np.zeros((len(asked), 16), np.uint8)
        packed[:, 16 - size :] = asked
        if size == 4:
            packed[:, 10:12] = 255
        answers = np.frombuffer(index.lookup_all(packed.tobytes()), "<u4")
        expected = np.array([reference.lookup(each) for each in numbers_of(asked)], np.uint32)
        assert (answers == expected).all()
        left -= len(random)
        near = near[:0]
        if left <= 0:
            return
