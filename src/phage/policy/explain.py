"""Saying in words which rule decides about traffic, and why none of the earlier ones did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.evaluate import Traffic, Verdict, evaluate
from phage.policy.meaning.matching import Party
from phage.policy.rule import Mode
from phage.policy.services import PORTED, TCP, parse_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.policy.facts import Facts
    from phage.policy.ruleset import RuleSet
    from phage.records.packetrule import Service


@frozen
class Explanation:
    """What happens to traffic: by the rules as they are, and if all were enforced."""

    traffic: Traffic
    now: Verdict
    enforced: Verdict


def explain(ruleset: RuleSet, traffic: Traffic, facts: Facts, now: int) -> Explanation:
    """Ask the rules about traffic."""
    return Explanation(
        traffic,
        evaluate(ruleset, traffic, facts, now),
        evaluate(ruleset, traffic, facts, now, as_enforced=True),
    )


def sentences(explanation: Explanation) -> Iterator[str]:
    """Yield the explanation line by line."""
    verdict, traffic = explanation.now, explanation.traffic
    ends = f"{traffic.source} -> {traffic.destination}"
    yield f"{ends} is {_DONE[verdict.action]} at {verdict.hook}: {_because(verdict)}"
    enforced = explanation.enforced
    if (enforced.action, enforced.rule) != (verdict.action, verdict.rule):
        done = _DONE[enforced.action]
        yield f"If all rules were enforced it would be {done}: {_because(enforced)}"
    if verdict.steps:
        yield ""
    width = max((len(step.rule.place.short) for step in verdict.steps), default=0)
    for step in verdict.steps:
        mark = "=" if step.decides else "+" if not step.why_not else "-"
        said = step.why_not or _said(step.effect, step.rule.mode, decides=step.decides)
        yield f"{mark} {step.rule.place.short:{width}}  {step.rule.name}: {said}"


_DONE = {"accept": "accepted", "drop": "dropped", "reject": "rejected"}


def _because(verdict: Verdict) -> str:
    if verdict.rule is not None:
        return f"rule {verdict.rule.name!r} ({verdict.rule.place.short})"
    where = f" ({verdict.default.short})" if verdict.default is not None else ""
    return f"{verdict.why}{where}"


def _said(effect: str, mode: Mode, *, decides: bool) -> str:
    if decides:
        return f"matches: {effect}"
    if not effect:
        return "matches, and lets it go on"
    if mode is Mode.DRY_RUN:
        return f"matches, and would {effect} (dry run)"
    return f"matches: {effect}, and goes on"


def traffic_of(source: str, destination: str, service: str, facts: Facts) -> Traffic:
    """Return the traffic that a person means. Raises ValueError that says what to write.

    Args:
        source: An address, the name of a device, "self", "gateway" or "admin".
        destination: As the source. A name stands for an address of the other end's IP version.
        service: "ssh", "tcp/22", "icmp"; the first of several is taken.
        facts: What is known of the world.
    """
    found = service_of(service)
    given = (Party(name).address for name in (source, destination))
    version = next((address.version for address in given if address is not None), 0)
    ports = found.ports[0][0] if found.ports else None
    return Traffic(
        source=party_of(source, facts, version),
        destination=party_of(destination, facts, version),
        protocol=found.protocol,
        port=ports,
        source_port=49_152 if found.protocol in PORTED else None,
    )


def service_of(text: str) -> Service:
    """Return the first service that a text means; a number is a TCP port. Raises ValueError."""
    services = parse_service(f"tcp/{text}" if text.isdigit() else text)
    if services is None:
        message = f"{text[:40]!r} is no service; write ssh, tcp/22, udp/53 or icmp"
        raise ValueError(message)
    return next((item for item in services if item.protocol == TCP), services[0])


def party_of(name: str, facts: Facts, version: int = 0) -> Party:
    """Return whom a person means, by an address of an IP version if there is one (0: any).

    Raises ValueError that says what to write.
    """
    party = Party(name)
    if party.address is not None:
        device = facts.device_of(name, "")
        return Party(str(party.address), device.mac if device is not None else "")
    known = {"self": facts.own, "gateway": facts.gateways}
    if networks := known.get(name):
        # Rather one that others know it by.
        first = min(
            networks,
            key=lambda item: (
                version not in {0, item.version},
                item.is_loopback or item.is_link_local,
            ),
        )
        return Party(str(first.network_address))
    if name == "admin" and facts.admins:
        return Party(_one_of([each.source for each in facts.admins], version))
    for device in facts.devices():
        if name in {device.name, device.mac}:
            return Party(_one_of(device.addresses, version), device.mac)
    message = f"{name[:60]!r} is no address, and no device is called so"
    raise ValueError(message)


def _one_of(addresses: Sequence[str], version: int) -> str:
    """Return the first address of an IP version, else the first; '' where there is none."""
    return min(addresses, key=lambda each: version not in {0, 6 if ":" in each else 4}, default="")
