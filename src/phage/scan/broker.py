"""Celery over RabbitMQ: one queue an engine, messages that carry nothing but a task's id.

What is at stake if the broker is somebody else's: nothing. A message is only a hint that a task
waits; whether it does, and what the file is, the master says to who shows a worker's token. So
messages may be lost, doubled, forged: tasks live in the store, and are announced again.

Celery is loaded when it is needed; processes that need none stay small.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from phage.errors import ConfigError
from phage.scan.queue import QueueError
from phage.scan.service import cut_after

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from phage.records.scantask import ScanTask

TASK = "phage.scan"
"""The name of the one Celery task there is."""

EXCHANGE = "engine"
"""The exchange; queues are called "engine.NAME". What a worker needs to do lies below this name."""

PRIORITIES = 5
"""Priorities of messages: 4 for who waits at a screen, 0 for samples that are scanned again."""

HARD_SECONDS = 900
"""The sandbox ends engines by itself; a process that has not ended by then has lost its way."""

CONNECT_SECONDS = 5.0

CONFIRM_SECONDS = 10.0
"""A broker that is out of memory or disk takes nothing, and says nothing."""

DO_SECONDS = 60.0
"""Nor does it answer other questions; the library would wait for ever."""

HEARTBEAT_SECONDS = 20

_ID = re.compile(r"[0-9a-f]{32}")


def is_task_id(value: object) -> bool:
    """Tell whether something from a message can be a task's id."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def make_app(url: str) -> Any:  # noqa: ANN401  Celery has no types.
    """Return a Celery app for a broker; nothing is connected yet. Raises ConfigError."""
    if not url.startswith(("amqp://", "amqps://")):
        message = "scan.queue_url: write amqps://USER:PASSWORD@HOST/VHOST, the address of RabbitMQ"
        raise ConfigError(message)
    try:
        from celery import Celery  # type: ignore[import-untyped]  # noqa: PLC0415  Heavy.
    except ImportError:
        message = "many workers need Celery: pip install 'phage[celery]'"
        raise ConfigError(message) from None
    app = Celery("phage", broker=url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,  # The task's lease ends, and it is announced again.
        task_reject_on_worker_lost=True,
        task_default_delivery_mode="persistent",
        task_create_missing_queues=False,
        task_track_started=False,
        task_publish_retry=False,
        task_time_limit=HARD_SECONDS,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_proc_alive_timeout=60.0,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_heartbeat=HEARTBEAT_SECONDS,
        broker_pool_limit=1,
        broker_transport_options={"confirm_publish": True},
    )
    return app


def engine_queue(engine: str) -> Any:  # noqa: ANN401  Celery has no types.
    """Return the queue of an engine, as everybody declares it."""
    from kombu import entity  # noqa: PLC0415  Heavy.

    kombu: Any = entity  # It has no types.
    exchange = kombu.Exchange(EXCHANGE, type="direct", durable=True)
    return kombu.Queue(
        f"{EXCHANGE}.{engine}",
        exchange,
        routing_key=engine,
        durable=True,
        queue_arguments={"x-max-priority": PRIORITIES - 1},
    )


class Publisher:
    """Sends messages, each confirmed by the broker; used by one thread.

    Args:
        url: Where RabbitMQ is.
    """

    def __init__(self, url: str) -> None:
        self._app = make_app(url)
        self._connection: Any = None
        self._producer: Any = None
        self._socket: socket.socket | None = None
        self._queues: dict[str, Any] = {}

    def publish(self, tasks: Sequence[ScanTask]) -> list[str]:
        """Announce tasks; return the ids of those that the broker has. Raises QueueError."""
        sent: list[str] = []

        def send() -> None:
            for task in tasks:
                self._app.send_task(
                    TASK,
                    args=(task.id,),
                    task_id=task.id,
                    queue=self._queue(task.engine),
                    priority=max(0, PRIORITIES - 1 - task.priority // 10),
                    producer=self._producer,
                    retry=False,
                    confirm_timeout=CONFIRM_SECONDS,
                )
                sent.append(task.id)

        try:
            self._do(send)
        except QueueError:
            if not sent:
                raise
        return sent

    def depth(self, engine: str) -> int:
        """Return how many messages of an engine nobody has taken yet. Raises QueueError."""
        found: list[int] = []

        def look() -> None:
            name = self._queue(engine).name
            told = self._connection.default_channel.queue_declare(name, passive=True)
            found.append(int(told.message_count))

        self._do(look)
        return found[0]

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._producer = self._connection, None, None
        self._queues.clear()
        if connection is not None:
            with contextlib.suppress(Exception), cut_after(CONNECT_SECONDS, self._socket):
                connection.release()  # It may be broken in any way.

    def _do(self, work: Callable[[], None]) -> None:
        try:
            if self._connection is None:
                self._open()
            with cut_after(DO_SECONDS, self._socket):
                work()
        except Exception as error:
            self.close()
            message = f"RabbitMQ does not do what is asked: {str(error) or type(error).__name__}"
            raise QueueError(message) from error

    def _open(self) -> None:
        self._connection = self._app.connection_for_write()
        self._connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
        self._socket = self._connection.connection.transport.sock
        self._producer = self._connection.Producer(serializer="json")

    def _queue(self, engine: str) -> Any:  # noqa: ANN401  Celery has no types.
        """Return the queue of an engine, declared once a connection."""
        if engine not in self._queues:
            queue = engine_queue(engine)
            queue(self._connection.default_channel).declare()
            self._queues[engine] = queue
        return self._queues[engine]
