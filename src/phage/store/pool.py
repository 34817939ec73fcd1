"""A few connections for reading, shared by many who ask."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING

from phage.errors import StoreError
from phage.store.store import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phage.store.store import Store, StoreLocation

READERS = 3
"""Connections: two that work, and one for who comes meanwhile. Each takes 2 MB in time."""

PATIENCE_SECONDS = 10.0
"""How long somebody waits for a connection."""


class StorePool:
    """Hands out readers of the store, opened when they are first needed.

    Args:
        location: Where the store is.
        opened: Opens a reader of it; for tests.
    """

    def __init__(
        self, location: StoreLocation, opened: Callable[[StoreLocation], Store] = open_reader
    ) -> None:
        self.refused = 0
        self._location = location
        self._open = opened
        self._free: queue.LifoQueue[Store | None] = queue.LifoQueue()
        self._all: list[Store] = []
        self._lock = threading.Lock()
        for _ in range(READERS):
            self._free.put(None)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Store]:
        """Give a reader for the time of a question. Raises StoreError."""
        try:
            store = self._free.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            self.refused += 1
            message = "the store is asked too much; try again"
            raise StoreError(message) from None
        try:
            if store is None:
                store = self._open(self._location)
                with self._lock:
                    self._all.append(store)
            yield store
        finally:
            self._free.put(store)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for store in self._all:
                store.close()
            self._all.clear()
