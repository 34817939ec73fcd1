"""Networks in columns: what lists of half a million lines are read to, some microseconds a line.

An IPv4 address is mapped (::ffff:a.b.c.d) and its prefix 96 bits longer, as the core has them.
"""

from __future__ import annotations

import ipaddress
import socket
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

SHOWN = 5
"""Lines that could not be read and are shown."""

_MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)
_V4_LENGTHS = {str(length): length + 96 for length in range(33)}
_V6_LENGTHS = {str(length): length for length in range(129)}


@frozen
class Networks:
    """Networks: (n, 16) octets without host bits, and prefix lengths of 128, sorted, none twice.

    `rejected` counts lines that name no network; `samples` are the first of them.
    """

    octets: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.uint8]
    rejected: int = 0
    samples: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def is_v4(self) -> npt.NDArray[np.bool_]:
        """Which are IPv4."""
        mapped: npt.NDArray[np.bool_] = (self.octets[:, :12] == _MAPPED).all(axis=1)
        return mapped & (self.lengths >= 96)

    def select(self, chosen: npt.NDArray[np.bool_]) -> Networks:
        """Return those that are chosen."""
        return Networks(self.octets[chosen], self.lengths[chosen], self.rejected, self.samples)

    def without(self, others: Networks) -> Networks:
        """Return those that are not among others, as they stand there."""
        return self.select(~np.isin(self._keys(), others._keys()))

    def _keys(self) -> npt.NDArray[np.bytes_]:
        """Return one key each; the length is last, and never 0 where it could be cut off."""
        columns = np.column_stack((self.octets, self.lengths))
        return np.ascontiguousarray(columns).view("S17").reshape(-1)

    def texts(self, most: int | None = None) -> list[str]:
        """Return the first networks as text: "192.0.2.0/24", "2001:db8::/32"."""
        return [
            network_text(octets.tobytes(), int(length))
            for octets, length in zip(self.octets[:most], self.lengths[:most], strict=True)
        ]


def network_text(octets: bytes, length: int) -> str:
    """Return a network as text; an address without its length."""
    if octets[:12] == bytes(_MAPPED) and length >= 96:
        text = ".".join(map(str, octets[12:]))
        return text if length == 128 else f"{text}/{length - 96}"
    text = ipaddress.IPv6Address(octets).compressed
    return text if length == 128 else f"{text}/{length}"


def empty() -> Networks:
    """Return no networks."""
    return Networks(np.empty((0, 16), np.uint8), np.empty(0, np.uint8))


def parse_networks(tokens: Sequence[str]) -> Networks:
    """Read addresses, networks in CIDR form and ranges ("192.0.2.1-192.0.2.9").

    What is none of them is counted; addresses with leading zeros are none, because programs do not
    agree on what they mean.
    """
    wrong: list[str] = []
    narrow = [token for token in tokens if ":" not in token]
    hosts = [token for token in narrow if "/" not in token and "-" not in token]
    parts = [
        _hosts(hosts, socket.AF_INET, wrong),
        _prefixes([token for token in narrow if "/" in token], socket.AF_INET, wrong),
        _ranges([token for token in narrow if "-" in token and "/" not in token], wrong),
    ]
    if len(narrow) < len(tokens):
        wide = [token for token in tokens if ":" in token]
        parts += [
            _hosts([token for token in wide if "/" not in token], socket.AF_INET6, wrong),
            _prefixes([token for token in wide if "/" in token], socket.AF_INET6, wrong),
        ]
    octets = np.concatenate([part[0] for part in parts])
    lengths = np.concatenate([part[1] for part in parts])
    made = _sorted(_masked(octets, lengths), lengths)
    return Networks(made.octets, made.lengths, len(wrong), tuple(wrong[:SHOWN]))


def joined(parts: Iterable[Networks]) -> Networks:
    """Return networks of several lists as one."""
    kept = [part for part in parts if len(part)]
    if not kept:
        return empty()
    return _sorted(
        np.concatenate([part.octets for part in kept]),
        np.concatenate([part.lengths for part in kept]),
    )


_Columns = tuple["npt.NDArray[np.uint8]", "npt.NDArray[np.uint8]"]


def _hosts(texts: list[str], family: int, wrong: list[str]) -> _Columns:
    packed = _packed(texts, family, wrong)
    octets = _mapped(packed, family)
    return octets, np.full(len(octets), 128, np.uint8)


