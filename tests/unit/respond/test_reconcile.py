"""The reconciler: whatever happens to a responder, it comes to what the ledger says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.clock import FixedClock, SystemClock
from phage.plugin import Runner
from phage.policy.ledger import Ledger
from phage.policy.target import parse_target
from phage.records.decision import Action, Decision, Receipt, ReceiptState
from phage.respond.reconcile import LOOK_SECONDS, Reconciler, Worker
from phage.testing.book import MemoryBook
from phage.testing.records import EPOCH, SECOND, make_decision

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR = 3600 * SECOND


@dataclass
class Wall:
    """A responder in memory; two decisions against one target share one entry, as in a kernel."""

    name: ClassVar[str] = "wall"
    summary: ClassVar[str] = "a wall in memory"

    entries: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    fails: str = ""
    """"receipt" to say so, "silent" to give no receipts, "raise" to raise."""
    disturbed: bool = False

    def suits(self, decision: Decision) -> str:
        return "walls know no reject" if decision.action is Action.REJECT else ""

    def _answer(
        self, call: str, decisions: Sequence[Decision], state: ReceiptState
    ) -> list[Receipt]:
        self.calls.append(call)
        if self.fails == "raise":
            message = "the wall is gone"
            raise RuntimeError(message)
        if self.fails:
            state = ReceiptState.FAILED
        receipts = [Receipt(each.id, self.name, state, EPOCH, self.fails) for each in decisions]
        return [] if self.fails == "silent" else receipts

    def apply(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        receipts = self._answer("apply", decisions, ReceiptState.APPLIED)
        if not self.fails:
            self.entries |= {decision.target.value for decision in decisions}
        return receipts

    def revoke(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        receipts = self._answer("revoke", decisions, ReceiptState.WITHDRAWN)
        if not self.fails:
            self.entries -= {decision.target.value for decision in decisions}
        return receipts

    def replace(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        receipts = self._answer("replace", decisions, ReceiptState.APPLIED)
        if not self.fails:
            self.entries = {decision.target.value for decision in decisions}
        self.disturbed = bool(self.fails)  # Until everything has been replaced.
        return receipts

    def is_disturbed(self) -> bool:
        return self.disturbed

    def close(self) -> None:
        self.calls.append("close")


@dataclass
class Site:
    """A ledger, a wall, and a worker whose steps the test takes."""

    wall: Wall = field(default_factory=Wall)
    clock: FixedClock = field(default_factory=lambda: FixedClock(EPOCH))
    receipts: list[Receipt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(MemoryBook())
        runner = Runner("wall", self.wall, self.clock)
        self.worker = Worker(runner, self.ledger, self.clock, self.receipts.extend)  # type: ignore[arg-type]
        self.ledger.on_change = self.worker.mark

    def add(self, text: str, **values: object) -> Decision:
        fields = {"id": "", "target": parse_target(text), "until": EPOCH + HOUR}
        return self.ledger.add(make_decision(0, **fields | values))

    def step(self, seconds: float = 0.0) -> None:
        self.clock.nanoseconds += int(seconds * SECOND)
        self.ledger.expire(self.clock.now())
        self.worker.step()

    def settle(self) -> None:
        for _ in range(4):
            self.step(LOOK_SECONDS * 2)

    @property
    def expected(self) -> set[str]:
        return {each.target.value for each in self.ledger.all_in_force()}


@pytest.fixture
def site() -> Site:
    made = Site()
    made.step()
    return made


def test_everything_is_replaced_at_the_start() -> None:
    site = Site()
    site.wall.entries = {"left by a former run"}
    site.add("203.0.113.9")
    site.step()
    assert site.wall.entries == {"203.0.113.9"}
    assert site.wall.calls == ["replace"]


def test_a_decision_is_applied_at_once_and_revoked_when_it_ends(site: Site) -> None:
    made = site.add("203.0.113.9")
    site.step()
    assert site.wall.entries == {"203.0.113.9"}
    site.ledger.end([made.id], EPOCH, "user:x")
    site.step()
    assert site.wall.entries == set()
    assert [receipt.state for receipt in site.receipts] == ["applied", "withdrawn"]


def test_an_extended_decision_is_applied_again_and_an_unchanged_one_is_not(site: Site) -> None:
    made = site.add("203.0.113.9")
    site.step()
    site.worker.mark([made.id])
    site.step()
    assert site.wall.calls.count("apply") == 1
    site.add("203.0.113.9", until=EPOCH + 2 * HOUR)
    site.step()
    assert site.wall.calls.count("apply") == 2


def test_what_is_only_recorded_is_not_applied(site: Site) -> None:
    site.add("203.0.113.9", dry_run=True)
    site.step()
    assert site.wall.calls == ["replace"]


def test_what_expires_is_revoked(site: Site) -> None:
    site.add("203.0.113.9", until=EPOCH + 5 * SECOND)
    site.step()
    site.step(5)
    assert site.wall.entries == set()


def test_revoking_one_of_two_leaves_the_other_in_force(site: Site) -> None:
    one = site.add("203.0.113.9")
    site.add("203.0.113.9", action=Action.LIMIT)
    site.step()
    site.ledger.end([one.id], EPOCH, "user:x")
    site.step()
    assert site.wall.entries == {"203.0.113.9"}


def test_a_decision_for_others_is_not_for_this_one(site: Site) -> None:
    site.add("203.0.113.9", responders=("rtbh",))
    site.add("203.0.113.10", responders=("rtbh", "wall"))
    site.step()
    assert site.wall.entries == {"203.0.113.10"}
    assert len(site.receipts) == 1


def test_what_it_cannot_carry_out_is_said_in_a_receipt(site: Site) -> None:
    site.add("203.0.113.9", action=Action.REJECT)
    site.step()
    assert [(each.state, each.detail) for each in site.receipts] == [
        ("unsuited", "walls know no reject")
    ]
    assert site.wall.calls == ["replace"]


def test_what_somebody_else_flushed_is_put_back(site: Site) -> None:
    site.add("203.0.113.9")
    site.step()
    site.wall.entries, site.wall.disturbed = set(), True
    site.step(LOOK_SECONDS)
    assert site.wall.entries == {"203.0.113.9"}
    assert site.worker.state.disturbed == 1


@pytest.mark.parametrize("way", ["receipt", "silent", "raise"])
def test_what_fails_is_tried_again_until_it_works(site: Site, way: str) -> None:
    gone = site.add("203.0.113.1")
    site.step()
    site.wall.fails = way
    site.add("203.0.113.9")
    site.ledger.end([gone.id], EPOCH, "user:x")
    site.step()
    assert site.worker.state.failing == 2
    assert site.worker.state.fault
    calls = len(site.wall.calls)
    site.step(0.1)
    assert len(site.wall.calls) == calls  # It waits before it tries again.
    site.step(0.2)
    assert len(site.wall.calls) > calls
    site.wall.fails = ""
    site.settle()
    assert site.wall.entries == {"203.0.113.9"}
    assert (site.worker.state.failing, site.worker.state.fault) == (0, "")


@pytest.mark.parametrize("way", ["receipt", "silent", "raise"])
def test_a_start_that_fails_is_made_again_whole(way: str) -> None:
    site = Site()
    site.wall.fails = way
    site.wall.entries = {"left by a former run"}
    site.add("203.0.113.9")
    site.step()
    site.wall.fails = ""
    site.settle()
    assert site.wall.entries == {"203.0.113.9"}
    assert site.wall.calls[-1] == "replace"


def test_new_decisions_do_not_put_off_what_failed(site: Site) -> None:
    site.wall.fails = "receipt"
    site.add("203.0.113.1")
    site.step()
    for number in range(2, 30):
        site.add(f"203.0.113.{number}")
        site.step(0.1)
    site.wall.fails = ""
    for number in range(30, 60):
        site.add(f"203.0.113.{number}")
        site.step(0.1)
    assert site.wall.entries == site.expected


def test_the_panic_switch_takes_everything_out_and_keeps_it_out(site: Site) -> None:
    site.add("203.0.113.1")
    site.step()
    site.worker.hold(held=True)
    site.step()
    assert site.wall.entries == set()
    site.add("203.0.113.2")
    site.settle()
    assert site.wall.entries == set()
    site.worker.hold(held=False)
    site.step()
    assert site.wall.entries == {"203.0.113.1", "203.0.113.2"}


def test_threads_carry_out_what_is_marked_and_end_when_told() -> None:
    clock = SystemClock()
    ledger = Ledger(MemoryBook())
    walls = [Wall(), Wall()]
    workers = [Worker(Runner("wall", wall, clock), ledger, clock) for wall in walls]
    reconciler = Reconciler(workers)
    ledger.on_change = reconciler.mark
    reconciler.start()
    for number in range(100):
        ledger.add(make_decision(number, id="", until=clock.now() + HOUR))
    assert reconciler.wait(60)
    assert all(len(wall.entries) == 100 for wall in walls)
    reconciler.stop()
    assert all(wall.calls[-1] == "close" for wall in walls)


acts = st.tuples(
    st.sampled_from(("add", "limit", "end", "fail", "mend", "disturb", "hold", "release", "step")),
    st.integers(0, 3),
)


@given(st.lists(acts, max_size=50))
def test_after_any_history_it_comes_to_what_the_ledger_says(history: list[tuple[str, int]]) -> None:
    site = Site()
    held = False
    for act, host in history:
        target = f"203.0.113.{host}"
        if act in {"add", "limit"}:
            site.add(target, action=Action.LIMIT if act == "limit" else Action.BAN)
        elif act == "end":
            site.ledger.end([e.id for e in site.ledger.against(parse_target(target))], EPOCH, "x")
        elif act == "fail":
            site.wall.fails = ("receipt", "silent")[host % 2]
        elif act == "mend":
            site.wall.fails = ""
        elif act == "disturb":
            site.wall.entries, site.wall.disturbed = {"something else"}, True
        elif act in {"hold", "release"}:
            held = act == "hold"
            site.worker.hold(held=held)
        site.step(host * 0.3)
    site.wall.fails = ""
    site.settle()
    assert site.wall.entries == (set() if held else site.expected)
    assert replace(site.worker.state).failing == 0
