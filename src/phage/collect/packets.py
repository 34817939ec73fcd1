"""What every collector of packets does: run the core's engine and hand its windows on."""

from __future__ import annotations

import json
import queue
import threading
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeVar

from phage.errors import CaptureError, FilterError, PermissionMissingError, StateError
from phage.records.convert import window_from_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phage.collect.collector import FrameSelection
    from phage.native import Engine, PrefixSet
    from phage.records import Window

T = TypeVar("T")

# How long the core may keep the thread when nothing comes: a stop takes effect within it.
LONGEST_WAIT = 0.25
# Counters are taken this often in the time of the packets, nanoseconds: a hundred numbers a window
# is more work than all else in a quiet one.
COUNTERS_EVERY = 5 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Settings of the core's engine; each is explained in `crates/phage-engine/src/config.rs`."""

    home: tuple[str, ...] = ()
    seed: int = 1
    tick_ms: int = 250
    longest_tick_ms: int = 1000
    full_window: int = 32
    train: int | None = None
    flows: bool = True
    scores: bool = True
    keep_scores: bool = False
    applications: bool = True
    ring_octets: int = 4 << 20
    ring_snap: int = 1514
    flow_capacity: int = 65_536
    stream_capacity: int = 65_536
    device_capacity: int = 4096
    remote_capacity: int = 65_536
    flow_rows: int = 16_384
    host_rows: int = 4096
    match_rows: int = 4096
    observations: int = 4096
    idle_timeout_s: int | None = None
    active_timeout_s: int = 1800
    reassembly_octets: int = 8 << 20

    def to_json(self) -> str:
        """Return the settings as the core reads them."""
        return json.dumps(asdict(self))


class PacketCollector:
    """Runs an engine whose source `open_source` opens; a constructor does no input or output.

    The engine belongs to the thread that iterates `windows`. What another thread asks for
    meanwhile is answered by that thread between two steps, within a quarter of a second.
    """

    def __init__(self, engine: Engine, open_source: Callable[[Engine], None]) -> None:
        self.engine = engine
        self._open_source = open_source
        self._stopping = threading.Event()
        self._owner: int | None = None
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
                    yield window_from_raw(raw, counters, engine.take_volumes())
                elif engine.ended():
                    return
            # Stopped: what is open ends here, and is handed on.
            engine.finish()
            while (raw := engine.next(0.0)) is not None:
                yield window_from_raw(raw, engine.counters(), engine.take_volumes())
        except OSError as error:
            raise CaptureError(str(error)) from error
        finally:
            with self._handover:
                self._owner = None
                self._answer()

    def counters(self) -> Mapping[str, int]:
        """Return the engine's cumulative counters."""
        return self._ask(self.engine.counters)

    def faults(self) -> Sequence[str]:
        """Return what was wrong with the source: path, fault, offset, a line each."""
        return self._ask(self.engine.faults)

    def frames(self, selection: FrameSelection) -> bytes:
        """Return the frames that are still in the ring and selected, as a pcap file."""
        return self._ask(
            lambda: self.engine.frames(
                selection.since,
                selection.until,
                list(selection.addresses),
                list(selection.macs),
                selection.limit,
            )
        )

    def scores(self) -> bytes:
        """Return the scores (f32) of the packets since the last call."""
        return self._ask(self.engine.take_scores)

    def phase(self) -> str:
        """Return the phase of the model: surveying, training, calibrating or watching."""
        return self._ask(self.engine.phase)

    def save_model(self) -> bytes:
        """Return the state of the model."""
        return self._ask(self.engine.save_model)

    def load_model(self, state: bytes) -> None:
        """Take over a saved state. Raises StateError when it cannot be used."""
        try:
            self._ask(lambda: self.engine.load_model(state))
        except ValueError as error:
            raise StateError(str(error)) from error

    def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Take a device's behaviour in a time range as normal."""
        self._ask(lambda: self.engine.excuse(mac, address, since, until))

    def distrust(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Learn nothing of a device's traffic in a time range; it may lie in the future."""
        self._ask(lambda: self.engine.distrust(mac, address, since, until))

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
