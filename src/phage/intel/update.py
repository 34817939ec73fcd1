"""Updates of feeds: who is due, what came, what of it is believed, and what stays in force."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from phage.frozen import frozen
from phage.intel import keep
from phage.intel.feed import FeedError, Harvest, Unchanged
from phage.intel.fetch import Fetcher, Validator
from phage.intel.guard import Guard
from phage.intel.networks import Networks, empty, joined, parse_networks
from phage.intel.wellknown import WELL_KNOWN
from phage.records.feedstate import FeedState
from phage.records.indicator import Indicator, IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.intel.feed import Feed
    from phage.intel.guard import Verdict
    from phage.intel.proof import Proof

LONGEST_WAIT_S = 86_400.0
"""A feed that fails is tried at least once a day."""

_SECOND = 1_000_000_000


class Shelf(Protocol):
    """Where states and indicators are kept."""

    def states(self) -> dict[str, FeedState]:
        """Return the state of each feed, by name."""

    def save_state(self, state: FeedState) -> None:
        """Save the state of a feed."""

    def replace(self, feed: str, indicators: Sequence[Indicator]) -> None:
        """Make these all that a feed has."""

    def save(self, indicators: Iterable[Indicator]) -> None:
        """Add indicators to those that are there."""


@frozen
class Subscription:
    """A feed as the settings have it: under which name, and how often it is asked."""

    name: str
    feed: Feed
    every_s: float
    public: bool = False
    """It is never got from an address that is not public."""
    get: bool = True
    """It is got; else it comes by files (`Updater.bring`)."""
    proof: Proof | None = None
    """What each of its documents has to prove itself by."""

    @property
    def interval(self) -> float:
        """Seconds between two requests: never less than the maker allows."""
        return max(self.every_s, self.feed.least_s)


@dataclass
class Updater:
    """Updates feeds one by one.

    Attributes:
        shelf: Where states and indicators are kept.
        folder: Where networks are kept.
        clock: Tells what is due.
        fetcher: Makes what downloads for one feed.
        own: Networks that are ours.
        known: Networks of services that everybody uses, by name.
    """

    shelf: Shelf
    folder: Path
    clock: Clock
    fetcher: Callable[[], Fetcher]
    own: tuple[str, ...] = ()
    known: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: WELL_KNOWN)

    def update(self, subscription: Subscription, *, always: bool = False) -> FeedState:
        """Update a feed if it is due, or `always`; return how it does. Never raises for a feed.

        Even then the maker's interval is kept.
        """
        name = subscription.name
        known = self.shelf.states().get(name, FeedState(name))
        now = self.clock.now()
        if not subscription.get:
            return known
        allowed = known.tried + int(subscription.feed.least_s * _SECOND)
        if (not always and now < known.due) or (always and known.tried and now < allowed):
            return known
        fetcher = self.fetcher()
        fetcher.public, fetcher.proof = subscription.public, subscription.proof
        before = keep.load(self.folder, name)
        if before is not None:  # Else all is to be got again.
            fetcher.validators = {
                url: Validator(*map(str, each)) for url, each in known.validators.items()
            }
        since = known.updated if before is not None else 0
        tried = replace(known, tried=now)
        try:
            harvest = subscription.feed.collect(fetcher, since)
            state = self._believe(subscription, tried, harvest, before)
        except Unchanged:
            state = replace(tried, updated=now, failures=0, fault="")
        except (FeedError, OSError) as error:
            after = getattr(error, "after", 0.0)
            self.shelf.save_state(state := self._failed(subscription, tried, str(error), after))
            return state
        if not state.fault:
            told = {url: (v.etag, v.modified, v.digest) for url, v in fetcher.validators.items()}
            due = now + int(subscription.interval * _SECOND)
            state = replace(state, validators=told, due=due)
        self.shelf.save_state(state)
        return state

    def bring(self, subscription: Subscription, harvest: Harvest, updated: int) -> FeedState:
        """Take what a feed gave elsewhere, at a time; it is judged as if it came from there."""
        known = self.shelf.states().get(subscription.name, FeedState(subscription.name))
        tried = replace(known, tried=self.clock.now())
        state = self._believe(subscription, tried, harvest, None)
        if not state.fault:
            state = replace(state, updated=updated)
        self.shelf.save_state(state)
        return state

    def _believe(
        self,
        subscription: Subscription,
        state: FeedState,
        harvest: Harvest,
        before: Networks | None,
    ) -> FeedState:
        tolerant = bool(getattr(subscription.feed, "bogons", False))
        guard = Guard(self.own, self.known, tolerant)
        others = [each for each in harvest.indicators if each.kind is not IndicatorKind.NETWORK]
        was = state.entries if harvest.replaces else 0
        verdict = guard.judge(harvest.networks, was, len(others))
        state = replace(state, left_out=verdict.left_out, examples=verdict.examples)
        if verdict.held:
            return self._failed(subscription, state, f"held back: {verdict.held}", 0.0)
        networks = verdict.networks
        if not harvest.replaces and before is not None:
            networks = joined([before, networks])
        keep.save(self.folder, subscription.name, networks)
        indicators = _believed(subscription.name, harvest, verdict)
        if harvest.replaces:
            self.shelf.replace(subscription.name, indicators)
        else:
            self.shelf.save(indicators)
        entries = len(networks) + len(others)
        return replace(state, updated=state.tried, entries=entries, failures=0, fault="")

    def _failed(
        self, subscription: Subscription, state: FeedState, fault: str, after: float
    ) -> FeedState:
        """Return the state after a failure: what was in force still is, and is asked for later."""
        failures = state.failures + 1
        wait = min(subscription.interval * 2 ** min(failures - 1, 10), LONGEST_WAIT_S)
        wait = max(wait, after, subscription.feed.least_s)
        due = state.tried + int(wait * _SECOND)
        return replace(state, failures=failures, fault=fault, due=due)


def _believed(name: str, harvest: Harvest, verdict: Verdict) -> list[Indicator]:
    """Return the indicators without the networks that were left out, under the feed's name."""
    if len(verdict.networks) == len(harvest.networks):
        return [replace(each, feed=name) for each in harvest.indicators]
    good = set(verdict.networks.texts())
    return [
        replace(each, feed=name)
        for each in harvest.indicators
        if each.kind is not IndicatorKind.NETWORK or each.value in good
    ]


def imported(indicators: Iterable[Indicator], own: tuple[str, ...] = ()) -> Verdict:
    """Judge the networks of indicators that a person imports."""
    texts = [each.value for each in indicators if each.kind is IndicatorKind.NETWORK]
    return Guard(own=own).judge(parse_networks(texts) if texts else empty())
