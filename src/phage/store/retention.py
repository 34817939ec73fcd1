"""Retention: what is too old or too much goes, the oldest first, some of it at a time."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.store.repositories.traffic import SPANS

if TYPE_CHECKING:
    from pathlib import Path

    from phage.config.settings import RetentionSettings
    from phage.store.database import Database

CHUNK = 1000
"""Rows deleted in one transaction: some milliseconds, so that the writer and readers are not held
up."""

MAX_CHUNKS = 100
"""Chunks in one sweep: 100,000 rows, a second or so; `more` tells that there is more to do."""


@frozen
class _Age:
    """One table that ages: which rows of it may go, by which time."""

    table: str
    key: str
    time: str
    condition: str = ""


_FLOWS = _Age("flows", "begun, id", "last_seen")
_SIGHTINGS = _Age("sightings", "kind, value, device", "last_seen")
_COUNTERS = _Age("counters", "minute, name", "minute")
_TRAFFIC = tuple(
    _Age("traffic", "span, kind, begun, name, peer", "begun", f"span = {span}") for span in SPANS
)
_CLOSED = _Age("findings", "id", "last_seen", "state <> 'open'")
_FINDINGS = _Age("findings", "id", "last_seen")
_DECISIONS = _Age("decisions", "id", "ended", "ended > 0")
_DEVICE_EVENTS = _Age("device_events", "happened, device, what, detail", "happened")
_AUDIT = _Age("decision_audit", "id", "happened")
_FILES = (
    _Age("verdicts", "id", "time"),
    _Age("engine_results", "sha256, engine, version, definitions, options", "time"),
    _Age("engine_crashes", "sha256, engine", "last"),
    _Age("scan_jobs", "id", "changed", "state NOT IN ('queued', 'leased')"),
    _Age("sample_names", "sha256, name", "seen"),
    _Age("samples", "sha256", "last_seen"),
)
_ORPHANED = tuple(
    f"DELETE FROM {table} WHERE NOT EXISTS "
    f"(SELECT 1 FROM samples WHERE samples.sha256 = {table}.{column})"
    for table, column in (("sample_facts", "sha256"), ("sample_parts", "parent"))
)


@dataclass(slots=True)
class Swept:
    """What a sweep did.

    Rows deleted by table, octets in use after it, whether there is more to do.
    """

    deleted: dict[str, int] = field(default_factory=dict)
    used: int = 0
    more: bool = False


class Retention:
    """Keeps a store within its bounds.

    `sweep` is called once a minute, and again at once while `more`.
    """

    def __init__(self, settings: RetentionSettings) -> None:
        self._settings = settings

    def sweep(self, database: Database, now: int) -> Swept:
        """Delete what is too old, then the oldest while the store is too large.

        Raises StoreError.
        """
        swept = Swept()
        left = MAX_CHUNKS
        for age, seconds in (
            (_FLOWS, self._settings.flows),
            (_SIGHTINGS, self._settings.flows),
            (_COUNTERS, self._settings.counters),
            (_TRAFFIC[0], min(SPANS[1] * 24, self._settings.counters)),
            (_TRAFFIC[1], min(SPANS[2] * 31, self._settings.counters)),
            (_TRAFFIC[2], self._settings.counters),
            (_CLOSED, self._settings.findings),
            (_DECISIONS, self._settings.decisions),
            (_AUDIT, self._settings.decisions),
            (_DEVICE_EVENTS, self._settings.findings),
            *((each, self._settings.verdicts) for each in _FILES),
        ):
            left = _delete(database, age, now - int(seconds * 1e9), left, swept)
        if left > 0 and swept.deleted.get("samples"):
            for statement in _ORPHANED:
                database.execute(statement)
        swept.used = database.used()
        # Flows are most of a store and tell least; findings that are open go last of all, and
        # decisions in force never.
        for age in (_FLOWS, _SIGHTINGS, *_TRAFFIC, _COUNTERS, _DECISIONS, _CLOSED, _FINDINGS):
            while swept.used > self._settings.store_size and left > 0:
                before = swept.deleted.get(age.table, 0)
                left = _delete(database, age, None, min(left, 10), swept) + max(0, left - 10)
                swept.used = database.used()
                if swept.deleted.get(age.table, 0) == before:
                    break
        swept.more = swept.more or (left <= 0 and swept.used > self._settings.store_size)
        if swept.deleted:
            database.reclaim()
        return swept


def _delete(database: Database, age: _Age, before: int | None, chunks: int, swept: Swept) -> int:
    """Delete rows older than a time (None: just the oldest); return how many chunks are left."""
    conditions = [age.condition] if age.condition else []
    if before is not None:
        conditions.append(f"{age.time} < ?")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = (
        f"DELETE FROM {age.table} WHERE ({age.key}) IN (SELECT {age.key} FROM {age.table}"
        f"{where} ORDER BY {age.time} LIMIT {CHUNK})"
    )
    parameters = [] if before is None else [before]
    while chunks > 0:
        chunks -= 1
        with database.transaction():
            deleted = database.execute(sql, parameters)
        if deleted:
            swept.deleted[age.table] = swept.deleted.get(age.table, 0) + deleted
        if deleted < CHUNK:
            return chunks
    swept.more = swept.more or before is not None
    return chunks


def prune_captures(folder: Path, octets: int) -> int:
    """Delete the oldest files of a folder while all together are larger; return how many went."""
    files: list[tuple[float, str, int, Path]] = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    about = path.stat()
                    files.append((about.st_mtime, path.name, about.st_size, path))
    total = sum(size for _, _, size, _ in files)
    removed = 0
    for _, _, size, path in sorted(files):
        if total <= octets:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size
            removed += 1
    return removed
