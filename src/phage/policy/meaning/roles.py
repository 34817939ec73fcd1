"""Who is who in a finding: who attacks, who is attacked, with which services."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.meaning.matching import Party
from phage.policy.services import parse_service

if TYPE_CHECKING:
    from phage.records.finding import Finding
    from phage.records.packetrule import Service

ATTACKER, VICTIM = "attacker", "victim"

RATE = "rate"
"""The detector of findings about who exceeds a rule's rate; they name the rule as evidence."""

SUBJECT_ROLES = {"beaconing": VICTIM}
"""What the subject is in findings of a detector that does not say it itself
(`evidence["subject_is"]`). It is the attacker in all others. Who beacons is controlled by whom it
calls, and it is that one who attacks."""

CALLED = frozenset({"beaconing"})
"""Detectors that tell of attackers whom our devices call: packets to these are meant too."""

_ON_LINK = frozenset({"arp", "nd"})


@frozen
class Roles:
    """The parties of a finding.

    Attributes:
        sources: Who attacks.
        victims: Who is attacked.
        subject_attacks: Whether the subject is the one who attacks.
        services: What is attacked, or talked by.
        domain: The domain that the finding is about; '' for none.
        on_link: Whether all that was seen are messages of the link itself (ARP, ND).
    """

    sources: tuple[Party, ...]
    victims: tuple[Party, ...]
    subject_attacks: bool
    services: tuple[Service, ...]
    domain: str
    on_link: bool


def roles_of(finding: Finding) -> Roles:
    """Return who is who in a finding."""
    told = finding.evidence.get("domain") or finding.evidence.get("name") or ""
    domain = told.lower().rstrip(".") if isinstance(told, str) else ""
    domains = (domain,) if domain else ()
    subject, texts = (
        finding.subject,
        {text: None for peer in finding.peers for text in peer.services},
    )
    role = str(finding.evidence.get("subject_is", ""))
    own = (Party(subject.ip, subject.mac),) if subject.ip or subject.mac else _prefix(finding)
    if role not in {ATTACKER, VICTIM}:
        # What has no address, such as an account, attacks nobody.
        role = SUBJECT_ROLES.get(finding.detector, ATTACKER) if own else VICTIM
    others = tuple(
        Party(peer.ip, peer.mac, domains) for peer in finding.peers if peer.ip or peer.mac
    )
    attacks = role == ATTACKER
    return Roles(
        sources=own if attacks else others,
        victims=others if attacks else own,
        subject_attacks=attacks,
        services=_services(tuple(texts)),
        domain=domain,
        on_link=bool(texts) and texts.keys() <= _ON_LINK,
    )


def _prefix(finding: Finding) -> tuple[Party, ...]:
    """Return the prefix that an attack is spread over, or those of a group, if it is about such."""
    several = finding.evidence.get("networks")
    texts = several if isinstance(several, list | tuple) else [finding.evidence.get("target", "")]
    try:
        networks = [ipaddress.ip_network(str(text)) for text in texts]
    except ValueError:
        return ()
    return tuple(Party(str(each.network_address), network=str(each)) for each in networks)


def _services(texts: tuple[str, ...]) -> tuple[Service, ...]:
    """Return services of their names in findings; what is none of IP ("arp") is left out."""
    found: dict[Service, None] = {}
    for text in texts:
        try:
            found.update(dict.fromkeys(parse_service(text) or ()))
        except ValueError:
            continue
    return tuple(found)
