"""What the routes ask of the living daemon: a facade, so that routes are tested with fakes.

Each noun that needs more than the store has a Protocol here or in its own file, and a field in
`Services`. The daemon fills the fields (`daemon/serving.py`); one that is None belongs to a part
that does not run, and its routes answer 503.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Request

from phage.api.problem import ProblemError
from phage.api.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from phage.access.access import Access
    from phage.api.bouncers import BouncerFeed
    from phage.api.desks import FeedsDesk, PushDesk, RuleDesk, SettingsDesk
    from phage.api.events import EventHub
    from phage.api.workdesk import WorkDesk
    from phage.clock import Clock
    from phage.collect.joined import JoinedCollector
    from phage.intel.catalog import Catalog
    from phage.intel.share import Sharing
    from phage.learn.copies import SensorModels
    from phage.scan.desk import ScanDesk
    from phage.store.store import Store
    from phage.telemetry.metrics import Registry

T = TypeVar("T")


class Steer(Protocol):
    """Asks the daemon what its control socket is asked (`phage.daemon.requests`)."""

    def __call__(self, verb: str, actor: str, /, **values: object) -> Mapping[str, Any]:
        """Return the answer to a verb with its fields, on behalf of "user:NAME".

        Raises PhageError to refuse.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What routes work with.

    Attributes:
        clock: Tells the time.
        access: Users, sessions, tokens and the audit log.
        reading: Gives a reader of the store for the time of a question.
        writing: The store, for the few things that routes write themselves (labels).
        registry: The metrics.
        health: Tells how the daemon does: {"status": "ok" | "degraded", ...}; quick.
        metrics_token: What /metrics asks for as bearer token; '' for nothing.
        captures: Folder with the packets of findings.
        hosts: Names besides addresses and localhost by which phage may be asked.
        secure: It is served over TLS.
        vitals: Tells the figures of this run.
        steer: Steers the daemon; None where nothing decides.
        events: Where live events come from.
        bouncers: What answers remediation components; None where nothing decides.
        home: Networks that are ours, as CIDR.
        fingerprint: SHA-256 of its own certificate; '' for a given one, or none.
        sensors: Takes windows of sensors that joined; None where none are taken.
        models: Keeps what sensors learned; None where none join.
        feeds: The feeds; None where there is no threat intelligence.
        catalog: Returns what all feeds say; None where there is no threat intelligence.
        rules: Rule files; None where nothing decides.
        settings: The settings file; None where it is not to be seen.
        system_of: Returns the autonomous system of an address; 0 for unknown.
        sharing: What others are told of attackers; None for nothing.
        scanning: Where files are handed over to be scanned; None where none are.
        work: What answers workers that scan files; None where there are none.
        push: Tells browsers; None where none are told.
    """

    clock: Clock
    access: Access
    reading: Callable[[], AbstractContextManager[Store]]
    writing: Store
    registry: Registry
    health: Callable[[], Mapping[str, object]]
    metrics_token: str = ""
    captures: Path | None = None
    hosts: tuple[str, ...] = ()
    secure: bool = False
    vitals: Callable[[], Vitals] = Vitals
    steer: Steer | None = None
    events: EventHub | None = None
    bouncers: BouncerFeed | None = None
    home: tuple[str, ...] = ()
    fingerprint: str = ""
    sensors: JoinedCollector | None = None
    models: SensorModels | None = None
    feeds: FeedsDesk | None = None
    catalog: Callable[[], Catalog] | None = None
    rules: RuleDesk | None = None
    settings: SettingsDesk | None = None
    system_of: Callable[[str], int] = lambda _address: 0
    sharing: Sharing | None = None
    scanning: ScanDesk | None = None
    work: WorkDesk | None = None
    push: PushDesk | None = None

    def steered(self, verb: str, actor: str, **values: object) -> Mapping[str, Any]:
        """Ask the daemon, as the control socket does. Raises ProblemError where none runs."""
        return running(self.steer, "what decides")(verb, actor, **values)


async def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


Served = Annotated[Services, Depends(_services)]
"""The services, as an argument of a route."""


def running(part: T | None, name: str) -> T:
    """Return a part of the daemon. Raises ProblemError where it does not run."""
    if part is None:
        message = f"{name} does not run here"
        raise ProblemError(503, message, kind="not-running")
    return part
