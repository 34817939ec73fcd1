"""Rule sets: rule files read together, their names resolved, their rules in order."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.meaning.matching import SidesMatcher, TermsMatcher
from phage.policy.meaning.resolve import Resolver, Sides, Term, names_in, names_in_match
from phage.policy.place import Fault, error_of
from phage.policy.reading.match import ANY_FINDING
from phage.policy.reading.reader import MAX_RULES, read_file
from phage.policy.rule import (
    Match,
    Mode,
    NamedObject,
    ObjectName,
    Rule,
    RuleFile,
    RuleTest,
    TimeWindow,
    Verb,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phage.policy.place import Place
    from phage.records.packetrule import Hook, PacketAction, Service

_BEYOND_THE_KERNEL = frozenset({Verb.BAN, Verb.NOTIFY, Verb.RUN})

MAX_DETECTORS = 256
"""Detectors for which it is remembered which rules they meet."""


@frozen
class Conditions:
    """A match whose names are resolved; `pairs` are ways for source and destination together.

    Attributes:
        match: As it was written.
        pairs: One of these ways of (source, destination) must hold; a side of () is any address.
        not_source: None of these may be the source.
        not_destination: None of these may be the destination.
        services: One of these; () for any.
        not_services: None of these.
        times: One of these; () for always.
        not_times: None of these.
        not_findings: None of these detectors.
    """

    match: Match
    pairs: tuple[tuple[Sides, Sides], ...] = (((), ()),)
    not_source: tuple[Term, ...] = ()
    not_destination: tuple[Term, ...] = ()
    services: tuple[Service, ...] = ()
    not_services: tuple[Service, ...] = ()
    times: tuple[TimeWindow, ...] = ()
    not_times: tuple[TimeWindow, ...] = ()
    not_findings: tuple[str, ...] = ()


class ReadyRule:
    """A rule, its resolved conditions, and what asks these quickly."""

    __slots__ = ("conditions", "not_destination", "not_source", "pairs", "rule")

    def __init__(self, rule: Rule, conditions: Conditions) -> None:
        self.rule = rule
        self.conditions = conditions
        self.pairs = tuple(
            (SidesMatcher(source), SidesMatcher(destination))
            for source, destination in conditions.pairs
        )
        self.not_source = TermsMatcher(conditions.not_source)
        self.not_destination = TermsMatcher(conditions.not_destination)


@dataclass(frozen=True)
class RuleSet:
    """All rules, in the order in which they are asked. Rules that are `off` are left out.

    Attributes:
        files: The files, as they were read.
        rules: All rules in order, those that are off too.
        packet_rules: Rules that are asked about packets.
        finding_rules: Rules that are asked about findings.
        defaults: What happens to packets that no rule decided, with its place.
        zone: Time zone of windows that name none.
    """

    files: tuple[RuleFile, ...] = ()
    rules: tuple[Rule, ...] = ()
    packet_rules: tuple[ReadyRule, ...] = ()
    finding_rules: tuple[ReadyRule, ...] = ()
    defaults: Mapping[Hook, tuple[PacketAction, Place]] = field(default_factory=dict)
    zone: datetime.tzinfo = datetime.UTC
    _by_detector: dict[str, tuple[ReadyRule, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def finding_rules_of(self, detector: str) -> tuple[ReadyRule, ...]:
        """Return the rules that are asked about a detector's findings, in order."""
        known = self._by_detector.get(detector)
        if known is None:
            known = tuple(rule for rule in self.finding_rules if _is_asked(rule, detector))
            if len(self._by_detector) < MAX_DETECTORS:
                self._by_detector[detector] = known
        return known

    @cached_property
    def excess_rules(self) -> Mapping[str, ReadyRule]:
        """Rules about packets that do to who exceeds a rate what the kernel cannot, by name."""
        return {
            ready.rule.name: ready
            for ready in self.packet_rules
            if _BEYOND_THE_KERNEL & set(ready.rule.actions)
        }

    @property
    def used_objects(self) -> frozenset[str]:
        """Names of objects that a rule or another object names."""
        found = {name for rule in self.rules for name in names_in_match(rule.match)}
        for file in self.files:
            for item in file.objects.values():
                found |= set(names_in(item.parties))
                found |= {
                    part.name
                    for part in (*item.services, *item.times)
                    if isinstance(part, ObjectName)
                }
        return frozenset(found)

    @property
    def tests(self) -> tuple[tuple[RuleFile, RuleTest], ...]:
        """All tests, each with its file."""
        return tuple((file, test) for file in self.files for test in file.tests)


def _is_asked(ready: ReadyRule, detector: str) -> bool:
    wanted, unwanted = ready.conditions.match.findings, ready.conditions.not_findings
    if detector in unwanted or ANY_FINDING in unwanted:
        return False
    return not wanted or ANY_FINDING in wanted or detector in wanted


