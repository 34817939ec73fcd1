"""The contract of an importer: it reads another program's file and says what that means here."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from phage.frozen import frozen
from phage.plugin import Family

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.config.document import Key
    from phage.records.decision import Rate

MAX_RULES = 10_000
"""More rules than anybody wrote by hand; each costs time in the kernel."""


def _unread(_name: str) -> Source | None:
    return None


@frozen
class Source:
    """A file to import: its name as the person gave it, and its text.

    `beside` returns a file that this one names; None where it cannot be read, or where nobody but
    the owner of the machine may choose what is read.
    """

    name: str
    text: str
    beside: Callable[[str], Source | None] = field(default=_unread, repr=False)

    def place(self, line: int) -> str:
        """Return "file:line"."""
        return f"{self.name}:{line}"


@frozen
class Excess:
    """More than so much from one source within a time, as a condition."""

    count: int
    unit: str
    """"packets", "octets" or "connections"."""
    seconds: int


@frozen
class ImportedRule:
    """A rule of another program in phage's terms; conditions that are empty hold always.

    Attributes:
        name: Its name in the file it comes from.
        line: Where it stands there, from 1.
        action: "accept", "drop", "reject", "log", "limit" or "ban".
        priority: Its place among the others; the lowest is asked first.
        sources: Networks, in canonical text; "home" for those that are ours.
        destinations: The same.
        protocol: IP protocol number; None for any.
        ports: Ranges of destination ports, both ends included.
        feeds: Only sources that stand in an enabled feed.
        rate: What LIMIT lets through, for each source.
        excess: Only sources that send more than this.
        finding: Only where this detector found something.
        target: Who is acted against, as rules call it; '' for the source.
        responders: Only these carry it out; none means all.
        seconds: How long BAN lasts.
        notes: What differs from the other program, for people.
    """

    name: str
    line: int
    action: str
    priority: int
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    protocol: int | None = None
    ports: tuple[tuple[int, int], ...] = ()
    feeds: bool = False
    rate: Rate | None = None
    excess: Excess | None = None
    finding: str = ""
    target: str = ""
    responders: tuple[str, ...] = ()
    seconds: int = 0
    notes: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Tell whether it has no condition at all: such a rule is never written."""
        return not (
            self.sources
            or self.destinations
            or self.protocol is not None
            or self.ports
            or self.feeds
            or self.excess
            or self.finding
        )


@frozen
class SettingChange:
    """A setting of phage that follows from a line of the file."""

    key: Key
    value: object
    line: int
    note: str = ""


@frozen
class NotImported:
    """What the file says and phage does not take over, with the reason."""

    line: int
    what: str
    reason: str


@frozen
class Imported:
    """All that a file says: what is taken over, what is not, and what the person should know."""

    program: str
    """The other program, as it calls itself."""
    rules: tuple[ImportedRule, ...] = ()
    settings: tuple[SettingChange, ...] = ()
    left: tuple[NotImported, ...] = ()
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Importer(Protocol):
    """Reads the files of one other program. It is made without arguments, and does no I/O."""

    name: ClassVar[str]
    """The importer's name, as its module's."""

    summary: ClassVar[str]
    """What it reads, in one line."""

    def claims(self, source: Source) -> int:
        """Return how many lines look like this format; 0 when none does. Never raises."""

    def read(self, source: Source) -> Imported:
        """Read a file. Raises ConfigError that names file and line of what is wrong."""


IMPORTERS = Family("importers", Importer, "phage.policy.importers")
"""Importers of other programs' files."""
