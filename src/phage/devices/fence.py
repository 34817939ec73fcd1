"""The behavioural firewall: a profile as rules that a person can read, edit, and try on the past.

A fence lets a device do what it normally does, and acts on the rest by its grade. It is made for
things that do few things, never by itself for phones and PCs. What every device needs stays open
whatever the profile says: DHCP, time, its neighbours, the router's name service and ping, and this
machine, which may ask it.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import TYPE_CHECKING

import yaml

from phage.devices.identifier import cleaned
from phage.devices.profilebook import HIGH_PORT, SEVERAL
from phage.devices.profilekeys import key_of
from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.device import PERSONAL
from phage.records.profile import EPHEMERAL, INTERNET, NO_PORT, POSING, Phase, ProfileKey, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phage.records.device import Device
    from phage.records.flow import Flow
    from phage.records.profile import Profile

PRIORITY = 5000
"""Rules of fences are asked after a person's own, which stand at 100 unless told otherwise."""

MANY_NAMES = 40
"""A device with more registered domains is used by a person."""

_PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_NEIGHBOURS = "icmpv6/133-136"
"""Neighbour discovery, without which nobody is reached by IPv6 (RFC 4861)."""

_ALWAYS = ("ntp", "dhcp", "dhcpv6", _NEIGHBOURS)
_OF_ROUTERS = ("dns", "ping")
_ROUTERS = ("gateway", "self")
"""This machine may be the router."""


class Grade(enum.StrEnum):
    """What is done about what is outside the fence."""

    NOTIFY = "notify"
    LIMIT = "limit"
    BLOCK = "block"
    QUARANTINE = "quarantine"


class FenceError(PhageError):
    """A device cannot be fenced in; says why."""


@frozen
class Blocked:
    """Flows of the past that a fence would have blocked: of one key, how many, the last when."""

    key: ProfileKey
    flows: int
    last: int
    peer: str


def refusal(device: Device) -> str:
    """Return why a device is never fenced in; '' where it may be."""
    if device.category in PERSONAL:
        return f"{device.shown} is a {device.category}: what it does is up to people"
    return ""


def objection(device: Device, profile: Profile | None) -> str:
    """Return why a device is not to be fenced in; '' where nothing speaks against it."""
    if profile is None or not profile.keys:
        return f"{device.shown}: nothing is known of what it does"
    if refused := refusal(device):
        return refused
    if device.category == "router":
        return f"{device.shown} is a router: what others send comes from its address too"
    names = {key.peer for key in profile.keys if key.peer.startswith("name:")}
    if len(names) > MANY_NAMES:
        return f"{device.shown} talks to {len(names)} domains: it is used by people"
    if profile.phase is Phase.OBSERVE:
        return f"{device.shown} still does new things; its profile is not complete"
    return ""


def fence_rules(device: Device, profile: Profile, grade: Grade) -> str:
    """Return the rule file that fences a device in. Raises FenceError."""
    macs = [seen.value for seen in device.macs]
    if not macs:
        message = f"{device.shown} has no MAC address: it is behind a router, and cannot be fenced"
        raise FenceError(message)
    name = f"Fence of {cleaned(device.name or device.id, 60)}"
    if grade in {Grade.NOTIFY, Grade.LIMIT, Grade.QUARANTINE}:
        rules = [_reaction(name, macs, grade)]
    else:
        rules = [*_allowed(name, macs, profile), *_rest(name, macs)]
    head = (
        f"# {name}: {cleaned(f'{device.vendor} {device.product} {device.category}')}".rstrip()
        + "\n"
        "# Made by `phage devices enforce` from what the device was seen to do. Edit it as you\n"
        "# like; `phage devices release` takes it away.\n"
    )
    return head + yaml.safe_dump(
        {"rules": rules}, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )


def _reaction(name: str, macs: Sequence[str], grade: Grade) -> dict[str, object]:
    rule: dict[str, object] = {
        "name": f"{name}: {grade}",
        "match": {"finding": "deviation", "source": list(macs)},
        "action": "notify" if grade is Grade.NOTIFY else [str(grade), "notify"],
        "priority": PRIORITY,
        "mode": "enforce",
    }
    if grade is not Grade.NOTIFY:
        rule |= {"target": "device", "for": "1d"}
    if grade is Grade.LIMIT:
        rule |= {"rate": "20 packets/s", "per": "all", "for": "1h"}
    return rule


def _allowed(name: str, macs: Sequence[str], profile: Profile) -> Iterable[dict[str, object]]:
    yield _accept(f"{name}: what every device needs", {"source": [*macs], "service": [*_ALWAYS]})
    yield _accept(
        f"{name}: names and ping of the router",
        {"source": [*macs], "destination": [*_ROUTERS], "service": [*_OF_ROUTERS]},
    )
    yield _accept(f"{name}: its neighbours", {"destination": [*macs], "service": _NEIGHBOURS})
    yield _accept(f"{name}: this machine asks it", {"destination": [*macs], "source": "self"})
    told: dict[str, None] = {}
    for key in sorted(allowed_keys(profile), key=_order):
        label, match = _label(key), _match(key, macs)
        if match is not None and label not in told:
            told[label] = None
            yield _accept(f"{name}: {label}", match)


