"""The contract of a bus: how windows, findings, feedback and states of models go between roles."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

T_co = TypeVar("T_co", covariant=True)

TOPICS = ("windows", "findings", "decisions", "feedback")
"""What goes over a bus; each has its own queues."""


MAX_KEPT = 4096
"""Names under which a bus keeps something; of more the newest are refused."""

LARGEST_KEPT = 64 << 20
"""Octets of what is kept under a name: far above any state of a model."""


@runtime_checkable
class Subscription(Protocol[T_co]):
    """One reader's queue of a topic.

    It is bounded: a slow reader loses the oldest, and that is counted.
    """

    @property
    def dropped(self) -> int:
        """Return how many were lost because this reader was slow."""

    def take(self, timeout: float) -> T_co | None:
        """Return the next record; None when none came in `timeout` seconds or all is closed."""

    def close(self) -> None:
        """Stop reading; what waits is forgotten."""


@runtime_checkable
class Bus(Protocol):
    """Carries records from those who publish to all who subscribed, in order for each publisher.

    Publishing never waits for a reader: a reader that cannot follow must not hold up detection.
    """

    name: str
    summary: str

    def publish(self, topic: str, record: object) -> None:
        """Hand a record to every reader of a topic. Raises ValueError for a topic there is not."""

    def subscribe(self, topic: str, size: int) -> Subscription[object]:
        """Return a new reader of a topic with room for `size` records.

        It sees what is published from now on.
        """

    def keep(self, name: str, octets: bytes) -> bool:
        """Keep octets under a name, in place of what was; tell whether there was room for them.

        So a role finds again what it learned, on whatever machine it is started next.
        """

    def kept(self, name: str) -> bytes:
        """Return what is kept under a name; b'' for nothing."""

    def close(self) -> None:
        """Wake and end all readers."""
