"""A worker of Celery: takes tasks of the engines that it serves, in processes of their own.

It needs no rights but those of its queues, declares nothing else, sends no events and takes no
commands from the broker: those come from the master, with the answer to each beat.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from phage.scan.broker import EXCHANGE, TASK, engine_queue, is_task_id, make_app
from phage.scan.seat import Worked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)

AGAIN_SECONDS = 2.0
"""How long a process rests before it lets another one try what it could not do."""

TASKS_EACH = 10_000
"""Tasks after which a process is replaced: what leaks in it is bounded."""


class Seated(Protocol):
    """What works on tasks in a process; `phage.scan.seat.Seat` is one."""

    def work(self, task: str) -> Worked:
        """Do a task."""

    def close(self) -> None:
        """Let go of everything."""


class CeleryWorker:
    """Serves the queues of engines until it is told to stop (SIGTERM, SIGINT).

    Args:
        url: Where RabbitMQ is.
        name: Of the worker.
        engines: Those whose queues are served.
        processes: Tasks worked on at a time.
        seat: Makes what works, in each process after it was forked.
        told: Told what became of each task, in this process, by a thread.
    """

    def __init__(
        self,
        url: str,
        name: str,
        engines: Iterable[str],
        processes: int,
        seat: Callable[[], Seated],
        told: Callable[[Worked], None],
    ) -> None:
        self._app = make_app(url)
        self._engines = tuple(engines)
        self._name = name
        self._processes = processes
        self._make_seat = seat
        self._told = told
        self._seat: Seated | None = None
        self._reading, self._writing = os.pipe()
        self._consumer: Any = None

    def run(self) -> None:
        """Serve; ends when the tasks at work are done."""
        from celery import bootsteps, signals  # type: ignore[import-untyped]  # noqa: PLC0415  Heavy.

        worker = self

        class Kept(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types.
            """Keeps hold of the consumer, which is made again with each connection."""

            requires = ("celery.worker.consumer.tasks:Tasks",)

            def start(self, c: Any) -> None:  # noqa: ANN401  As above.
                worker._consumer = c
                _log.info("connected to RabbitMQ, serving %s", ", ".join(worker._engines))

        def ended(**_: object) -> None:
            if self._seat is not None:
                self._seat.close()

        self._app.steps["consumer"].add(Kept)
        self._app.conf.task_queues = [engine_queue(each) for each in self._engines]
        self._app.conf.worker_max_tasks_per_child = TASKS_EACH
        self._app.task(name=TASK, bind=False)(self._do)
        signals.worker_process_shutdown.connect(ended, weak=False)
        signals.setup_logging.connect(_leave_logging, weak=False)
        threading.Thread(target=self._listen, name="phage-told", daemon=True).start()
        made = self._app.Worker(
            hostname=f"phage@{self._name}",
            pool="prefork",
            concurrency=self._processes,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            loglevel=None,
            logfile=None,
            quiet=True,
        )
        made.start()

    def close(self) -> None:
        """Let go of the pipe by which processes tell; all that was told is told by then."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
            self._listen()

    def pause(self, engine: str) -> None:
        """Take no more tasks of an engine; those at work go on."""
        if self._consumer is not None:
            self._consumer.call_soon(self._consumer.cancel_task_queue, f"{EXCHANGE}.{engine}")

    def resume(self, engine: str) -> None:
        """Take tasks of an engine again, or for the first time."""
        if self._consumer is not None:
            queue = engine_queue(engine)
            self._app.amqp.queues.setdefault(queue.name, queue)
            self._consumer.call_soon(self._consumer.add_task_queue, queue.name)

    def _do(self, task: object = "", *_: object, **__: object) -> None:
        """Do a task; in a process of the pool."""
        from celery.exceptions import Reject  # type: ignore[import-untyped]  # noqa: PLC0415

        if not is_task_id(task):
            _log.error("a message that names no task was thrown away", extra={"limit": "poison"})
            self._tell(Worked(fault="poisoned message"))
            return
        if self._seat is None:
            self._seat = self._make_seat()
        worked = self._seat.work(str(task))
        self._tell(worked)
        if worked.again:
            threading.Event().wait(AGAIN_SECONDS)
            raise Reject(worked.fault, requeue=True)

    def _tell(self, worked: Worked) -> None:
        """Tell the parent, in one write that is not torn (pipe(7): up to 4,096 octets)."""
        told = asdict(worked)
        told["fault"] = worked.fault[:500]
        os.write(self._writing, json.dumps(told).encode()[:4000] + b"\n")

    def _listen(self) -> None:
        if self._reading < 0:
            return
        source, self._reading = os.fdopen(self._reading, "rb"), -1
        with source:
            for line in source:
                try:
                    self._told(Worked(**json.loads(line)))
                except (ValueError, TypeError) as error:
                    _log.error("a process told what makes no sense: %s", error)


def _leave_logging(**_: object) -> None:
    """Keep Celery from setting logs up, which they are already, and from two lines a task."""
    for name in ("celery", "kombu", "amqp"):
        logging.getLogger(name).setLevel(logging.WARNING)
