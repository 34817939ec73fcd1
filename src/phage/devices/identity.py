"""Identity above addresses: which MAC addresses are one device's.

Phones take a new, made-up MAC address now and then. What they say under it gives them away: the
client id they ask a DHCP server with, their host name, the instances they announce. Each such mark
speaks for a device with a weight of its own, less where several devices have it; marks add up as
independent evidence does.

All of it can be forged. So a join is never made where both were seen at one time, where neither
address is made up, for things that never change theirs, or where two devices come into question;
it is noted with its confidence and can be undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.devices.names import is_common
from phage.frozen import frozen
from phage.records.device import PERSONAL, Attribute, Join, Mark, MarkKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phage.devices.entry import Entry

ENOUGH = 0.85
"""Confidence from which two addresses are joined: a wrong join hides a stranger, a missed one only
lists a phone twice."""

WEIGHTS = {
    MarkKind.CLIENT_ID: 0.95,
    MarkKind.DUID: 0.95,
    MarkKind.UUID: 0.95,
    MarkKind.SERIAL: 0.9,
    MarkKind.INSTANCE: 0.7,
    MarkKind.HOSTNAME: 0.65,
    MarkKind.JA4: 0.3,
    MarkKind.OPTIONS: 0.3,
}
"""How far a mark that only one device has speaks for it. Programs and systems are shared by many
units, names by some, numbers by none."""

COMMON_NAME = 0.15
"""The same of a name that half the phones have ("iPhone", "android-dhcp-13")."""

HANDOVER = 0.4
"""How far it speaks for a device that its address fell silent within an hour before the new one."""

HANDOVER_NS = 3600 * 1_000_000_000

TOGETHER_NS = 60 * 1_000_000_000
"""Addresses that speak by turns (one, another, the first again) within a minute are two devices'.
A phone that changes its address does not go back."""

MAX_WATCHED = 4096
"""Devices with several addresses whose turns are watched."""


@frozen
class Candidate:
    """A device that a new address may belong to, and why."""

    entry: Entry
    confidence: float
    why: str


def is_made_up(mac: str) -> bool:
    """Tell whether a MAC address is locally administered (IEEE 802, 8.4): no maker gave it."""
    try:
        return bool(int(mac[:2], 16) & 2)
    except ValueError:
        return False


def best_join(
    new: Entry, others: Iterable[Entry], owners: Callable[[Mark], set[str]]
) -> Candidate | None:
    """Return the device that a new one is held to be; None where nothing is sure enough.

    Args:
        new: A device with one MAC address.
        others: Devices that share a mark with it.
        owners: Returns the ids of the devices that have a mark.
    """
    found = sorted(
        (
            candidate
            for other in others
            if _may_be(new, other)
            for candidate in [_judge(new, other, owners)]
            if candidate.confidence >= ENOUGH
        ),
        key=lambda candidate: -candidate.confidence,
    )
    return found[0] if len(found) == 1 else None


def join_of(candidate: Candidate, mac: str, at: int) -> Join:
    """Return the note that a join leaves behind."""
    return Join(mac, round(candidate.confidence, 3), candidate.why, at)


def were_together(one: Entry, other: Entry) -> bool:
    """Tell whether two were seen at one time: they are two devices then."""
    return any(
        mine.first <= theirs.last and theirs.first <= mine.last
        for mine in one.macs.values()
        for theirs in other.macs.values()
    )


def _may_be(new: Entry, other: Entry) -> bool:
    if other is new or not other.macs or not new.macs:
        return False
    if set(new.macs) & set(other.apart) or set(other.macs) & set(new.apart):
        return False
    if not any(map(is_made_up, new.macs)):
        return False
    if not all(map(is_made_up, other.macs)) and not _is_personal(other):
        return False
    return not were_together(new, other)


def _is_personal(entry: Entry) -> bool:
    """Tell whether it is a kind of device that makes addresses up."""
    guess = entry.guesses(entry.last_seen).get(Attribute.CATEGORY)
    return guess is not None and guess.value in PERSONAL | {"wearable"}


def _judge(new: Entry, other: Entry, owners: Callable[[Mark], set[str]]) -> Candidate:
    miss, why = 1.0, []
    for mark in new.marks:
        if mark not in other.marks:
            continue
        sharing = len(owners(mark) - {new.id}) or 1
        weight = WEIGHTS[mark.kind]
        if mark.kind in {MarkKind.HOSTNAME, MarkKind.INSTANCE} and is_common(mark.value):
            weight = COMMON_NAME
        miss *= 1.0 - weight / sharing
        why.append(f"{mark.kind.replace('_', ' ')} {mark.value!r}")
    silent = max(span.last for span in other.macs.values())
    began = min(span.first for span in new.macs.values())
    if why and 0 <= began - silent <= HANDOVER_NS:
        miss *= 1.0 - HANDOVER
        why.append("it came when the other went")
    return Candidate(other, 1.0 - miss, ", ".join(why))


class Turns:
    """Watches the addresses of joined devices: those that speak by turns were joined wrongly."""

    def __init__(self) -> None:
        self._turns: dict[str, list[tuple[str, int]]] = {}

    def conflict(self, entry: Entry, mac: str, at: int) -> str:
        """Note that an address of a device speaks; return the one to be parted from it, or ''."""
        turns = self._turns.setdefault(entry.id, [])
        if turns and turns[-1][0] == mac:
            turns[-1] = mac, at
            return ""
        turns.append((mac, at))
        del turns[:-3]
        if len(self._turns) > MAX_WATCHED:
            del self._turns[next(iter(self._turns))]
        if len(turns) < 3 or turns[0][0] != mac or at - turns[0][1] > TOGETHER_NS:
            return ""
        between = turns[1][0]
        turns.clear()
        joined = [
            each
            for each in (between, mac)
            if each in entry.joins and entry.joins[each].by == "phage"
        ]
        return joined[0] if joined else ""