def allowed_keys(profile: Profile) -> set[ProfileKey]:
    """Return what a fence lets pass: what is normal, and what of it is chosen anew each time.

    Where a service was found in several networks that have no name, another one is to be expected:
    a cloud that takes turns. It is told as new, but not blocked.
    """
    keys = set(profile.keys)
    unnamed = Counter(
        (key.way, key.protocol, key.port) for key in keys if key.peer.startswith("net:")
    )
    pools = (service for service, networks in unnamed.items() if networks > SEVERAL)
    return keys | {ProfileKey(*service, INTERNET) for service in pools}


def _rest(name: str, macs: Sequence[str]) -> Iterable[dict[str, object]]:
    for way, end in (("begins", "source"), ("is asked", "destination")):
        yield {
            "name": f"{name}: nothing else that it {way}",
            "match": {end: list(macs)},
            "action": ["log", "drop"],
            "priority": PRIORITY + 1,
            "mode": "enforce",
        }


def _accept(name: str, match: Mapping[str, object]) -> dict[str, object]:
    return {
        "name": name,
        "match": dict(match),
        "action": "accept",
        "priority": PRIORITY,
        "mode": "enforce",
    }


def _match(key: ProfileKey, macs: Sequence[str]) -> dict[str, object] | None:
    """Return the condition of a key; None for what needs no rule of its own."""
    mine, other = ("source", "destination")
    if key.way is Way.IN:
        mine, other = other, mine
    match: dict[str, object] = {mine: list(macs)}
    kind, _, value = key.peer.partition(":")
    if key.peer == "router":
        match[other] = [*_ROUTERS]
    elif kind == "name":
        match["domain"] = value
        match["direction"] = "out" if key.way is Way.OUT else "in"
    elif kind == "as":
        match["as"] = int(value)
        match["direction"] = "out" if key.way is Way.OUT else "in"
    elif kind == "net":
        match[other] = value
    elif kind == "group":
        match[other] = "255.255.255.255" if value == "broadcast" else value
    elif kind == "device":
        match[other] = value
    else:
        match[other] = key.peer  # "home" and "internet" are words of rules, too.
    match |= _service(key)
    return None if kind in {"asks", POSING} else match


def _service(key: ProfileKey) -> dict[str, object]:
    protocol = _PROTOCOLS.get(key.protocol)
    if protocol is None:
        return {"protocol": key.protocol}
    if key.port == NO_PORT:
        return {"protocol": protocol}
    if key.port == EPHEMERAL:
        return {"service": f"{protocol}/1024-65535"}
    return {"service": f"{protocol}/{key.port}"}


def _label(key: ProfileKey) -> str:
    protocol = _PROTOCOLS.get(key.protocol, str(key.protocol))
    port = {EPHEMERAL: "/any", NO_PORT: ""}.get(key.port, f"/{key.port}")
    way = "to" if key.way is Way.OUT else "from"
    return f"{protocol}{port} {way} {key.peer.partition(':')[2] or key.peer}"


def _order(key: ProfileKey) -> tuple[str, str, int, int]:
    return str(key.way), key.peer, key.protocol, key.port


def replay(
    device: Device,
    profile: Profile,
    flows: Iterable[Flow],
    role_of: Callable[[str, str], str],
    system_of: Callable[[str], int] = lambda _address: 0,
) -> list[Blocked]:
    """Return what of past flows a fence would have blocked, the most frequent first.

    Args:
        device: The device.
        profile: What it may do.
        flows: Its flows, as they were stored.
        role_of: Returns what a MAC address and an address are at home: "router", "home",
            "device:ID"; '' for who is far.
        system_of: Returns the autonomous system of an address, 0 for unknown.
    """
    macs = {seen.value for seen in device.macs}
    allowed = allowed_keys(profile)
    found: dict[ProfileKey, Blocked] = {}
    for flow in flows:
        out = flow.src_mac in macs
        if not flow.protocol:  # ARP, which no rule looks at.
            continue
        if not out and (flow.dst_mac not in macs or not flow.packets[1]):
            continue
        peer, mac = (flow.dst, flow.dst_mac) if out else (flow.src, flow.src_mac)
        way = Way.OUT if out else Way.IN
        role = role_of(mac, peer)
        name = profile.names.get(peer) or profile.claims.get(peer, "")
        what = way, flow.protocol, flow.dst_port, peer, name, role
        key = key_of(*what)
        if _is_allowed(key, allowed) or _is_allowed(key_of(*what, system_of(peer)), allowed):
            continue
        known = found.get(key)
        count, last = (known.flows, known.last) if known else (0, 0)
        found[key] = Blocked(key, count + 1, max(last, flow.last), peer)
    return sorted(found.values(), key=lambda each: (-each.flows, _order(each.key)))


def _is_allowed(key: ProfileKey, allowed: set[ProfileKey]) -> bool:
    service = key.protocol, key.port
    always = key.way is Way.OUT and (
        service in {(17, 67), (17, 123), (17, 547)}
        or (key.peer == "router" and (key.port == 53 or key.protocol in {1, 58}))
    )
    peers = (key.peer, INTERNET) if key.peer.startswith(("net:", "as:")) else (key.peer,)
    ports = (key.port, EPHEMERAL) if key.port >= HIGH_PORT else (key.port,)
    return always or any(
        ProfileKey(key.way, key.protocol, port, peer) in allowed for port in ports for peer in peers
    )
