"""The API over a store of its own, asked as any role or nobody; for tests of nouns."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from phage.access import passwords
from phage.access.access import make_access
from phage.access.roles import Role
from phage.api.app import make_app
from phage.api.bouncers import BouncerFeed
from phage.api.events import EventHub
from phage.api.services import Services
from phage.clock import FixedClock
from phage.collect.joined import JoinedCollector
from phage.config.scan import ScanSettings
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.workdesk import LocalWorkDesk
from phage.intel.catalog import Catalog
from phage.intel.share import Sharing
from phage.learn.copies import SensorModels
from phage.records import Severity
from phage.store.pool import StorePool
from phage.store.store import open_store
from phage.telemetry.metrics import Registry
from phage.testing.desks import FakeFeedsDesk, FakePushDesk, FakeRuleDesk, FakeSettingsDesk
from phage.testing.records import EPOCH
from phage.testing.scandesk import FakeScanDesk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.testclient import TestClient

    from phage.access.access import Access
    from phage.api.app import Pages
    from phage.store.store import Store, StoreLocation

PASSWORD = "correct horse battery"  # noqa: S105  Of users that only tests have.

PLACE = "http://localhost:8080"


@dataclass(frozen=True)
class ApiLab:
    """An app with what is behind it. There is a user of each role, named after it."""

    app: FastAPI
    services: Services
    store: Store
    clock: FixedClock

    @property
    def access(self) -> Access:
        """Users, sessions, tokens and the audit log."""
        return self.services.access

    def having(self, **parts: Any) -> ApiLab:
        """Return a lab with other parts: fakes of what the daemon gives."""
        services = replace(self.services, **parts)
        return replace(self, app=make_app(services, self.app.state.pages), services=services)

    def nobody(self) -> TestClient:
        """Return a client that is not logged in."""
        from starlette.testclient import TestClient  # noqa: PLC0415  Tests only.

        return TestClient(self.app, PLACE, raise_server_exceptions=False)

    def client(self, role: str = "admin", scopes: tuple[str, ...] = ("*",)) -> TestClient:
        """Return a client that shows a token of a user with a role."""
        client = self.nobody()
        _, secret = self.access.tokens.create(role, "test", scopes)
        client.headers["Authorization"] = f"Bearer {secret}"
        return client

    def browser(self, role: str = "admin") -> TestClient:
        """Return a client that is logged in as a browser is."""
        client = self.nobody()
        answer = client.post("/api/v1/session", json={"user": role, "password": PASSWORD})
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client


class FakeDaemon:
    """Answers what the control socket is asked, and notes it in `asked`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, verb: str, actor: str, /, **values: object) -> Mapping[str, Any]:
        """Answer as a daemon that does nothing."""
        self.asked.append((verb, actor, values))
        decision = {"id": "0" * 26, "action": "ban", "target": values.get("target", "")}
        answers: dict[str, dict[str, Any]] = {
            "status": {"enforce": False, "panic": False, "standing": 0, "in_force": 0,
                       "responders": {}, "rules": {"count": 0, "fault": ""}},
            "decisions.add": {"decision": decision, "receipts": [], "panic": False},
            "decisions.revoke": {"decisions": []},
            "panic": {"panic": True, "done": True},
            "release": {"panic": False, "done": True},
            "channels.list": {"channels": []},
            "channels.test": {"channel": values.get("name", ""), "told": True},
            "devices.edit": {"device": values.get("device", "")},
            "devices.fence": {"device": values.get("device", ""), "there": True, "rules": 7,
                              "enforced": True, "trial_until": ""},
            "devices.scan": {"scan": "001a1fcf53d7a"},
            "devices.scan.status": {"scan": "001a1fcf53d7a", "done": 250, "what": "looking"},
            "devices.scan.stop": {"scan": "001a1fcf53d7a"},
        }  # fmt: skip
        return answers.get(verb, {"rules": 0, "enforced": False, "trial_until": "", "hits": []})


@contextlib.contextmanager
def api_lab(
    location: StoreLocation, captures: Path, pages: Pages | None = None, now: int = EPOCH
) -> Iterator[ApiLab]:
    """Give a lab over a new store, with the dashboard if it is handed in."""
    clock = FixedClock(now)
    with open_store(location, clock) as store, contextlib.closing(StorePool(location)) as pool:
        access = make_access(store, clock)
        for role in Role:
            access.users.add(role.value, role, PASSWORD)
        services = Services(
            clock=clock,
            access=access,
            reading=pool.reading,
            writing=store,
            registry=Registry(),
            health=lambda: {"status": "ok"},
            captures=captures,
            steer=FakeDaemon(),
            rules=FakeRuleDesk(),
            settings=FakeSettingsDesk(),
            feeds=FakeFeedsDesk(),
            sensors=JoinedCollector(clock),
            models=SensorModels(captures.parent / "sensors", clock),
            events=EventHub(),
            bouncers=BouncerFeed(tuple),
            home=("192.168.0.0/16",),
            catalog=Catalog,
            scanning=FakeScanDesk(store, captures.parent / "samples", clock),
            work=LocalWorkDesk(
                ScanSettings(),
                ScanFolders(captures / "engines", captures / "samples"),
                store,
                clock,
            ),
            push=FakePushDesk(),
            sharing=Sharing("phage", ("192.168.0.0/16",), Severity.MEDIUM, 30 * 86_400.0),
        )
        yield ApiLab(make_app(services, pages), services, store, clock)


@contextlib.contextmanager
def quick_passwords() -> Iterator[None]:
    """Hash passwords with little work: what is tested is not how long it takes."""
    from argon2 import PasswordHasher  # noqa: PLC0415  As in `passwords`.

    former, passwords._hasher = passwords._hasher, PasswordHasher(1, 8, 1)  # noqa: SLF001
    try:
        yield
    finally:
        passwords._hasher = former  # noqa: SLF001
