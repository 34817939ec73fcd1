"""Where a decision's target goes: the key and the set.

A set is one `Place`: what is done with whom it holds, which side of a packet it is compared with,
and what its keys are. Sets are made when the first key comes.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.decision import Action, Direction, TargetKind
from phage.respond.netlink.tables import (
    KEY_ETHER,
    KEY_IPV4,
    KEY_IPV6,
    SET_TIMEOUT,
    SetSpec,
    pair_type,
)
from phage.respond.nft import layout

if TYPE_CHECKING:
    from phage.records.decision import Decision, Target

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.ASCII)

MAX_ADDRESSES_OF_DEVICE = 64
"""Addresses of one device: more is no device but a router."""


class Keys(enum.StrEnum):
    """What the keys of a set are."""

    NETWORK = "network"
    MAC = "mac"
    PAIR = "pair"
    """MAC and address after each other."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One set of targets.

    Attributes:
        action: What is done: ban, reject, quarantine; for others, in a set of its own, see `name`.
        to: Compared with the destination instead of the source.
        keys: What keys are.
        version: 4 or 6; 0 for MACs.
        length: Prefix length of networks.
        name: The set's name in the table.
    """

    action: Action
    to: bool
    keys: Keys
    version: int
    length: int
    name: str

    def __hash__(self) -> int:
        """Names tell sets apart, and each key that comes asks for this."""
        return hash(self.name)

    def spec(self) -> SetSpec:
        """Return what the set is in the kernel."""
        address = KEY_IPV4 if self.version == 4 else KEY_IPV6
        octets = 4 if self.version == 4 else 16
        if self.keys is Keys.MAC:
            return SetSpec(self.name, KEY_ETHER, 6, SET_TIMEOUT)
        if self.keys is Keys.PAIR:
            return SetSpec(self.name, pair_type(KEY_ETHER, address), 8 + octets, SET_TIMEOUT)
        return SetSpec(self.name, address, octets, SET_TIMEOUT)


@frozen
class Key:
    """A target as a set holds it."""

    keys: Keys
    version: int
    length: int
    octets: bytes

    @property
    def network(self) -> Network | None:
        """Return the network whose connections are cut; None for a MAC alone."""
        if self.keys is Keys.MAC:
            return None
        address = self.octets[-layout.HOST_BITS[self.version] // 8 :]
        return ipaddress.ip_network((address, self.length))


def keys_of(target: Target) -> tuple[Key, ...]:
    """Return the keys of a target. Raises ValueError, for people, where it has none.

    An address or prefix is one key, whatever its length; a MAC too. A device is "MAC", or
    "MAC ADDRESS[,ADDRESS...]": then one key for each address, which holds only while the device
    has it.
    """
    if target.kind is TargetKind.IP:
        return (_address_key(target.value),)
    if target.kind is TargetKind.PREFIX:
        return (_network_key(ipaddress.ip_network(target.value)),)
    if target.kind is TargetKind.MAC:
        return (Key(Keys.MAC, 0, 0, _mac(target.value)),)
    if target.kind is TargetKind.DEVICE:
        return _device_keys(target.value)
    message = f"the kernel does not know {target.kind}s"
    raise ValueError(message)


def _network_key(network: Network) -> Key:
    if network.prefixlen == 0:
        message = "the whole Internet is no target"
        raise ValueError(message)
    return Key(Keys.NETWORK, network.version, network.prefixlen, network.network_address.packed)


def _address_key(value: str) -> Key:
    address = ipaddress.ip_address(value)
    if "%" in value:
        message = f"{value!r} is an address of one link only"
        raise ValueError(message)
    return Key(Keys.NETWORK, address.version, address.max_prefixlen, address.packed)


def _mac(value: str) -> bytes:
    if not _MAC.fullmatch(value):
        message = f"{value!r} is no MAC address such as 02:00:5e:00:00:01"
        raise ValueError(message)
    return bytes.fromhex(value.replace(":", ""))


def _device_keys(value: str) -> tuple[Key, ...]:
    mac_text, _, addresses = value.partition(" ")
    if not _MAC.fullmatch(mac_text) and not addresses:
        # A device whose MAC is not known goes by its address.
        return (_address_key(mac_text),)
    mac = _mac(mac_text)
    if not addresses:
        return (Key(Keys.MAC, 0, 0, mac),)
    listed = addresses.split(",")
    if len(listed) > MAX_ADDRESSES_OF_DEVICE:
        message = f"a device has at most {MAX_ADDRESSES_OF_DEVICE} addresses, not {len(listed)}"
        raise ValueError(message)
    keys = []
    for each in listed:
        address = ipaddress.ip_address(each)
        octets = mac + bytes(2) + address.packed
        keys.append(Key(Keys.PAIR, address.version, address.max_prefixlen, octets))
    return tuple(keys)


def sides(decision: Decision, key: Key) -> tuple[bool, ...]:
    """Return where a key is compared: False for the source, True for the destination.

    A MAC is compared with the source only: a packet to a device has none before it is routed.
    """
    if key.keys is not Keys.NETWORK:
        if decision.direction is Direction.TO:
            message = "packets to a MAC address cannot be told apart in time"
            raise ValueError(message)
        return (False,)
    if decision.direction is Direction.BOTH:
        return (False, True)
    return (decision.direction is Direction.TO,)


def place_of(action: Action, key: Key, *, to: bool) -> Place:
    """Return the set for a key under an action that needs no rules of its own."""
    length = key.length if key.keys is Keys.NETWORK else 0
    name = _name(action, key, to=to)
    return Place(action, to, key.keys, key.version, length, name)


def _name(action: Action, key: Key, *, to: bool) -> str:
    if key.keys is Keys.MAC:
        return f"{action}_mac"
    if key.keys is Keys.PAIR:
        return f"{action}_pair{key.version}"
    if action is Action.BAN:
        return layout.prefix_set(key.version, key.length, to=to)
    return f"{action}_{'to' if to else 'from'}{key.version}_{key.length}"


def own_place(name: str, action: Action, key: Key, *, to: bool) -> Place:
    """Return a set for the keys of one decision alone."""
    length = key.length if key.keys is Keys.NETWORK else 0
    kind = {Keys.MAC: "m", Keys.PAIR: "p", Keys.NETWORK: "t" if to else "f"}[key.keys]
    suffix = f"{kind}{key.version}_{length}"
    return Place(action, to, key.keys, key.version, length, f"{name}_{suffix}")
