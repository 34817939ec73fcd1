"""Verdicts and results as JSON, for the store and for messages between machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.records.sample import (
    Category,
    EngineKind,
    EngineResult,
    EngineVersion,
    Outcome,
    Part,
    Reason,
    Sample,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def result_body(result: EngineResult) -> dict[str, Any]:
    """Return a result as JSON; what is empty is left out."""
    version = result.version
    body: dict[str, Any] = {
        "engine": result.engine,
        "kind": str(result.kind),
        "category": str(result.category),
        "label": result.label,
        "version": version.engine,
        "definitions": version.definitions,
        "built": version.built,
        "facts": dict(result.facts),
        "error": result.error,
        "seconds": round(result.seconds, 6),
    }
    return {name: value for name, value in body.items() if value not in ("", 0, {})}


def result_from(body: Mapping[str, Any]) -> EngineResult:
    """Return a result of its JSON."""
    return EngineResult(
        engine=body["engine"],
        kind=EngineKind(body["kind"]),
        category=Category(body["category"]),
        label=body.get("label", ""),
        version=EngineVersion(
            body.get("version", ""), body.get("definitions", ""), body.get("built", 0)
        ),
        facts=body.get("facts", {}),
        error=body.get("error", ""),
        seconds=body.get("seconds", 0.0),
    )


def part_body(part: Part) -> dict[str, Any]:
    """Return a part as JSON."""
    return {
        "path": list(part.path),
        "sha256": part.sha256,
        "size": part.size,
        "kind": part.kind,
        "results": [result_body(each) for each in part.results],
        "faults": list(part.faults),
    }


def part_from(body: Mapping[str, Any]) -> Part:
    """Return a part of its JSON."""
    return Part(
        tuple(body["path"]),
        body["sha256"],
        body["size"],
        body["kind"],
        tuple(map(result_from, body["results"])),
        tuple(body.get("faults", ())),
    )


def verdict_body(verdict: Verdict) -> dict[str, Any]:
    """Return what of a verdict is not in columns of its own."""
    return {
        "reasons": [
            [str(each.outcome), each.text, each.engine, list(each.path)] for each in verdict.reasons
        ],
        "results": [result_body(each) for each in verdict.results],
        "parts": [part_body(each) for each in verdict.parts],
        "parts_total": verdict.parts_total,
        "isolation": verdict.isolation,
        "seconds": round(verdict.seconds, 6),
    }


def verdict_from(
    id: str,  # noqa: A002  The field's name.
    sample: Sample,
    columns: tuple[int, str, int, str],
    body: Mapping[str, Any],
) -> Verdict:
    """Return a verdict; `columns` are time, outcome, complete and fingerprint."""
    time, outcome, complete, fingerprint = columns
    return Verdict(
        id=id,
        sample=sample,
        outcome=Outcome(outcome),
        complete=bool(complete),
        time=time,
        reasons=tuple(
            Reason(Outcome(each[0]), each[1], each[2], tuple(each[3])) for each in body["reasons"]
        ),
        results=tuple(map(result_from, body["results"])),
        parts=tuple(map(part_from, body["parts"])),
        parts_total=body["parts_total"],
        fingerprint=fingerprint,
        isolation=body["isolation"],
        seconds=body["seconds"],
    )
