"""The queue of many machines: jobs in the store, engines asked over RabbitMQ."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Protocol

from phage.errors import StoreError
from phage.scan.queue import QueueError
from phage.scan.tablequeue import TableQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phage.records.scantask import ScanTask
    from phage.scan.broker import Publisher

_log = logging.getLogger(__name__)

AT_ONCE = 500
"""Messages sent in one go."""

LOST_NS = 60 * 10**9
"""A message that nobody has taken for so long, though none waits in the broker, is lost."""

MOST_OPEN = 2_000
"""Tasks at the workers; more samples are taken apart when there are fewer, the urgent first."""


class TaskTable(Protocol):
    """What the store keeps of tasks; see `phage.store.repositories.scantasks`."""

    def unpublished(self, limit: int) -> list[ScanTask]:
        """Return tasks whose message is not sent yet."""

    def published(self, ids: Sequence[str], now: int) -> None:
        """Note that messages were sent."""

    def unheard(self, engine: str, before: int) -> int:
        """Have messages sent again."""

    def count_open(self) -> int:
        """Return how many tasks are not done."""


@dataclass
class CeleryQueue(TableQueue):
    """Jobs in the store of the master; each engine's workers have a queue in RabbitMQ.

    Who serves it takes samples apart (`phage worker` beside the store); engines are asked by
    `phage worker --join`. What waits is in the store before it is announced, so a broker that is
    away, is killed or forgets costs time only.
    """

    name: ClassVar[str] = "celery"
    summary: ClassVar[str] = "Celery over RabbitMQ: engines on many machines, a queue for each."

    url: str = ""
    """amqps://USER:PASSWORD@HOST/VHOST."""
    tasks: TaskTable | None = None
    gate: Callable[[], bool] | None = None
    """Tells whether samples may be taken apart now; None: always."""
    lost: int = field(default=0, init=False)
    """Messages that were sent again."""
    fault: str = field(default="", init=False)
    """Why the broker is not reached; ''."""
    _publisher: Publisher | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot be used here."""
        return (
            ""
            if find_spec("celery")
            else "needs the Python package celery (pip install 'phage[celery]')"
        )

    def prepare(self) -> None:
        """Check what can be checked without the broker. Raises ConfigError."""
        from phage.scan.broker import make_app  # noqa: PLC0415  Heavy.

        make_app(self.url)

    def has_room(self) -> bool:
        """Tell whether the workers have little enough to do."""
        try:
            opened = self.gate is None or self.gate()
            return opened and self._tasks.count_open() < MOST_OPEN
        except StoreError:
            return False

    def announce(self) -> int:
        """Send messages for tasks that have none; return how many. Raises StoreError.

        While the broker is away they wait, and `fault` says why.
        """
        waiting = self._tasks.unpublished(AT_ONCE)
        if not waiting:
            return 0
        with self._lock:
            try:
                sent = self._open().publish(waiting)
            except QueueError as error:
                self._note(str(error))
                return 0
        self._note("")
        self._tasks.published(sent, self.clock.now())
        return len(sent)

    def find_lost(self, engines: Sequence[str]) -> int:
        """Have messages sent again that the broker has lost; return how many. Raises StoreError."""
        found = 0
        for engine in engines:
            with self._lock:
                try:
                    depth = self._open().depth(engine)
                except QueueError as error:
                    self._note(str(error))
                    return found
            if depth == 0:
                found += self._tasks.unheard(engine, self.clock.now() - LOST_NS)
        self.lost += found
        return found

    def close(self) -> None:
        """Let go of the broker; the store is its owner's."""
        with self._lock:
            if self._publisher is not None:
                self._publisher.close()

    @property
    def _tasks(self) -> TaskTable:
        if self.tasks is None:
            message = "the queue has no store"
            raise QueueError(message)
        return self.tasks

    def _open(self) -> Publisher:
        if self._publisher is None:
            from phage.scan.broker import Publisher  # noqa: PLC0415  Heavy.

            self._publisher = Publisher(self.url)
        return self._publisher

    def _note(self, fault: str) -> None:
        if fault and fault != self.fault:
            _log.error("%s; files wait", fault)
        elif self.fault and not fault:
            _log.info("RabbitMQ is there again")
        self.fault = fault
