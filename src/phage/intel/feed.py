"""The contract of a feed: a source of indicators."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from phage.errors import PhageError
from phage.frozen import frozen
from phage.plugin import Family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.intel.networks import Networks
    from phage.records.indicator import Indicator


class FeedError(PhageError):
    """A feed cannot be had or cannot be used; says why.

    Attributes:
        after: Seconds that the source asks to be left alone; 0 when it does not say.
    """

    def __init__(self, message: str, *, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class Unchanged(Exception):  # noqa: N818  It is an answer, no error.
    """The source says that nothing has changed since the last time."""


@frozen
class Harvest:
    """What a feed gave.

    Attributes:
        networks: Networks in columns, all with the feed's confidence.
        indicators: Indicators that say more, and those that are no network.
        rejected: Entries that could not be read.
        replaces: It is the whole feed; else it is added to what was there.
        claimed: Entries that the source says there are; 0 where it does not.
    """

    networks: Networks
    indicators: tuple[Indicator, ...] = ()
    rejected: int = 0
    replaces: bool = True
    claimed: int = 0

    def __len__(self) -> int:
        return len(self.networks) + len(self.indicators)


class Downloads(Protocol):
    """Gets documents, within limits of size and time."""

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        conditional: bool = True,
    ) -> bytes:
        """Return a document, unpacked; a body is posted.

        Raises FeedError, and Unchanged when it is the one that was got last (`conditional` only).
        """

    def said(self, header: str) -> str:
        """Return a header of the last answer by its name in small letters; '' for none."""


@runtime_checkable
class Feed(Protocol):
    """Gets indicators from one source. It can be made without arguments; settings are fields.

    A feed only gets and reads: limits, sanity, times and storage are not its business.
    """

    name: ClassVar[str]
    """The name of this kind of feed, as settings carry it."""

    summary: ClassVar[str]
    """What it has, in one line."""

    terms: ClassVar[str]
    """What its maker asks of users, in one line."""

    least_s: ClassVar[float]
    """Seconds between two requests that the maker allows."""

    confidence: int
    """How sure the source is, 0 to 100, where an entry does not say."""

    def check(self) -> str:
        """Return what is missing in the settings; '' when it is complete."""

    def collect(self, downloads: Downloads, since: int) -> Harvest:
        """Get and read; `since` is when it last did, in nanoseconds, 0 for never.

        Raises FeedError and Unchanged.
        """


FEEDS = Family("feeds", Feed, "phage.intel.feeds")
