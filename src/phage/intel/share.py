"""Sharing back: who attacked us, as STIX 2.1 and as a MISP feed; nothing about ourselves.

Of findings only the attacker's address goes out, when and how often he was seen, and which
detectors say so: neither a device of ours nor what it is called, nor a sentence about it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import uuid
from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339
from phage.frozen import frozen
from phage.intel.stix import NAMESPACE, identity, indicator_object
from phage.records.indicator import Indicator, IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phage.records import Finding, Severity

NOT_OURS = frozenset({"intelmatch", "retrohunt", "idsalert", "anomaly", "deviation", "malware"})
"""Detectors whose findings are not shared: what others said already, and what names no attack."""

VALID_NANOSECONDS = 14 * 86_400 * 10**9
"""How long an attacker's address means something after he was seen last."""

_SECOND = 10**9


@frozen
class Sharing:
    """What is shared, and in whose name.

    Attributes:
        name: Who says so.
        home: Networks that are ours: nobody in them is shared.
        least: Findings of this severity or worse.
        seconds: Of so long ago.
    """

    name: str
    home: tuple[str, ...]
    least: Severity
    seconds: float


@frozen
class Offence:
    """One attacker.

    Times are nanoseconds since the Unix epoch; `confidence` is 0 to 100.
    """

    address: str
    first_seen: int
    last_seen: int
    times: int
    detectors: tuple[str, ...]
    confidence: int

    @property
    def indicator(self) -> Indicator:
        """The offence as an indicator."""
        return Indicator(
            IndicatorKind.NETWORK,
            self.address,
            "phage",
            self.confidence,
            self.first_seen,
            self.last_seen,
            self.last_seen + VALID_NANOSECONDS,
            self.detectors,
            f"{', '.join(self.detectors)}: reported {self.times} times",
        )


def offences(findings: Iterable[Finding], home: Sequence[str] = ()) -> list[Offence]:
    """Return the attackers of findings, those seen first first; none that is at home."""
    networks = [ipaddress.ip_network(text) for text in home]
    found: dict[str, Offence] = {}
    for finding in findings:
        address = finding.stranger
        if not address or finding.detector in NOT_OURS:
            continue
        if any(ipaddress.ip_address(address) in network for network in networks):
            continue
        known = found.get(address)
        found[address] = Offence(
            address,
            min(finding.first_seen, known.first_seen) if known else finding.first_seen,
            max(finding.last_seen, known.last_seen) if known else finding.last_seen,
            finding.count + (known.times if known else 0),
            tuple(sorted({finding.detector, *(known.detectors if known else ())})),
            max(min(99, round(100 * finding.score)), known.confidence if known else 0),
        )
    return sorted(found.values(), key=lambda each: (each.last_seen, each.address))


def stix_objects(shared: Iterable[Offence], name: str) -> list[tuple[int, dict[str, Any]]]:
    """Return STIX objects with the time at which each was added: who says so, then indicators."""
    who = identity(name)
    found: list[tuple[int, dict[str, Any]]] = []
    for each in shared:
        made = indicator_object(each.indicator, who["id"], f"{each.address} attacks")
        if made is not None:
            found.append((each.last_seen, made))
    return sorted([(found[0][0], who), *found], key=_order) if found else []


def _order(added: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    return added[0], str(added[1]["id"])


def misp_feed(shared: Sequence[Offence], organization: str, day: int) -> dict[str, Any]:
    """Return the files of a MISP feed by name: `manifest.json`, `hashes.csv` and the event.

    Args:
        shared: The attackers.
        organization: Who says so.
        day: The event's time, in nanoseconds since the Unix epoch.
    """
    event_id = str(uuid.uuid5(NAMESPACE, f"misp {organization}"))
    org = {"name": organization, "uuid": str(uuid.uuid5(NAMESPACE, f"org {organization}"))}
    about = {
        "info": "Attackers that phage saw",
        "date": rfc3339(day)[:10],
        "timestamp": str(max((each.last_seen for each in shared), default=day) // _SECOND),
        "analysis": "2",
        "threat_level_id": "3",
        "Orgc": org,
        "Tag": [{"name": "tlp:green", "colour": "#339900"}],
    }
    attributes = [_attribute(each, event_id) for each in shared]
    event = {
        **about,
        "uuid": event_id,
        "published": True,
        "publish_timestamp": about["timestamp"],
        "Attribute": attributes,
    }
    hashes = "".join(
        f"{hashlib.md5(each.address.encode(), usedforsecurity=False).hexdigest()},{event_id}\n"
        for each in shared
    )
    return {
        "manifest.json": {event_id: about},
        f"{event_id}.json": {"Event": event},
        "hashes.csv": hashes,
    }


def _attribute(each: Offence, event: str) -> dict[str, Any]:
    return {
        "uuid": str(uuid.uuid5(NAMESPACE, f"{event} {each.address}")),
        "type": "ip-src",
        "category": "Network activity",
        "value": each.address,
        "to_ids": True,
        "disable_correlation": False,
        "comment": f"{', '.join(each.detectors)}: reported {each.times} times",
        "timestamp": str(each.last_seen // _SECOND),
        "first_seen": rfc3339(each.first_seen),
        "last_seen": rfc3339(each.last_seen),
    }
