"""Hits of rules: added up, so that they outlive restarts and swaps of the rule set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.records.rulehits import RuleHits
from phage.store.repositories.text import MAX_INTEGER, storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.store.database import Database

MAX_RULES = 100_000
"""Rules that one question returns at most; a rule set has some hundred."""

_SUM = (
    "{name} = CASE WHEN rule_hits.{name} > {most} - excluded.{name} THEN {most} "
    "ELSE rule_hits.{name} + excluded.{name} END"
)
_SAVE = (
    "INSERT INTO rule_hits (rule, packets, octets, last_hit, since) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (rule) DO UPDATE SET "
    f"{_SUM.format(name='packets', most=MAX_INTEGER)}, "
    f"{_SUM.format(name='octets', most=MAX_INTEGER)}, "
    "last_hit = CASE WHEN excluded.last_hit > rule_hits.last_hit "
    "THEN excluded.last_hit ELSE rule_hits.last_hit END"
)


class RuleHitsRepository:
    """Hits of rules in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, hits: Iterable[RuleHits]) -> None:
        """Add to the hits of rules; a rule that is new begins with what is given.

        A rule without hits is saved too: that is how it is known since when it is unused.
        """
        with self._database.transaction():
            self._database.execute_many(
                _SAVE,
                [
                    (
                        storable(each.rule),
                        storable_integer(each.packets),
                        storable_integer(each.octets),
                        storable_integer(each.last_hit),
                        storable_integer(each.since),
                    )
                    for each in hits
                ],
            )

    def list(self) -> list[RuleHits]:
        """Return the hits of all rules, by name."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                "SELECT rule, packets, octets, last_hit, since FROM rule_hits "
                f"ORDER BY rule LIMIT {MAX_RULES}"
            )
        )
        return [RuleHits(*row) for row in rows]

    def forget(self, rules: Iterable[str]) -> None:
        """Delete the hits of rules that are gone."""
        with self._database.transaction():
            self._database.execute_many(
                "DELETE FROM rule_hits WHERE rule = ?", [(storable(rule),) for rule in rules]
            )
