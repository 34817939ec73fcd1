"""Runs a program of the operator's for each decision, and again when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.clock import SystemClock
from phage.records.decision import Receipt, ReceiptState
from phage.respond.scripts.journal import End, Journal
from phage.respond.scripts.run import Call, Runs
from phage.respond.scripts.styles import STYLES, Style, document
from phage.respond.scripts.trust import distrust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.clock import Clock
    from phage.records.decision import Decision


@dataclass
class Script:
    """Runs a program for each decision: with arguments in one of three styles, JSON on its input.

    "phage": `PROGRAM apply|revoke`. "phalanx": `PROGRAM IP TIMEOUT`, as its trigger.sh.
    "fastnetmon": `PROGRAM IP DIRECTION PPS ban|unban`, as its notify script. The program runs
    without a shell, with a bare environment, and is killed when it takes too long. Exit code 0
    tells that it did what it was asked.

    It has phage's privileges, which are none: what calls iptables, ipset or nft is refused by the
    kernel. The responders `nftables` and `ipset` are for that.

    Fails where a program ends before it has done its work, or says 0 though it failed.
    """

    name: ClassVar[str] = "script"
    summary: ClassVar[str] = "A program of your own, run for each decision and at its end."

    path: str = ""
    """Absolute path of the program; nothing is run while it is empty."""
    style: str = "phage"
    """How it is called: "phage", "phalanx" or "fastnetmon"."""
    undo: str = ""
    """Program that is run at the end of a decision; '' for the same. The phalanx style has no end
    of its own: with '' nothing is run, and the ban lasts as long as the program was told."""
    timeout_s: float = 10.0
    """Seconds after which a run is killed."""
    at_once: int = 4
    """Runs at the same time."""
    retry_s: float = 60.0
    """Seconds before a run that failed is tried again."""
    journal: str = ""
    """File that remembers for which decisions it was run, so that after a restart of phage it is
    neither run again nor forgotten to be run at their end; '' remembers only while phage runs."""
    most: int = 10_000
    """Decisions that are remembered."""
    most_calls: int = 200
    """Runs in one go; what is more waits for its turn, so that ends are not kept waiting."""

    dropped: int = field(default=0, init=False)
    """Decisions that were refused because too many are remembered."""
    _clock: Clock = field(default_factory=SystemClock, init=False, repr=False)
    _called: Journal = field(init=False, repr=False)
    _failed: dict[str, tuple[float, str]] = field(default_factory=dict, init=False, repr=False)
    """When to try again, and what went wrong, by decision."""
    _over: dict[str, None] = field(default_factory=dict, init=False, repr=False)
    """Decisions that ended while nobody could be told, as when phage did not run."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ValueError that names the one that is wrong."""
        if self.style not in STYLES:
            message = f"style: must be one of {', '.join(STYLES)} (got {self.style!r})"
            raise ValueError(message)
        for name, path in (("path", self.path), ("undo", self.undo), ("journal", self.journal)):
            if path and not path.startswith("/"):
                message = f"{name}: must be an absolute path (got {path!r})"
                raise ValueError(message)
        for name, number, least, most in (
            ("timeout_s", self.timeout_s, 0.1, 600),
            ("at_once", self.at_once, 1, 64),
            ("retry_s", self.retry_s, 1, 86_400),
            ("most", self.most, 1, 1_000_000),
            ("most_calls", self.most_calls, 1, 10_000),
        ):
            if not least <= number <= most:
                message = f"{name}: must be from {least} to {most} (got {number})"
                raise ValueError(message)
        self._called = Journal(self.journal)

    @property
    def _style(self) -> Style:
        return STYLES[self.style]

    def suits(self, decision: Decision) -> str:
        """Return '' when it can carry out such a decision, else why not, for people."""
        return self._style.suits(decision) if self.path else "no script is set"

    def apply(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Run the program for decisions that it was not run for."""
        refused: dict[str, tuple[ReceiptState, str]] = {}
        calls: dict[str, Call] = {}
        trouble = self._called.read()
        for decision in decisions:
            if reason := self.suits(decision):
                refused[decision.id] = (ReceiptState.UNSUITED, reason)
            elif decision.id in self._called.calls or decision.id in calls:
                continue
            elif reason := trouble or self._full(len(calls)) or self._put_off(decision.id):
                refused[decision.id] = (ReceiptState.FAILED, reason)
            else:
                arguments = self._style.arguments(decision, now, False)  # noqa: FBT003
                calls[decision.id] = Call(self.path, arguments, document(decision, "apply"))
        faults = self._run(calls)
        for decision in decisions:
            if decision.id in calls and not faults[decision.id]:
                self._called.begin(decision.id, *self._end(decision, now))
        return [
            self._receipt(each.id, now, refused.get(each.id), faults.get(each.id, ""))
            for each in decisions
        ]

    def revoke(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Run the program for the end of decisions that it was run for."""
        trouble = self._called.read()
        ends = {
            decision.id: self._end(decision, now)
            for decision in decisions
            if decision.id in self._called.calls
        }
        faults = self._finish(ends)
        return [
            Receipt(each.id, self.name, ReceiptState.FAILED, now, fault)
            if (fault := trouble or faults.get(each.id, ""))
            else Receipt(each.id, self.name, ReceiptState.WITHDRAWN, now)
            for each in decisions
        ]

    def replace(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Run the program for the end of all but these, and for these where it was not run."""
        self._called.read()
        wanted = {decision.id for decision in decisions}
        over = {name: end for name, end in self._called.calls.items() if name not in wanted}
        self._over = dict.fromkeys(over)
        self._finish(over)
        return self.apply(decisions, now)

    def is_disturbed(self) -> bool:
        """Tell whether the program still has to be run for an end that nobody asks for again."""
        return any(not self._put_off(name) for name in self._over)

    def close(self) -> None:
        """Let go; programs that run are never left behind by a call."""

    def _end(self, decision: Decision, now: int) -> End:
        """Return the arguments and the document that tell of a decision's end."""
        return self._style.arguments(decision, now, True), document(decision, "revoke")  # noqa: FBT003

    def _finish(self, ends: Mapping[str, End]) -> dict[str, str]:
        """Tell of the end of decisions; return why it could not be told, by decision."""
        program = self.undo or (self.path if self._style.knows_end else "")
        faults: dict[str, str] = {}
        calls: dict[str, Call] = {}
        for name, (arguments, text) in ends.items():
            if not program:
                faults[name] = ""
            elif reason := self._full(len(calls), ends=True) or self._put_off(name):
                faults[name] = reason
            else:
                calls[name] = Call(program, arguments, text)
        faults |= self._run(calls)
        for name, fault in faults.items():
            if not fault:
                self._called.end(name)
                self._over.pop(name, None)
        return faults

    def _run(self, calls: dict[str, Call]) -> dict[str, str]:
        """Run calls; return for each '' or why it failed."""
        if not calls:
            return {}
        if reason := distrust(next(iter(calls.values())).program):
            outcomes = [reason] * len(calls)
        else:
            outcomes = Runs(self._clock, self.at_once, self.timeout_s).run(list(calls.values()))
        faults = dict(zip(calls, outcomes, strict=True))
        for name, fault in faults.items():
            self._failed.pop(name, None)
            if fault:
                self._failed[name] = (self._clock.monotonic() + self.retry_s, fault)
        while len(self._failed) > self.most:
            del self._failed[next(iter(self._failed))]
        return faults

    def _full(self, calls: int, *, ends: bool = False) -> str:
        """Return why no further call can be made now, or ''."""
        if calls >= self.most_calls:
            return "waits for its turn (most_calls)"
        if not ends and len(self._called.calls) + calls >= self.most:
            self.dropped += 1
            return f"the script was run for {self.most} decisions that did not end yet (most)"
        return ""

    def _put_off(self, decision: str) -> str:
        """Return what went wrong the last time, while it is too early to try again."""
        again, fault = self._failed.get(decision, (0.0, ""))
        return fault if self._clock.monotonic() < again else ""

    def _receipt(
        self, decision: str, now: int, refused: tuple[ReceiptState, str] | None, fault: str
    ) -> Receipt:
        if refused is None and fault:
            refused = (ReceiptState.FAILED, fault)
        done = "; ".join(filter(None, (f"{self.path} was run", self._called.fault)))
        state, detail = refused or (ReceiptState.APPLIED, done)
        return Receipt(decision, self.name, state, now, detail)
