"""The reconciler: brings what is in force at each responder to what the ledger says.

Each responder has a thread of its own, so that none waits for another. A change of the ledger names
the decisions that it is about; for each of them the responder's thread compares what should be in
force with what is, and applies or revokes the difference. At the start, and when a responder says
that it was disturbed, everything is replaced. What fails is tried again with a back-off.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from phage.records.decision import Decision, Receipt, ReceiptState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from phage.clock import Clock
    from phage.plugin import Runner
    from phage.records.decision import Target
    from phage.respond.responder import Responder

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often a responder is asked whether it was disturbed: what somebody else flushed is back
within two seconds."""

RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0)
"""Pauses after failures in a row; the last is repeated. A kernel that is back is met in time."""

BATCH = 10_000
"""Decisions in one call: a tenth of a second of work in the kernel."""

AT_ONCE = 250_000
"""Decisions that are replaced in one call, which the enforcer's messages have room for. More are
applied afterwards, and may be out of force for a second or two then."""

LOG_EVERY_SECONDS = 60.0
"""A responder that fails at each try must not fill the log."""


class Standing(Protocol):
    """What is to be in force: the ledger."""

    def in_force(self, id: str) -> Decision | None:  # noqa: A002  The field's name.
        """Return a decision that is to be carried out; None when it is not, or no more."""

    def all_in_force(self) -> list[Decision]:
        """Return all decisions that are to be carried out."""

    def against(self, target: Target) -> list[Decision]:
        """Return what stands against a target, what is only recorded included."""


@dataclass(slots=True)
class ResponderState:
    """How one responder does.

    Attributes:
        in_force: Decisions that it carries out.
        failing: Decisions that it could not apply or revoke, and that are tried again.
        applied: Decisions applied since the start, again ones included.
        revoked: Decisions revoked.
        replaced: Times that everything was replaced.
        disturbed: Times that somebody else had changed what was in force.
        failures: Receipts of failure.
        fault: What the last failure said; '' when all is well.
    """

    in_force: int = 0
    failing: int = 0
    applied: int = 0
    revoked: int = 0
    replaced: int = 0
    disturbed: int = 0
    failures: int = 0
    fault: str = ""


def _ignore(receipts: Sequence[Receipt]) -> None:
    """Keep no receipts."""


