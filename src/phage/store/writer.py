"""The writer: a thread that stores what it is given, and that no full disk stops for good.

Detection never waits for the store. While it cannot be written, the newest findings are kept in
memory and the rest is dropped and counted; the writer tries again by itself, and says when it
begins and when it ends.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from phage.errors import StoreDataError, StoreError
from phage.records.columns import FLOW
from phage.records.flow import read_flows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phage.clock import Clock
    from phage.records import Finding
    from phage.records.exporter import Exporter
    from phage.records.flow import Flow
    from phage.records.sighting import Sighting
    from phage.records.window import Columns
    from phage.store.repositories.counters import MinuteCounter
    from phage.store.repositories.traffic import Traffic
    from phage.store.retention import Retention
    from phage.store.store import Store

_log = logging.getLogger(__name__)

BATCH = 2000
"""Rows in one transaction: large enough that the commit does not count, small enough to lose
little."""

FLUSH_SECONDS = 1.0
"""How long a row waits for others before it is written."""

RETRY_SECONDS = (2.0, 5.0, 15.0, 60.0)
"""Pauses after failures in a row; the last one is repeated."""

MAX_HELD = 5000
"""Findings kept in memory while the store cannot be written: some MB."""

SWEEP_SECONDS = 60.0
"""Time between two sweeps of what is too old."""

KINDS = ("findings", "flows", "counters", "traffic", "exporters", "sightings")


@dataclass(slots=True)
class WriterState:
    """How the writer does: `fault` is '' when all is well.

    `dropped` and `written` count rows by kind.
    """

    fault: str = ""
    queued: int = 0
    written: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    used: int = 0


class Writer:
    """Writes records in the background.

    Args:
        open_store: Opens the store; called in the writer's thread, again after each failure.
        clock: Tells when to flush, to try again, to sweep.
        capacity: Rows that may wait; more are dropped and counted.
        retention: What is too old goes once a minute; None to keep all.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        clock: Clock,
        capacity: int = 20_000,
        retention: Retention | None = None,
    ) -> None:
        self._open_store = open_store
        self._clock = clock
        self._capacity = capacity
        self._retention = retention
        self._queue: deque[tuple[str, Any]] = deque()
        self._held: OrderedDict[str, Finding] = OrderedDict()
        self._wake = threading.Condition()
        self._stopping = False
        self._urgent = False
        self._state = WriterState()
        self._store: Store | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._sweep_at = 0.0
        self._thread = threading.Thread(target=self._run, name="phage-writer", daemon=True)

    @property
    def state(self) -> WriterState:
        """Return a copy of how the writer does."""
        with self._wake:
            state = self._state
            return WriterState(
                state.fault,
                len(self._queue) + len(self._held),
                dict(state.written),
                dict(state.dropped),
                state.used,
            )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def findings(self, findings: Iterable[Finding]) -> None:
        """Hand findings over; they are never dropped while the newest MAX_HELD fit in memory."""
        with self._wake:
            for finding in findings:
                self._hold(finding)
                self._urgent = True
            self._wake.notify()

    def flows(self, flows: Iterable[Flow]) -> None:
        """Hand flows over."""
        self._put("flows", flows)

    def flow_rows(self, rows: Columns) -> None:
        """Hand rows of flows over: they wait as such, a sixth of what records take."""
        with self._wake:
            room = max(0, self._capacity - len(self._queue))
            raw, size = rows[:room].tobytes(), rows.itemsize
            self._queue.extend(("flows", raw[at : at + size]) for at in range(0, len(raw), size))
            self._state.dropped["flows"] += max(0, len(rows) - room)
            if len(self._queue) >= BATCH:
                self._wake.notify()

    def counters(self, counters: Iterable[MinuteCounter]) -> None:
        """Hand counters of a minute over."""
        self._put("counters", counters)

    def traffic(self, traffic: Iterable[Traffic]) -> None:
        """Hand traffic of a minute over."""
        self._put("traffic", traffic)

    def exporters(self, exporters: Iterable[Exporter]) -> None:
        """Hand over what was counted of exporters since they were handed over last."""
        self._put("exporters", exporters)

    def sightings(self, sightings: Iterable[Sighting]) -> None:
        """Hand sightings of names and fingerprints over."""
        self._put("sightings", sightings)

    def _hold(self, finding: Finding) -> None:
        """Keep the newest state of a finding until it is written; the lock is held."""
        self._held[finding.id] = finding
        self._held.move_to_end(finding.id)
        if len(self._held) > MAX_HELD:
            self._held.popitem(last=False)
            self._state.dropped["findings"] += 1

    def _put(self, kind: str, records: Iterable[object]) -> None:
        with self._wake:
            for record in records:
                if len(self._queue) < self._capacity:
                    self._queue.append((kind, record))
                else:
                    self._state.dropped[kind] += 1
            if len(self._queue) >= BATCH:
                self._wake.notify()

    def stop(self, timeout: float = 10.0) -> None:
        """Write what waits, close the store, end the thread.

        What cannot be written is counted as dropped.
        """
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._stopping and not self._urgent and len(self._queue) < BATCH:
                    self._wake.wait(FLUSH_SECONDS)
                stopping = self._stopping
                self._urgent = False
            if stopping or self._clock.monotonic() >= self._retry_at:
                self._write_all()
                self._sweep()
            else:
                self._pause(self._retry_at - self._clock.monotonic())
            if stopping:
                self._drop_rest()
                self._close_store()
                return

    def _pause(self, seconds: float) -> None:
        """Wait for the next try, however much is handed over meanwhile."""
        with self._wake:
            self._wake.wait_for(lambda: self._stopping, min(max(seconds, 0.0), FLUSH_SECONDS))

    def _write_all(self) -> None:
        """Write batch after batch until nothing waits or one fails."""
        while batch := self._take():
            try:
                store = self._opened()
                with store.database.transaction():
                    for kind, records in batch.items():
                        getattr(store, kind).save(records)
            except StoreDataError:
                self._write_singly(batch)
            except StoreError as error:
                self._failed(error, batch)
                return
            else:
                self._count(batch)
            self._recovered()

    def _take(self) -> dict[str, list[Any]]:
        """Return the next batch by kind; findings alone, since there may be room for them still."""
        batch: dict[str, list[Any]] = {}
        with self._wake:
            if self._held:
                batch["findings"] = list(self._held.values())
                self._held.clear()
                return batch
            for _ in range(min(BATCH, len(self._queue))):
                kind, record = self._queue.popleft()
                batch.setdefault(kind, []).append(record)
        if "flows" in batch:
            batch["flows"] = _records(batch["flows"])
        return batch

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _close_store(self) -> None:
        if self._store is not None:
            with contextlib.suppress(StoreError):
                self._store.close()
            self._store = None

    def _write_singly(self, batch: dict[str, list[Any]]) -> None:
        """Write a batch row by row: one of them cannot be stored as it is."""
        for kind, records in batch.items():
            for index, record in enumerate(records):
                try:
                    getattr(self._opened(), kind).save([record])
                except StoreDataError as error:
                    self._drop(kind, 1)
                    _log.warning("%s", error, extra={"limit": "data"})
                except StoreError as error:
                    self._failed(error, {kind: records[index:]})
                    return
                else:
                    self._count({kind: [record]})

    def _failed(self, error: StoreError, batch: dict[str, list[Any]]) -> None:
        """Keep the findings of a batch, drop the rest, and try again later."""
        self._close_store()
        pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1
        self._retry_at = self._clock.monotonic() + pause
        with self._wake:
            newer = list(self._held.values())
            self._held.clear()
            for finding in (*batch.pop("findings", ()), *newer):
                self._hold(finding)
            first = not self._state.fault
            self._state.fault = str(error)
            for kind, records in batch.items():
                self._state.dropped[kind] += len(records)
        if first:
            _log.error("storing stops, detection goes on: %s", error)

    def _recovered(self) -> None:
        self._failures = 0
        with self._wake:
            was, self._state.fault = self._state.fault, ""
        if was:
            _log.warning("storing goes on; rows dropped so far: %s", self.state.dropped)

    def _count(self, batch: Mapping[str, Sequence[Any]]) -> None:
        with self._wake:
            for kind, records in batch.items():
                self._state.written[kind] += len(records)

    def _drop(self, kind: str, count: int) -> None:
        with self._wake:
            self._state.dropped[kind] += count

    def _drop_rest(self) -> None:
        while batch := self._take():
            for kind, records in batch.items():
                self._drop(kind, len(records))

    def _sweep(self) -> None:
        """Delete what is too old; also when the disk is full, since that makes room."""
        if self._retention is None or self._clock.monotonic() < self._sweep_at:
            return
        self._sweep_at = self._clock.monotonic() + SWEEP_SECONDS
        try:
            swept = self._retention.sweep(self._opened().database, self._clock.now())
        except StoreError as error:
            self._failed(error, {})
            return
        with self._wake:
            self._state.used = swept.used
        if swept.more:
            self._sweep_at = 0.0


def _records(flows: list[Flow | bytes]) -> list[Flow]:
    """Return flows as records; those that were handed over as rows are made to such now."""
    rows = b"".join(each for each in flows if isinstance(each, bytes))
    made = [each for each in flows if not isinstance(each, bytes)]
    return [*made, *read_flows(np.frombuffer(rows, FLOW))]
