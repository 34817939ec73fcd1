"""The writer of EVE JSON lines."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from phage.telemetry.eve import Event
    from phage.telemetry.rotation import RotatingFile


class EveLog:
    """Writes events of the kinds that are wanted, as one JSON object a line.

    Attributes:
        file: Where they go; counts what was written and dropped.
    """

    def __init__(self, file: RotatingFile, kinds: Collection[str]) -> None:
        self.file = file
        self._kinds = frozenset(kinds)

    def wants(self, kind: str) -> bool:
        """Tell whether events of a kind are written, before one is made for nothing."""
        return kind in self._kinds

    def write(self, events: Iterable[Event]) -> None:
        """Write events, in order; never raises for what the disk does."""
        self.file.write([encode(event) for event in events if event["event_type"] in self._kinds])

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def encode(event: Event) -> str:
    """Return an event as one line of ASCII JSON; numbers that JSON does not know become null."""
    try:
        return json.dumps(event, separators=(",", ":"), allow_nan=False, default=str)
    except ValueError:
        return json.dumps(_finite(event), separators=(",", ":"), allow_nan=False, default=str)


def _finite(value: Any) -> Any:  # noqa: ANN401  JSON.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
