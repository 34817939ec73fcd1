"""Everything that decides and acts, wired together, with a responder that only remembers."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from phage.clock import FixedClock, SystemClock
from phage.config.settings import Settings
from phage.config.statedir import StateDirectory
from phage.daemon import enforcement as enforcement_module
from phage.daemon.control import Caller
from phage.daemon.enforcement import Enforcement, make_enforcement
from phage.daemon.pipeline import Pipeline
from phage.daemon.policysinks import NotifySink, PolicyMetrics, health
from phage.daemon.requests import (
    AddDecision,
    ApplyRules,
    ListDecisions,
    Panic,
    Release,
    RevokeDecisions,
    RuleHits,
    Status,
)
from phage.daemon.responders import kernel_devices, make_workers
from phage.daemon.sinks import EveSink
from phage.daemon.steering import Steering
from phage.daemon.storesink import location
from phage.detect.detector import Knowledge
from phage.errors import ConfigError, PhageError
from phage.notify.dispatch import Dispatcher
from phage.plugin import Runner
from phage.policy.ledger import Ledger
from phage.records import FindingState, Subject
from phage.records.decision import Receipt, ReceiptState
from phage.respond.reconcile import Worker
from phage.store.store import open_store
from phage.telemetry.evelog import EveLog
from phage.telemetry.metrics import Registry
from phage.telemetry.rotation import RotatingFile
from phage.testing.book import MemoryBook
from phage.testing.records import EPOCH, make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.policy.desk import Outcome
    from phage.records.decision import Decision
    from phage.records.finding import Finding

RULES = """
rules:
  - {name: Ban, match: {finding: portscan}, mode: enforce, action: [ban, notify], for: 1h}
