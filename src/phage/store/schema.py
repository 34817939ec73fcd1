"""The schema: its version, and the numbered changes that lead to it."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from phage.errors import StoreError

if TYPE_CHECKING:
    from phage.store.database import Database

TABLES = (
    "findings",
    "finding_parties",
    "flows",
    "devices",
    "device_events",
    "profiles",
    "counters",
    "traffic",
    "sightings",
    "models",
    "decisions",
    "receipts",
    "decision_audit",
    "rule_hits",
    "feeds",
    "indicators",
    "reputations",
    "cves",
    "cve_products",
    "cve_exploited",
    "cve_likelihoods",
    "cve_imports",
    "scans",
    "scan_diffs",
    "scan_memory",
    "users",
    "sessions",
    "tokens",
    "login_links",
    "browsers",
    "audit",
    "finding_labels",
    "exporters",
    "samples",
    "sample_names",
    "sample_facts",
    "sample_parts",
    "verdicts",
    "engine_results",
    "engine_crashes",
    "scan_jobs",
    "scan_plans",
    "scan_tasks",
    "scan_workers",
    "scan_releases",
    "scan_fleets",
)
"""All tables with data, those that others refer to first."""

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+(?:\.(sqlite|postgresql))?\.sql")


@cache
def migrations(dialect: str) -> dict[int, str]:
    """Return the SQL of each change by its number, as the engine reads it."""
    found: dict[int, str] = {}
    files = sorted(resources.files("phage.store.migrations").iterdir(), key=lambda file: file.name)
    for file in files:
        match = _NAME.fullmatch(file.name)
        if match is None or match[2] not in {None, dialect}:
            continue
        number = int(match[1])
        if match[2] is not None or number not in found:
            found[number] = file.read_text(encoding="utf-8")
    return found


def latest(dialect: str) -> int:
    """Return the version that this phage writes."""
    return max(migrations(dialect))


def version(database: Database) -> int:
    """Return the version of a database's schema; 0 for an empty one."""
    if not database.has_table("schema_version"):
        return 0
    rows = database.query("SELECT max(version) FROM schema_version")
    return int(rows[0][0] or 0)


def applied(database: Database) -> set[int]:
    """Return the numbers of the changes that a database has had."""
    if not database.has_table("schema_version"):
        return set()
    return {int(row[0] or 0) for row in database.query("SELECT version FROM schema_version")}


def migrate(database: Database, now: int) -> int:
    """Bring a database's schema up to date, each change in one transaction; return the version.

    Raises:
        StoreError: The schema is of a later phage.
    """
    changes = migrations(database.dialect)
    require_known(database)
    while True:
        with database.transaction():
            database.lock_schema()
            if not database.has_table("schema_version"):
                database.execute(
                    "CREATE TABLE schema_version "
                    "(version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)"
                )
            # By number and not by version: one may be released after a later one.
            pending = sorted(changes.keys() - applied(database))
            if not pending:
                return version(database)
            for statement in statements(changes[pending[0]]):
                database.execute(statement)
            database.execute("INSERT INTO schema_version VALUES (?, ?)", (pending[0], now))


def require_known(database: Database) -> None:
    """Raise StoreError if a database's schema is of a later phage."""
    current, known = version(database), latest(database.dialect)
    if current > known:
        message = (
            f"{database.place}: was written by a later phage (schema {current}, here {known}); "
            "update phage, or restore an older backup"
        )
        raise StoreError(message)


def statements(sql: str) -> list[str]:
    """Split a change into its statements: each ends with a semicolon at the end of a line."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    parts = re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]
