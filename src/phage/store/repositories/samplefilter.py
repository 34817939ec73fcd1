"""Which samples are wanted, as a condition of a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from phage.records.sample import Outcome
    from phage.store.database import Value


@frozen
class SampleFilter:
    """Which samples are wanted; what is empty does not narrow.

    `text` is a part of a name or of a fact, or the beginning of a hash; `name` a part of a name,
    `hash` the beginning of any of the three hashes, `fact` is "ENGINE.NAME" with `value` (or part
    of it), `part` the SHA-256 of a file in it, `unseen_since` when it was last seen at the latest,
    `after` the SHA-256 of the last one of the page before, and `before` when that was seen, with
    its SHA-256.
    """

    text: str = ""
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
    unseen_since: int | None = None
    after: str = ""
    before: tuple[int, str] | None = None


EVERY = SampleFilter()
"""All samples."""

LEAST_HASH = 8
"""Digits of a hash that are enough to be taken for one."""

_NAME = "sha256 IN (SELECT sha256 FROM sample_names WHERE lower(name) LIKE ? ESCAPE '!')"
_VALUE = "sha256 IN (SELECT sha256 FROM sample_facts WHERE lower(value) LIKE ? ESCAPE '!')"


Conditions = list[tuple[str, tuple["Value", ...]]]


def where(wanted: SampleFilter) -> tuple[str, list[Value]]:
    """Return the condition of a question about samples, and its parameters."""
    found = [*_by_name(wanted), *_by_fact(wanted), *_by_column(wanted)]
    parameters = [value for _, values in found for value in values]
    conditions = " AND ".join(condition for condition, _ in found)
    return (f" WHERE {conditions}" if conditions else ""), parameters


def _by_name(wanted: SampleFilter) -> Conditions:
    found: Conditions = []
    if wanted.text:
        found.append(_by_text(wanted.text))
    if wanted.hash:
        found.append(_by_hash(wanted.hash))
    if wanted.name:
        found.append((_NAME, (_like(wanted.name.lower()),)))
    return found


def _by_text(text: str) -> tuple[str, tuple[Value, ...]]:
    like = _like(text.lower())
    if len(text) >= LEAST_HASH and set(text.lower()) <= set("0123456789abcdef"):
        condition, digests = _by_hash(text)
        return f"({_NAME} OR {_VALUE} OR {condition})", (like, like, *digests)
    return f"({_NAME} OR {_VALUE})", (like, like)


def _by_hash(hash_: str) -> tuple[str, tuple[Value, ...]]:
    column = {32: "md5", 40: "sha1"}.get(len(hash_), "sha256")
    digest = storable(hash_.lower())
    if len(digest) in {32, 40, 64}:
        return f"{column} = ?", (digest,)
    return f"substr({column}, 1, ?) = ?", (len(digest), digest)


def _by_fact(wanted: SampleFilter) -> Conditions:
    if not wanted.fact and not wanted.value:
        return []
    value = _like(wanted.value.lower())
    if not wanted.fact:
        return [(_VALUE, (value,))]
    condition = (
        "sha256 IN (SELECT sha256 FROM sample_facts WHERE fact = ? AND lower(value) LIKE ? "
        "ESCAPE '!')"
    )
    return [(condition, (storable(wanted.fact), value))]


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
    if wanted.unseen_since is not None:
        found.append(("last_seen < ?", (wanted.unseen_since,)))
    if wanted.before is not None:
        found.append(("(last_seen, sha256) < (?, ?)", wanted.before))
    if wanted.after:
        page = "(last_seen, sha256) < (SELECT last_seen, sha256 FROM samples WHERE sha256 = ?)"
        found.append((page, (storable(wanted.after),)))
    return found


def _like(text: str) -> str:
    for mark in "!%_":
        text = text.replace(mark, f"!{mark}")
    return f"%{storable(text)}%"
