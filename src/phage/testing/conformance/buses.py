"""Checks that every bus passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.bus.bus import LARGEST_KEPT, TOPICS
from phage.testing.conformance.plugins import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.bus.bus import Bus

SECONDS = 5.0
"""How long a record may take to come; a bus over a network takes some."""


def check_delivery(bus: Bus) -> None:
    """Each reader of a topic gets each record once, in order, and no other topic's."""
    readers = [bus.subscribe("findings", 100) for _ in range(2)]
    other = bus.subscribe("windows", 100)
    for number in range(10):
        bus.publish("findings", number)
    for reader in readers:
        taken = [reader.take(SECONDS) for _ in range(10)]
        expect(taken == list(range(10)), f"{bus.name} delivers {taken}")
        expect(reader.take(0) is None, f"{bus.name} delivers twice")
    expect(other.take(0) is None, f"{bus.name} mixes topics")


def check_bound(bus: Bus) -> None:
    """A slow reader loses the oldest, which is counted, and holds nobody up."""
    slow = bus.subscribe("windows", 5)
    for number in range(1000):
        bus.publish("windows", number)
    taken = [slow.take(SECONDS) for _ in range(5)]
    expect(taken == list(range(995, 1000)), f"{bus.name} keeps {taken}")
    expect(slow.dropped == 995, f"{bus.name} counts {slow.dropped} of 995")


def check_late(bus: Bus) -> None:
    """A reader sees what is published after it came, and nothing after it left."""
    bus.publish("decisions", "before")
    reader = bus.subscribe("decisions", 5)
    bus.publish("decisions", "after")
    expect(reader.take(SECONDS) == "after", f"{bus.name} delivers what was before")
    reader.close()
    bus.publish("decisions", "gone")
    expect(reader.take(0) is None, f"{bus.name} delivers to those who left")


def check_topics(bus: Bus) -> None:
    """There are the topics of the contract and no others."""
    for topic in TOPICS:
        bus.publish(topic, "x")
    for ask in (lambda: bus.publish("nothing", "x"), lambda: bus.subscribe("nothing", 1)):
        try:
            ask()
        except ValueError:
            continue
        message = f"{bus.name} takes a topic that there is not"
        raise AssertionError(message)


def check_keeping(bus: Bus) -> None:
    """What is kept under a name is found again, the last of it; what is too large is refused."""
    expect(bus.kept("edge/model") == b"", f"{bus.name} keeps what nobody gave it")
    expect(bus.keep("edge/model", b"one"), f"{bus.name} keeps nothing")
    expect(bus.keep("edge/model", bytes(range(256))), f"{bus.name} does not replace what it keeps")
    expect(bus.kept("edge/model") == bytes(range(256)), f"{bus.name} keeps something else")
    expect(not bus.keep("large", bytes(LARGEST_KEPT + 1)), f"{bus.name} keeps what is too large")
    expect(bus.kept("large") == b"", f"{bus.name} keeps what it refused")


def check_close(bus: Bus) -> None:
    """Closing ends readers and can be done twice."""
    reader = bus.subscribe("findings", 5)
    bus.close()
    bus.close()
    expect(reader.take(SECONDS) is None, f"{bus.name} goes on after its end")


CHECKS: tuple[Callable[[Bus], None], ...] = (
    check_delivery,
    check_bound,
    check_late,
    check_topics,
    check_keeping,
    check_close,
)
