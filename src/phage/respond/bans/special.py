"""Decisions that need rules of their own: limits, and bans of a part of a target's packets.

Each has a set of its own with a timeout, so that its rules mean nothing once it has expired, even
when nobody is left to remove them.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.decision import Action
from phage.respond.bans.chains import (
    LIMITS,
    OPENINGS,
    PATTERNS,
    REFUSE,
    Rule,
    in_place,
    is_protocol,
    is_version,
)
from phage.respond.bans.places import Key, Place, keys_of, own_place, sides
from phage.respond.netlink import expressions as expr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.records.decision import Decision, Pattern, Rate

_TCP, _UDP, _SCTP = 6, 17, 132
_WITH_PORTS = (_TCP, _UDP, _SCTP, 33, 136)
_ID = re.compile(r"[0-9A-Za-z]{1,40}", re.ASCII)

MAX_RULES = 64
"""Rules of one decision: each packet of the target walks through them."""
MAX_BURST = 0xFFFFFFFF
MAX_RATE_SECONDS = 86_400


@frozen
class Special:
    """A decision with rules of its own.

    Attributes:
        name: Name of its counter and limit, and beginning of those of its sets.
        keys: Each key with its set.
        rules: Its rules, each with its chain.
        rate: What it lets through, or None.
    """

    name: str
    keys: tuple[tuple[Place, Key], ...]
    rules: tuple[tuple[str, Rule], ...]
    rate: Rate | None


def is_special(decision: Decision) -> bool:
    """Tell whether a decision needs rules of its own."""
    return decision.action is Action.LIMIT or not decision.pattern.is_everything


def special(decision: Decision) -> Special:
    """Return the rules of a decision. Raises ValueError, for people, where that cannot be."""
    if not _ID.fullmatch(decision.id):
        message = f"its id must be of letters and digits, not {decision.id!r}, to name rules by"
        raise ValueError(message)
    if decision.action is Action.QUARANTINE:
        message = "a quarantine is of all packets"
        raise ValueError(message)
    name = f"d_{decision.id}"
    keys = tuple(
        (own_place(name, decision.action, key, to=to), key)
        for key in keys_of(decision.target)
        for to in sides(decision, key)
    )
    rules = tuple(
        rule
        for place in dict.fromkeys(place for place, _ in keys)
        for version in ((place.version,) if place.version else (4, 6))
        for rule in _rules(decision, name, place, version)
    )
    if len(rules) > MAX_RULES:
        message = f"its pattern takes {len(rules)} rules, of at most {MAX_RULES}"
        raise ValueError(message)
    return Special(name, keys, rules, _checked_rate(decision))


def _checked_rate(decision: Decision) -> Rate | None:
    rate = decision.rate
    if decision.action is not Action.LIMIT:
        return None
    if rate is None:
        message = "a limit needs a rate"
        raise ValueError(message)
    if rate.unit not in ("packets", "octets", "connections"):
        message = f"the unit of a rate is packets, octets or connections, not {rate.unit!r}"
        raise ValueError(message)
    within = (
        1 <= rate.count < 1 << 50
        and 1 <= rate.seconds <= MAX_RATE_SECONDS
        and 0 <= rate.burst <= MAX_BURST
    )
    if not within:
        message = "a rate is of 1 to 2^50 a second to a day, with a burst of at most 2^32"
        raise ValueError(message)
    return rate


def _rules(decision: Decision, name: str, place: Place, version: int) -> Iterator[tuple[str, Rule]]:
    counted = expr.reference(expr.COUNTER, name)
    for packets in _packets(decision.pattern, version):
        match = (*is_version(version), *in_place(place, version), *packets)
        if decision.action is Action.BAN:
            yield PATTERNS, (*match, counted, expr.drop())
        elif decision.action is Action.REJECT:
            yield LIMITS, (*match, counted, expr.go_to(REFUSE))
        else:
            limit = expr.reference(expr.LIMIT, name)
            if decision.rate is not None and decision.rate.unit == "connections":
                # Datagrams without an answer are of state "new" one after the other; only the first
                # opens the connection.
                opens = (
                    expr.connection_status(),
                    expr.masked(expr.CONFIRMED),
                    expr.compare(bytes(4)),
                )
                yield OPENINGS, (*match, *opens, limit, counted, expr.drop())
            else:
                yield LIMITS, (*match, limit, counted, expr.drop())


def _packets(pattern: Pattern, version: int) -> Iterator[Rule]:
    """Yield matches that together are the pattern: one for each choice of ranges."""
    if pattern.tcp_flags is not None and pattern.protocol not in (None, _TCP):
        message = "only TCP has TCP flags"
        raise ValueError(message)
    choices = product(
        _protocols(pattern),
        [_ports(2, each) for each in pattern.ports] or [()],
        [_ports(0, each) for each in pattern.source_ports] or [()],
        [_lengths(version, each) for each in pattern.lengths] or [()],
    )
    rest = _flags(pattern) + (_fragments(version) if pattern.fragments else ())
    for parts in choices:
        yield (*(each for part in parts for each in part), *rest)


def _protocols(pattern: Pattern) -> list[Rule]:
    if pattern.protocol is not None:
        if not 0 <= pattern.protocol <= 255:
            message = f"there is no protocol {pattern.protocol}"
            raise ValueError(message)
        if (pattern.ports or pattern.source_ports) and pattern.protocol not in _WITH_PORTS:
            message = f"protocol {pattern.protocol} has no ports"
            raise ValueError(message)
        return [is_protocol(pattern.protocol)]
    if pattern.tcp_flags is not None:
        return [is_protocol(_TCP)]
    if pattern.ports or pattern.source_ports:
        return [is_protocol(each) for each in (_TCP, _UDP, _SCTP)]
    return [()]


def _ports(offset: int, ports: tuple[int, int]) -> Rule:
    return expr.payload(expr.TRANSPORT, offset, 2), _range16(ports, "ports")


def _lengths(version: int, lengths: tuple[int, int]) -> Rule:
    """Compare the length that the IP header tells; IPv6 leaves its header's 40 octets out."""
    low, high = lengths
    if version == 4:
        return expr.payload(expr.NETWORK, 2, 2), _range16(lengths, "lengths")
    if high < 40:
        # No such packet; compare with what cannot be rather than leave the condition out.
        return expr.meta(expr.META_NFPROTO), expr.compare(expr.FAMILY[4])
    without = (max(low - 40, 0), high - 40)
    return expr.payload(expr.NETWORK, 4, 2), _range16(without, "lengths")


def _range16(ends: tuple[int, int], what: str) -> bytes:
    low, high = ends
    if not 0 <= low <= high <= 0xFFFF:
        message = f"{what} run from 0 to 65535 and upwards, not from {low} to {high}"
        raise ValueError(message)
    return expr.between(low.to_bytes(2, "big"), high.to_bytes(2, "big"))


def _flags(pattern: Pattern) -> Rule:
    if pattern.tcp_flags is None:
        return ()
    mask, value = pattern.tcp_flags
    if not (0 <= mask <= 255 and 0 <= value <= 255) or value & ~mask:
        message = f"TCP flags {value:#x} under the mask {mask:#x} are never there"
        raise ValueError(message)
    loaded = expr.payload(expr.TRANSPORT, 13, 1)
    return loaded, expr.masked(bytes([mask])), expr.compare(bytes([value]))


def _fragments(version: int) -> Rule:
    if version == 6:
        return expr.fragment_header(), expr.compare(b"\x01")
    more_or_offset = expr.masked(b"\x3f\xff")
    return (
        expr.payload(expr.NETWORK, 6, 2),
        more_or_offset,
        expr.compare(bytes(2), expr.NOT_EQUAL),
    )
