"""The audit log: every change, chained by hashes so that none can be altered or taken out unseen.

Each entry's hash covers the entry and the hash before it. Whoever writes to the database can forge
a whole new chain, but not one that ends in a hash that was noted elsewhere: `head` tells it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from phage.errors import StoreError
from phage.frozen import frozen
from phage.store.repositories.audit import ChainedEntry
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock
    from phage.store.repositories.audit import AuditRepository

GENESIS = "0" * 64
"""What the first entry follows."""

MAX_ENTRIES = 1_000_000
"""Entries kept; beyond it the oldest go, and an entry says so."""

TRIM = 10_000
"""Entries that go at a time."""

LONGEST = 4096
"""Characters of a detail."""

TRIMMED = "audit trimmed"

_TRIES = 20


def hash_of(entry: ChainedEntry) -> str:
    """Return the hash of an entry: SHA-256 of its other fields as canonical JSON."""
    fields = [entry.number, entry.happened, entry.actor, entry.act, entry.subject, entry.detail,
              entry.previous]  # fmt: skip
    text = json.dumps(fields, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@frozen
class Verification:
    """What checking the chain found.

    Attributes:
        entries: How many were read.
        head: Hash of the last entry; to be noted elsewhere.
        fault: What is wrong with the first entry that does not fit; '' when all do.
        number: That entry's number.
    """

    entries: int
    head: str
    fault: str = ""
    number: int = 0


class AuditLog:
    """Writes and checks the log. May be called from several threads and processes."""

    def __init__(self, repository: AuditRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._lock = threading.Lock()

    def note(self, actor: str, act: str, subject: str = "", detail: str = "") -> ChainedEntry:
        """Append an entry. Raises StoreError when it cannot be kept."""
        draft = ChainedEntry(
            number=0,
            happened=storable_integer(self._clock.now()),
            actor=storable(actor[:256]),
            act=storable(act[:256]),
            subject=storable(subject[:1024]),
            detail=storable(detail[:LONGEST]),
            previous=GENESIS,
            hash="",
        )
        with self._lock:
            for _ in range(_TRIES):  # Another process may take the number meanwhile.
                last = self._repository.last()
                entry = draft
                if last is not None:
                    entry = replace(draft, number=last.number + 1, previous=last.hash)
                entry = replace(entry, hash=hash_of(entry))
                if self._repository.add(entry):
                    break
            else:
                message = "the audit log is written by too many at once; try again"
                raise StoreError(message)
        if entry.number and entry.number % TRIM == 0:
            self._trim(entry.number)
        return entry

    def _trim(self, newest: int) -> None:
        gone = self._repository.forget(newest - MAX_ENTRIES)
        if gone:
            self.note("phage", TRIMMED, "", f"{gone} entries up to {newest - MAX_ENTRIES}")

    def list(
        self, actor: str = "", before: int | None = None, limit: int = 100
    ) -> Sequence[ChainedEntry]:
        """Return entries, the newest first; of one actor, and before a number."""
        return self._repository.list(actor, before, limit)

    def verify(self) -> Verification:
        """Read the whole log and check the chain."""
        head, number, count = GENESIS, -1, 0
        for entry in self._repository.all():
            if count == 0 and entry.number > 0:  # The oldest went, for room.
                head, number = entry.previous, entry.number - 1
            fault = ""
            if entry.number != number + 1:
                fault = f"entries {number + 1} to {entry.number - 1} are missing"
            elif entry.previous != head:
                fault = "does not follow the entry before"
            elif entry.hash != hash_of(entry):
                fault = "was altered"
            if fault:
                return Verification(count, head, fault, entry.number)
            head, number, count = entry.hash, entry.number, count + 1
        return Verification(count, head)
