"""PhantomFirewall's YAML: `phantom:` with settings and rules, or the same without that key.

Its rules match on protocol, port, source_ip, dest_ip and `source: threat_intel`. Its own code
compares addresses as text and never looks at the port; here they mean what the file says.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from phage.config.document import Document, parse_document
from phage.errors import ConfigError
from phage.policy.adoption.feeds import feed_change
from phage.policy.adoption.values import Faults, networks, number, ports, protocol, rate
from phage.policy.importer import (
    MAX_RULES,
    Imported,
    ImportedRule,
    NotImported,
    SettingChange,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.config.document import Key
    from phage.policy.importer import Source
    from phage.records.decision import Rate

T = TypeVar("T")

MAX_FEEDS = 100

_CLAIM = re.compile(
    r"""^[\s{,"'-]*(?:phantom|learning_rate|threat_feeds|ml_settings|dashboard_port|api_port"""
    r"""|update_interval|source_ip|dest_ip|rules)["']?\s*:""",
    re.MULTILINE,
)

_ACTIONS = {
    "accept": "accept", "allow": "accept", "drop": "drop", "deny": "drop", "block": "drop",
    "reject": "reject", "log": "log", "limit": "limit",
}  # fmt: skip
"""Actions in lower case. PhantomFirewall knows ACCEPT, DROP, LOG and LIMIT; the others are what
people write in its files."""

_LEVELS = {
    "debug": "debug", "info": "info", "warning": "warning", "warn": "warning", "error": "error",
    "critical": "error", "fatal": "error",
}  # fmt: skip

_CONDITIONS = frozenset({"protocol", "port", "source_ip", "dest_ip", "source"})
_KNOWN = _CONDITIONS | {"name", "priority", "action", "rate", "description", "comment", "enabled"}
_OWN_LANGUAGE = frozenset({"match", "when", "then", "tests", "objects"})
_FEED_WORDS = frozenset({"threat_intel", "threat-intel", "threatintel", "threat intel"})

_WITHOUT_SETTING = {
    "mode": "phage always observes first; each rule says by itself whether it is enforced",
    "learning_rate": "the pace of learning follows from the traffic; `learning.budget` is the one "
    "knob",
    "update_interval": "each feed has its own, `every`",
    "dashboard_port": "there is one port for all, `api.listen`",
    "ml_settings": "the model is another one and finds these values by itself",
    "threat_feeds": "must be a list of feeds, each with a name",
}
_UNKNOWN = "PhantomFirewall knows no such key"


class PhantomFirewall:
    """Reads rules and settings of PhantomFirewall."""

    name: ClassVar[str] = "phantom"
    summary: ClassVar[str] = "PhantomFirewall's YAML: settings and rules"

    def claims(self, source: Source) -> int:
        """Return how many lines look like PhantomFirewall's keys."""
        return len(_CLAIM.findall(source.text))

    def read(self, source: Source) -> Imported:
        """Read a file. Raises ConfigError that names file and line of what is wrong."""
        document = parse_document(source.text, source.name)
        return _Reading(document).all()


class _Reading:
    """One reading of one file: gathers what is taken over, what is left, what is wrong."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._faults = Faults()
        self._rules: list[ImportedRule] = []
        self._settings: list[SettingChange] = []
        self._left: list[NotImported] = []
        self._warnings: list[str] = []

    def all(self) -> Imported:
        """Read both forms: everything under `phantom`, or at the top."""
        values = self._document.values
        if _OWN_LANGUAGE & set(values):
            message = (
                f"{self._document.source}:1: is in phage's own language; "
                "use `phage rules import FILE`"
            )
            raise ConfigError(message)
        for key in values:
            if key != "phantom" and "phantom" in values:
                self._leave((key,), "stands beside `phantom`, where PhantomFirewall does not look")
        self._section(values.get("phantom", values), ("phantom",) if "phantom" in values else ())
        self._faults.raise_any()
        return Imported(
            "PhantomFirewall",
            tuple(self._rules),
            tuple(self._settings),
            tuple(self._left),
            tuple(self._warnings),
        )

    def _section(self, values: object, at: tuple[str, ...]) -> None:
        if not isinstance(values, dict):
            self._fault(at, "must be keys and values, as `mode` and `rules`")
            return
        for key, value in values.items():
            if key == "rules":
                self._all_rules(value, (*at, key))
            elif key == "threat_feeds" and isinstance(value, list):
                self._feeds(value, values.get("update_interval"), (*at, key))
            elif key == "update_interval" and isinstance(values.get("threat_feeds"), list):
                continue  # Each of these has it.
            elif key == "log_level":
                self._log_level(value, (*at, key))
            elif key == "api_port":
                self._api_port(value, (*at, key))
            else:
                self._without_setting(key, value, (*at, key))

    def _without_setting(self, key: str, value: object, at: tuple[str | int, ...]) -> None:
        reason = _WITHOUT_SETTING.get(key, _UNKNOWN)
        if key == "ml_settings" and isinstance(value, dict):
            for name, each in value.items():
                self._leave((*at, name), reason, f"ml_settings.{name}: {_shown(each)}")
        else:
            # What an unknown key holds may be a secret.
            shown = f"{key}: {_shown(value)}" if key in _WITHOUT_SETTING else key
            self._leave(at, reason, shown)

    def _feeds(self, feeds: list[object], every: object, at: tuple[str | int, ...]) -> None:
        if len(feeds) > MAX_FEEDS:
            self._fault(at, f"has {len(feeds)} feeds; at most {MAX_FEEDS} can be imported")
            return
        known: set[Key] = set()
        for index, feed in enumerate(feeds):
            name = feed.get("name") if isinstance(feed, dict) else feed
            found = feed_change(feed, every, self._line((*at, index)))
            if isinstance(found, SettingChange) and found.key in known:
                found = "stands here a second time"
            if isinstance(found, str):
                self._leave((*at, index), found, f"threat_feeds: {_shown(name)}")
            else:
                known.add(found.key)
                self._settings.append(found)

    def _log_level(self, value: object, at: tuple[str | int, ...]) -> None:
        level = _LEVELS.get(str(value).lower())
        if level is None:
            self._fault(at, f"must be DEBUG, INFO, WARNING, ERROR or CRITICAL (got {value!r})")
            return
        self._settings.append(SettingChange(("logging", "level"), level, self._line(at)))

    def _api_port(self, value: object, at: tuple[str | int, ...]) -> None:
        port = number(value)
        if port is None or not 1 <= port <= 65_535:
            self._fault(at, f"must be a port from 1 to 65535 (got {_shown(value)})")
            return
        note = "only on this machine: the API of PhantomFirewall was open to everybody"
        change = SettingChange(("api", "listen"), f"127.0.0.1:{port}", self._line(at), note)
        self._settings.append(change)

    def _all_rules(self, value: object, at: tuple[str | int, ...]) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            self._fault(at, "must be a list of rules, each with name, priority and action")
            return
        if len(value) > MAX_RULES:
            self._fault(at, f"has {len(value)} rules; at most {MAX_RULES} can be imported")
            return
        for index, each in enumerate(value):
            if isinstance(each, dict):
                self._rule(each, (*at, index), index)
            else:
                self._fault((*at, index), "must be a rule with name, priority and action")

    def _rule(self, values: dict[str, Any], at: tuple[str | int, ...], index: int) -> None:
        name = self._name(values.get("name"), at)
        shown = f"rule {_shown(name or index + 1)}"
        reason = self._why_not(values)
        if reason:
            self._leave(at, reason, shown)
            return
        rule = self._read_rule(values, at, name or f"rule {index + 1}", index)
        if rule is None:
            return
        if rule.is_everything:
            self._match_all(rule, shown)
        else:
            self._rules.append(rule)

    def _why_not(self, values: dict[str, Any]) -> str:
        """Return why a rule cannot be taken over, or ''; a condition is never just left out."""
        if unknown := sorted(set(values) - _KNOWN):
            own = _OWN_LANGUAGE & set(unknown)
            hint = "; for phage's own language use `phage rules import`" if own else ""
            return f"has {unknown[0]!r}, which PhantomFirewall does not know{hint}"
        if values.get("enabled") is False:
            return "is switched off"
        source = values.get("source")
        if source is not None and str(source).lower() not in _FEED_WORDS:
            return f"source {_shown(source)}: only threat_intel is known; addresses go in source_ip"
        if source is not None and values.get("source_ip") is not None:
            return "asks for a feed and an address of the source at once; write two rules"
        return ""

    def _read_rule(
        self, values: dict[str, Any], at: tuple[str | int, ...], name: str, index: int
    ) -> ImportedRule | None:
        """Return a rule; None when something in it is wrong, which is noted."""
        before = len(self._faults)
        action = self._action(values.get("action"), at)
        priority = self._number(values, "priority", at, index + 1)
        spoken = self._value(values, "protocol", at, protocol)
        wanted = self._value(values, "port", at, ports) or ()
        sources = self._value(values, "source_ip", at, networks) or ()
        destinations = self._value(values, "dest_ip", at, networks) or ()
        limit = self._rate(values, at, action)
        if wanted and spoken not in {None, 6, 17, 132}:
            self._fault((*at, "port"), "only TCP, UDP and SCTP have ports")
        if len(self._faults) > before:
            return None
        return ImportedRule(
            name=name,
            line=self._line(at),
            action=action,
            priority=priority,
            sources=sources,
            destinations=destinations,
            protocol=spoken,
            ports=wanted,
            feeds=values.get("source") is not None,
            rate=limit,
            notes=tuple(_notes(values, action)),
        )

    def _match_all(self, rule: ImportedRule, shown: str) -> None:
        """Keep a rule without a condition from meeting every packet."""
        place = f"{self._document.source}:{rule.line}"
        if rule.action in {"drop", "reject"}:
            note = "had no condition; it now asks for sources that stand in an enabled feed"
            self._warnings.append(f"{place}: {shown} {note}")
            self._rules.append(replace(rule, feeds=True, notes=(*rule.notes, note)))
            return
        reason = "has no condition, and would meet every packet"
        self._warnings.append(f"{place}: {shown} {reason}; it is left out")
        self._left.append(NotImported(rule.line, shown, reason))

    def _name(self, value: object, at: tuple[str | int, ...]) -> str:
        if isinstance(value, dict | list):
            self._fault((*at, "name"), "must be a text")
            return ""
        return "" if value is None else str(value).strip()

    def _action(self, value: object, at: tuple[str | int, ...]) -> str:
        if value is None:
            self._fault(at, "has no action; write action: ACCEPT, DROP, LOG or LIMIT")
            return ""
        action = _ACTIONS.get(str(value).strip().lower(), "")
        if not action:
            text = f"must be ACCEPT, DROP, LOG or LIMIT (got {_shown(value)})"
            self._fault((*at, "action"), text)
        return action

    def _rate(self, values: dict[str, Any], at: tuple[str | int, ...], action: str) -> Rate | None:
        limit = self._value(values, "rate", at, rate)
        if action == "limit" and values.get("rate") is None:
            self._fault(at, 'LIMIT needs a rate, for example rate: "10/minute"')
        if action and action != "limit" and values.get("rate") is not None:
            self._fault((*at, "rate"), "only LIMIT has a rate")
        return limit

    def _number(
        self, values: dict[str, Any], key: str, at: tuple[str | int, ...], default: int
    ) -> int:
        if values.get(key) is None:
            return default
        found = number(values[key])
        if found is None:
            self._fault((*at, key), f"must be a whole number (got {_shown(values[key])})")
        return found or 0

    def _value(
        self,
        values: dict[str, Any],
        key: str,
        at: tuple[str | int, ...],
        parse: Callable[[object], T],
    ) -> T | None:
        """Return a parsed value; None when it is not there, or wrong, which is noted."""
        if values.get(key) is None:
            return None
        try:
            return parse(values[key])
        except ValueError as error:
            self._fault((*at, key), str(error))
            return None

    def _line(self, at: tuple[str | int, ...]) -> int:
        for end in range(len(at), 0, -1):
            if at[:end] in self._document.lines:
                return self._document.lines[at[:end]]
        return 1

    def _fault(self, at: tuple[str | int, ...], text: str) -> None:
        key = next((str(part) for part in reversed(at) if isinstance(part, str)), "")
        where = f"{self._document.source}:{self._line(at)}"
        self._faults.add(f"{where}: {key}: {text}" if key else f"{where}: {text}")

    def _leave(self, at: tuple[str | int, ...], reason: str, what: str = "") -> None:
        self._left.append(NotImported(self._line(at), what or str(at[-1]), reason))


def _notes(values: dict[str, Any], action: str) -> list[str]:
    notes = [
        " ".join(str(values[key]).split())[:200]
        for key in ("description", "comment")
        if isinstance(values.get(key), str)
    ]
    if action == "log":
        notes.append("LOG let the packet through; here it is logged and the next rule is asked")
    if action == "limit":
        notes.append("the rate holds for each source")
    return notes


def _shown(value: object) -> str:
    """Return a value as it is quoted to a person: short, and on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
