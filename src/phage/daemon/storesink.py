"""The store as a sink: findings, ended flows, counters; written in the background."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.config.statedir import StateDirectory
from phage.records import FindingState
from phage.records.columns import Event
from phage.store.repositories.counters import MINUTE, MinuteCounter, minute_of
from phage.store.repositories.findings import MAX_PAGE, FindingFilter
from phage.store.retention import Retention
from phage.store.store import StoreLocation, open_store
from phage.store.writer import Writer

if TYPE_CHECKING:
    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window
    from phage.store.store import Store


def location(settings: Settings) -> StoreLocation:
    """Return where the settings say that the store is."""
    password = settings.store.password.get_secret_value()
    default = StateDirectory(settings.state_folder).store
    return StoreLocation.of(settings.store.url, password, default)


def start_writer(settings: Settings, clock: Clock, *, retention: bool) -> Writer:
    """Make sure that the store can be opened, and start writing to it.

    Raises StoreError when the store cannot be opened now. What fails later is counted by the
    writer, which tries again by itself.
    """
    place = location(settings)
    with open_store(place, clock) as store:
        if retention:
            _close_left_open(store)
    writer = Writer(
        lambda: open_store(place, clock),
        clock,
        settings.store.queue,
        Retention(settings.retention) if retention else None,
    )
    writer.start()
    return writer


def _close_left_open(store: Store) -> None:
    """Close the findings of a run that was killed: nobody updates them any more."""
    left = store.findings.list(FindingFilter(state=FindingState.OPEN), MAX_PAGE)
    store.findings.save(replace(finding, state=FindingState.CLOSED) for finding in left)


class StoreSink:
    """Hands records to the writer; never waits for the disk."""

    def __init__(self, writer: Writer, *, flows: bool) -> None:
        self.writer = writer
        self._flows = flows
        self._minute = 0
        self._totals: dict[str, int] = {}

    def window(self, window: Window) -> None:
        """Store ended flows at once, counters once a minute."""
        if self._flows and len(window.flows):
            ended = window.flows[(window.flows["event"] & Event.ENDED) != 0]
            if len(ended):
                self.writer.flow_rows(ended)
        minute = minute_of(window.start)
        if minute != self._minute:
            self._flush()
            self._minute = minute
        for name, value in (("packets", window.packets), ("octets", window.octets)):
            self._totals[name] = self._totals.get(name, 0) + value

    def _flush(self) -> None:
        if self._totals and self._minute:
            self.writer.counters(
                MinuteCounter(self._minute // MINUTE * MINUTE, name, value)
                for name, value in self._totals.items()
            )
            self._totals = {}

    def decided(self, outcome: Outcome) -> None:
        """Decisions are in the ledger already."""

    def finding(self, finding: Finding) -> None:
        """Store a finding as it stands now."""
        self.writer.findings([finding])

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self.writer.stop()
