"""DDoS: floods that go on and that were, rates against thresholds, and what to filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.frozen import frozen
from phage.store.repositories.findings import FindingFilter
from phage.web.figures import host_of
from phage.web.names import Names
from phage.web.render import page
from phage.web.state import state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records import Finding

router = APIRouter(include_in_schema=False)

DETECTORS = ("volumetric", "synflood")
"""Detectors that find floods."""

MOST = 50


@frozen
class Attack:
    """A flood as a row; what its detector does not tell is 0 or ''."""

    finding: Finding
    target: str
    vectors: str
    rate: float
    limit: float
    unit: str
    peak_packets: float
    peak_bits: float
    sources: int
    suggested: int

    @property
    def share(self) -> float:
        """Return by how many times the limit is exceeded; 0 where there is none."""
        return self.rate / self.limit if self.limit else 0.0


@router.get("/ddos", dependencies=[Depends(needs("findings:read"))])
def ddos(request: Request, services: Served, asker: Asker) -> HTMLResponse:
    """Show floods."""
    with services.reading() as store:
        found = [
            each
            for name in DETECTORS
            for each in store.findings.list(FindingFilter(detector=name), MOST)
        ]
        found.sort(key=lambda each: (each.state == "open", each.last_seen), reverse=True)
        attacks = [_attack(each) for each in found[:MOST]]
        names = Names(store, asker)
        names.learn(each.finding.subject.device or each.finding.subject.ip for each in attacks)
        names.learn(each.target for each in attacks)
        labels = store.labels.of([each.finding.id for each in attacks])
        state = state_of(services)
        names.learn(each["ip"] for each in state.live.get("destinations", ())[:12])
        names.learn(host_of(each["target"]) for each in state.live.get("nearest", ()))
    limits = services.settings.settings() if services.settings is not None else ()
    return page(
        request,
        "ddos.html",
        attacks=attacks,
        now_on=[each for each in attacks if each.finding.state == "open"],
        names=names,
        labels=labels,
        state=state,
        thresholds=[each for each in limits if "thresholds" in each.key[-1:]],
    )


def _attack(finding: Finding) -> Attack:
    evidence: Mapping[str, Any] = finding.evidence
    worst = max(finding.features, key=lambda each: each.weight, default=None)
    vectors = evidence.get("vectors", ())
    kinds = [str(each["name"]) for each in vectors if isinstance(each, dict) and "name" in each]
    suggested = evidence.get("suggested", ())
    return Attack(
        finding,
        str(evidence.get("target", "")) or finding.subject.ip or finding.subject.device,
        ", ".join(kinds) or str(evidence.get("kind", finding.detector)),
        worst.value if worst is not None else 0.0,
        worst.expected_high if worst is not None else 0.0,
        worst.unit if worst is not None else "",
        _number(evidence.get("peak_packets_per_second")),
        _number(evidence.get("peak_bits_per_second")),
        int(_number(evidence.get("sources"))) or finding.peers_total,
        len(suggested) if isinstance(suggested, list | tuple) else 0,
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
