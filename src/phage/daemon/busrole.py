"""Connections to the bus between machines, and the collector of a detector."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from phage.errors import ConfigError

if TYPE_CHECKING:
    from redis import Redis

    from phage.collect.collectors.bus import BusCollector
    from phage.config.settings import BusSettings


def connect(settings: BusSettings) -> Redis:
    """Return a connection to the bus, made when it is first used. Raises ConfigError."""
    try:
        from redis import Redis  # noqa: PLC0415  Optional.
    except ImportError:
        message = "bus.url needs redis: pip install 'phage[redis]'"
        raise ConfigError(message) from None
    try:
        client: Redis = Redis.from_url(
            settings.url.get_secret_value(), socket_timeout=2.0, socket_connect_timeout=1.0
        )
    except ValueError as error:
        message = f"bus.url: {error}"
        raise ConfigError(message) from error
    return client


def own_name(settings: BusSettings) -> str:
    """Return the name of this process on the bus."""
    return settings.name or f"{socket.gethostname()}-{os.getpid()}"


def bus_collectors(settings: BusSettings) -> list[BusCollector]:
    """Return the collector of what sensors count; nothing where there is no bus."""
    if not settings.url.get_secret_value():
        return []
    from phage.bus.buses.redis import RedisBus  # noqa: PLC0415  Seldom needed.
    from phage.collect.collectors.bus import BusCollector  # noqa: PLC0415  Seldom needed.

    feedback = RedisBus(settings.url.get_secret_value(), settings.prefix)
    own = own_name(settings)
    return [BusCollector(connect(settings), settings.prefix, own, feedback=feedback)]
