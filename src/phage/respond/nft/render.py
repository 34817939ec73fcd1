"""Packet rules as nftables chains.

At each hook a packet meets, in this order:

1. what belongs to a connection that was accepted passes; limits of packets and octets that stand
   before it in the rules are asked first;
2. the loopback interface and the allow-list pass: by source where packets come in or through, by
   destination where they go out;
3. the rules in order;
4. neighbour discovery passes (RFC 4890, section 4.4.1: without it there is no IPv6), then the
   default of the hook.

A rule is hit when its action is taken: LIMIT, and COUNT with a rate, when the rate is exceeded.
IPv6 sources are limited by their /64, of which one household has all addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records.packetrule import Hook, PacketAction
from phage.respond.nft import synproxy
from phage.respond.nft.conditions import Match, is_opening, matches
from phage.respond.nft.layout import ALLOW, RULE_PREFIX, STATIC, STATIC_PRIORITY
from phage.respond.nft.names import RuleSetError, readable
from phage.respond.nft.objects import Objects
from phage.respond.nft.ranges import IP, of_networks
from phage.respond.nft.rendering import Chain, Entry, Line, Rendering
from phage.respond.nft.script import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phage.records.packetrule import PacketRule, PacketRules

PREROUTING = f"{RULE_PREFIX}prerouting"

LOG_RATE = "limit rate 10/second burst 20 packets"
"""A flood must not fill the log; the counter still has every hit."""

DECIDING = frozenset({PacketAction.ACCEPT, PacketAction.DROP, PacketAction.REJECT})

NEIGHBOUR_DISCOVERY = "ip6 hoplimit 255 icmpv6 type { 133-136 } accept"


def render(rules: PacketRules) -> str:
    """Return the nft script of a rule set, as it is when nothing stands before.

    Raises RuleSetError, with the rule's name, when a rule set cannot be rendered.
    """
    return whole(compose(rules)).text


def compose(rules: PacketRules, slot: str = "a") -> Rendering:
    """Return a rule set as nftables objects; its chains are named after the slot."""
    return _Composer(rules, slot).compose()


class _Composer:
    """Renders one rule set."""

    def __init__(self, rules: PacketRules, slot: str) -> None:
        self.rules = rules
        self.slot = slot
        self.objects = Objects(rules)
        self.defaults = dict(rules.defaults)
        self.proxied = self.objects.proxied(rules.synproxy)
        for rule in rules.rules:
            self.objects.counter(rule.name)
        self.identities = [self.objects.begin_rule(rule) for rule in rules.rules]

    def compose(self) -> Rendering:
        """Render every chain."""
        chains = [self._refuse(), *self._proxy_chains()]
        entries = []
        for hook in Hook:
            if not self._concerns(hook):
                continue
            limits = self._limits(hook)
            chains += [*limits, Chain(self._chain(hook), tuple(self._lines(hook, bool(limits))))]
            entries.append(Entry(STATIC[hook], hook, STATIC_PRIORITY, self._chain(hook)))
        if self.rules.synproxy:
            target = self._chain("prerouting")
            priority = synproxy.PREROUTING_PRIORITY
            entries.append(Entry(PREROUTING, "prerouting", priority, target))
        return Rendering(
            self.slot,
            tuple(self.objects.definitions.values()),
            tuple(self.objects.vlan_sets.items()),
            tuple(chains),
            tuple(entries),
            tuple(self.objects.counters.items()),
            strict=bool(self.rules.synproxy),
        )

    def _concerns(self, hook: Hook) -> bool:
        return (
            bool(self.rules.synproxy)
            or hook in self.defaults
            or any(hook in rule.hooks for rule in self.rules.rules)
        )

    def _chain(self, what: str) -> str:
        return f"{RULE_PREFIX}{self.slot}_{what}"

    # The chain of a hook.

    def _lines(self, hook: Hook, limited: bool) -> Iterator[Line]:  # noqa: FBT001  Own call only.
        if limited:
            yield Line(f"ct state established,related goto {self._chain(f'limits_{hook}')}")
        else:
            yield Line("ct state established,related accept")
        if hook is Hook.INPUT:
            yield Line('iifname "lo" accept')
        elif hook is Hook.OUTPUT:
            yield Line('oifname "lo" accept')
        yield from self._allowed(hook)
        if hook is Hook.OUTPUT:
            yield from synproxy.opened(self.rules.synproxy)
        for rule, identity in zip(self.rules.rules, self.identities, strict=True):
            if hook in rule.hooks:
                yield from self._rule(rule, identity, hook)
        yield from self._default(hook)

    def _allowed(self, hook: str) -> Iterator[Line]:
        """Yield what lets the allow-list pass."""
        side = "daddr" if hook == Hook.OUTPUT else "saddr"
        for version, name in ALLOW.items():
            yield Line(f"{IP[version]} {side} @{name} accept")
            if ranges := of_networks(self.rules.protect, version):
                there = self.objects.addresses("protect", ranges, version)
                yield Line(f"{IP[version]} {side} {there} accept")

    def _default(self, hook: Hook) -> Iterator[Line]:
        action = self.defaults.get(hook, PacketAction.ACCEPT)
        if action not in DECIDING:
            message = f"the default of {hook} is accept, drop or reject, not {action}"
            raise RuleSetError(message)
        if action is not PacketAction.ACCEPT and hook is not Hook.FORWARD:
            yield Line(NEIGHBOUR_DISCOVERY)
        name = f"{RULE_PREFIX}default_{hook}"
        counter = self.objects.named_counter(name, f"default of {hook}")
        yield Line(f"{counter} {self._verdict(action, hook)}")

    # Rules.

    def _rule(self, rule: PacketRule, identity: str, hook: Hook) -> Iterator[Line]:
        try:
            for match in matches(rule, hook, self.objects, self._proxied(hook)):
                yield from self._statements(rule, identity, hook, match)
        except RuleSetError as error:
            message = f"rule {rule.name!r}: {error}"
            raise RuleSetError(message) from None

    def _statements(
        self, rule: PacketRule, identity: str, hook: Hook, match: Match
    ) -> Iterator[Line]:
        conditions, meters = self._stateful(rule, identity, match)
        parts = [match.text, *conditions, self.objects.counter(rule.name)]
        parts += self._action(rule, hook)
        parts.append(f'comment "{readable(rule.name)}"')
        yield Line(" ".join(part for part in parts if part), rule.name)
        for key, name in meters:
            text = f"{match.text} {key} != @{name} {self.objects.overflow()}"
            yield Line(text.strip(), rule.name)

    def _action(self, rule: PacketRule, hook: Hook) -> list[str]:
        if rule.action is PacketAction.COUNT:
            return []
        if rule.action is PacketAction.LOG:
            return [LOG_RATE, f'log prefix "phage {readable(rule.name)[:60]}: "']
        if rule.action is PacketAction.LIMIT:
            if rule.rate is None and not rule.connections:
                message = "a limit needs a rate or a number of connections"
                raise RuleSetError(message)
            return ["drop"]
        return [self._verdict(rule.action, hook)]

    def _stateful(
        self, rule: PacketRule, identity: str, match: Match
    ) -> tuple[list[str], list[tuple[str, str]]]:
        """Return the conditions that count, and for each its key and table."""
        conditions, meters = [], []
        if rule.connections:
            key = _key("saddr", match.version)
            text, name = self.objects.connections(rule, identity, key, match.version)
            conditions.append(text)
            meters.append((key, name))
        if rule.rate is not None:
            if not rule.per:
                conditions.append(self.objects.limit(rule, identity))
            else:
                key = _key(_side_of(rule), match.version)
                text, name = self.objects.meter(rule, identity, key, match.version)
                conditions.append(text)
                # Behind a number of connections it is asked for some packets only.
                meters += [] if rule.connections else [(key, name)]
        return conditions, meters

    def _verdict(self, action: PacketAction, hook: Hook) -> str:
        if action is PacketAction.REJECT:
            return f"goto {self._chain('refuse')}"
        if action is PacketAction.ACCEPT and self._proxied(hook):
            return f"goto {self._chain('admit')}"
        return action.value

    def _refuse(self) -> Chain:
        return Chain(
            self._chain("refuse"),
            (
                Line("meta l4proto tcp reject with tcp reset"),
                Line("reject with icmpx admin-prohibited"),
            ),
        )

    # Limits of packets and octets hold within connections too.

    def _limits(self, hook: Hook) -> list[Chain]:
        """Return the chain that packets of connections go through, if any rule limits them.

        A rule that accepts shields from limits behind it, as it does for a new connection.
        """
        asked = [
            (rule, identity)
            for rule, identity in zip(self.rules.rules, self.identities, strict=True)
            if hook in rule.hooks and (_limits_packets(rule) or _always_accepts(rule))
        ]
        while asked and not _limits_packets(asked[-1][0]):
            asked.pop()
        if not asked:
            return []
        lines = [*self._allowed(hook)]
        for rule, identity in asked:
            if _limits_packets(rule):
                lines += self._rule(rule, identity, hook)
            else:
                lines += [
                    Line(f"{match.text} accept".strip(), rule.name)
                    for match in matches(rule, hook, self.objects)
                ]
        return [Chain(self._chain(f"limits_{hook}"), (*lines, Line("accept")))]

    # The SYN proxy.

    def _proxied(self, hook: Hook) -> Mapping[int, str]:
        return {} if hook is Hook.OUTPUT else self.proxied

    def _proxy_chains(self) -> list[Chain]:
        """Return the chain that keeps SYNs untracked, and the one that answers what is accepted."""
        proxies = self.rules.synproxy
        if not proxies:
            return []
        # Who is allowed, and the machine itself, has its SYNs tracked and meets no proxy.
        first = [Line('iifname "lo" accept'), *self._allowed("prerouting")]
        return [
            Chain(self._chain("prerouting"), (*first, *synproxy.untracked(proxies))),
            Chain(self._chain("admit"), (*synproxy.answered(proxies), Line("accept"))),
        ]


def _key(side: str, version: int) -> str:
    """Return what a limit by address counts by: IPv6 sources by their /64."""
    if version == 4:
        return f"ip {side}"
    return f"ip6 {side} and ffff:ffff:ffff:ffff::" if side == "saddr" else f"ip6 {side}"


def _side_of(rule: PacketRule) -> str:
    try:
        return {"source": "saddr", "destination": "daddr"}[rule.per]
    except KeyError:
        message = f"a limit is per source or destination, not per {rule.per!r}"
        raise RuleSetError(message) from None


def _limits_packets(rule: PacketRule) -> bool:
    """Tell whether a rule is a limit that holds within connections."""
    return (
        rule.action in {PacketAction.LIMIT, PacketAction.COUNT}
        and rule.rate is not None
        and not rule.connections
        and not is_opening(rule)
    )


def _always_accepts(rule: PacketRule) -> bool:
    """Tell whether a rule accepts whatever happened before."""
    return (
        rule.action is PacketAction.ACCEPT
        and rule.rate is None
        and not rule.connections
        and not is_opening(rule)
    )
