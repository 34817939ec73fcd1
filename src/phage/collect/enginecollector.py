"""What every collector does that runs an engine of the core: hand its windows on, answer others."""

from __future__ import annotations

import itertools
import queue
import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from phage.errors import CaptureError, FilterError, PermissionMissingError
from phage.records.convert import window_from_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phage._native import RawWindow  # noqa: TID251  Types, not code.
    from phage.native import PrefixSet
    from phage.records import Window

T = TypeVar("T")

# How long the core may keep the thread when nothing comes: a stop takes effect within it.
LONGEST_WAIT = 0.25
# Counters are taken this often in the time of the packets, nanoseconds: a hundred numbers a window
# is more work than all else in a quiet one.
COUNTERS_EVERY = 5 * 1_000_000_000


class WindowEngine(Protocol):
    """An engine of the core: `Engine` of packets, `ExportEngine` of flow exports."""

    def next(self, wait: float) -> RawWindow | None:
        """Return the next window; None when `wait` seconds passed or the input ended."""

    def finish(self) -> None:
        """End here; `next` hands out what is left."""

    def ended(self) -> bool:
        """Tell whether the input has ended and every window was handed out."""

    def take_uses(self) -> bytes:
        """Return the rows of uses of the window that was returned last."""

    def take_volumes(self) -> tuple[bytes, bytes]:
        """Return the rows of volumes, and of traffic, of the window that was returned last."""

    def counters(self) -> dict[str, int]:
        """Return every counter."""

    def faults(self) -> list[str]:
        """Return what was wrong with the source."""

    def replace_prefixes(self, set: PrefixSet, /) -> None:  # noqa: A002  The core's name.
        """Put another set of prefixes in force."""

    def close(self) -> None:
        """Close the source."""


E = TypeVar("E", bound=WindowEngine)

_numbers = itertools.count(1)


class EngineCollector(Generic[E]):
    """Runs an engine whose source `open_source` opens; a constructor does no input or output.

    The engine belongs to the thread that iterates `windows`. What another thread asks for
    meanwhile is answered by that thread between two steps, within a quarter of a second.
    """

    from_exports: ClassVar[bool] = False
    """Whether windows are of what exporters tell, not of packets."""

    def __init__(self, engine: E, open_source: Callable[[E], None]) -> None:
        self.engine = engine
        self.number = next(_numbers)
        self._open_source = open_source
        self._stopping = threading.Event()
        self._owner: int | None = None
        self._end = 0
        # Held while the owner changes, and while the engine is asked directly: nobody owns it.
        self._handover = threading.RLock()
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def open(self) -> None:
        """Open the source.

        Raises FilterError for a filter that is wrong, PermissionMissingError for a missing
        capability, CaptureError where the source cannot be opened.
        """
        try:
            self._open_source(self.engine)
        except PermissionError as error:
            raise PermissionMissingError(str(error)) from error
        except ValueError as error:
            message = f"the filter is wrong: {error}"
            raise FilterError(message) from error
        except OSError as error:
            raise CaptureError(str(error)) from error

    def windows(self) -> Iterator[Window]:
        """Yield windows until the source ends or the collector is stopped."""
        engine = self.engine
        with self._handover:
            self._owner = threading.get_ident()
            counted, counters = 0, engine.counters()
        try:
            while not self._stopping.is_set():
                raw = engine.next(LONGEST_WAIT)
                self._answer()
                if raw is not None:
                    if raw[0] >= counted + COUNTERS_EVERY or raw[0] < counted:
                        counted, counters = raw[0], engine.counters()
                    yield self._dated(self._window(raw, counters))
                elif engine.ended():
                    return
            # Stopped: what is open ends here, and is handed on.
            engine.finish()
            while (raw := engine.next(0.0)) is not None:
                yield self._dated(self._window(raw, engine.counters()))
        except OSError as error:
            raise CaptureError(str(error)) from error
        finally:
            with self._handover:
                self._owner = None
                self._answer()

    def _dated(self, window: Window) -> Window:
        """Give a window without packets, of flows that end with the source, the last one's time."""
        if not window.packets and not window.end:
            window = replace(window, start=self._end, end=self._end)
        self._end = window.end
        return window

    def _window(self, raw: RawWindow, counters: Mapping[str, int]) -> Window:
        """Make a window of what the engine returned last."""
        volumes, uses = self.engine.take_volumes(), self.engine.take_uses()
        return window_from_raw(
            raw,
            counters,
            volumes,
            uses=uses,
            from_exports=self.from_exports,
            collector=self.number,
        )

    def counters(self) -> Mapping[str, int]:
        """Return the engine's cumulative counters."""
        return self._ask(self.engine.counters)

    def faults(self) -> Sequence[str]:
        """Return what was wrong with the source: path, fault, offset, a line each."""
        return self._ask(self.engine.faults)

    def match(self, prefixes: PrefixSet) -> None:
        """Look flows up in another set of prefixes from now on."""
        self._ask(lambda: self.engine.replace_prefixes(prefixes))

    def stop(self) -> None:
        """Make `windows` end within a quarter of a second."""
        self._stopping.set()

    def close(self) -> None:
        """Close the source."""
        self._ask(self.engine.close)

    def _ask(self, question: Callable[[], T]) -> T:
        """Have the thread that owns the engine answer; answer here when nobody else does."""
        if self._owner == threading.get_ident():
            return question()
        answer: Future[T] = Future()

        def respond() -> None:
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001  It is raised where it was asked.
                answer.set_exception(error)

        with self._handover:
            if self._owner is None:
                return question()
            self._asked.put(respond)
        return answer.result()

    def _answer(self) -> None:
        while True:
            try:
                respond = self._asked.get_nowait()
            except queue.Empty:
                return
            respond()
