"""What routes and pages ask about rule files and the settings file: contracts and records."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.config.intel import FeedSettings
    from phage.policy.rule import Rule
    from phage.records.feedstate import FeedState


@frozen
class FileText:
    """A file of text as it is now.

    Attributes:
        name: Its name, without a folder.
        text: What stands in it.
        place: Where it lies, for people.
        is_shipped: It came with phage; a change is saved beside the state and used instead.
    """

    name: str
    text: str
    place: str
    is_shipped: bool = False


@frozen
class Remark:
    """Something about a text: where (line and column from 1; 0 for nowhere), how bad, what.

    `gravity` is "error" or "warning".
    """

    line: int
    column: int
    gravity: str
    text: str


@frozen
class Judgement:
    """What is to be said about a rule file that is not in use yet.

    Attributes:
        rules: How many rules there would be, in all files.
        remarks: What is wrong; with an error it cannot be used.
        passed: Tests in the file that pass.
        failed: Tests that fail, with why.
    """

    rules: int = 0
    remarks: Sequence[Remark] = ()
    passed: int = 0
    failed: Sequence[Remark] = ()

    @property
    def is_usable(self) -> bool:
        """Tell whether it can be saved and applied."""
        return not any(each.gravity == "error" for each in self.remarks)


@frozen
class RuleForecast:
    """What one rule would have done: to flows, or about findings."""

    rule: str
    mode: str
    action: tuple[str, ...]
    flows: int = 0
    octets: int = 0
    findings: int = 0
    ours: int = 0
    is_certain: bool = True


@frozen
class Forecast:
    """What rules would have done over a time, with dry runs taken as enforced.

    Attributes:
        since: Beginning of the time, in nanoseconds since the Unix epoch.
        flows: Flows that were looked at.
        blocked: Flows that would have been blocked and are not now.
        freed: Flows that are blocked now and would have passed.
        rules: What each rule would have done.
        changes: For whom that makes a difference, one's own first: host, ours, before, after,
            rule, flows, octets, example.
    """

    since: int
    flows: int = 0
    blocked: int = 0
    freed: int = 0
    rules: Sequence[RuleForecast] = ()
    changes: Sequence[Mapping[str, Any]] = ()


class PushDesk(Protocol):
    """Tells browsers by Web Push."""

    def key(self) -> str:
        """Return by what browsers know who sends: a point of P-256 in base64url."""

    def test(self, user: str) -> int:
        """Tell a user's browsers that this is a test; return how many were.

        Raises StateError where he has none, NotifyError when none could be told.
        """


class RuleDesk(Protocol):
    """Rule files of the running daemon. Changes come into force by `rules.apply` only."""

    def rules(self) -> Sequence[Rule]:
        """Return the rules that are asked, in order; those that are off too."""

    def files(self) -> Sequence[FileText]:
        """Return the rule files."""

    def judge(self, name: str, text: str) -> Judgement:
        """Return what is to be said of a file if it had this text. Never raises for the text."""

    def forecast(self, name: str, text: str, since: int) -> Forecast:
        """Return what all rules would have done if a file had this text. Raises RuleError."""

    def save(self, name: str, text: str) -> None:
        """Write a file. Raises RuleError for a text that cannot be used, ConfigError."""

    def remove(self, name: str) -> None:
        """Remove a file. Raises StateError, ConfigError."""


@frozen
class Setting:
    """One key of the settings: its path, what it means, value in force and default as YAML."""

    key: tuple[str, ...]
    meaning: str
    value: str
    default: str
    is_secret: bool = False
    is_written: bool = field(default=False)
    """It stands in the file."""


@frozen
class FeedKind:
    """A kind of feed: what it has, what its maker asks, and its settings."""

    name: str
    summary: str
    terms: str
    settings: Sequence[Setting] = ()
    takes_key: bool = False
    """Its maker gives users keys."""


class FeedsDesk(Protocol):
    """The feeds of threat intelligence; what is changed is used at once, and kept.

    Who asks may be anywhere: feeds that are added here are got from public addresses only.
    """

    def feeds(self) -> Mapping[str, FeedSettings]:
        """Return the feeds by name."""

    def kinds(self) -> Sequence[FeedKind]:
        """Return the kinds of feeds that there are, by name."""

    def add(
        self, name: str, kind: str, settings: Mapping[str, object], every: float, key: str = ""
    ) -> None:
        """Add a feed that is got every so many seconds. Raises PhageError, and adds nothing.

        A key is kept in a file of phage's, and never told.
        """

    def enable(self, name: str, *, on: bool) -> None:
        """Enable a feed, or disable it. Raises PhageError."""

    def update(self, name: str) -> None:
        """Have a feed got soon; its maker's interval is kept. Raises PhageError."""

    def test(self, name: str) -> FeedState | None:
        """Get a feed, keep nothing, and return what would be used.

        None when that takes longer than an answer may: asked again, it tells how it went.
        Raises PhageError.
        """


class SettingsDesk(Protocol):
    """The settings file. What is changed is used from the next start.

    A secret that is masked in what is checked, changed or saved stays what it is.
    """

    def file(self) -> FileText:
        """Return the settings file as it is, with its secrets; empty where there is none yet."""

    def shown(self) -> FileText:
        """Return the settings file with its secrets masked. Raises ConfigError if it is no YAML."""

    def settings(self) -> Sequence[Setting]:
        """Return every key in force, in order; secrets are masked."""

    def check(self, text: str) -> Sequence[str]:
        """Return what is wrong with a text, a line a fault; nothing where it can be used."""

    def changed(self, key: tuple[str, ...], value: str) -> str:
        """Return the file's text with a key set to a value, in YAML; all else stays as it is.

        Raises ConfigError.
        """

    def save(self, text: str) -> None:
        """Write the file. Raises ConfigError for a text that cannot be used."""
