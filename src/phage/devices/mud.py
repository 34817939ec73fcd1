"""Manufacturer usage descriptions (RFC 8520): profiles out to MUD files, and MUD files in.

Access lists are those of RFC 8519 with the augmentations of MUD: names of hosts
(`ietf-acldns`), `controller`, `local-networks`, `same-manufacturer`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339
from phage.devices.domainnames import service_name
from phage.errors import PhageError
from phage.records.profile import EPHEMERAL, NO_PORT, POSING, ProfileKey, Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phage.records.device import Device
    from phage.records.profile import Profile

MAX_OCTETS = 1 << 20
MAX_ENTRIES = 1000

_PORTS = {6: "tcp", 17: "udp"}
_DNS = "urn:ietf:params:mud:dns"
_NTP = "urn:ietf:params:mud:ntp"


class MudError(PhageError):
    """A MUD file cannot be read; says where and why."""


def to_mud(device: Device, profile: Profile, now: int) -> dict[str, Any]:
    """Return a profile as a MUD file: what the device begins, and what begins at it."""
    name = (device.product or device.category or "device").replace(" ", "-").lower()
    lists = []
    policies: dict[str, list[dict[str, str]]] = {}
    for way, direction in ((Way.OUT, "from"), (Way.IN, "to")):
        keys = [key for key in profile.keys if key.way is way and _is_told(key)]
        for version in ("ipv4", "ipv6"):
            entries = list(_entries(keys, direction, version))
            if entries:
                title = f"mud-{name}-v{version[-1]}{'fr' if direction == 'from' else 'to'}"
                lists.append(
                    {"name": title, "type": f"{version}-acl-type", "aces": {"ace": entries}}
                )
                policies.setdefault(f"{direction}-device-policy", []).append({"name": title})
    return {
        "ietf-mud:mud": {
            "mud-version": 1,
            "mud-url": f"https://phage.invalid/mud/{device.id.replace(':', '')}.json",
            "last-update": rfc3339(now),
            "cache-validity": 48,
            "is-supported": True,
            "systeminfo": f"{device.vendor} {device.product}".strip()[:60] or "unknown",
            "mfg-name": device.vendor or "unknown",
            "model-name": device.product or "unknown",
            **{
                name: {"access-lists": {"access-list": several}}
                for name, several in policies.items()
            },
        },
        "ietf-access-control-list:acls": {"acl": lists},
    }


def _is_told(key: ProfileKey) -> bool:
    return "#" not in key.peer and not key.peer.startswith(
        ("group:", "device:", "asks:", "as:", f"{POSING}:")
    )


def _entries(
    keys: Iterable[ProfileKey], direction: str, version: str
) -> Iterator[dict[str, object]]:
    number = 0
    for key in keys:
        matches = _matches(key, direction, version)
        if matches is not None:
            yield {
                "name": f"{direction}-{number}",
                "matches": matches,
                "actions": {"forwarding": "accept"},
            }
            number += 1


def _matches(key: ProfileKey, direction: str, version: str) -> dict[str, object] | None:
    """Return the conditions of a key; None where they cannot be said in this version of IP."""
    far = "destination" if direction == "from" else "source"
    ip: dict[str, object] = {"protocol": key.protocol}
    kind, _, value = key.peer.partition(":")
    matches: dict[str, object] = {version: ip}
    if kind == "name":
        if "#" in value:
            return None
        ip[f"ietf-acldns:{'src' if far == 'source' else 'dst'}-dnsname"] = value
    elif kind == "net":
        if (":" in value) != (version == "ipv6"):
            return None
        ip[f"{far}-{version}-network"] = value
    elif key.peer in {"home", "router"}:
        matches["ietf-mud:mud"] = _controller(key)
    layer = _layer(key)
    if layer:
        matches[_PORTS[key.protocol]] = layer
    return matches


def _layer(key: ProfileKey) -> dict[str, object]:
    layer: dict[str, object] = {}
    if key.protocol in _PORTS and key.port not in {NO_PORT, EPHEMERAL}:
        layer["destination-port"] = {"operator": "eq", "port": key.port}
    if key.protocol == 6:
        begins = "from-device" if key.way is Way.OUT else "to-device"
        layer["ietf-mud:direction-initiated"] = begins
    return layer


def _controller(key: ProfileKey) -> dict[str, object]:
    if key.protocol == 17 and key.port == 53:
        return {"controller": _DNS}
    return {"local-networks": [None]}


def read_mud(name: str, raw: bytes) -> tuple[ProfileKey, ...]:
    """Return what a MUD file lets a device do, as keys of a profile.

    Raises MudError, with the file's name and the entry that makes no sense.
    """
    if len(raw) > MAX_OCTETS:
        message = f"{name}: is larger than {MAX_OCTETS:,} octets"
        raise MudError(message)
    try:
        document = json.loads(raw)
        mud = document["ietf-mud:mud"]
        lists = {
            each["name"]: each["aces"]["ace"]
            for each in document["ietf-access-control-list:acls" if "ietf-access-control-list:acls"
                                 in document else "ietf-access-control-list:access-lists"]["acl"]
        }  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{name}: is no MUD file (RFC 8520): {error!r}"
        raise MudError(message) from error
    keys: dict[ProfileKey, None] = {}
    for way, policy in ((Way.OUT, "from-device-policy"), (Way.IN, "to-device-policy")):
        for title in _policy_lists(mud, policy):
            for entry in lists.get(title, ()):
                keys.update(dict.fromkeys(_keys(name, way, entry)))
                if len(keys) > MAX_ENTRIES:
                    message = f"{name}: has more than {MAX_ENTRIES} entries"
                    raise MudError(message)
    return tuple(keys)


def _policy_lists(mud: Mapping[str, Any], policy: str) -> Iterator[str]:
    try:
        for each in mud[policy]["access-lists"]["access-list"]:
            yield str(each["name"])
    except (KeyError, TypeError):
        return


def _keys(name: str, way: Way, entry: Mapping[str, Any]) -> Iterator[ProfileKey]:
    try:
        matches = dict(entry["matches"])
        accepted = entry["actions"]["forwarding"] == "accept"
        ip: Mapping[str, Any] = matches.get("ipv4") or matches.get("ipv6") or {}
        layer_name = "tcp" if "tcp" in matches else "udp" if "udp" in matches else ""
        layer: Mapping[str, Any] = matches.get(layer_name) or {}
        protocol = int(ip.get("protocol", {"tcp": 6, "udp": 17}.get(layer_name, 0)))
        port = _port(layer, way)
        begins = layer.get("ietf-mud:direction-initiated")
        peer = _peer(matches.get("ietf-mud:mud") or {}, ip, way)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        title = entry.get("name", "?") if isinstance(entry, dict) else entry
        message = f"{name}: the entry {title!r} makes no sense: {error!r}"
        raise MudError(message) from error
    if accepted and _is_opening(way, begins):
        yield ProfileKey(way, protocol, port, peer)


def _is_opening(way: Way, begins: object) -> bool:
    """Tell whether an entry lets a connection begin, not only its answers pass."""
    return begins != ("to-device" if way is Way.OUT else "from-device")


def _port(layer: Mapping[str, Any], way: Way) -> int:
    port = layer.get("destination-port")
    if port is None:
        return EPHEMERAL if way is Way.OUT or not layer else NO_PORT
    if "port" in port:
        return int(port["port"])
    return EPHEMERAL  # A range.


def _peer(mud: Mapping[str, Any], ip: Mapping[str, Any], way: Way) -> str:
    end = "destination" if way is Way.OUT else "source"
    for field in ("ietf-acldns:dst-dnsname", "ietf-acldns:src-dnsname"):
        if field in ip:
            return f"name:{service_name(str(ip[field]))}"
    for version in ("ipv4", "ipv6"):
        if f"{end}-{version}-network" in ip:
            return f"net:{ip[f'{end}-{version}-network']}"
    if mud.get("controller") == _NTP:
        return "internet"
    if mud.get("controller") == _DNS:
        return "router"
    return "home" if mud else "internet"
