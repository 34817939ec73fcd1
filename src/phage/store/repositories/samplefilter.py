"""Which samples are wanted, as a condition of a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from phage.records.sample import Outcome
    from phage.store.database import Value


@dataclass(frozen=True, slots=True)
class SampleFilter:
    """Which samples are wanted; what is empty does not narrow.

    `name` is a part of a name, `hash` the beginning of any of the three hashes, `fact` is
    "ENGINE.NAME" with `value` (or part of it), `part` the SHA-256 of a file in it, `after` the
    SHA-256 of the last one of the page before.
    """

    name: str = ""
    hash: str = ""
    outcome: Outcome | None = None
    kind: str = ""
    tag: str = ""
    fact: str = ""
    value: str = ""
    part: str = ""
    since: int | None = None
    until: int | None = None
    after: str = ""


EVERY = SampleFilter()
"""All samples."""


Conditions = list[tuple[str, tuple["Value", ...]]]


def where(wanted: SampleFilter) -> tuple[str, list[Value]]:
    """Return the condition of a question about samples, and its parameters."""
    found = [*_by_name(wanted), *_by_fact(wanted), *_by_column(wanted)]
    parameters = [value for _, values in found for value in values]
    conditions = " AND ".join(condition for condition, _ in found)
    return (f" WHERE {conditions}" if conditions else ""), parameters


def _by_name(wanted: SampleFilter) -> Conditions:
    found: Conditions = []
    if wanted.hash:
        column = {32: "md5", 40: "sha1"}.get(len(wanted.hash), "sha256")
        digest = storable(wanted.hash.lower())
        if len(digest) in {32, 40, 64}:
            found.append((f"{column} = ?", (digest,)))
        else:
            found.append((f"substr({column}, 1, ?) = ?", (len(digest), digest)))
    if wanted.name:
        name = _like(wanted.name.lower())
        condition = (
            "sha256 IN (SELECT sha256 FROM sample_names WHERE lower(name) LIKE ? ESCAPE '!')"
        )
        found.append((condition, (name,)))
    return found


def _by_fact(wanted: SampleFilter) -> Conditions:
    if not wanted.fact and not wanted.value:
        return []
    value = _like(wanted.value.lower())
    which = "fact = ? AND " if wanted.fact else ""
    condition = (
        f"sha256 IN (SELECT sha256 FROM sample_facts WHERE {which}lower(value) LIKE ? ESCAPE '!')"
    )
    return [(condition, (storable(wanted.fact), value) if wanted.fact else (value,))]


def _by_column(wanted: SampleFilter) -> Conditions:
    found: Conditions = []
    if wanted.outcome is not None:
        found.append(("outcome = ?", (str(wanted.outcome),)))
    if wanted.kind:
        found.append(("kind = ?", (storable(wanted.kind),)))
    if wanted.part:
        condition = "sha256 IN (SELECT parent FROM sample_parts WHERE sha256 = ?)"
        found.append((condition, (storable(wanted.part.lower()),)))
    if wanted.tag:
        found.append(("(' ' || tags || ' ') LIKE ? ESCAPE '!'", (_like(f" {wanted.tag} "),)))
    if wanted.since is not None:
        found.append(("last_seen >= ?", (wanted.since,)))
    if wanted.until is not None:
        found.append(("first_seen < ?", (wanted.until,)))
    if wanted.after:
        page = "(last_seen, sha256) < (SELECT last_seen, sha256 FROM samples WHERE sha256 = ?)"
        found.append((page, (storable(wanted.after),)))
    return found


def _like(text: str) -> str:
    for mark in "!%_":
        text = text.replace(mark, f"!{mark}")
    return f"%{storable(text)}%"
