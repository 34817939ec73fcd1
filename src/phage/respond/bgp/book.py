"""The book of routes: which should be in force, and for which decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.respond.bgp.nlri import Route


@dataclass(slots=True)
class Book:
    """Routes by NLRI, each wanted by one decision or more.

    A router knows one action for an NLRI. Where decisions want several, the one that lets the least
    through is in force, and the next one when that decision ends.

    Attributes:
        most: Routes at once.
        dropped: Decisions that were refused because there were too many routes.
    """

    most: int
    dropped: int = 0
    _routes: dict[str, dict[str, Route]] = field(default_factory=dict)
    _decisions: dict[str, tuple[Route, ...]] = field(default_factory=dict)
    _ends: dict[str, int] = field(default_factory=dict)

    def put(self, decision: str, routes: tuple[Route, ...], until: int) -> bool:
        """Note that a decision wants routes until a time; return False when the book is full."""
        self.drop(decision)
        if len(self._routes.keys() | {route.nlri for route in routes}) > self.most:
            self.dropped += 1
            return False
        self._decisions[decision] = routes
        if until:
            self._ends[decision] = until
        for route in routes:
            self._routes.setdefault(route.nlri, {})[decision] = route
        return True

    def drop(self, decision: str) -> tuple[Route, ...]:
        """Note that a decision wants nothing any more; return what it wanted."""
        routes = self._decisions.pop(decision, ())
        self._ends.pop(decision, None)
        for route in routes:
            wanting = self._routes[route.nlri]
            del wanting[decision]
            if not wanting:
                del self._routes[route.nlri]
        return routes

    def keep_only(self, decisions: Iterable[str]) -> set[str]:
        """Drop all decisions but these; return the NLRI of what was dropped."""
        gone = self._decisions.keys() - set(decisions)
        return {route.nlri for decision in gone for route in self.drop(decision)}

    def wanted(self, nlri: str) -> Route | None:
        """Return the route that should be in force for an NLRI."""
        wanting = self._routes.get(nlri)
        if not wanting:
            return None
        return min(wanting.values(), key=lambda route: (route.passes, route.attributes))

    def all(self) -> set[str]:
        """Return every NLRI that should be in force."""
        return set(self._routes)

    def routes(self, decision: str) -> tuple[Route, ...]:
        """Return what a decision wants."""
        return self._decisions.get(decision, ())

    def is_overdue(self, now: int) -> bool:
        """Tell whether a decision should have ended by now, and was not dropped."""
        return any(end < now for end in self._ends.values())
