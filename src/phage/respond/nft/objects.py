"""The named objects of a rule set while it is rendered: sets of addresses, meters, counters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.respond.nft import rates
from phage.respond.nft.layout import ALLOW, RULE_PREFIX
from phage.respond.nft.names import RuleSetError, digest, owned, readable
from phage.respond.nft.ranges import (
    Range,
    addresses_text,
    any_of,
    is_single,
    merged,
    of_networks,
)
from phage.respond.nft.rendering import Definition
from phage.respond.nft.synproxy import proxied_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.packetrule import Network, PacketRule, PacketRules, SynProxy

ADDRESS_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}

ANONYMOUS = 8
"""Ranges up to this many stand in the rule itself; more in a set that rules share and a swap leaves
in place."""

METER_SIZE = 65_536
"""Sources that one limit keeps apart; further ones pass and are counted in `OVERFLOW`."""

METER_SECONDS = (60, 86_400)
"""A source is forgotten when its bucket has been full for a while, but within a day."""

OVERFLOW = f"{RULE_PREFIX}overflow"
"""Counter of packets that no limit could be kept for, because its table was full."""


class Objects:
    """Collects what rules refer to by name."""

    def __init__(self, rules: PacketRules) -> None:
        self.definitions: dict[str, Definition] = {}
        self.counters: dict[str, str] = {}
        self.vlan_sets: dict[str, tuple[int, ...]] = {}
        self._members = _members(rules)
        self._in_sets: dict[tuple[str, int], tuple[Range, ...]] = {}
        # Each rule is rendered at several hooks; a big set is worked out once.
        self._ranges: dict[tuple[object, ...], tuple[Range, ...]] = {}
        self._texts: dict[tuple[object, ...], tuple[tuple[Range, ...], str]] = {}
        self._meters: dict[str, int] = {}
        for version, name in ALLOW.items():
            self._define("set", name, f"type {ADDRESS_TYPE[version]}", "flags interval")

    def ranges(
        self, networks: Sequence[Network], sets: Sequence[str], version: int
    ) -> tuple[Range, ...]:
        """Return the addresses of one IP version that are in the networks or in the sets."""
        key = (tuple(networks), tuple(sets), version)
        if key not in self._ranges:
            parts = [self._of_set(name, version) for name in sets]
            parts += [of_networks(networks, version)] if networks else []
            self._ranges[key] = (
                parts[0] if len(parts) == 1 else merged(span for part in parts for span in part)
            )
        return self._ranges[key]

    def addresses(self, label: str, ranges: tuple[Range, ...], version: int) -> str:
        """Return what an address is compared with: itself, an anonymous set or a named one."""
        key = (label, id(ranges), version)
        if key not in self._texts:
            self._texts[key] = (ranges, self._compared(label, ranges, version))
        return self._texts[key][1]

    def _compared(self, label: str, ranges: tuple[Range, ...], version: int) -> str:
        elements = tuple(addresses_text(ranges, version))
        if len(elements) <= ANONYMOUS:
            return any_of(elements)
        name = owned(f"set{version}", label, ranges)
        body = [f"type {ADDRESS_TYPE[version]}"]
        if not is_single(ranges):
            body.append("flags interval")
        self._define("set", name, *body, elements=elements)
        return f"@{name}"

    def counter(self, rule: str) -> str:
        """Return the statement that counts for a rule; rules of one name share a counter."""
        name = owned("counter", rule)
        self.counters.setdefault(name, rule)
        return self.named_counter(name, rule)

    def named_counter(self, name: str, comment: str) -> str:
        """Return the statement that counts in a counter of a given name."""
        self._define("counter", name, f'comment "{readable(comment)}"')
        return f'counter name "{name}"'

    def vlans(self, ids: tuple[int, ...]) -> str:
        """Return the set of the interfaces that carry one of these VLANs."""
        for number in ids:
            if not 0 <= number <= 4095:
                message = f"{number} is not a VLAN id"
                raise RuleSetError(message)
        ids = tuple(sorted(set(ids)))
        name = owned("vlan", "_".join(map(str, ids)))
        self.vlan_sets[name] = ids
        return f"@{name}"

    def begin_rule(self, rule: PacketRule) -> str:
        """Return what tells this rule's meters from those of others, however alike."""
        content = repr(replace(rule, hooks=frozenset())) + repr(sorted(rule.hooks))
        count = self._meters[content] = self._meters.get(content, -1) + 1
        return digest(content, count)

    def limit(self, rule: PacketRule, identity: str) -> str:
        """Return the condition that a rule's rate is exceeded by all packets together."""
        assert rule.rate is not None  # noqa: S101  The caller asked.
        name = owned("limit", rule.name, identity)
        self._define("limit", name, rates.over(rule.rate).removeprefix("limit "))
        return f'limit name "{name}"'

    def meter(self, rule: PacketRule, identity: str, key: str, version: int) -> tuple[str, str]:
        """Return the condition that a rule's rate is exceeded by one address, and the set."""
        assert rule.rate is not None  # noqa: S101  The caller asked.
        name = owned(f"meter{version}", rule.name, identity)
        shortest, longest = METER_SECONDS
        seconds = min(max(2 * rates.refill_seconds(rule.rate), shortest), longest)
        self._define(
            "set",
            name,
            f"type {ADDRESS_TYPE[version]}",
            f"size {METER_SIZE}",
            "flags dynamic,timeout",
            f"timeout {seconds}s",
        )
        return f"update @{name} {{ {key} {rates.over(rule.rate)} }}", name

    def connections(
        self, rule: PacketRule, identity: str, key: str, version: int
    ) -> tuple[str, str]:
        """Return the condition that one source has too many connections open, and the set."""
        if not 0 < rule.connections <= rates.LARGEST:
            message = f"{rule.connections} connections is out of range"
            raise RuleSetError(message)
        name = owned(f"connections{version}", rule.name, identity)
        self._define(
            "set", name, f"type {ADDRESS_TYPE[version]}", f"size {METER_SIZE}", "flags dynamic"
        )
        return f"add @{name} {{ {key} ct count over {rule.connections} }}", name

    def proxied(self, proxies: Sequence[SynProxy]) -> dict[int, str]:
        """Return the names of the sets of what is behind the SYN proxy, by IP version."""
        names = {}
        for version in ADDRESS_TYPE:
            if definition := proxied_set(proxies, version):
                self.definitions[definition.name] = definition
                names[version] = definition.name
        return names

    def overflow(self) -> str:
        """Return the statement that counts what a full meter could not limit."""
        return self.named_counter(OVERFLOW, "sources beyond the capacity of limits")

    def _of_set(self, name: str, version: int) -> tuple[Range, ...]:
        if name not in self._members:
            message = f"there is no set {name!r}"
            raise RuleSetError(message)
        key = (name, version)
        if key not in self._in_sets:
            self._in_sets[key] = of_networks(self._members[name], version)
        return self._in_sets[key]

    def _define(self, kind: str, name: str, *body: str, elements: tuple[str, ...] = ()) -> None:
        self.definitions.setdefault(name, Definition(kind, name, body, elements))


def _members(rules: PacketRules) -> dict[str, tuple[Network, ...]]:
    members: dict[str, tuple[Network, ...]] = {}
    for name, networks in rules.sets:
        if name in members:
            message = f"there are two sets {name!r}"
            raise RuleSetError(message)
        members[name] = networks
    return members
