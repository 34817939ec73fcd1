"""Plain bans in columns: what the kernel needs of a hundred thousand decisions, and no more.

A plain ban drops all packets from or to an address or prefix. Nearly all decisions are of this
kind; as columns they take forty octets each on their way to the kernel instead of a kilobyte.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    Receipt,
    ReceiptState,
    Target,
    TargetKind,
)
from phage.respond.nft import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ID_OCTETS = 26
"""A decision whose id is not as long as the ledger's goes the general way."""
END_OCTETS = 8
_EVERYTHING = Pattern()

Run = tuple[int, ReceiptState, str]
"""How many decisions after each other had the same fate, which, and the receipts' detail."""


@frozen
class PlainBans:
    """Bans of addresses, or of prefixes of one length, as columns of as many rows each.

    Attributes:
        version: IP version.
        length: Prefix length.
        direction: Which of their packets.
        keys: Addresses in network order.
        ends: Until when, in ns since the Unix epoch, eight octets each in network order; 0: for
            ever.
        ids: The decisions' ids, in ASCII.
    """

    version: int
    length: int
    direction: Direction
    keys: bytes
    ends: bytes
    ids: bytes

    def __post_init__(self) -> None:
        """Check what comes from another process. Raises ValueError."""
        if self.version not in (4, 6) or not 0 < self.length <= layout.HOST_BITS[self.version]:
            message = f"there is no prefix length {self.length} of IPv{self.version}"
            raise ValueError(message)
        rows, rest = divmod(len(self.ends), END_OCTETS)
        if rest or (len(self.keys), len(self.ids)) != (rows * self.octets, rows * ID_OCTETS):
            message = "columns of one length"
            raise ValueError(message)
        if not (self.ids.isascii() and (self.ids.isalnum() or not rows)):
            message = "ids of letters and digits"
            raise ValueError(message)
        if max(self.ends[::END_OCTETS], default=0) & 0x80:
            message = "ends of 63 bits"
            raise ValueError(message)
        if self.length < layout.HOST_BITS[self.version] and any(map(self._goes_on, self.each())):
            message = "no address that goes on beyond its prefix"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.ends) // END_OCTETS

    @property
    def octets(self) -> int:
        """Return the octets of an address."""
        return layout.HOST_BITS[self.version] // 8

    def each(self) -> list[bytes]:
        """Return the addresses."""
        width = self.octets
        return [self.keys[at : at + width] for at in range(0, len(self.keys), width)]

    def each_end(self) -> tuple[int, ...]:
        """Return until when each lasts."""
        return struct.unpack(f">{len(self)}Q", self.ends)

    def each_id(self) -> Iterator[str]:
        """Yield the decisions' ids."""
        every = self.ids.decode("ascii")
        return (every[at : at + ID_OCTETS] for at in range(0, len(every), ID_OCTETS))

    def part(self, begin: int, end: int) -> PlainBans:
        """Return some of the rows."""
        return PlainBans(
            self.version,
            self.length,
            self.direction,
            self.keys[begin * self.octets : end * self.octets],
            self.ends[begin * END_OCTETS : end * END_OCTETS],
            self.ids[begin * ID_OCTETS : end * ID_OCTETS],
        )

    def _goes_on(self, key: bytes) -> bool:
        return bool(int.from_bytes(key, "big") & ((1 << (self.octets * 8 - self.length)) - 1))


@frozen
class Batch:
    """Decisions as the kernel's side takes them: most in columns, the others one by one."""

    decisions: tuple[Decision, ...] = ()
    bans: tuple[PlainBans, ...] = ()

    def __len__(self) -> int:
        return len(self.decisions) + sum(map(len, self.bans))

    def halves(self) -> tuple[Batch, Batch]:
        """Return two batches that follow each other and make up this one of more than one."""
        if self.decisions and self.bans:
            return Batch(self.decisions), Batch((), self.bans)
        if self.decisions:
            middle = len(self.decisions) // 2
            return Batch(self.decisions[:middle]), Batch(self.decisions[middle:])
        if len(self.bans) > 1:
            return Batch((), self.bans[:1]), Batch((), self.bans[1:])
        (only,) = self.bans
        middle = len(only) // 2
        first, second = only.part(0, middle), only.part(middle, len(only))
        return Batch((), (first,)), Batch((), (second,))


@dataclass(slots=True)
class _Column:
    decisions: list[Decision] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)

    def packed(self, version: int, length: int, direction: Direction) -> PlainBans:
        ends = struct.pack(f">{len(self.keys)}Q", *(each.until for each in self.decisions))
        ids = "".join(each.id for each in self.decisions).encode("ascii")
        return PlainBans(version, length, direction, b"".join(self.keys), ends, ids)


def pack(decisions: Iterable[Decision]) -> tuple[Batch, list[Decision]]:
    """Return decisions as a batch, and in the order in which they stand there."""
    others: list[Decision] = []
    columns: dict[tuple[int, int, Direction], _Column] = {}
    for each in decisions:
        key = _plain_key(each)
        if key is None:
            others.append(each)
            continue
        version, length, octets = key
        at = (version, length, each.direction)
        column = columns.get(at)
        if column is None:
            column = columns[at] = _Column()
        column.decisions.append(each)
        column.keys.append(octets)
    bans = tuple(column.packed(*at) for at, column in columns.items())
    order = [*others, *chain.from_iterable(column.decisions for column in columns.values())]
    return Batch(tuple(others), bans), order


def unpack(batch: Batch) -> list[Decision]:
    """Return a batch as decisions, in its order; of plain bans only what the columns hold."""
    return [*batch.decisions, *chain.from_iterable(map(_decisions, batch.bans))]


def is_plain(decision: Decision) -> bool:
    """Tell whether a decision goes into columns, which the kernel can always carry out."""
    return _plain_key(decision) is not None


def receipts(
    responder: str, order: Sequence[Decision], runs: Iterable[Run], now: int
) -> list[Receipt]:
    """Return a receipt for each decision, of runs in the same order."""
    made: list[Receipt] = []
    for count, state, detail in runs:
        some = order[len(made) : len(made) + count]
        made += [Receipt(each.id, responder, state, now, detail) for each in some]
    return made


def _decisions(bans: PlainBans) -> Iterator[Decision]:
    is_single = bans.length == layout.HOST_BITS[bans.version]
    for key, until, id_ in zip(bans.each(), bans.each_end(), bans.each_id(), strict=True):
        address = str(ipaddress.ip_address(key))
        target = (
            Target(TargetKind.IP, address)
            if is_single
            else Target(TargetKind.PREFIX, f"{address}/{bans.length}")
        )
        yield Decision(target, Action.BAN, "", 0, until, id_, direction=bans.direction)


def _plain_key(decision: Decision) -> tuple[int, int, bytes] | None:
    """Return IP version, prefix length and address of a plain ban; None for another decision."""
    id_ = decision.id
    if (
        decision.action is not Action.BAN
        or len(id_) != ID_OCTETS
        or not (id_.isascii() and id_.isalnum())
        or not 0 <= decision.until < 1 << 63
        or decision.pattern != _EVERYTHING
    ):
        return None
    target = decision.target
    try:
        if target.kind is TargetKind.IP:
            if ":" in target.value:
                return 6, 128, socket.inet_pton(socket.AF_INET6, target.value)
            return 4, 32, socket.inet_pton(socket.AF_INET, target.value)
        if target.kind is TargetKind.PREFIX:
            network = ipaddress.ip_network(target.value)
            if network.prefixlen:
                return network.version, network.prefixlen, network.network_address.packed
    except (OSError, ValueError):
        return None  # The general way tells what is wrong with it.
    return None
