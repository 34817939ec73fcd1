"""Requests of nftables: tables, chains, sets, elements, rules (linux/netfilter/nf_tables.h).

A name stands for itself in the family `inet`; a request changes nothing until it is sent.
"""

from __future__ import annotations

import errno
from functools import cache
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.respond.netlink.errors import AbsentError, KernelError
from phage.respond.netlink.messages import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    SUBSYS_NFTABLES,
    Request,
    attribute,
    attributes,
    be32,
    be64,
    each_attribute,
    generic,
    nest,
    string,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phage.records.decision import Rate
    from phage.respond.netlink.link import Link

INET = 1
"""NFPROTO_INET."""

_NEWTABLE, _GETTABLE, _DELTABLE = 0, 1, 2
_NEWCHAIN, _GETCHAIN, _DELCHAIN = 3, 4, 5
_NEWRULE, _GETRULE, _DELRULE = 6, 7, 8
_NEWSET, _GETSET, _DELSET = 9, 10, 11
_NEWSETELEM, _GETSETELEM, _DELSETELEM = 12, 13, 14
_GETGEN = 16
_NEWOBJ, _GETOBJ, _DELOBJ = 18, 19, 20

SET_INTERVAL = 0x4
SET_TIMEOUT = 0x10
ELEMENT_INTERVAL_END = 0x1

# Numbers that the program nft gives to types of keys, so that it can list our sets.
KEY_IPV4, KEY_IPV6, KEY_ETHER = 7, 8, 9
_TYPE_BITS = 6
"""How nft packs the types of a concatenated key into one number."""

OBJECT_COUNTER = 1
OBJECT_LIMIT = 4

HOOK_PREROUTING, HOOK_FORWARD, HOOK_OUTPUT, HOOK_INGRESS = 0, 2, 3, 5


def pair_type(first: int, second: int) -> int:
    """Return the type of a key that is two keys after each other."""
    return first << _TYPE_BITS | second


def _kind(message: int) -> int:
    return SUBSYS_NFTABLES << 8 | message


def _request(message: int, flags: int, what: str, *parts: bytes) -> Request:
    return Request(_kind(message), flags, generic(INET) + b"".join(parts), what)


@frozen
class SetSpec:
    """What a set is.

    Attributes:
        name: Its name in the table.
        key_type: What nft shows keys as.
        key_octets: Octets of a key, each part padded to four.
        flags: SET_*.
        size: The number of elements it is made for; 0 to let it grow.
    """

    name: str
    key_type: int
    key_octets: int
    flags: int = 0
    size: int = 0


@frozen
class BaseChain:
    """A chain at a hook: where, in which order, and on which interfaces (ingress only)."""

    name: str
    hook: int
    priority: int
    devices: tuple[str, ...] = ()


