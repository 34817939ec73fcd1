"""What the commands of threat intelligence share: the store, the feeds, the catalog."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.cli.settings import Chosen
    from phage.intel.catalog import Catalog
    from phage.records.indicator import Indicator
    from phage.store.store import Store


@contextmanager
def writer(chosen: Chosen) -> Iterator[Store]:
    """Open the store for writing, beside a daemon that may run. Raises StoreError."""
    from phage.clock import SystemClock
    from phage.store.store import open_store

    settings = chosen.settings()
    with open_store(chosen.location(settings), SystemClock()) as store:
        yield store


def catalog(chosen: Chosen) -> Catalog:
    """Return what all feeds say, as it was kept last. Raises ConfigError, StoreError."""
    from phage.clock import SystemClock
    from phage.daemon.intel import intel_folder, load_catalog, subscriptions

    settings = chosen.settings()
    folder = intel_folder(chosen.state(settings))
    with chosen.reader() as store:
        return load_catalog(
            subscriptions(settings), folder, store, SystemClock(), settings.intel.known
        )


def indicator_shape(indicator: Indicator) -> dict[str, Any]:
    """Return an indicator as it is printed."""
    from phage.clock import rfc3339

    def moment(time: int) -> str | None:
        return rfc3339(time) if time else None

    return {
        "kind": str(indicator.kind),
        "value": indicator.value,
        "feed": indicator.feed,
        "confidence": indicator.confidence,
        "first_seen": moment(indicator.first_seen),
        "last_seen": moment(indicator.last_seen),
        "expires": moment(indicator.expires),
        "tags": list(indicator.tags),
        "description": indicator.description,
        "tlp": indicator.tlp,
    }
