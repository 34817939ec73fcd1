"""The rules in force: read from files, asked about findings, compiled for the kernel as time goes.

Changed files come into force by `apply`, on trial if wanted: who is cut off by his own rules cannot
confirm them, and what stood before is in force again. What was confirmed last is kept beside the
state, so that a daemon that is started while a trial runs does not take up what nobody confirmed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from phage.daemon.keptrules import KeptRules
from phage.errors import PhageError
from phage.policy.check import Gravity, check
from phage.policy.compile import compile_rules, next_change
from phage.policy.decide import decide
from phage.policy.excess import ExcessMeter
from phage.policy.ruleset import RuleSet, load, rule_paths
from phage.policy.runtests import run_tests
from phage.records.packetrule import PacketRules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.policy.facts import Facts
    from phage.policy.intent import Intent
    from phage.records.finding import Finding
    from phage.records.window import Window

_log = logging.getLogger(__name__)

MAX_SHOWN = 20
"""Problems of rule files that are told at once."""

FACTS_SECONDS = 10
"""How often the world is looked at anew."""

_SECOND = 1_000_000_000


class Switch(Protocol):
    """Brings packet rules into force in the kernel. Every method may raise PhageError."""

    def apply(self, rules: PacketRules, confirm: float) -> None:
        """Bring rules into force; for `confirm` seconds only unless confirmed, 0 for good."""

    def confirm(self) -> None:
        """Let what is on trial stand."""

    def roll_back(self) -> None:
        """Take back what is on trial, else go back to the rules before."""


class RulebookError(PhageError):
    """Rules cannot be confirmed or taken back; says why."""


@dataclass
class Rulebook:
    """Holds the rules. Called from one thread at a time, but for `decide`.

    Attributes:
        paths: Returns rule files and folders; asked each time, since a first one may come later.
        kept: Folder for the rules that were confirmed last.
        world: Returns the facts of a moment.
        switch: Brings packet rules into force; None while enforcing is off.
        fault: Why the files could not be read or brought into force; '' when all is well.
        generation: Number of the packet rules that were made.
    """

    paths: Callable[[], Sequence[Path]]
    kept: Path
    world: Callable[[], Facts]
    switch: Switch | None = None
    held: bool = field(default=False, init=False)
    """The panic switch is on: nothing is brought into force."""
    fault: str = field(default="", init=False)
    generation: int = field(default=0, init=False)
    trial_until: int = field(default=0, init=False)
    """When what is on trial is taken back, in nanoseconds since the Unix epoch; 0 for no trial."""
    _ruleset: RuleSet = field(default_factory=RuleSet, init=False, repr=False)
    _is_read: bool = field(default=False, init=False)
    """Rules were read: what is in force in the kernel is not emptied for a file with a fault."""
    _unread: str = field(default="", init=False)
    """Why the files could not be read at the start; '' once others were applied."""
    _before: tuple[RuleSet, bool] | None = field(default=None, init=False, repr=False)
    """What is asked again if what is on trial is not confirmed, and whether it was read."""
    _facts: Facts | None = field(default=None, init=False, repr=False)
    _meter: ExcessMeter = field(default_factory=ExcessMeter, init=False, repr=False)
    _compiled: PacketRules | None = field(default=None, init=False, repr=False)
    _change_at: int | None = field(default=None, init=False)
    _look_at: int = field(default=0, init=False)

    @property
    def _kept(self) -> KeptRules:
        return KeptRules(self.kept)

    @property
    def ruleset(self) -> RuleSet:
        """The rules that are asked."""
        return self._ruleset

    def decide(self, finding: Finding, now: int) -> list[Intent]:
        """Return what the rules want done about a finding."""
        facts = self._facts
        return [] if facts is None else decide(self._ruleset, finding, facts, now)

    @property
    def uncounted(self) -> int:
        """Return how many flows were not counted for rules about rates, for want of room."""
        return self._meter.dropped

    def excess(self, window: Window) -> list[Finding]:
        """Return findings about who exceeds the rate of a rule that bans, tells or runs for it."""
        facts = self._facts
        return [] if facts is None else self._meter.take(self._ruleset, window, facts)

    def start(self, now: int) -> None:
        """Read the rules and bring them into force.

        Files that cannot be read, or that nobody confirmed, give way to those that were confirmed
        last. Where these cannot be read either, what is in force in the kernel is left as it is.
        """
        self._look(now)
        try:
            self._read()
            self._enforce(now, 0.0)
        except (PhageError, OSError) as error:
            self._failed(error)

    def _read(self) -> None:
        """Read the files, or else those that were confirmed last. Raises PhageError, OSError."""
        on_trial = self._kept.is_trial
        if on_trial:
            _log.warning(
                "the rule files were applied on trial and not confirmed: the rules before are in "
                "force; `phage rules apply` brings the files into force"
            )
            self._ruleset = self._kept.load() or RuleSet()
        else:
            try:
                self._ruleset = load(self.paths())
            except PhageError as error:
                self._unread = str(error)
                self._failed(error)
                kept = self._kept.load()
                if kept is None:
                    return
                self._ruleset = kept
                _log.warning("the rules that were confirmed last are in force")
        self._is_read = True
        if not self._unread and not on_trial:
            self._kept.save(self._ruleset.files)

    def apply(self, now: int, confirm: float) -> None:
        """Read the files again and bring them into force, for `confirm` seconds or for good.

        Raises PhageError for a fault in the files, a test in them that fails, a rule that would
        lock the administrator out, and a fault of the kernel; what was in force still is.
        """
        if self.held:
            message = "the panic switch is on: `phage panic --release` first"
            raise RulebookError(message)
        wanted = load(self.paths())
        self._look(now)
        self._examine(wanted, now)
        old = self._ruleset, self._is_read
        before = self._before or old
        self._ruleset, self._is_read = wanted, True
        try:
            if confirm:
                self._kept.begin_trial()
            self._enforce(now, confirm, always=True)
        except (PhageError, OSError):
            self._ruleset, self._is_read = old
            if not self.trial_until:
                self._kept.end_trial()
            raise
        self._before = before if confirm else None
        self.trial_until = now + int(confirm * 1e9) if confirm else 0
        self.fault = ""
        if not confirm:
            self._confirmed()

    def _examine(self, wanted: RuleSet, now: int) -> None:
        """Raise RulebookError for rules that would lock somebody out, or whose tests fail."""
        wrong = [str(result) for result in run_tests(wanted) if result.why]
        if self._facts is not None:
            problems = check(wanted, self._facts, now)
            wrong += [str(each) for each in problems if each.gravity is Gravity.ERROR]
        if wrong:
            more = f"\nand {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else ""
            message = "the rules stay as they are, since\n" + "\n".join(wrong[:MAX_SHOWN]) + more
            raise RulebookError(message)

    def confirm(self, now: int) -> None:
        """Let what is on trial stand. Raises RulebookError when it is too late."""
        if not self.trial_until or now >= self.trial_until:
            message = "no rules wait to be confirmed"
            raise RulebookError(message)
        if self.switch is not None:
            self.switch.confirm()
        self._before, self.trial_until = None, 0
        self._confirmed()

    def roll_back(self, now: int) -> None:
        """Take back what is on trial. Raises RulebookError when nothing is."""
        if self._before is None:
            message = "no rules are on trial; change the files, and apply them"
            raise RulebookError(message)
        self._return(now)
        if self.switch is not None:
            self.switch.roll_back()

    def tick(self, now: int) -> None:
        """Take back what was not confirmed in time, and compile anew when time or world changed."""
        if self.trial_until and now >= self.trial_until:
            self._return(now)  # The kernel does by itself.
            _log.warning("the rules were not confirmed: those before are in force again")
        due = self._change_at is not None and now >= self._change_at
        if not due and now < self._look_at:
            return
        self._look(now)
        left = max(1.0, (self.trial_until - now) / _SECOND) if self.trial_until else 0.0
        try:
            self._enforce(now, left)
        except PhageError as error:
            self._failed(error)

    def renew(self) -> None:
        """Bring the rules into force again at the next tick, whatever is thought to be."""
        self._compiled, self._look_at = None, 0

    def _look(self, now: int) -> None:
        self._facts = self.world()
        self._look_at = now + FACTS_SECONDS * _SECOND

    def _return(self, now: int) -> None:
        """Ask the rules again that stood before those on trial."""
        if self._before is not None:
            self._ruleset, self._is_read = self._before
        self.fault = self._unread
        self._before, self.trial_until = None, 0
        self._plan(now)
        self.renew()

    def _enforce(self, now: int, confirm: float, *, always: bool = False) -> None:
        """Compile, and bring the result into force where it differs from what is."""
        self._plan(now)
        if self.switch is None or self._facts is None or self.held or not self._is_read:
            return
        made = compile_rules(self._ruleset, self._facts, now, self.generation + 1)
        if not always and self._compiled is not None and _same(made, self._compiled):
            return
        self._bring(self.switch, made, confirm)
        self.fault = self._unread

    def _bring(self, switch: Switch, made: PacketRules, confirm: float) -> None:
        switch.apply(made, confirm)
        self.generation += 1
        self._compiled = made
        if self.held:  # Meanwhile somebody pulled the panic switch.
            switch.apply(PacketRules(), 0.0)
            self._compiled = None

    def _plan(self, now: int) -> None:
        self._change_at = next_change(self._ruleset, now)

    def _confirmed(self) -> None:
        self.fault = self._unread = ""
        try:
            self._kept.save(self._ruleset.files)
        except OSError as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.fault = str(error)
        _log.error("rules: %s", error, extra={"limit": "rules"})


def rule_files(settings: Settings, state: StateDirectory) -> list[Path]:
    """Return where the rules are: what the settings name, else rules/ in the folder of state.

    Where there is nothing either, the rules for a home that are shipped: all are in dry run, so
    that a fresh start says what it would have done. The fences of devices are there besides.
    """
    fences = [state.fences] if state.fences.is_dir() else []
    if settings.policy.rules:
        return [*settings.policy.rules, *fences]
    if rule_paths([state.rules] if state.rules.is_dir() else []):
        return [state.rules, *fences]
    return [Path(str(resources.files("phage.rules") / "home.yaml")), *fences]


def _same(one: PacketRules, other: PacketRules) -> bool:
    """Tell whether two compilations are one, but for their number and for who is protected.

    The allow-list is handed to the kernel by itself, as soon as it changes.
    """
    return replace(one, generation=0, protect=()) == replace(other, generation=0, protect=())
