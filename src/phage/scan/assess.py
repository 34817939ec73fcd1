"""From results to a verdict: the gravest word counts, and what was not looked at is never clean."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from phage.records.sample import (
    Category,
    EngineKind,
    EngineResult,
    Outcome,
    Part,
    Reason,
    Sample,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phage.scan.work import Findings

MOST_REASONS = 200
"""Reasons that are kept; more say the same."""

_GRAVITY = (Outcome.INFECTED, Outcome.SUSPICIOUS, Outcome.INCOMPLETE)


def assess(
    found: Findings, name: str, absent: Sequence[str] = ()
) -> tuple[Outcome, bool, list[Reason]]:
    """Return the outcome, whether all was looked at, and the reasons, the gravest first.

    Args:
        found: What a walk found.
        name: What the sample is called.
        absent: Engines that are wanted and did not answer at all, as "clamav: no definitions".
    """
    reasons = [reason for part in found.parts for reason in _of_part(part, name)]
    reasons += _gaps(found, name)
    reasons += [Reason(Outcome.INCOMPLETE, text, text.partition(":")[0]) for text in absent]
    if not any(_judged(row) for part in found.parts for row in part.results):
        reasons.append(Reason(Outcome.INCOMPLETE, "no engine that judges has looked at it"))
    reasons = sorted(dict.fromkeys(reasons), key=lambda reason: _GRAVITY.index(reason.outcome))
    complete = not any(reason.outcome is Outcome.INCOMPLETE for reason in reasons)
    outcome = reasons[0].outcome if reasons else Outcome.CLEAN
    return outcome, complete, reasons[:MOST_REASONS]


def verdict(
    found: Findings,
    hashes: tuple[str, str, str],
    name: str,
    now: int,
    *,
    fingerprint: str,
    isolation: str,
    seconds: float = 0.0,
) -> Verdict:
    """Make the verdict of what was found.

    Args:
        found: What a walk found, the sample itself first.
        hashes: SHA-256, SHA-1 and MD5 of the sample.
        name: What it is called; '' where that is not known.
        now: The time.
        fingerprint: What the verdict rests on.
        isolation: The weakest under which an engine ran.
        seconds: How long it took.
    """
    outcome, complete, reasons = assess(found, name or hashes[0])
    whole = found.parts[0]
    sample = Sample(
        *hashes, whole.size, whole.kind,
        names=(name,) if name else (), first_seen=now, last_seen=now,
        tags=tuple(sorted(found.tags)),
    )  # fmt: skip
    return Verdict(
        id=secrets.token_hex(16),
        sample=sample,
        outcome=outcome,
        complete=complete,
        time=now,
        reasons=tuple(reasons),
        results=rows(found),
        parts=tuple(found.parts),
        parts_total=found.parts_total,
        fingerprint=fingerprint,
        isolation=isolation,
        seconds=seconds,
    )


def place(name: str, path: Iterable[str]) -> str:
    """Return where something is: "a.zip > b.7z > c.com"."""
    return " > ".join((name, *path))


def rows(found: Findings) -> tuple[EngineResult, ...]:
    """Return one row an engine: the gravest word, with the facts about the sample itself."""
    outer = {row.engine: row for row in found.parts[0].results} if found.parts else {}
    merged = []
    for engine, worst in found.worst.items():
        own = outer.get(engine)
        is_grave = worst.category.rank > Category.UNDETECTED.rank
        merged.append(worst if is_grave or own is None else own)
    return tuple(merged)


def _judged(row: EngineResult) -> bool:
    """Tell whether an engine that judges has said something of a file it takes."""
    supported = row.category.is_answer and row.category is not Category.TYPE_UNSUPPORTED
    return row.kind is EngineKind.EVILNESS and supported


def _of_part(part: Part, name: str) -> Iterable[Reason]:
    where = place(name, part.path)
    whitelisted = any(row.category is Category.HARMLESS for row in part.results)
    for row in part.results:
        if row.category is Category.MALICIOUS:
            yield Reason(
                Outcome.INFECTED, f"{row.engine}: {row.label} in {where}", row.engine, part.path
            )
        elif row.category is Category.SUSPICIOUS and not whitelisted:
            yield Reason(
                Outcome.SUSPICIOUS, f"{row.engine}: {row.label} in {where}", row.engine, part.path
            )
        elif not row.category.is_answer and row.kind is EngineKind.EVILNESS:
            text = f"{row.engine}: {row.category}, {row.error or 'no answer'}, on {where}"
            yield Reason(Outcome.INCOMPLETE, text, row.engine, part.path)


def _gaps(found: Findings, name: str) -> Iterable[Reason]:
    for path, text in found.faults:
        yield Reason(Outcome.INCOMPLETE, f"{place(name, path)}: {text}", "", path)