@dataclass
class Worker:
    """Reconciles one responder.

    Attributes:
        runner: The responder, run with care.
        standing: What is to be in force.
        clock: Tells when to look and to try again.
        tell: Takes receipts; quick.
        only_named: It carries out only what names it, as a script that rules run.
    """

    runner: Runner[Responder]
    standing: Standing
    clock: Clock
    tell: Callable[[Sequence[Receipt]], None] = _ignore
    only_named: bool = False
    state: ResponderState = field(default_factory=ResponderState, init=False)
    _dirty: dict[str, None] = field(default_factory=dict, init=False, repr=False)
    _failing: dict[str, None] = field(default_factory=dict, init=False, repr=False)
    _applied: dict[str, Decision] = field(default_factory=dict, init=False, repr=False)
    _whole: bool = field(default=True, init=False)
    _held: bool = field(default=False, init=False)
    _busy: bool = field(default=False, init=False)
    _stopping: bool = field(default=False, init=False)
    _failures: int = field(default=0, init=False)
    _retry_at: float = field(default=0.0, init=False)
    _look_at: float = field(default=0.0, init=False)
    _logged_at: float | None = field(default=None, init=False)
    _condition: threading.Condition = field(
        default_factory=threading.Condition, init=False, repr=False
    )
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)

    @property
    def name(self) -> str:
        """The responder's name."""
        return self.runner.name

    def start(self) -> None:
        """Start the thread, which replaces everything first."""
        self._thread = threading.Thread(
            target=self._run, name=f"phage-{self.name}"[:15], daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Finish what is being done, close the responder; what is in force stays in force."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def mark(self, ids: Iterable[str]) -> None:
        """Look at these decisions soon."""
        with self._condition:
            self._dirty.update(dict.fromkeys(ids))
            self._condition.notify_all()

    def hold(self, *, held: bool) -> None:
        """Take everything out and keep it out, or bring it back."""
        with self._condition:
            self._held, self._whole = held, True
            self._failures, self._retry_at = 0, 0.0
            self._condition.notify_all()

    def renew(self) -> None:
        """Put everything in force again soon."""
        with self._condition:
            self._whole = True
            self._retry_at = 0.0
            self._condition.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until all that was marked has been tried; tell whether it has."""
        with self._condition:
            return self._condition.wait_for(
                lambda: not (self._busy or self._dirty or (self._whole and not self._failures)),
                seconds,
            )

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._stopping and not self._has_work():
                    self._condition.wait(self._pause())
                if self._stopping:
                    break
                self._busy = True
            try:
                self.step()
            except Exception:  # noqa: BLE001  Else a ban would stay for good.
                _log.exception("reconciling %s failed", self.name)
                self._failed("a fault of phage's own; see the log")
            finally:
                with self._condition:
                    self._busy = False
                    self._condition.notify_all()
        self.runner.call(self._close)

    def _close(self) -> tuple[()]:
        self.runner.plugin.close()
        return ()

    def _has_work(self) -> bool:
        """Tell whether there is something to do now; the lock is held."""
        if self._dirty and not self._whole:
            return True
        now = self.clock.monotonic()
        return now >= self._look_at or (self._owes() and now >= self._retry_at)

    def _owes(self) -> bool:
        return self._whole or bool(self._failing)

    def _pause(self) -> float:
        """Return for how long nothing has to be done; the lock is held."""
        until = min(self._look_at, self._retry_at) if self._owes() else self._look_at
        return min(max(0.0, until - self.clock.monotonic()), LOOK_SECONDS)

    def step(self) -> None:
        """Do what is to be done now. Called by the thread, or by a test instead of one."""
        now = self.clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look()
        if self._whole and now >= self._retry_at:
            self._replace()
        elif not self._whole:
            self._bring(self._take(again=now >= self._retry_at))
        self.state.in_force, self.state.failing = len(self._applied), len(self._failing)

    def _look(self) -> None:
        if self.runner.call(self._is_disturbed) == [True] and not self._whole:
            self.state.disturbed += 1
            self._whole = True
            self._retry_at = 0.0
            _log.warning("%s was disturbed; everything is put in force again", self.name)

    def _is_disturbed(self) -> tuple[bool]:
        return (self.runner.plugin.is_disturbed(),)

    def _take(self, *, again: bool) -> list[str]:
        """Take the next decisions to look at, and those that failed when their time has come."""
        with self._condition:
            if again:
                self._dirty = self._failing | self._dirty
                self._failing = {}
            names = list(self._dirty)[:BATCH]
            if len(names) == len(self._dirty):
                self._dirty = {}
            else:
                for name in names:
                    del self._dirty[name]
        return names

    def _bring(self, ids: Sequence[str]) -> None:
        """Apply and revoke the difference for some decisions."""
        if not ids:
            return
        apply: list[Decision] = []
        revoke: list[Decision] = []
        for name in ids:
            wanted, applied = self._wanted(name), self._applied.get(name)
            if wanted is not None and wanted is not applied:
                apply.append(wanted)
            elif wanted is None and applied is not None:
                revoke.append(applied)
        if revoke:
            self._call(self.runner.plugin.revoke, revoke, ReceiptState.WITHDRAWN)
            # Two decisions may share an entry of the kernel: what stands is put there again.
            apply += self._sharing(revoke, {decision.id for decision in apply})
        if apply:
            self._call(self.runner.plugin.apply, self._suited(apply), ReceiptState.APPLIED)
        self._done()

    def _wanted(self, name: str) -> Decision | None:
        decision = None if self._held else self.standing.in_force(name)
        return decision if decision is not None and self._concerns(decision) else None

    def _concerns(self, decision: Decision) -> bool:
        if decision.responders:
            return self.name in decision.responders
        return not self.only_named

    def _sharing(self, revoked: Sequence[Decision], there: set[str]) -> list[Decision]:
        found = {
            other.id: other
            for decision in revoked
            for other in self.standing.against(decision.target)
            if other.id in self._applied and other.id not in there
        }
        return [other for other in found.values() if self._wanted(other.id) is not None]

    def _suited(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Return those that the responder can carry out; a receipt tells of the others."""
        suited: list[Decision] = []
        unsuited: list[Receipt] = []
        now = self.clock.now()
        for decision in decisions:
            answers = self.runner.call(self._suits, decision)
            if answers == [""]:
                suited.append(decision)
            else:
                reason = answers[0] if answers else self.runner.last_error
                unsuited.append(Receipt(decision.id, self.name, ReceiptState.UNSUITED, now, reason))
        if unsuited:
            self.tell(unsuited)
        return suited

    def _suits(self, decision: Decision) -> tuple[str]:
        return (self.runner.plugin.suits(decision),)

    def _call(
        self,
        method: Callable[[Sequence[Decision], int], Sequence[Receipt]],
        decisions: Sequence[Decision],
        wanted: ReceiptState,
    ) -> None:
        """Have decisions applied or revoked, and take note of what became of each."""
        if not decisions:
            return
        now = self.clock.now()
        receipts = {
            # One plug-in may serve under several names, as scripts do.
            receipt.decision: replace(receipt, responder=self.name)
            for receipt in self.runner.call(method, decisions, now)
        }
        for decision in decisions:
            receipt = receipts.get(decision.id)
            if receipt is None:
                why = self.runner.last_error or "it gave no receipt"
                receipts[decision.id] = receipt = Receipt(
                    decision.id, self.name, ReceiptState.FAILED, now, why
                )
            self._note(decision, receipt, wanted)
        self.tell(list(receipts.values()))

    def _note(self, decision: Decision, receipt: Receipt, wanted: ReceiptState) -> None:
        if receipt.state is ReceiptState.FAILED:
            self._failing[decision.id] = None
            self._failed(receipt.detail)
            return
        self._failing.pop(decision.id, None)
        if wanted is ReceiptState.APPLIED and receipt.state is ReceiptState.APPLIED:
            self._applied[decision.id] = decision
            self.state.applied += 1
        else:
            self._applied.pop(decision.id, None)
            self.state.revoked += wanted is ReceiptState.WITHDRAWN

    def _failed(self, why: str) -> None:
        """Count a failure; `_done` sets the back-off."""
        self.state.failures += 1
        self.state.fault = why or "it gave no reason"
        now = self.clock.monotonic()
        if self._logged_at is None or now - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = now
            _log.error("%s fails: %s (%d in all)", self.name, why, self.state.failures)

    def _done(self) -> None:
        """Set when what failed is tried again; what is tried meanwhile does not put that off."""
        if self._owes():
            if self.clock.monotonic() < self._retry_at:
                return
            pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
            self._failures += 1
            self._retry_at = self.clock.monotonic() + pause
            return
        if self.state.fault:
            _log.warning("%s works again", self.name)
        self._failures, self._retry_at = 0, 0.0
        self.state.fault, self._logged_at = "", None

    def _replace(self) -> None:
        """Bring exactly what stands into force."""
        with self._condition:
            # What changes from here on is marked again, and looked at after this.
            self._dirty, self._failing, self._whole = {}, {}, False
        wanted = [] if self._held else list(filter(self._concerns, self.standing.all_in_force()))
        wanted = self._suited(wanted)
        before = self.runner.failures + self.runner.skipped
        self._applied = {}
        if wanted:
            self._call(self.runner.plugin.replace, wanted[:AT_ONCE], ReceiptState.APPLIED)
        else:
            self._empty()
        for begin in range(AT_ONCE, len(wanted), BATCH):
            more = wanted[begin : begin + BATCH]
            self._call(self.runner.plugin.apply, more, ReceiptState.APPLIED)
        self.state.replaced += 1
        if self.runner.failures + self.runner.skipped > before or (
            self._failing and not self._applied
        ):
            # Nobody knows what else is in force there.
            self._whole = True
        self._done()

    def _empty(self) -> None:
        """Take everything out; what is not said to be out may still be in."""
        for receipt in self.runner.call(self.runner.plugin.replace, (), self.clock.now()):
            if receipt.state is ReceiptState.FAILED:
                self._failed(receipt.detail)
                self._whole = True


@dataclass
class Reconciler:
    """Reconciles all responders with the ledger.

    Attributes:
        workers: One for each responder.
    """

    workers: Sequence[Worker]

    def start(self) -> None:
        """Put everything in force, and keep it so."""
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        """Stop; what is in force stays in force until it expires."""
        for worker in self.workers:
            worker.stop()

    def mark(self, ids: Sequence[str]) -> None:
        """Look at these decisions at once: they began, were extended, or ended."""
        for worker in self.workers:
            worker.mark(ids)

    def hold(self, *, held: bool) -> None:
        """Take everything out and keep it out (`phage panic`), or bring it back."""
        for worker in self.workers:
            worker.hold(held=held)

    def renew(self) -> None:
        """Put everything in force again soon, as after the clock was set."""
        for worker in self.workers:
            worker.renew()

    def wait(self, seconds: float) -> bool:
        """Wait until every responder has tried what was marked; tell whether all have."""
        return all(worker.wait(seconds) for worker in self.workers)

    def states(self) -> dict[str, ResponderState]:
        """Return how each responder does, by name."""
        return {worker.name: worker.state for worker in self.workers}
