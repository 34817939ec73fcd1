"""Reading rule files: YAML in, records out, every fault with file, line and column.

Input is bounded: octets, depth, and items of each list. Anchors, aliases, tags and merge keys are
refused. All faults of a file are told at once, up to `MAX_REPORTED`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from phage.config.document import DocumentError, compose, read_text
from phage.errors import ConfigError, RuleError
from phage.policy.place import MAX_REPORTED, Fault, Place, error_of
from phage.policy.reading.match import read_services
from phage.policy.reading.node import Value
from phage.policy.reading.parties import is_object_name, read_parties
from phage.policy.reading.rule import read_rule
from phage.policy.reading.test import read_given, read_test
from phage.policy.reading.time import read_times, read_zone
from phage.policy.rule import WELL_KNOWN, Given, NamedObject, RuleFile
from phage.policy.services import SERVICES
from phage.records.packetrule import Hook, PacketAction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phage.policy.rule import Rule, RuleTest

MAX_OCTETS = 4 * 2**20
"""Of a rule file: twenty times what 1,000 rules take."""

MAX_RULES = 10_000
"""Of all files: each costs time with every new connection."""

FILE_KEYS = ("version", "zone", "objects", "defaults", "rules", "given", "tests")
DEFAULTS = ("accept", "drop", "reject")

P = ParamSpec("P")
T = TypeVar("T")


def read_file(path: Path) -> RuleFile:
    """Read a rule file. Raises RuleError that names file, line and column of every fault."""
    try:
        text = read_text(path, MAX_OCTETS, "rule file")
    except ConfigError as error:
        raise RuleError(str(error), file=str(path)) from error
    return read_rules(text, str(path))


def read_rules(text: str, source: str) -> RuleFile:
    """Read the text of a rule file; `source` is its name in errors.

    Raises RuleError that names file, line and column of every fault.
    """
    try:
        root = compose(text, source)
    except DocumentError as error:
        place = Place(source, error.line, error.column)
        raise error_of([Fault(place, error.reason)]) from error
    if root is None:
        return RuleFile(source, text=text)
    return replace(_Reader(source).read(Value(root, source)), text=text)


class _Reader:
    """Reads one file, and collects what is wrong with it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.faults: list[Fault] = []

    def read(self, root: Value) -> RuleFile:
        fields = self._try(root.keys, FILE_KEYS, "`rules: [...]`") or {}
        if "version" in fields:
            self._try(fields["version"].integer, 1, 1)
        given = self._try(read_given, fields["given"]) if "given" in fields else None
        file = RuleFile(
            source=self.source,
            zone=self._try(read_zone, fields["zone"]) if "zone" in fields else None,
            objects=self._objects(fields.get("objects")),
            defaults=self._defaults(fields.get("defaults")),
            rules=self._rules(fields.get("rules")),
            given=given or Given(),
            tests=self._tests(fields.get("tests")),
        )
        if self.faults:
            raise error_of(self.faults)
        return file

    def _try(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what is read; None, and a fault more, where that cannot be."""
        try:
            return read(*args, **kwargs)
        except Fault as fault:
            self.faults.append(fault)
            return None

    @property
    def _is_enough(self) -> bool:
        return len(self.faults) > MAX_REPORTED

    def _objects(self, value: Value | None) -> Mapping[str, NamedObject]:
        objects: dict[str, NamedObject] = {}
        for key, item in self._entries(value, "{office: 198.51.100.0/28}"):
            found = self._try(_object, key, item)
            if found is not None:
                objects[found.name] = found
            if self._is_enough:
                break
        return objects

    def _entries(self, value: Value | None, example: str) -> list[tuple[Value, Value]]:
        if value is None or _is_empty(value):
            return []
        return self._try(value.entries, example) or []

    def _list(self, value: Value | None) -> list[Value]:
        if value is None or _is_empty(value):
            return []
        return self._try(value.items) or []

    def _defaults(self, value: Value | None) -> Mapping[Hook, tuple[PacketAction, Place]]:
        return (self._try(_defaults, value) or {}) if value is not None else {}

    def _rules(self, value: Value | None) -> tuple[Rule, ...]:
        rules: dict[str, Rule] = {}
        items = self._list(value)
        if len(items) > MAX_RULES and value is not None:
            self.faults.append(Fault(value.place, f"has more than {MAX_RULES} rules"))
            return ()
        for item in items:
            rule = self._try(read_rule, item)
            if self._is_enough:
                break
            if rule is None:
                continue
            if rule.name in rules:
                other = rules[rule.name].place.short
                text = f"the name {rule.name!r} is taken by the rule at {other}; choose another"
                self.faults.append(Fault(rule.place, text))
            rules[rule.name] = rule
        return tuple(rules.values())

    def _tests(self, value: Value | None) -> tuple[RuleTest, ...]:
        tests: list[RuleTest] = []
        for item in self._list(value):
            test = self._try(read_test, item)
            if test is not None:
                tests.append(test)
            if self._is_enough:
                break
        return tuple(tests)


def _is_empty(value: Value) -> bool:
    return value.is_scalar and value.plain is None


def _defaults(value: Value) -> Mapping[Hook, tuple[PacketAction, Place]]:
    fields = value.keys([hook.value for hook in Hook], "{input: accept}")
    return {
        Hook(key): (PacketAction(item.choice(DEFAULTS)), item.place) for key, item in fields.items()
    }


def _object(key: Value, value: Value) -> NamedObject:
    name = key.name()
    if not is_object_name(name):
        key.fail(f"{name!r} is no name: begin with a letter, go on with letters, digits, - _ .")
    if name in WELL_KNOWN:
        key.fail(f"{name!r} is known already and cannot be defined anew; choose another name")
    if value.is_mapping and (special := _special(key, value)):
        return special(name, key.place)
    return NamedObject(name, key.place, parties=read_parties(value))


def _special(key: Value, value: Value) -> Callable[[str, Place], NamedObject] | None:
    """Return what makes an object of services or times; None for one of addresses."""
    keys = {str(item.node.value) for item, _ in value.entries()}
    if "time" in keys:
        times = read_times(value.keys(("time",))["time"])
        return lambda name, place: NamedObject(name, place, times=times)
    if keys & {"service", "protocol", "port"}:
        services = read_services(value.keys(("service", "protocol", "port")))
        if key.text() in SERVICES:
            key.fail(f"{key.text()!r} is a service already; choose another name")
        return lambda name, place: NamedObject(name, place, services=services)
    return None
