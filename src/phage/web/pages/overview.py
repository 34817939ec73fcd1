"""The overview: what needs one now, what happened over time, how phage does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from phage.api.memory import Remembered
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.frozen import frozen
from phage.records import FindingState, Severity
from phage.store.repositories.decisions import DecisionFilter
from phage.store.repositories.devices import DeviceFilter
from phage.store.repositories.findings import FindingFilter
from phage.store.repositories.traffic import TrafficKind
from phage.web.history import Period, decisions_chart, findings_chart, period_of, traffic_chart
from phage.web.names import Names
from phage.web.render import page
from phage.web.state import State, state_of

if TYPE_CHECKING:
    from phage.access.identity import Identity
    from phage.records import Finding
    from phage.store.store import Store

router = APIRouter(include_in_schema=False)

MAX_NEEDS = 8


@frozen
class Need:
    """Something that wants a person: how bad, what, and where to go."""

    severity: str
    say: str
    to: str
    at: int = 0
    meta: str = ""


@router.get("/", dependencies=[Depends(needs("status:read"))])
def overview(
    request: Request,
    services: Served,
    asker: Asker,
    memory: Remembered,
    period: Annotated[Literal["1h", "24h", "7d"], Query()] = "24h",
) -> HTMLResponse:
    """Show the overview."""
    now = services.clock.now()
    state = state_of(services)
    with services.reading() as store:
        chosen = period_of(period, now)
        values = _read(store, asker) | memory.of(("overview", period), lambda: _sums(store, chosen))
        names = Names(store, asker)
        findings, talkers = values["latest"], values["talkers"]
        names.learn(
            [each.subject.device or each.subject.ip for each in findings]
            + [each.name for each in talkers]
        )
        labels = store.labels.of([each.id for each in values["open"]])
    waiting = [each for each in values["open"] if each.id not in labels]
    needs_now = [*_of_state(state), *map(_of_finding, waiting)]
    return page(
        request,
        "overview.html",
        period=period,
        state=state,
        needs=needs_now[:MAX_NEEDS],
        needs_total=len(needs_now),
        names=names,
        **values,
    )


def _sums(store: Store, period: Period) -> dict[str, Any]:
    """Return what takes a look at all of a period."""
    return {
        "traffic": traffic_chart(store, period),
        "found": findings_chart(store, period),
        "decided": decisions_chart(store, period),
        "talkers": store.traffic.top(TrafficKind.HOST, period.since, period.now, 6),
        "devices": store.devices.how_many(DeviceFilter(since=period.now - 86_400 * 10**9)),
        "found_in_period": store.findings.count(FindingFilter(since=period.since)),
    }


def _read(store: Store, asker: Identity) -> dict[str, Any]:
    values: dict[str, Any] = {"latest": (), "open": (), "blocks": (), "blocked": 0, "recorded": 0}
    if asker.may("findings:read"):
        waiting = FindingFilter(state=FindingState.OPEN, severity=Severity.MEDIUM)
        values |= {
            "latest": store.findings.list(FindingFilter(), 6),
            "open": store.findings.list(waiting, 50),
        }
    if asker.may("decisions:read"):
        standing = DecisionFilter(standing=True, dry_run=False)
        values |= {
            "blocks": store.decisions.list(standing, 6),
            "blocked": store.decisions.count(standing),
            "recorded": store.decisions.count(DecisionFilter(standing=True, dry_run=True)),
        }
    return values


def _of_state(state: State) -> list[Need]:
    found = []
    if state.panic:
        found.append(Need("critical", "The panic switch is on: nothing is blocked.", "/decisions"))
    if state.trial_until:
        found.append(
            Need("high", "Rules are on trial; confirm them, or they are taken back.", "/rules")
        )
    found += [Need("high", fault, "/help#health") for fault in state.faults]
    return found


def _of_finding(finding: Finding) -> Need:
    return Need(
        str(finding.severity),
        finding.summary,
        f"/findings/{finding.id}",
        finding.last_seen,
        finding.detector,
    )
