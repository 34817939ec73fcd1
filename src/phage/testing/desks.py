"""Desks that are made up: rule files, settings, feeds in memory; for tests of routes and pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from phage.api.desks import (
    FeedKind,
    FileText,
    Forecast,
    Judgement,
    Remark,
    RuleForecast,
    Setting,
)
from phage.config.intel import FeedSettings
from phage.errors import ConfigError, RuleError, StateError
from phage.policy.reading.reader import read_rules
from phage.policy.ruleset import join
from phage.records.feedstate import FeedState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.policy.rule import Rule

HOME = (resources.files("phage.rules") / "home.yaml").read_text(encoding="utf-8")


@dataclass
class FakeRuleDesk:
    """Keeps rule files in memory; the rules of `home.yaml` are in it."""

    texts: dict[str, str] = field(default_factory=lambda: {"home.yaml": HOME})

    def rules(self) -> Sequence[Rule]:
        """Return the rules of all files."""
        return join(read_rules(text, name) for name, text in self.texts.items()).rules

    def files(self) -> Sequence[FileText]:
        """Return the files."""
        return [FileText(name, text, f"/rules/{name}") for name, text in self.texts.items()]

    def judge(self, name: str, text: str) -> Judgement:
        """Return what the reader says."""
        try:
            made = read_rules(text, name)
        except RuleError as error:
            return Judgement(remarks=[Remark(error.line, error.column, "error", str(error))])
        return Judgement(len(made.rules), passed=len(made.tests))

    def forecast(self, name: str, text: str, since: int) -> Forecast:
        """Return one effect for each rule."""
        rules = [
            RuleForecast(each.name, each.mode.value, tuple(map(str, each.actions)), 7, 4096, ours=1)
            for each in read_rules(text, name).rules
        ]
        changed = {
            "host": "192.168.1.9", "ours": True, "before": "accept", "after": "drop",
            "rule": rules[0].rule if rules else "", "flows": 7, "octets": 4096,
            "example": "203.0.113.9 tcp/23",
        }  # fmt: skip
        return Forecast(since, 1000, 7, 0, rules, [changed])

    def save(self, name: str, text: str) -> None:
        """Keep a text."""
        read_rules(text, name)
        self.texts[name] = text

    def remove(self, name: str) -> None:
        """Forget a text."""
        del self.texts[name]


@dataclass
class FakeSettingsDesk:
    """Keeps a settings file in memory; a text with `wrong` in it is refused."""

    text: str = "# mine\npolicy:\n  enforce: false\n"

    def file(self) -> FileText:
        """Return the file."""
        return FileText("phage.yaml", self.text, "/etc/phage/phage.yaml")

    def shown(self) -> FileText:
        """Return the file; it has no secrets."""
        return self.file()

    def settings(self) -> Sequence[Setting]:
        """Return three keys."""
        return [
            Setting(("home",), "Networks that are ours.", "[]", "[]"),
            Setting(("policy", "enforce"), "Carry decisions out.", "false", "false",
                    is_written=True),
            Setting(("api", "token"), "Token of /metrics.", '"(set)"', '""', is_secret=True),
        ]  # fmt: skip

    def check(self, text: str) -> Sequence[str]:
        """Return a fault for a text with `wrong` in it."""
        return ["phage.yaml:1: wrong"] if "wrong" in text else []

    def changed(self, key: tuple[str, ...], value: str) -> str:
        """Return the text with a line more."""
        return f"{self.text}# {'.'.join(key)}: {value}\n"

    def save(self, text: str) -> None:
        """Keep a text."""
        if faults := self.check(text):
            raise ConfigError(faults[0])
        self.text = text


@dataclass
class FakeFeedsDesk:
    """Keeps feeds in memory; `asked` notes what was asked for."""

    made: dict[str, FeedSettings] = field(
        default_factory=lambda: {"drop": FeedSettings(type="spamhaus")}
    )
    asked: list[tuple[str, str]] = field(default_factory=list)

    def feeds(self) -> Mapping[str, FeedSettings]:
        """Return the feeds."""
        return self.made

    def kinds(self) -> Sequence[FeedKind]:
        """Return three kinds."""
        url = Setting(("url",), "Where the list is.", "", "")
        return [
            FeedKind("netset", "A list of networks.", "Its maker's.", [url]),
            FeedKind("spamhaus", "Spamhaus DROP.", "Once an hour."),
            FeedKind("threatfox", "ThreatFox.", "A key each.", takes_key=True),
        ]

    def add(
        self, name: str, kind: str, settings: Mapping[str, object], every: float, key: str = ""
    ) -> None:
        """Keep a feed, and whether it had a key."""
        if name in self.made:
            message = f"there is a feed {name!r} already"
            raise StateError(message)
        if key:
            self.asked.append(("key", name))
        self.made[name] = FeedSettings.model_validate(
            {"type": kind, "settings": dict(settings), "every": every, "public": True}
        )

    def enable(self, name: str, *, on: bool) -> None:
        """Enable a feed, or disable it."""
        self.made[name] = self._one(name).model_copy(update={"enabled": on})

    def update(self, name: str) -> None:
        """Note it."""
        self._one(name)
        self.asked.append(("update", name))

    def test(self, name: str) -> FeedState | None:
        """Answer for a feed with three entries."""
        self._one(name)
        self.asked.append(("test", name))
        return FeedState(name, entries=3, left_out={"public resolver": 1})

    def _one(self, name: str) -> FeedSettings:
        if name not in self.made:
            message = f"there is no feed {name!r}"
            raise StateError(message)
        return self.made[name]


class FakePushDesk:
    """Tells nobody anything: the first test of it is taken, and then there is no browser."""

    def __init__(self) -> None:
        self.tested: list[str] = []

    def key(self) -> str:
        """Return what stands for a key."""
        return "BKey"

    def test(self, user: str) -> int:
        """Note whose browsers are tested."""
        self.tested.append(user)
        if len(self.tested) > 1:
            message = "no browser of yours is subscribed"
            raise StateError(message)
        return 1
