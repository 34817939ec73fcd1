"""How long engines take: of each the latest, in a bounded number."""

from __future__ import annotations

import threading
from collections import deque

KEPT = 500
"""Durations that are kept of each engine."""


class Latencies:
    """Durations by engine, told by one thread and asked by another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[str, deque[float]] = {}
        self._files: dict[str, int] = {}

    def add(self, engine: str, seconds: float) -> None:
        """Take note of how long an engine took for a file."""
        with self._lock:
            self._latest.setdefault(engine, deque(maxlen=KEPT)).append(seconds)
            self._files[engine] = self._files.get(engine, 0) + 1

    def of(self, engine: str) -> tuple[int, float, float]:
        """Return the number of files, the median and the 95th percentile of the latest."""
        with self._lock:
            latest = sorted(self._latest.get(engine, ()))
            files = self._files.get(engine, 0)
        if not latest:
            return files, 0.0, 0.0
        return (
            files,
            latest[len(latest) // 2],
            latest[min(len(latest) - 1, len(latest) * 95 // 100)],
        )
