"""Traffic against the rules: what happens to the first packet of a connection, and why.

This is the meaning of rules about packets. `compile` must say the same to the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.meaning.matching import Party, Scene, set_of
from phage.policy.meaning.timing import any_open, moment_of
from phage.policy.rule import Mode, Verb, Way
from phage.policy.services import (
    ICMP,
    ICMPV6,
    PORTED,
    TCP,
    UDP,
    protocol_name,
    service_texts,
)
from phage.records.packetrule import Hook, PacketAction, Service

if TYPE_CHECKING:
    import datetime

    from phage.policy.facts import Facts
    from phage.policy.meaning.resolve import Sides
    from phage.policy.place import Place
    from phage.policy.rule import Rule
    from phage.policy.ruleset import ReadyRule, RuleSet
    from phage.records.packetrule import Network

LIFELINES_ANYWHERE = (Service(UDP, ((67, 68),)), Service(UDP, ((546, 547),)))
"""What a device in quarantine may ask anybody: DHCP (RFC 2131, RFC 8415)."""

LIFELINES_AT_ROUTER = (
    Service(UDP, ((53, 53),)),
    Service(TCP, ((53, 53),)),
    Service(ICMP, ((8, 8),)),
    Service(ICMPV6, ((128, 128), (133, 136))),
)
"""What it may ask the router and this machine: DNS and ping, and their addresses (RFC 4861)."""

SHOWN = 3


@dataclass(frozen=True)
class Traffic:
    """The first packet of a connection.

    Attributes:
        source: Who sends it.
        destination: Who it is for; its `domains` are names it was looked up by.
        protocol: IP protocol number.
        port: Destination port, or ICMP type; None where there is none or it is not known.
        source_port: Source port; None as above.
        hook: Where it is seen; None for where its addresses put it.
        in_interface: The interface it came by; '' where unknown.
        out_interface: The interface it leaves by; '' where unknown.
        vlan: VLAN id; 0 for none.
        connections: Connections that the source has open.
        exceeds: Whether it is more than rates allow.
    """

    source: Party
    destination: Party
    protocol: int = TCP
    port: int | None = None
    source_port: int | None = None
    hook: Hook | None = None
    in_interface: str = ""
    out_interface: str = ""
    vlan: int = 0
    connections: int = 0
    exceeds: bool = False


@frozen
class Step:
    """What one rule said of the traffic.

    Attributes:
        rule: The rule.
        why_not: Why it does not match; '' where it matches.
        effect: What it does, or in dry run would do: "drop", "log", …; '' where it does nothing.
        decides: Whether no further rule is asked.
    """

    rule: Rule
    why_not: str = ""
    effect: str = ""
    decides: bool = False


@frozen
class Verdict:
    """What happens to traffic.

    Attributes:
        action: ACCEPT, DROP or REJECT.
        rule: The rule that decided; None for the allow-list or the default.
        hook: Where it was seen.
        steps: The rules that were asked, in order.
        why: What decided where no rule did.
        default: Where the default is set; None where it is not.
    """

    action: PacketAction
    rule: Rule | None
    hook: Hook
    steps: tuple[Step, ...]
    why: str = ""
    default: Place | None = None


def evaluate(
    ruleset: RuleSet,
    traffic: Traffic,
    facts: Facts,
    now: int,
    *,
    as_enforced: bool = False,
    ask_allow_list: bool = True,
) -> Verdict:
    """Return what happens to the first packet of a connection, by which rule, and why not others.

    Args:
        ruleset: The rules.
        traffic: The packet.
        facts: What is known of the world.
        now: Nanoseconds since the Unix epoch.
        as_enforced: Take rules in dry run as if they were enforced.
        ask_allow_list: Whether the allow-list comes first, as it does in the kernel.
    """
    asked = Asked(traffic, facts, now)
    protected = asked.protected_by(facts) if ask_allow_list else None
    if protected is not None:
        why = f"{protected} is on the allow-list, which comes first"
        return Verdict(PacketAction.ACCEPT, None, asked.hook, (), why)
    steps: list[Step] = []
    for ready in ruleset.packet_rules:
        step = asked.step(ready, as_enforced=as_enforced)
        steps.append(step)
        if step.decides:
            return Verdict(PacketAction(step.effect), ready.rule, asked.hook, tuple(steps))
    action, place = ruleset.defaults.get(asked.hook, (PacketAction.ACCEPT, None))
    return Verdict(action, None, asked.hook, tuple(steps), f"the default of {asked.hook}", place)


class Asked:
    """Traffic that rules are asked about, with what all of them need of it."""

    def __init__(self, traffic: Traffic, facts: Facts, now: int) -> None:
        self.traffic = traffic
        self.scene = Scene(facts)
        self.moment: datetime.datetime = moment_of(now)
        self.hook = traffic.hook or self._hook()

    def _hook(self) -> Hook:
        if self.scene.is_own(self.traffic.destination):
            return Hook.INPUT
        return Hook.OUTPUT if self.scene.is_own(self.traffic.source) else Hook.FORWARD

    def protected_by(self, facts: Facts) -> Network | None:
        """Return what on the allow-list lets it pass before any rule is asked; None for nothing."""
        end = self.traffic.destination if self.hook is Hook.OUTPUT else self.traffic.source
        if end.address is None or end.address not in set_of(facts.protected):
            return None
        return next(network for network in facts.protected if end.address in network)

    def step(self, ready: ReadyRule, *, as_enforced: bool = False) -> Step:
        """Return what a rule says."""
        rule = ready.rule
        why_not = self.why_not(ready)
        if why_not:
            return Step(rule, why_not)
        deciding = self._effect(rule)
        effect = deciding or ", ".join(verb for verb in rule.actions if verb is Verb.LOG)
        is_acting = as_enforced or rule.mode is Mode.ENFORCE
        return Step(rule, effect=effect, decides=bool(deciding) and is_acting)

    def _effect(self, rule: Rule) -> str:
        """Return the action that decides about the packet; '' where none does."""
        if Verb.LIMIT in rule.actions and self.traffic.exceeds:
            return PacketAction.DROP
        if Verb.QUARANTINE in rule.actions:
            return PacketAction.ACCEPT if self._is_lifeline() else PacketAction.DROP
        found = [verb for verb in rule.actions if verb in {Verb.ACCEPT, Verb.DROP, Verb.REJECT}]
        return found[0].value if found else ""

    def _is_lifeline(self) -> bool:
        if self._is_one_of(LIFELINES_ANYWHERE):
            return True
        party = self.traffic.destination
        at_router = self.scene.is_own(party) or self.scene.is_in(party, "gateway")
        return at_router and self._is_one_of(LIFELINES_AT_ROUTER)

    def why_not(self, ready: ReadyRule) -> str:
        """Return why a rule does not match; '' where it does."""
        return (
            self._wrong_time(ready)
            or self._wrong_link(ready)
            or self._wrong_service(ready)
            or self._wrong_parties(ready)
            or self._wrong_measure(ready)
        )

    def _wrong_time(self, ready: ReadyRule) -> str:
        conditions = ready.conditions
        if conditions.times and not any_open(conditions.times, self.moment):
            return "outside its time"
        if conditions.not_times and any_open(conditions.not_times, self.moment):
            return "at a time that it excludes"
        return ""

    def _wrong_link(self, ready: ReadyRule) -> str:
        match, traffic = ready.rule.match, self.traffic
        if ready.rule.hooks and self.hook not in ready.rule.hooks:
            return f"is for {_listed(ready.rule.hooks)}, this is {self.hook}"
        has_in = self.hook is not Hook.OUTPUT
        into = traffic.in_interface if has_in else ""
        out = traffic.out_interface if self.hook is not Hook.INPUT else ""
        if match.in_interfaces and into not in match.in_interfaces:
            return f"comes in by {into or 'an interface not told'}"
        if match.out_interfaces and out not in match.out_interfaces:
            return f"goes out by {out or 'an interface not told'}"
        if match.interfaces and not {into, out} & set(match.interfaces):
            return f"interface is {into or out or 'not told'}"
        if match.vlans and not (has_in and traffic.vlan in match.vlans):
            return f"VLAN is {traffic.vlan or 'none'}"
        return ""

    def _wrong_service(self, ready: ReadyRule) -> str:
        conditions, traffic = ready.conditions, self.traffic
        if conditions.services and not self._is_one_of(conditions.services):
            return f"service is {self.service}, not {_services(conditions.services)}"
        if conditions.not_services and self._is_one_of(conditions.not_services):
            return f"service {self.service} is excluded"
        ranges = conditions.match.source_ports
        if ranges and not (
            traffic.protocol in PORTED
            and traffic.source_port is not None
            and any(low <= traffic.source_port <= high for low, high in ranges)
        ):
            return f"source port is {traffic.source_port or 'not told'}"
        return ""

    @property
    def service(self) -> str:
        """The packet's service as people write it."""
        name = protocol_name(self.traffic.protocol)
        return name if self.traffic.port is None else f"{name}/{self.traffic.port}"

    def _is_one_of(self, services: tuple[Service, ...]) -> bool:
        protocol, port = self.traffic.protocol, self.traffic.port
        return any(
            service.protocol == protocol
            and (
                not service.ports
                or (port is not None and any(low <= port <= high for low, high in service.ports))
            )
            for service in services
        )

    def _wrong_parties(self, ready: ReadyRule) -> str:
        source, destination = self.traffic.source, self.traffic.destination
        if ready.not_source.holds(source, self.scene):
            return f"source {source} is excluded"
        if ready.not_destination.holds(destination, self.scene):
            return f"destination {destination} is excluded"
        why = ""
        for wanted_source, wanted_destination in ready.pairs:
            if not wanted_source.holds(source, self.scene):
                why = why or f"source is {source}, not {describe(wanted_source.sides)}"
            elif not wanted_destination.holds(destination, self.scene):
                why = f"destination is {destination}, not {describe(wanted_destination.sides)}"
            else:
                return self._wrong_way(ready.rule.match.ways)
        return why

    def _wrong_way(self, ways: frozenset[Way]) -> str:
        if not ways or any(self._goes(way) for way in ways):
            return ""
        return f"direction is {self.way}, not {_listed(ways)}"

    def _goes(self, way: Way) -> bool:
        if way is Way.FORWARD:
            return self.hook is Hook.FORWARD
        return self.way == way

    @property
    def way(self) -> str:
        """Which way it goes: "in", "out", "inside", or "through" from strangers to strangers."""
        source = self.scene.is_local(self.traffic.source)
        destination = self.scene.is_local(self.traffic.destination)
        if source:
            return Way.INSIDE if destination else Way.OUT
        return Way.IN if destination else "through"

    def _wrong_measure(self, ready: ReadyRule) -> str:
        match, traffic = ready.rule.match, self.traffic
        if match.rate is not None and not traffic.exceeds:
            return "within its rate"
        if match.connections and traffic.connections <= match.connections:
            return f"{traffic.connections} connections, not more than {match.connections}"
        return ""


def describe(sides: Sides) -> str:
    """Return who is meant in some words: "office or country FR but not 192.168.1.9"."""
    texts = []
    for side in sides:
        wanted = _either(list(map(str, side.any_of))) if side.any_of else "anybody"
        unwanted = f" but not {_either(list(map(str, side.none_of)))}" if side.none_of else ""
        texts.append(f"{wanted}{unwanted}")
    return _either(texts) if texts else "anybody"


def _either(texts: list[str]) -> str:
    shown = " or ".join(texts[:SHOWN])
    return f"{shown} or {len(texts) - SHOWN} more" if len(texts) > SHOWN else shown


def _services(services: tuple[Service, ...]) -> str:
    return _either([text for service in services for text in service_texts(service)])


def _listed(words: frozenset[Hook] | frozenset[Way]) -> str:
    return " or ".join(sorted(words))
