"""Claims: which hardware address says that an internet address is its own, by ARP or ND.

One address has one owner. It may move: a lease goes to another device after silence, a device
changes its network card, a cluster moves its address to the standby. Then the old owner is silent.
Two owners that both go on claiming are a conflict, and an owner that answers questions nobody asked
is an impostor.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect.parties import UNSPECIFIED
from phage.detect.tables import Recent
from phage.frozen import frozen

if TYPE_CHECKING:
    from phage.records import Observation

_SECOND = 1_000_000_000

# Virtual router addresses are meant to move: VRRP (RFC 5798, section 7.3), HSRP 1 and 2, GLBP, CARP
# uses VRRP's.
_VIRTUAL = (
    "00:00:5e:00:01:",
    "00:00:5e:00:02:",
    "00:00:0c:07:ac:",
    "00:00:0c:9f:f",
    "00:05:73:a0:",
    "00:07:b4:00:",
)
_UNSET = frozenset({"", UNSPECIFIED, "::", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})

Place = tuple[int, str]
"""VLAN and address."""


def is_virtual(mac: str) -> bool:
    """Tell whether a MAC belongs to a virtual router."""
    return mac.startswith(_VIRTUAL)


@frozen
class Claim:
    """One claim: `mac` says that it owns `ip`.

    `asked` tells that it answers a question or is part of one that the sender asks itself;
    `directed` that it is an unasked answer to one host, which no stack sends; `announced` that it
    went to all.
    """

    place: Place
    mac: str
    time: int
    asked: bool
    directed: bool
    announced: bool


@dataclass(slots=True)
class Owner:
    """One MAC that claims an address."""

    first: int
    last: int
    count: int = 0
    unasked: deque[int] = field(default_factory=lambda: deque(maxlen=16))


@dataclass(slots=True)
class Binding:
    """All that claim one address; `holder` is the rightful owner as far as is known."""

    holder: str
    owners: dict[str, Owner] = field(default_factory=dict)
    turns: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=16))


# MACs remembered of one address: more than two are a conflict anyway.
_MOST_OWNERS = 8


class Claims:
    """The bindings of all addresses, bounded."""

    def __init__(self, *, most_addresses: int, silence: int) -> None:
        self.silence = silence
        self.bindings: Recent[Place, Binding] = Recent(most_addresses)
        self._questions: Recent[tuple[int, str, str], int] = Recent(2048)

    @property
    def dropped(self) -> int:
        """How many addresses were dropped to stay under the cap."""
        return self.bindings.dropped

    def read(self, seen: Observation) -> Claim | None:
        """Read the claim in a message; None where there is none."""
        return self._read_arp(seen) if seen.kind == "arp" else self._read_nd(seen)

    def _read_arp(self, seen: Observation) -> Claim | None:
        fields = seen.fields
        ip, mac = fields.get("sender_ip"), fields.get("sender_mac")
        target = fields.get("target_ip")
        if not isinstance(ip, str) or not isinstance(mac, str) or not isinstance(target, str):
            return None
        if fields.get("operation") == "request":
            if fields.get("probe") is not True:
                self._questions.put((seen.vlan, target, ip), seen.time)
        elif fields.get("operation") != "reply":
            return None
        if ip in _UNSET or mac in _UNSET or fields.get("probe") is True:
            return None
        own = fields.get("gratuitous") is True or ip == target
        is_reply = fields.get("operation") == "reply"
        asked = not own and (not is_reply or self._was_asked(seen, ip, target))
        return Claim(
            (seen.vlan, ip), mac, seen.time, asked, is_reply and not own and not asked, own
        )

    def _read_nd(self, seen: Observation) -> Claim | None:
        fields = seen.fields
        target, mac = fields.get("target"), fields.get("mac")
        if not isinstance(target, str) or not isinstance(mac, str) or mac in _UNSET:
            return None
        if fields.get("kind") == "solicitation":
            if seen.src in _UNSET:
                return None
            self._questions.put((seen.vlan, target, seen.src), seen.time)
            return Claim(
                (seen.vlan, seen.src), mac, seen.time, asked=True, directed=False, announced=False
            )
        if fields.get("kind") != "advertisement":
            return None
        to_all = seen.dst.startswith("ff")
        # A solicited answer to a host whose question was seen; the flag alone is the sender's word.
        asked = not to_all and self._was_asked(seen, target, seen.dst)
        return Claim((seen.vlan, target), mac, seen.time, asked, not to_all and not asked, to_all)

    def _was_asked(self, seen: Observation, ip: str, by: str) -> bool:
        asked = self._questions.get((seen.vlan, ip, by))
        return asked is not None and seen.time - asked <= 3 * _SECOND

    def note(self, claim: Claim) -> tuple[Binding, Owner]:
        """Take in a claim; return the address's binding and the claiming owner."""
        binding = self.bindings.use(claim.place)
        if binding is None:
            binding = self.bindings.put(claim.place, Binding(claim.mac))
        owner = binding.owners.get(claim.mac)
        if owner is None:
            if len(binding.owners) >= _MOST_OWNERS:
                stale = min(binding.owners, key=lambda mac: (binding.owners[mac].last, mac))
                del binding.owners[stale]
            owner = binding.owners[claim.mac] = Owner(claim.time, claim.time)
        owner.last = max(owner.last, claim.time)
        owner.count += 1
        if not claim.asked:
            owner.unasked.append(claim.time)
        if not binding.turns or binding.turns[-1][1] != claim.mac:
            binding.turns.append((claim.time, claim.mac))
        holder = binding.owners.get(binding.holder)
        if claim.mac != binding.holder and (
            holder is None or claim.time - holder.last > self.silence
        ):
            binding.holder = claim.mac
        return binding, owner

    def alive(self, place: Place, mac: str, time: int) -> None:
        """Note that a MAC sends from an address: what it owns and uses it still has."""
        binding = self.bindings.get(place)
        if binding is None:
            return
        owner = binding.owners.get(mac)
        if owner is not None and time > owner.last:
            owner.last = time
            if binding.turns and binding.turns[-1][1] != mac:
                binding.turns.append((time, mac))
