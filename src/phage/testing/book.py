"""A book for ledgers in tests: in memory, and able to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.records.decision import Decision, Target
    from phage.store.repositories.decisions import AuditEntry


class MemoryBook:
    """Keeps decisions in memory; `fails` makes it a full disk."""

    def __init__(self) -> None:
        self.saved: dict[str, Decision] = {}
        self.notes: list[AuditEntry] = []
        self.fails = False

    def save(self, decisions: Iterable[Decision]) -> None:
        """Insert or update."""
        if self.fails:
            message = "the disk is full"
            raise StoreError(message)
        self.saved.update({decision.id: decision for decision in decisions})

    def standing(self) -> Iterable[Decision]:
        """Return what has not ended."""
        return [decision for decision in self.saved.values() if not decision.ended]

    def times_before(
        self, rule: str, target: Target, since: int, now: int, *, dry_run: bool
    ) -> int:
        """Return at how many times since a time, now left out, a rule decided against a target."""
        if self.fails:
            message = "the disk is full"
            raise StoreError(message)
        return len(
            {
                each.start
                for each in self.saved.values()
                if (each.rule, each.target, each.dry_run) == (rule, target, dry_run)
                and each.start >= since
                and each.start != now
            }
        )

    def pardon(self, rule: str, target: Target, now: int) -> str:
        """Return who revoked the same before its time; else ''."""
        for each in self.saved.values():
            by_hand = each.ended_by.startswith("user:") and each.until > now
            if by_hand and (each.rule, each.target) == (rule, target):
                return each.ended_by
        return ""

    def note(self, entry: AuditEntry) -> None:
        """Keep what a person did."""
        self.notes.append(entry)