class Table:
    """Requests about what is in one table."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create(self) -> Request:
        """Make the table, if there is none."""
        return _request(_NEWTABLE, NLM_F_CREATE, f"make table {self.name}", text(1, self.name))

    def delete(self) -> Request:
        """Remove the table with all that is in it."""
        return _request(_DELTABLE, 0, f"remove table {self.name}", text(1, self.name))

    def get(self) -> Request:
        """Ask for the table's handle."""
        return _request(_GETTABLE, 0, f"find table {self.name}", text(1, self.name))

    def create_chain(self, name: str) -> Request:
        """Make a chain that others jump to."""
        parts = text(1, self.name), text(3, name)
        return _request(_NEWCHAIN, NLM_F_CREATE, f"make chain {name}", *parts)

    def create_base(self, chain: BaseChain) -> Request:
        """Make a chain at a hook; what passes it goes on."""
        devices = [text(1, device) for device in chain.devices]
        hook = [be32(1, chain.hook), be32(2, chain.priority)]
        if len(devices) == 1:
            hook.append(text(3, chain.devices[0]))
        elif devices:
            hook.append(nest(4, *devices))
        parts = (
            text(1, self.name),
            text(3, chain.name),
            nest(4, *hook),
            be32(5, 1),  # NF_ACCEPT
            text(7, "filter"),
        )
        return _request(_NEWCHAIN, NLM_F_CREATE, f"make chain {chain.name}", *parts)

    def delete_chain(self, name: str) -> Request:
        """Remove a chain; it must be empty and nothing may jump to it."""
        return _request(_DELCHAIN, 0, f"remove chain {name}", text(1, self.name), text(3, name))

    def get_chain(self, name: str) -> Request:
        """Ask for a chain's handle and use."""
        return _request(_GETCHAIN, 0, f"find chain {name}", text(1, self.name), text(3, name))

    def flush_chain(self, name: str) -> Request:
        """Remove all rules of a chain."""
        return _request(_DELRULE, 0, f"empty chain {name}", text(1, self.name), text(2, name))

    def add_rule(self, chain: str, expressions: Iterable[bytes], comment: str = "") -> Request:
        """Append a rule; the program nft shows its comment."""
        parts = [text(1, self.name), text(2, chain), nest(4, *expressions)]
        if comment:
            encoded = comment.encode("ascii") + b"\0"
            parts.append(attribute(7, bytes((0, len(encoded))) + encoded))
        return _request(_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, f"add a rule to {chain}", *parts)

    def create_set(self, spec: SetSpec, number: int) -> Request:
        """Make a set, if there is none like it; no other set of the batch has its `number`."""
        parts = [
            text(1, self.name),
            text(2, spec.name),
            be32(3, spec.flags),
            be32(4, spec.key_type),
            be32(5, spec.key_octets),
            be32(10, number),
        ]
        if spec.size:
            parts.append(nest(9, be32(1, spec.size)))
        return _request(_NEWSET, NLM_F_CREATE, f"make set {spec.name}", *parts)

    def delete_set(self, name: str) -> Request:
        """Remove a set; no rule may ask it."""
        return _request(_DELSET, 0, f"remove set {name}", text(1, self.name), text(2, name))

    def get_set(self, name: str) -> Request:
        """Ask for a set's handle."""
        return _request(_GETSET, 0, f"find set {name}", text(1, self.name), text(2, name))

    def add_elements(self, name: str, elements: bytes) -> Request:
        """Add elements, as `element` encodes each."""
        return self._elements(_NEWSETELEM, NLM_F_CREATE, name, elements, "add to")

    def delete_elements(self, name: str, elements: bytes) -> Request:
        """Remove elements, all of which must be there."""
        return self._elements(_DELSETELEM, 0, name, elements, "remove from")

    def get_elements(self, name: str, keys: Iterable[bytes]) -> Request:
        """Ask whether keys are in a set, without listing it."""
        return self._elements(_GETSETELEM, 0, name, b"".join(map(element, keys)), "look into")

    def flush_set(self, name: str) -> Request:
        """Remove all elements."""
        return _request(_DELSETELEM, 0, f"empty set {name}", text(1, self.name), text(2, name))

    def _elements(self, message: int, flags: int, name: str, elements: bytes, verb: str) -> Request:
        parts = text(1, self.name), text(2, name), nest(3, elements)
        return _request(message, flags, f"{verb} set {name}", *parts)

    def create_counter(self, name: str) -> Request:
        """Make a named counter, if there is none."""
        return self._object(OBJECT_COUNTER, name, be64(1, 0), be64(2, 0))

    def create_limit(self, name: str, rate: Rate) -> Request:
        """Make a named limit that matches what exceeds it.

        What comes at once is `burst`, or a tenth of a second's worth, but at least 5 packets or
        64 KiB.
        """
        octets = rate.unit == "octets"
        least = 65_536 if octets else 5
        burst = rate.burst or max(least, rate.count // rate.seconds // 10)
        return self._object(
            OBJECT_LIMIT,
            name,
            be64(1, rate.count),
            be64(2, rate.seconds),
            be32(3, min(burst, 0xFFFFFFFF)),
            be32(4, int(octets)),
            be32(5, 1),  # NFT_LIMIT_F_INV
        )

    def _object(self, kind: int, name: str, *data: bytes) -> Request:
        parts = text(1, self.name), text(2, name), be32(3, kind), nest(4, *data)
        return _request(_NEWOBJ, NLM_F_CREATE, f"make object {name}", *parts)

    def delete_object(self, kind: int, name: str) -> Request:
        """Remove a named counter or limit; no rule may use it."""
        parts = text(1, self.name), text(2, name), be32(3, kind)
        return _request(_DELOBJ, 0, f"remove object {name}", *parts)

    # What asks at once.

    def handle(self, link: Link) -> int:
        """Return the table's handle, which no other table ever has; 0 if there is none."""
        return _number(link, self.get(), 4)

    def set_handle(self, link: Link, name: str) -> int:
        """Return a set's handle; 0 if there is none."""
        return _number(link, self.get_set(name), 16)

    def chain_state(self, link: Link, name: str) -> tuple[int, int]:
        """Return a chain's handle and its use: rules in it and jumps to it; (0, 0) if none."""
        try:
            found = attributes(link.ask(self.get_chain(name)))
        except AbsentError:
            return 0, 0
        return int.from_bytes(found.get(2, b""), "big"), int.from_bytes(found.get(6, b""), "big")

    def has_elements(self, link: Link, name: str, *keys: bytes) -> bool:
        """Tell whether keys are in a set, some hundreds at most: each is answered by a message."""
        try:
            link.ask(self.get_elements(name, keys))
        except AbsentError:
            return False
        return True

    def names(self, link: Link) -> tuple[set[str], set[str], set[tuple[int, str]]]:
        """Return the names of the table's chains, of its sets, and (kind, name) of its objects."""
        chains = self._named(link, _GETCHAIN, "list chains", 3)
        sets = self._named(link, _GETSET, "list sets", 2)
        objects = self._named(link, _GETOBJ, "list objects", 2)
        return (
            {string(found[3]) for found in chains},
            {string(found[2]) for found in sets if not string(found[2]).startswith("__")},
            {(int.from_bytes(found[3], "big"), string(found[2])) for found in objects},
        )

    def counters(self, link: Link) -> Mapping[str, tuple[int, int]]:
        """Return packets and octets of every named counter of the table. No set is listed."""
        found = {}
        for each in self._named(link, _GETOBJ, "read counters", 2):
            if int.from_bytes(each.get(3, b""), "big") != OBJECT_COUNTER:
                continue
            data = attributes(each.get(4, b""))
            packets, octets = data.get(2, b""), data.get(1, b"")
            found[string(each[2])] = (int.from_bytes(packets, "big"), int.from_bytes(octets, "big"))
        return found

    def counts(self, link: Link, chain: str) -> Mapping[str, tuple[int, int]]:
        """Return packets and octets counted within a chain's rules, by the rules' comments."""
        request = _request(_GETRULE, 0, "read rules", text(1, self.name), text(2, chain))
        found: dict[str, tuple[int, int]] = {}
        try:
            rules = [attributes(body) for body in link.dump(request)]
        except AbsentError:
            return found
        for rule in rules:
            if string(rule.get(1, b"")) != self.name or string(rule.get(2, b"")) != chain:
                continue
            packets, octets = _counted(rule.get(4, b""))
            name = string(rule.get(7, b"")[2:])
            before = found.get(name, (0, 0))
            found[name] = (before[0] + packets, before[1] + octets)
        return found

    def _named(self, link: Link, message: int, what: str, name: int) -> list[dict[int, bytes]]:
        request = _request(message, 0, what, text(1, self.name))
        try:
            found = [attributes(body) for body in link.dump(request)]
        except AbsentError:
            return []
        except KernelError as error:
            if error.number == errno.EOPNOTSUPP:
                return []
            raise
        return [each for each in found if string(each.get(1, b"")) == self.name and name in each]


def element(key: bytes, milliseconds: int = 0, flags: int = 0) -> bytes:
    """Encode one element of a set; `milliseconds` until it expires, 0 for never."""
    if milliseconds and not flags:
        before, between = _around(len(key))
        return before + key + between + milliseconds.to_bytes(8, "big")
    parts = nest(1, attribute(1, key))
    if flags:
        parts += be32(3, flags)
    return nest(1, parts)


@cache
def _around(octets: int) -> tuple[bytes, bytes]:
    """Return what stands before a key in a timed element, and between it and the time."""
    whole = nest(1, nest(1, attribute(1, bytes(octets))), be64(4, 0))
    between = whole[-12 - (-octets & 3) : -8]
    return whole[: len(whole) - 8 - len(between) - octets], between


def _counted(expressions: bytes) -> tuple[int, int]:
    """Return packets and octets of the counter among a rule's expressions."""
    for _, expression in each_attribute(expressions):
        found = attributes(expression)
        if string(found.get(1, b"")) == "counter":
            data = attributes(found.get(2, b""))
            packets, octets = data.get(2, b""), data.get(1, b"")
            return int.from_bytes(packets, "big"), int.from_bytes(octets, "big")
    return 0, 0


def generation(link: Link) -> int:
    """Return the number that counts every change of a rule set in this network namespace."""
    return _number(link, _request(_GETGEN, 0, "tell the generation"), 1)


def _number(link: Link, request: Request, kind: int) -> int:
    try:
        found = attributes(link.ask(request))
    except AbsentError:
        return 0
    return int.from_bytes(found.get(kind, b""), "big")