def load(paths: Iterable[Path], zone: datetime.tzinfo | None = None) -> RuleSet:
    """Read rule files and join them to one set; a folder stands for its *.yaml files, by name.

    Args:
        paths: Files and folders, in order.
        zone: Time zone of windows that name none, where the file names none either; None for the
            machine's.

    Raises:
        RuleError: Something is wrong; names file, line and column of every fault.
    """
    files = [read_file(path) for path in rule_paths(paths)]
    return join(files, zone or local_zone())


def rule_paths(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are meant: of a folder its *.yaml and *.yml files, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                item
                for item in path.iterdir()
                if item.suffix in {".yaml", ".yml"} and not item.is_fifo()
            )
        else:
            found.append(path)
    return found


def local_zone() -> datetime.tzinfo:
    """Return the machine's time zone, with its changes over the year; UTC where it has none."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415  Reads a file, so it is not done at import.

    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError):
        return datetime.UTC


def join(files: Iterable[RuleFile], zone: datetime.tzinfo = datetime.UTC) -> RuleSet:
    """Join files to one set. Raises RuleError that names every fault."""
    known = tuple(files)
    faults: list[Fault] = []
    objects = _objects(known, faults)
    resolver = Resolver(objects)
    faults += resolver.check()
    rules = _rules(known, faults)
    zones = {file.source: file.zone for file in known}
    ready: list[ReadyRule] = []
    for rule in rules:
        try:
            conditions = _conditions(rule.match, resolver, zones.get(rule.place.file) or zone)
            ready.append(ReadyRule(rule, conditions))
        except Fault as fault:
            faults.append(fault)
    defaults = _defaults(known, faults)
    if faults:
        raise error_of(list({str(fault): fault for fault in faults}.values()))
    active = [item for item in ready if item.rule.mode is not Mode.OFF]
    return RuleSet(
        files=known,
        rules=tuple(rules),
        packet_rules=tuple(item for item in active if not item.rule.is_about_findings),
        finding_rules=tuple(item for item in active if item.rule.is_about_findings),
        defaults=defaults,
        zone=zone,
    )


def _objects(files: Iterable[RuleFile], faults: list[Fault]) -> dict[str, NamedObject]:
    objects: dict[str, NamedObject] = {}
    for file in files:
        for name, item in file.objects.items():
            if name in objects:
                text = f"the name {name!r} is taken at {objects[name].place.short}; choose another"
                faults.append(Fault(item.place, text))
            objects[name] = item
    return objects


def _rules(files: Iterable[RuleFile], faults: list[Fault]) -> list[Rule]:
    rules: dict[str, Rule] = {}
    for file in files:
        for rule in file.rules:
            if rule.name in rules:
                where = rules[rule.name].place.short
                text = f"the name {rule.name!r} is taken by the rule at {where}; choose another"
                faults.append(Fault(rule.place, text))
            rules[rule.name] = rule
            if len(rules) == MAX_RULES + 1:
                text = f"there are more than {MAX_RULES} rules in all files"
                faults.append(Fault(rule.place, text))
    return sorted(rules.values(), key=lambda rule: rule.priority)


def _defaults(
    files: Iterable[RuleFile], faults: list[Fault]
) -> dict[Hook, tuple[PacketAction, Place]]:
    defaults: dict[Hook, tuple[PacketAction, Place]] = {}
    for file in files:
        for hook, (action, place) in file.defaults.items():
            if hook in defaults and defaults[hook][0] is not action:
                text = f"the default of {hook} is {defaults[hook][0]} at {defaults[hook][1].short}"
                faults.append(Fault(place, text))
            defaults[hook] = action, place
    return defaults


def _conditions(match: Match, resolver: Resolver, zone: datetime.tzinfo) -> Conditions:
    excluded = match.excluded or Match()
    either = (*resolver.terms(excluded.near), *resolver.terms(excluded.far))
    return Conditions(
        match=match,
        pairs=_pairs(match, resolver),
        not_source=(*resolver.terms(excluded.source), *either),
        not_destination=(*resolver.terms(excluded.destination), *either),
        services=resolver.services(match.services),
        not_services=resolver.services(excluded.services),
        times=_zoned(resolver.times(match.times), zone),
        not_times=_zoned(resolver.times(excluded.times), zone),
        not_findings=excluded.findings,
    )


def _zoned(windows: Iterable[TimeWindow], zone: datetime.tzinfo) -> tuple[TimeWindow, ...]:
    return tuple(
        window if window.zone else TimeWindow(window.days, window.start, window.end, zone)
        for window in windows
    )


def _pairs(match: Match, resolver: Resolver) -> tuple[tuple[Sides, Sides], ...]:
    """Return the ways for source and destination: `near` and `far` may be on either side."""
    source, destination, near, far = (
        resolver.sides(parties)
        for parties in (match.source, match.destination, match.near, match.far)
    )
    if near and far:
        return ((near, far), (far, near))
    other = near or far
    if not other:
        return ((source, destination),)
    if destination:
        return ((other, destination),)
    if source:
        return ((source, other),)
    return ((other, ()), ((), other))
