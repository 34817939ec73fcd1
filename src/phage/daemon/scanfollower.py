"""How far files are, for who watches."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from phage.errors import PhageError
from phage.records.scanjob import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.scan.desk import Analysis

FOLLOWED = 256
"""Jobs that are looked after for who watches; of more the oldest are not."""

LOOK_SECONDS = 0.25
"""How often it is looked how far they are."""

END_SECONDS = 10.0
"""How long closing waits for a look that is being taken."""


class Hands(Protocol):
    """A worker that is started when there is work."""

    fault: str
    """Why the last one ended in disorder; ''."""

    def wake(self) -> None:
        """Start it unless it runs."""


class Follower:
    """Looks how far jobs are, and tells it when that has changed."""

    def __init__(
        self,
        look: Callable[[str], Analysis | None],
        tell: Callable[[Analysis], None],
        hands: Hands | None = None,
    ) -> None:
        self._look = look
        self._tell = tell
        self._hands = hands
        self._last: OrderedDict[str, Analysis] = OrderedDict()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, analysis: Analysis) -> None:
        """Look after a job until it is over."""
        with self._lock:
            self._last[analysis.id] = analysis
            if len(self._last) > FOLLOWED:
                self._last.popitem(last=False)
            if self._stop.is_set():
                return
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="phage-follow", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop looking: nobody is told of anything, and nothing is asked, after that."""
        self._stop.set()
        with self._lock:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for id_ in list(self._last):
                self._renew(id_)
            with self._lock:
                if not self._last:
                    self._thread = None
                    return

    def _renew(self, id_: str) -> None:
        try:
            now = self._look(id_)
        except PhageError:  # The store or the queue does not answer; the next look may do better.
            return
        if now is not None and now.state is JobState.QUEUED and self._hands is not None:
            self._hands.wake()  # They may have gone home at the very moment that it came.
        with self._lock:
            before = self._last.get(id_)
            if now is None or now.is_over:
                self._last.pop(id_, None)
            elif before is not None:
                self._last[id_] = now
        if now is not None and now != before:
            self._tell(now)
