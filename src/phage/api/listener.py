"""One who listens to live events, in the event loop of the API."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from phage.api.events import Event


@dataclass(eq=False, slots=True)
class Listener:
    """One who listens; made in the event loop, and let in by `EventHub.join`."""

    kinds: frozenset[str]
    waiting: deque[Event] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    async def events(self, silence: float) -> AsyncIterator[Event | None]:
        """Yield events as they come; None after each time of silence, in seconds."""
        while True:
            while self.waiting:
                yield self.waiting.popleft()
            self.woken.clear()
            if self.waiting:
                continue
            try:
                async with asyncio.timeout(silence):
                    await self.woken.wait()
            except TimeoutError:
                yield None

    def wake(self) -> bool:
        """Have `events` look; from any thread. False when the loop was closed: phage stops."""
        try:
            self.loop.call_soon_threadsafe(self.woken.set)
        except RuntimeError:
            return False
        return True
