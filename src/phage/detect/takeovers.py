"""Takeovers of the router's part: redirects, and newcomers to what routers agree by.

Only routers send redirects (RFC 1122, section 3.2.2.2; RFC 4861, section 8). Routers that share
an address agree by VRRP (RFC 9568), HSRP (RFC 2281) or GLBP who of them has it; whoever joins them
with a higher priority gets everybody's packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect.claims import is_virtual
from phage.detect.guesses import came_within
from phage.detect.impostors import Impostor
from phage.detect.parties import is_group
from phage.detect.tables import Recent, keep
from phage.records import Peer
from phage.records.address import format_address, format_mac

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from phage.detect.rows import Bools, Flow, Rows
    from phage.records import Columns

_SECOND = 1_000_000_000
_ICMP, _UDP, _ICMP6, _VRRP = 1, 17, 58, 112
_REDIRECT, _REDIRECT6 = 5, 137
_PORTS = {1985: "HSRP", 2029: "HSRP", 3222: "GLBP"}
_REDIRECTS = 3
"""Redirects of one host within `_REDIRECTS_SPAN`: one that forwards for a moment sends one."""
_REDIRECTS_SPAN = 600 * _SECOND
_SETTLED = 600 * _SECOND
"""A speaker that was alone for so long is the one that belongs here."""
_ALIVE = {"VRRP": 3 * _SECOND}
_ALIVE_ELSE = 10 * _SECOND
"""An incumbent that fell silent before that is replaced: a VRRP backup waits for three times one
second (RFC 9568, section 6.1); by HSRP all speak all the time, and 10 s are its hold time."""
_MOST_SPEAKERS = 16


@dataclass(slots=True)
class _Speaker:
    mac: str
    ip: str
    first: int
    last: int
    rivals: tuple[Peer, ...] = ()


@dataclass(slots=True)
class Takeovers:
    """Tells who takes a router's part.

    Fails for who forges the router's own MAC and address as well.
    """

    _speakers: Recent[tuple[str, int], dict[str, _Speaker]] = field(
        default_factory=lambda: Recent(64), init=False
    )
    _redirects: Recent[str, list[int]] = field(default_factory=lambda: Recent(256), init=False)

    @property
    def dropped(self) -> int:
        """How many entries were dropped to stay under the caps."""
        return self._speakers.dropped + self._redirects.dropped

    def observe(self, rows: Rows, routers: Container[str], *, known: bool) -> Iterator[Impostor]:
        """Take in a window's flows; yield who takes a router's part. `known`: routers are."""
        for row in rows.flows_where(_of_routers(rows.flow_columns)):
            mac = format_mac(row.src_mac)
            if row.protocol in (_ICMP, _ICMP6):
                if known and row.src_mac and mac not in routers and not is_virtual(mac):
                    yield from self._redirect(row, mac)
            elif is_group(row.dst, row.dst_mac):
                yield from self._speak(row, mac)

    def _redirect(self, row: Flow, mac: str) -> Iterator[Impostor]:
        times = self._redirects.use(mac)
        if times is None:
            times = self._redirects.put(mac, [])
        if row.last not in times:
            keep(times, row.last, _REDIRECTS)
        if not came_within(times, _REDIRECTS, row.last, _REDIRECTS_SPAN):
            return
        victim = Peer(format_address(row.dst), format_mac(row.dst_mac), ("icmp",))
        why = (
            f"it told {victim.ip} to send packets another way, in the name of "
            f"{format_address(row.src)}; only routers send ICMP redirects"
        )
        yield Impostor("rogue router", mac, "", row.last, (victim,), {"why": why}, is_grave=True)

    def _speak(self, row: Flow, mac: str) -> Iterator[Impostor]:
        role = _PORTS.get(row.dst_port, "VRRP") if row.protocol == _UDP else "VRRP"
        place = (role, row.vlan)
        speakers = self._speakers.use(place)
        if speakers is None:
            speakers = self._speakers.put(place, {})
        ip = format_address(row.src)
        speaker = speakers.get(ip)
        if speaker is None:
            if len(speakers) >= _MOST_SPEAKERS:
                del speakers[min(speakers, key=lambda each: (speakers[each].last, each))]
            speaker = speakers[ip] = _Speaker(mac, ip, row.start, row.last)
            speaker.rivals = _incumbents(speakers, speaker, role)
        speaker.last = max(speaker.last, row.last)
        if not speaker.rivals:
            return
        others = " and ".join(peer.ip for peer in speaker.rivals[:2])
        why = f"it takes part in {role}, by which routers share an address; normal is {others}"
        yield Impostor(
            "rogue router", mac, ip, row.last, speaker.rivals, {"why": why}, is_grave=True
        )


def _incumbents(speakers: dict[str, _Speaker], newcomer: _Speaker, role: str) -> tuple[Peer, ...]:
    """Return who spoke for long, and still did when a newcomer began."""
    alive = newcomer.first - _ALIVE.get(role, _ALIVE_ELSE)
    # Groups of their own have virtual MACs of their own.
    return tuple(
        Peer(each.ip, each.mac, (role.lower(),))
        for each in speakers.values()
        if each is not newcomer
        and not each.rivals
        and each.last >= alive
        and newcomer.first - each.first >= _SETTLED
        and (each.mac == newcomer.mac or not (is_virtual(each.mac) and is_virtual(newcomer.mac)))
    )


def _of_routers(flows: Columns) -> Bools:
    protocol, kind, port = flows["protocol"], flows["src_port"], flows["dst_port"]
    chosen: Bools = protocol == _VRRP
    chosen |= (protocol == _ICMP) & (kind == _REDIRECT)
    chosen |= (protocol == _ICMP6) & (kind == _REDIRECT6)
    for each in _PORTS:
        chosen |= (protocol == _UDP) & (port == each)
    return chosen
