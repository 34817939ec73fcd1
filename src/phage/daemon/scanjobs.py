"""Jobs of scanning and their queue; what scans is not loaded for them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from phage.config.plugins import make
from phage.errors import ConfigError
from phage.plugin import discover
from phage.records.scanjob import ScanJob
from phage.scan.queue import QUEUES, Queue
from phage.scan.tablequeue import TableQueue

if TYPE_CHECKING:
    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.store.store import Store


def make_queue(settings: ScanSettings, store: Store, clock: Clock) -> Queue:
    """Return the queue that the settings name. Raises ConfigError."""
    plugins = {plugin.name: plugin for plugin in discover(QUEUES)}
    plugin = plugins.get(settings.queue)
    if plugin is None:
        message = (
            f"scan.queue: there is no queue {settings.queue!r}; there are {', '.join(plugins)}"
        )
        raise ConfigError(message)
    if settings.queue == "local":
        from phage.scan.queues.local import LocalQueue  # noqa: PLC0415  Only where it is needed.

        return LocalQueue(table=store.scan_jobs, clock=clock)
    url = settings.queue_url.get_secret_value()
    queue: Queue = make(plugin, {"url": url}, "scan.queue")
    if isinstance(queue, TableQueue):
        queue.table, queue.clock = store.scan_jobs, clock
    if settings.queue == "celery":
        from phage.scan.queues.celery import CeleryQueue  # noqa: PLC0415  Only where it is needed.

        if isinstance(queue, CeleryQueue):
            queue.tasks = store.scan_tasks
    return queue


def new_job(sha256: str, name: str, **about: object) -> ScanJob:
    """Return a job with an id of its own."""
    return ScanJob(id=secrets.token_hex(16), sha256=sha256, name=name, **about)  # type: ignore[arg-type]