"""
ROOT = Caller.of_account(os.getuid())


@dataclass
class Wall:
    """A responder in memory."""

    name: ClassVar[str] = "wall"
    summary: ClassVar[str] = "a wall in memory"
    entries: set[str] = field(default_factory=set)

    def suits(self, decision: Decision) -> str:
        return ""

    def apply(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        self.entries |= {each.target.value for each in decisions}
        return [Receipt(each.id, self.name, ReceiptState.APPLIED, now) for each in decisions]

    def revoke(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        self.entries -= {each.target.value for each in decisions}
        return [Receipt(each.id, self.name, ReceiptState.WITHDRAWN, now) for each in decisions]

    def replace(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        self.entries = set()
        return self.apply(decisions, now)

    def is_disturbed(self) -> bool:
        return False

    def close(self) -> None:
        pass


@dataclass
class Office:
    """A whole enforcement in a folder."""

    folder: Path
    wall: Wall = field(default_factory=Wall)

    def open(self, **policy: Any) -> Enforcement:
        rules = self.folder / "rules.yaml"
        if not rules.exists():
            rules.write_text(RULES, encoding="utf-8")
        wanted = {"enforce": True, "rules": [rules]} | policy
        settings = Settings.model_validate({"state_dir": self.folder / "state", "policy": wanted})
        state, clock = StateDirectory(settings.state_folder), SystemClock()
        state.create()
        self.store = open_store(location(settings), clock)
        return make_enforcement(settings, state, self.store, clock)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office(tmp_path)

    def workers(settings: Any, state: Any, ledger: Any, clock: Any, tell: Any) -> list[Worker]:
        return [Worker(Runner("wall", made.wall, clock), ledger, clock, tell)]

    monkeypatch.setattr(enforcement_module, "make_workers", workers)
    return made


@pytest.fixture
def running(office: Office) -> Iterator[Enforcement]:
    enforcement = office.open()
    enforcement.start()
    yield enforcement
    enforcement.stop()
    office.store.close()


def stranger(number: int = 1, **values: Any) -> Finding:
    address = f"203.0.113.{number}"
    return make_finding(number, subject=Subject(ip=address, device=address), **values)


def test_a_finding_is_decided_carried_out_and_written_down(
    running: Enforcement, office: Office
) -> None:
    (outcome,) = running.take(stranger())
    assert running.reconciler.wait(60)
    assert office.wall.entries == {"203.0.113.1"}
    assert outcome.decision is not None
    running.receipts.flush()
    (receipt,) = office.store.receipts.of([outcome.decision.id])[outcome.decision.id]
    assert (receipt.responder, receipt.state) == ("wall", "applied")


class SetClock(SystemClock):
    """A clock that can be set."""

    offset = 0

    def now(self) -> int:
        return super().now() + self.offset


def test_when_the_clock_is_set_back_blocks_are_put_in_force_for_longer(office: Office) -> None:
    enforcement = office.open()
    enforcement.clock = clock = SetClock()
    enforcement.reconciler.renew = lambda: renewed.append(clock.offset)  # type: ignore[method-assign]
    renewed: list[int] = []
    for offset in (0, -(10**9), -3600 * 10**9, -3600 * 10**9, 0):
        clock.offset = offset
        enforcement._tick()
    assert renewed == [-3600 * 10**9, 0]
    office.store.close()


def test_what_stood_is_in_force_again_after_a_restart(office: Office) -> None:
    for _ in range(2):
        enforcement = office.open()
        enforcement.start()
        enforcement.take(stranger())
        assert enforcement.reconciler.wait(60)
        assert office.wall.entries == {"203.0.113.1"}
        enforcement.stop()
        assert office.store.decisions.count() == 1
        office.store.close()
        office.wall.entries = {"something else"}


def test_what_is_listed_meanwhile_is_let_go_at_the_next_start(office: Office) -> None:
    first = office.open()
    first.start()
    first.take(stranger())
    first.stop()
    office.store.close()
    second = office.open(allow=["203.0.113.0/24"])
    second.start()
    assert second.reconciler.wait(60)
    second.stop()
    assert office.wall.entries == set()
    assert [each.ended_by for each in office.store.decisions.list()] == ["allow-list"]
    office.store.close()


def test_a_fault_in_policy_does_not_end_detection(running: Enforcement) -> None:
    def decide(finding: Finding, now: int) -> list[Any]:
        message = "a fault"
        raise RuntimeError(message)

    running.desk.decide = decide
    assert running.take(stranger()) == []
    assert running.faults == 1


def test_a_quarantine_by_hand_is_of_both_directions(running: Enforcement) -> None:
    steer = Steering(running, SystemClock())
    added: Any = steer(AddDecision(target="198.51.100.7", action="quarantine"), ROOT)["decision"]
    assert (added["action"], added["direction"]) == ("quarantine", "both")


def test_people_add_list_and_revoke(running: Enforcement, office: Office) -> None:
    steer = Steering(running, SystemClock())
    added = steer(AddDecision(target="198.51.100.7", seconds=0, reason="a test"), ROOT)
    assert office.wall.entries == {"198.51.100.7"}
    decision: Any = added["decision"]
    assert (decision["until"], decision["by"]) == ("", ROOT.name)
    assert added["receipts"] == [{"responder": "wall", "state": "applied", "detail": ""}]
    listed: Any = steer(ListDecisions(), ROOT)["decisions"]
    assert [each["id"] for each in listed] == [decision["id"]]
    steer(RevokeDecisions(names=("198.51.100.7",)), ROOT)
    assert office.wall.entries == set()
    assert [each.act for each in office.store.decisions.audit()] == ["revoke", "add"]
    two: list[Any] = [
        steer(AddDecision(target=f"198.51.100.{last}"), ROOT)["decision"] for last in (8, 9)
    ]
    with pytest.raises(PhageError, match="2 decisions begin with"):
        steer(RevokeDecisions(names=(two[0]["id"][:6],)), ROOT)
    with pytest.raises(PhageError, match="nothing stands"):
        steer(RevokeDecisions(names=("198.51.100.7",)), ROOT)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (AddDecision(target="127.0.0.1"), "allow-list"),
        (AddDecision(target="no such thing"), "no address"),
        (AddDecision(target="203.0.113.9", action="limit"), "--rate"),
        (AddDecision(target="203.0.113.9", responders=("wal",)), "no responder 'wal', but wall"),
        (RevokeDecisions(names=("nobody here",)), "nothing stands"),
    ],
)
def test_what_makes_no_sense_is_refused(running: Enforcement, request_: Any, why: str) -> None:
    with pytest.raises(PhageError, match=why):
        Steering(running, SystemClock())(request_, ROOT)


def test_panic_lasts_over_a_restart_until_it_is_released(office: Office) -> None:
    first = office.open()
    first.start()
    first.take(stranger())
    assert Steering(first, SystemClock())(Panic(), ROOT) == {"panic": True, "done": True}
    assert office.wall.entries == set()
    assert health(first)["panic"]
    first.stop()
    office.store.close()
    second = office.open()
    second.start()
    second.take(stranger(2))
    assert second.reconciler.wait(60)
    assert office.wall.entries == set()
    steer = Steering(second, SystemClock())
    with pytest.raises(PhageError, match="panic"):
        steer(ApplyRules(), ROOT)
    assert steer(Release(), ROOT)["done"]
    assert office.wall.entries == {"203.0.113.1", "203.0.113.2"}
    second.stop()
    office.store.close()


def test_a_disk_that_is_full_stops_no_panic(
    running: Enforcement, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.take(stranger())

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "touch", full)
    steer = Steering(running, SystemClock())
    assert steer(Panic(), ROOT) == {"panic": True, "done": True}
    running._tick()
    assert running.held
    assert office.wall.entries == set()
    assert steer(Release(), ROOT)["done"]
    running._tick()
    assert office.wall.entries == {"203.0.113.1"}


def test_the_status_tells_how_everything_does(running: Enforcement) -> None:
    running.take(stranger())
    assert running.reconciler.wait(60)
    steer = Steering(running, SystemClock())
    status: Any = steer(Status(), ROOT)
    assert (status["enforce"], status["panic"], status["in_force"]) == (True, False, 1)
    assert status["responders"]["wall"]["in_force"] == 1
    assert {"value": "127.0.0.0/8", "why": "loopback"} in status["allow_list"]
    assert steer(RuleHits(), ROOT) == {"hits": []}
    assert health(running) == {}
    registry = Registry()
    PolicyMetrics(registry, running)
    text = registry.exposition()
    assert 'phage_respond_in_force{responder="wall"} 1' in text
    assert "phage_policy_in_force 1" in text


def test_an_alert_says_that_it_is_blocked_and_by_what(running: Enforcement, office: Office) -> None:
    clock = FixedClock(EPOCH)
    path = office.folder / "eve.json"
    sink = EveSink(EveLog(RotatingFile(path, 10**6, 1, clock), ["alert"]), clock, 60.0)
    told: list[tuple[str, tuple[str, ...]]] = []

    class Quiet(Dispatcher):
        def tell(self, notice: Any, names: Any = ()) -> int:
            told.append((notice.kind, tuple(names)))
            return 0

        @property
        def names(self) -> tuple[str, ...]:
            return ("ops",)

    pipeline = Pipeline([], Knowledge(), [sink, NotifySink(Quiet([], clock))], None, running)
    for state in (FindingState.OPEN, FindingState.CLOSED):
        pipeline._hand_on(pipeline._decide([stranger(state=state)]), None)
    sink.close()
    (decision,) = running.ledger.all_in_force()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert all('"action":"blocked"' in line and decision.id in line for line in lines)
    assert told == [("decision", ()), ("finding", ("ops",)), ("finding", ()), ("finding", ())]


def test_a_replay_decides_nothing(office: Office) -> None:
    seen: list[Outcome] = []

    class Sink:
        def window(self, window: Any) -> None: ...

        def decided(self, outcome: Outcome) -> None:
            seen.append(outcome)

        def finding(self, finding: Finding) -> None: ...

        def close(self) -> None: ...

    pipeline = Pipeline([], Knowledge(), [Sink()])
    pipeline._hand_on(pipeline._decide([stranger()]), None)
    assert seen == []


@pytest.mark.parametrize(
    ("respond", "why"),
    [
        ({"responders": ["nftabels"]}, "nftables"),
        ({"responders": ["rtbh"], "settings": {"rtbh": {"nexthop": "x"}}}, "nexthop"),
        ({"scripts": {"nftables": {}}}, "choose another"),
        ({"responders": [], "scripts": {"mine": {"pathh": "x"}}}, r"scripts\.mine"),
    ],
)
def test_responders_that_there_are_not_are_named(
    tmp_path: Path, respond: dict[str, Any], why: str
) -> None:
    settings = Settings.model_validate({"respond": respond})
    ledger = Ledger(MemoryBook())
    with pytest.raises(ConfigError, match=why):
        make_workers(
            settings.respond, StateDirectory(tmp_path), ledger, SystemClock(), lambda told: None
        )


def test_the_settings_of_the_kernel_are_checked() -> None:
    def devices(**values: Any) -> tuple[str, ...]:
        settings = Settings.model_validate({"respond": {"settings": {"nftables": values}}})
        return kernel_devices(settings.respond)

    assert devices(devices=["eth0"]) == ("eth0",)
    for wrong in ({"devices": "eth0"}, {"device": ["eth0"]}):
        with pytest.raises(ConfigError, match="nftables"):
            devices(**wrong)
