"""Uses that wait until it is known what the other end is called: a hello comes a little later."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from phage.records.profile import Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.devices.used import Used

MAX_WAITING_USES = 16_384

PATIENCE_NS = 3_000_000_000
"""How long a use waits for a name."""


class Unnamed:
    """Holds uses back for a moment.

    Attributes:
        dropped: Uses that did not fit.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: OrderedDict[tuple[object, ...], Used] = OrderedDict()
        self._named: set[tuple[object, ...]] = set()
        """Devices with addresses that got a name in this window."""

    def name(self, device: str, address: str) -> None:
        """Note that a device learned what an address is called."""
        self._named.add((device, address))

    def hold(self, used: Used) -> Used | None:
        """Hold a use back whose other end may yet be named; return what is to be judged now."""
        place = used.book.device, used.way, used.protocol, used.port, used.peer
        waiting = self._waiting.get(place) if used.key is None else None
        if waiting is not None:
            waiting.add(used)
            return None if _may_be_named(waiting) else self._waiting.pop(place)
        if not _may_be_named(used) or used.book.name_of(used.peer):
            return used
        self._waiting[place] = used
        if len(self._waiting) > MAX_WAITING_USES:
            self._waiting.popitem(last=False)
            self.dropped += 1
        return None

    def take(self, now: int) -> Iterator[Used]:
        """Yield what got a name meanwhile, and what waited for too long."""
        if self._named:
            named = [place for place in self._waiting if (place[0], place[4]) in self._named]
            self._named.clear()
            for place in named:
                yield self._waiting.pop(place)
        while self._waiting:
            place, used = next(iter(self._waiting.items()))
            if 0 <= now - used.first < PATIENCE_NS:
                return
            del self._waiting[place]
            yield used


def _may_be_named(used: Used) -> bool:
    """Tell whether the device's hello may yet say what the other end is called."""
    return used.key is None and used.way is Way.OUT and not used.role and used.begun > used.ended