def _packed(texts: list[str], family: int, wrong: list[str]) -> bytes:
    pack = socket.inet_pton
    try:
        return b"".join(map(pack, repeat(family), texts))
    except (OSError, ValueError):
        good = []
        for text in texts:
            try:
                good.append(pack(family, text))
            except (OSError, ValueError):
                wrong.append(text)
        return b"".join(good)


def _mapped(packed: bytes, family: int) -> npt.NDArray[np.uint8]:
    size = 4 if family == socket.AF_INET else 16
    raw = np.frombuffer(packed, np.uint8).reshape(-1, size)
    if size == 16:
        return raw
    octets = np.empty((len(raw), 16), np.uint8)
    octets[:, :12] = _MAPPED
    octets[:, 12:] = raw
    return octets


def _prefixes(texts: list[str], family: int, wrong: list[str]) -> _Columns:
    known = _V4_LENGTHS if family == socket.AF_INET else _V6_LENGTHS
    addresses, lengths = [], []
    for text in texts:
        address, _, tail = text.partition("/")
        try:
            packed, length = socket.inet_pton(family, address), known[tail]
        except (OSError, ValueError, KeyError):
            wrong.append(text)
        else:
            addresses.append(packed)
            lengths.append(length)
    return _mapped(b"".join(addresses), family), np.array(lengths, np.uint8)


def _ranges(texts: list[str], wrong: list[str]) -> _Columns:
    octets, lengths = bytearray(), []
    for text in texts:
        first, _, last = text.partition("-")
        try:
            ends = ipaddress.IPv4Address(first.strip()), ipaddress.IPv4Address(last.strip())
            networks = list(ipaddress.summarize_address_range(*ends))
        except (ValueError, TypeError):
            wrong.append(text)
            continue
        for network in networks:
            octets += network.network_address.packed
            lengths.append(network.prefixlen + 96)
    return _mapped(bytes(octets), socket.AF_INET), np.array(lengths, np.uint8)


def _masked(octets: npt.NDArray[np.uint8], lengths: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Clear host bits where there are any."""
    short = np.flatnonzero(lengths < 128)
    if len(short):
        bits = np.arange(128)[None, :] < np.arange(129)[:, None]
        masks = np.packbits(bits, axis=1)
        octets = octets.copy()
        octets[short] &= masks[lengths[short]]
    return octets


def _sorted(octets: npt.NDArray[np.uint8], lengths: npt.NDArray[np.uint8]) -> Networks:
    """Sort networks and leave doubles out: IPv4, as most are, by one number each."""
    words = np.ascontiguousarray(octets).view(">u8")
    mapped = (words[:, 0] == 0) & (words[:, 1] >> np.uint64(32) == 0xFFFF) & (lengths >= 96)
    narrow = _sorted_v4(words[mapped, 1].astype(np.uint64), lengths[mapped])
    if mapped.all():
        return narrow
    wide = _sorted_v6(octets[~mapped], lengths[~mapped])
    outer = np.ascontiguousarray(wide.octets).view(">u8")
    before = int(((outer[:, 0] == 0) & (outer[:, 1] >> np.uint64(32) < 0xFFFF)).sum())
    return Networks(
        np.concatenate([wide.octets[:before], narrow.octets, wide.octets[before:]]),
        np.concatenate([wide.lengths[:before], narrow.lengths, wide.lengths[before:]]),
    )


def _sorted_v4(low: npt.NDArray[np.uint64], lengths: npt.NDArray[np.uint8]) -> Networks:
    keys = np.sort(low << np.uint64(8) | lengths.astype(np.uint64))
    keys = keys[np.diff(keys, prepend=keys[:1] + np.uint64(1)) != 0]
    made = np.zeros((len(keys), 2), ">u8")
    made[:, 1] = keys >> np.uint64(8)
    return Networks(made.view(np.uint8), (keys & np.uint64(0xFF)).astype(np.uint8))


def _sorted_v6(octets: npt.NDArray[np.uint8], lengths: npt.NDArray[np.uint8]) -> Networks:
    words = np.ascontiguousarray(octets).view(">u8").astype(np.uint64)
    order = np.lexsort((lengths, words[:, 1], words[:, 0]))
    high, low, ordered = words[order, 0], words[order, 1], lengths[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1]) | (ordered[1:] != ordered[:-1])
    return Networks(octets[order[new]], ordered[new])
