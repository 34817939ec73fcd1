"""Bulk lists: a million addresses and prefixes as hash sets of a few prefix lengths.

A packet pays for one look-up a prefix length, so a list is cut to a few lengths: a prefix is split
into the next longer one that the list keeps, where that costs less than a look-up is worth.

Keys are NumPy arrays, sorted and unique: of IPv4 numbers of 32 bits, of IPv6 octets ("S16").
"""

from __future__ import annotations

import ipaddress
import socket
from collections import defaultdict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.distinct import distinct
from phage.respond.bans.building import list_spec
from phage.respond.netlink.bulk import additions, deletions, octets
from phage.respond.nft import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from phage.respond.bans.building import BulkList
    from phage.respond.netlink.messages import Request
    from phage.respond.netlink.tables import Table

    Keys = npt.NDArray[Any]
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_KEYS = 4_000_000
"""Elements of one list in the kernel, about 90 octets each."""
MAX_LENGTHS = 8
"""Prefix lengths of one list and IP version: look-ups that a packet pays for."""
LOOKUP_WORTH = 0.02
"""A look-up is saved where the list grows by no more than this share."""
READ_AT_ONCE = 50_000
"""Lines of text that are objects of Python at the same time."""

DELTA_SHARE = 0.3
"""Up to here a difference is less work than the whole."""

WIDTH = {4: 32, 6: 128}

Sets = dict[tuple[int, int], "Keys"]
"""Keys by IP version and prefix length."""


@frozen
class Plan:
    """A change of a list's sets.

    Attributes:
        requests: What changes them, while no rule refers to them.
        room: For how many keys each set is then made.
        wider: Sets come or go, so that rules must be written anew.
    """

    requests: list[Request]
    room: dict[tuple[int, int], int]
    wider: bool


def from_networks(networks: Iterable[Network | str]) -> Sets:
    """Return the keys of networks, by version and length. Raises PhageError for a wrong text."""
    numbers: dict[tuple[int, int], list[bytes]] = defaultdict(list)
    for each in networks:
        try:
            network = ipaddress.ip_network(each)
        except ValueError as error:
            message = f"not a list of addresses and prefixes: {error}"
            raise PhageError(message) from error
        numbers[network.version, network.prefixlen].append(network.network_address.packed)
    return {at: from_octets(at[0], b"".join(packed)) for at, packed in numbers.items()}


def from_text(lines: Iterable[str]) -> Sets:
    """Return the keys of lines with one address or prefix each. Raises PhageError for a wrong one.

    Single IPv4 addresses, of which long lists are made, go a short way.
    """
    rest: list[Sets] = []
    remaining = iter(lines)
    to_octets = partial(socket.inet_pton, socket.AF_INET)
    while chunk := [line.strip() for line in islice(remaining, READ_AT_ONCE)]:
        plain = [line for line in chunk if line and "/" not in line and ":" not in line]
        others = [line for line in chunk if "/" in line or ":" in line]
        try:
            packed = b"".join(map(to_octets, plain))
        except OSError:
            rest.append(from_networks(plain))
            packed = b""
        rest.append({(4, 32): np.frombuffer(packed, dtype=">u4").astype(np.uint32)})
        rest.append(from_networks(others))
    return joined(rest)


def from_octets(version: int, packed: bytes) -> Keys:
    """Return sorted unique keys from addresses after each other, in network order."""
    if version == 4:
        return distinct(np.frombuffer(packed, dtype=">u4").astype(np.uint32))
    return distinct(np.frombuffer(packed, dtype="S16"))


