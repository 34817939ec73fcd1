"""How a feed does: when it was got, what came, what was wrong."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@frozen
class FeedState:
    """How one feed does. Times are nanoseconds since the Unix epoch, 0 for never.

    Attributes:
        name: The feed, as the settings name it.
        updated: When it last gave something, or said that nothing has changed.
        tried: When it was last asked.
        due: When it is to be asked next.
        entries: Entries in force.
        failures: Failures in a row.
        fault: Why the last try failed or was held back; '' when it did not.
        left_out: Entries that were left out, by reason.
        examples: Some of them.
        validators: ETag, Last-Modified and digest of each document, by a digest of its URL.
    """

    name: str
    updated: int = 0
    tried: int = 0
    due: int = 0
    entries: int = 0
    failures: int = 0
    fault: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    validators: Mapping[str, Sequence[str]] = field(default_factory=dict)
