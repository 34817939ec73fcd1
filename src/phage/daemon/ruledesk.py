"""Rule files of the running daemon, for the API and the dashboard: judged, tried, saved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from phage.api.desks import FileText, Forecast, Judgement, Remark, RuleForecast
from phage.config.document import read_text
from phage.config.savefile import save_over
from phage.daemon.rulebook import rule_files
from phage.errors import ConfigError, RuleError, StateError
from phage.policy.check import check
from phage.policy.plan import make_plan, needs
from phage.policy.planfindings import plan_findings
from phage.policy.reading.reader import MAX_OCTETS, read_file, read_rules
from phage.policy.ruleset import RuleSet, join, local_zone, rule_paths
from phage.policy.runtests import run_tests
from phage.store.repositories.findings import FindingFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.enforcement import Enforcement
    from phage.policy.rule import Rule
    from phage.store.store import Store

MAX_CHANGES = 50
"""Hosts of a forecast that are told one by one."""

MAX_FINDINGS = 10_000
"""Findings that rules are asked about."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.ya?ml")
_PLACED = re.compile(r"(?P<file>.*?):(?P<line>\d+):(?P<column>\d+): (?P<text>.*)")


@dataclass
class LocalRuleDesk:
    """Rule files on this machine. May be called from several threads.

    Attributes:
        settings: Say where the files are.
        state: The folder in which files are kept that the settings name no place for.
        enforcement: Knows the rules in force, and the world.
        reading: Gives a reader of the store.
        clock: Tells the time.
    """

    settings: Settings
    state: StateDirectory
    enforcement: Enforcement
    reading: Callable[[], AbstractContextManager[Store]]
    clock: Clock

    def rules(self) -> Sequence[Rule]:
        """Return the rules that are asked, in order."""
        return self.enforcement.rulebook.ruleset.rules

    def files(self) -> Sequence[FileText]:
        """Return the rule files. Raises ConfigError for one that cannot be read."""
        return [
            FileText(path.name, read_text(path, MAX_OCTETS, "rule file"), str(path), _ships(path))
            for path in self._paths()
        ]

    def _paths(self) -> list[Path]:
        return rule_paths(rule_files(self.settings, self.state))

    def _path(self, name: str) -> Path:
        """Return where a file is, or is to be. Raises ConfigError for a name that is none."""
        if not _NAME.fullmatch(name):
            message = f"{name!r}: a rule file's name is letters, digits, - and _, and ends in .yaml"
            raise ConfigError(message)
        known = {path.name: path for path in self._paths()}
        if name in known and not _ships(known[name]):
            return known[name]
        folders = [path for path in self.settings.policy.rules if path.is_dir()]
        if self.settings.policy.rules and not folders:
            message = "policy.rules names files and no folder; add the new one there by hand"
            raise ConfigError(message)
        return (folders[0] if folders else self.state.rules) / name

    def _candidate(self, name: str, text: str) -> RuleSet:
        """Return all rules as if a file had this text. Raises RuleError."""
        is_fence = self._path(name).parent == self.state.fences
        others = [
            path for path in self._paths() if path.name != name and (is_fence or not _ships(path))
        ]
        files = [*map(read_file, others), read_rules(text, name)]
        files.sort(key=lambda each: Path(each.source).name)
        return join(files, local_zone())

    def judge(self, name: str, text: str) -> Judgement:
        """Return what is to be said of a file if it had this text."""
        try:
            ruleset = self._candidate(name, text)
        except RuleError as error:
            return Judgement(remarks=[_remark(line) for line in str(error).splitlines()])
        facts, now = self.enforcement.rulebook.world(), self.clock.now()
        problems = [each for each in check(ruleset, facts, now) if each.place.file == name]
        results = [each for each in run_tests(ruleset) if each.test.place.file == name]
        failed = [each for each in results if each.why]
        return Judgement(
            len(ruleset.rules),
            [
                Remark(each.place.line, each.place.column, each.gravity.value, each.text)
                for each in problems
            ],
            len(results) - len(failed),
            [Remark(each.test.place.line, 1, "error", each.why) for each in failed],
        )

    def forecast(self, name: str, text: str, since: int) -> Forecast:
        """Return what all rules would have done if a file had this text."""
        candidate = self._candidate(name, text)
        book = self.enforcement.rulebook
        in_force = book.ruleset if self.enforcement.desk.enforce else RuleSet()
        facts, now, wanted = book.world(), self.clock.now(), needs(in_force, candidate)
        with self.reading() as store:
            groups = store.flow_groups.stream(
                since, now, source_ports=wanted.source_ports, minutes=wanted.minutes
            )
            made = make_plan(groups, in_force, candidate, facts, as_enforced=True)
            found = store.findings.list(FindingFilter(since=since), MAX_FINDINGS)
        effects = [
            RuleForecast(
                each.rule.name, each.rule.mode.value, _verbs(each.rule), each.flows, each.octets,
                ours=each.ours, is_certain=each.is_certain,
            )
            for each in made.effects
        ] + [
            RuleForecast(
                each.rule.name, each.rule.mode.value, _verbs(each.rule), findings=each.findings,
                ours=len(each.ours),
            )
            for each in plan_findings(found, candidate, facts)
        ]  # fmt: skip
        changes = [
            {
                "host": each.host, "ours": each.is_ours, "before": each.before.value,
                "after": each.after.value, "rule": each.rule, "flows": each.flows,
                "octets": each.octets, "example": each.example,
            }
            for each in made.changes[:MAX_CHANGES]
        ]  # fmt: skip
        return Forecast(since, made.flows, made.blocked, made.freed, effects, changes)

    def save(self, name: str, text: str) -> None:
        """Write a file; one that cannot be used is refused."""
        path = self._path(name)
        self._candidate(name, text)
        save_over(path, text.replace("\r\n", "\n"))

    def remove(self, name: str) -> None:
        """Remove a file."""
        path = self._path(name)
        if not path.is_file():
            message = f"there is no rule file {name!r} that could be removed"
            raise StateError(message)
        try:
            path.unlink()
        except OSError as error:
            message = f"{path}: cannot be removed: {error.strerror}"
            raise ConfigError(message) from error


def _ships(path: Path) -> bool:
    return path.parent == Path(str(resources.files("phage.rules") / path.name)).parent


def _verbs(rule: Rule) -> tuple[str, ...]:
    return tuple(verb.value for verb in rule.actions)


def _remark(line: str) -> Remark:
    """Return a line of a RuleError ("FILE:LINE:COLUMN: TEXT") as a remark."""
    found = _PLACED.fullmatch(line)
    if found is None:
        return Remark(0, 0, "error", line)
    return Remark(int(found["line"]), int(found["column"]), "error", found["text"])