def from_keys(keys: Iterable[tuple[int, int, bytes]]) -> Sets:
    """Return the keys of (IP version, prefix length, addresses after each other in network order).

    Raises PhageError for what cannot be: hosts' bits beyond the prefix, a wrong number of octets.
    """
    sets: Sets = {}
    for version, length, packed in keys:
        if version not in (4, 6) or not 0 < length <= WIDTH[version]:
            message = f"there is no prefix length {length} of IPv{version}"
            raise PhageError(message)
        if len(packed) % (WIDTH[version] // 8) or (version, length) in sets:
            message = f"the addresses of /{length} of IPv{version} are cut short or come twice"
            raise PhageError(message)
        found = from_octets(version, packed)
        if not np.array_equal(_cut(version, found, length), found):
            message = f"an address of /{length} of IPv{version} goes on beyond its prefix"
            raise PhageError(message)
        sets[version, length] = found
    return sets


def joined(parts: Sequence[Sets]) -> Sets:
    """Return the union of sets of keys."""
    every: dict[tuple[int, int], list[Keys]] = defaultdict(list)
    for part in parts:
        for at, keys in part.items():
            every[at].append(keys)
    return {at: distinct(np.concatenate(keys)) for at, keys in every.items()}


def arranged(sets: Sets, lengths: Iterable[tuple[int, int]] = ()) -> Sets:
    """Cut lists to few lengths, without what a shorter prefix covers already.

    Keeps `lengths` where they do nearly as well as the best. Raises PhageError when it takes too
    many elements.
    """
    arrangement: Sets = {}
    for version in (4, 6):
        mine = {at[1]: keys for at, keys in sets.items() if at[0] == version and len(keys)}
        if not mine:
            continue
        mine = _uncovered(version, mine)
        counts = {length: len(keys) for length, keys in mine.items() if len(keys)}
        chosen = _lengths(counts)
        old = sorted(length for kind, length in lengths if kind == version)
        if old and old[-1] >= max(counts) and _cost(counts, old) <= 1.1 * _cost(counts, chosen):
            chosen = old
        if _cost(counts, chosen) > MAX_KEYS:
            message = f"the list takes more than {MAX_KEYS:,} elements: leave out short prefixes"
            raise PhageError(message)
        arrangement |= _split(version, mine, chosen)
    return arrangement


def _lengths(counts: Mapping[int, int]) -> list[int]:
    """Choose the lengths that cost least: elements, and a price for each look-up.

    Dynamic programming over the lengths that occur, the longest of which must be kept.
    """
    present = sorted(counts)
    price = LOOKUP_WORTH * sum(counts.values())
    # best[j] = (cost, lengths) of all prefixes up to present[j], with present[j] kept.
    best: dict[int, dict[int, tuple[float, list[int]]]] = {}
    for j, kept in enumerate(present):
        best[j] = {}
        for i in range(-1, j):
            added = price + sum(
                counts[length] * 2.0 ** (kept - length) for length in present[i + 1 : j + 1]
            )
            before = {0: (0.0, list[int]())} if i < 0 else best[i]
            for used, (cost, chosen) in before.items():
                total = cost + added
                if used < MAX_LENGTHS and total < best[j].get(used + 1, (np.inf,))[0]:
                    best[j][used + 1] = (total, [*chosen, kept])
    return min(best[len(present) - 1].values())[1]


def _cost(counts: Mapping[int, int], lengths: Sequence[int]) -> float:
    """Return how many elements it takes to keep these lengths only."""
    return sum(
        count * 2.0 ** (min(kept for kept in lengths if kept >= length) - length)
        for length, count in counts.items()
    )


def _uncovered(version: int, by_length: Mapping[int, Keys]) -> dict[int, Keys]:
    kept: dict[int, Keys] = {}
    for length in sorted(by_length):
        keys = by_length[length]
        for shorter, covers in kept.items():
            if len(keys):
                keys = keys[~_among(_cut(version, keys, shorter), covers)]
        if len(keys):
            kept[length] = keys
    return kept


def _cut(version: int, keys: Keys, length: int) -> Keys:
    cut: Keys
    if version == 4:
        cut = keys & np.uint32(0xFFFFFFFF << (32 - length) & 0xFFFFFFFF)
        return cut
    mask = np.frombuffer(((1 << 128) - (1 << (128 - length))).to_bytes(16, "big"), dtype=np.uint8)
    cut = np.ascontiguousarray(octets(6, keys) & mask).view("S16").reshape(-1)
    return cut


def _among(keys: Keys, sorted_keys: Keys) -> npt.NDArray[np.bool_]:
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found: npt.NDArray[np.bool_] = sorted_keys[at] == keys
    return found


def _split(version: int, by_length: Mapping[int, Keys], lengths: Sequence[int]) -> Sets:
    parts: dict[int, list[Keys]] = defaultdict(list)
    for length, keys in by_length.items():
        kept = min(each for each in lengths if each >= length)
        parts[kept].append(_expanded(version, keys, length, kept))
    return {
        (version, length): distinct(np.concatenate(keys)) if len(keys) > 1 else keys[0]
        for length, keys in parts.items()
    }


def _expanded(version: int, keys: Keys, length: int, longer: int) -> Keys:
    if length == longer:
        return keys
    steps = 1 << (longer - length)
    if version == 4:
        offsets = np.arange(steps, dtype=np.uint32) << np.uint32(32 - longer)
        expanded: Keys = (keys[:, None] | offsets[None, :]).reshape(-1)
        return expanded
    return from_octets(6, b"".join(_expanded6(keys, steps, 128 - longer)))


def _expanded6(keys: Keys, steps: int, shift: int) -> Iterator[bytes]:
    for row in octets(6, keys):
        number = int.from_bytes(row.tobytes(), "big")
        for step in range(steps):
            yield (number | step << shift).to_bytes(16, "big")


def difference(old: Keys, new: Keys) -> tuple[Keys, Keys]:
    """Return what is only in the new keys, and what is only in the old, both sorted and unique.

    Merges: a stable sort of two sorted runs is one walk.
    """
    both = np.concatenate((old, new))
    both.sort(kind="stable")
    alone = np.ones(len(both), dtype=bool)
    same = both[1:] == both[:-1]
    alone[1:] &= ~same
    alone[:-1] &= ~same
    changed: Keys = both[alone]
    of_new = _among(changed, new) if len(new) else np.zeros(len(changed), dtype=bool)
    return changed[of_new], changed[~of_new]


def plan(table: Table, name: str, old: BulkList | None, wanted: Sets) -> Plan:
    """Return how the sets of a list come to hold what is wanted, as arranged.

    What changes little gets the difference; else its set is made anew, as one fills faster than
    it is emptied.
    """
    known = old.sets if old is not None else {}
    room = dict(old.room) if old is not None else {}
    requests: list[Request] = []
    wider = set(known) != set(wanted)
    for at in known.keys() - wanted.keys():
        requests.append(table.delete_set(layout.list_set(name, *at)))
        room.pop(at)
    for at, keys in wanted.items():
        set_name = layout.list_set(name, *at)
        before = known.get(at)
        if before is not None and len(keys) <= room[at]:
            come, gone = difference(before, keys)
            if len(come) + len(gone) <= DELTA_SHARE * len(keys):
                requests += deletions(table, set_name, octets(at[0], gone))
                requests += additions(table, set_name, octets(at[0], come))
                continue
        if at in known:
            requests.append(table.delete_set(set_name))
        wider = True
        room[at] = room_for(len(keys))
        requests.append(table.create_set(list_spec(set_name, at[0], room[at]), len(requests) + 1))
        requests += additions(table, set_name, octets(at[0], keys))
    return Plan(requests, room, wider)


def room_for(count: int) -> int:
    """Return for how many keys a set is made, so that it has room to grow."""
    return count + count // 4 + 1024
