"""Samples, verdicts, analyses and engines as JSON; commands print the same shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339
from phage.records.sample import Category
from phage.scan.changes import changes

if TYPE_CHECKING:
    from phage.records.sample import EngineResult, Outcome, Part, Sample, Verdict
    from phage.scan.desk import Analysis, EngineState


def sample_shape(sample: Sample, outcome: Outcome | None = None) -> dict[str, Any]:
    """Return a sample as JSON."""
    return {
        "id": sample.sha256,
        "sha256": sample.sha256,
        "sha1": sample.sha1,
        "md5": sample.md5,
        "size": sample.size,
        "kind": sample.kind,
        "names": list(sample.names),
        "outcome": str(outcome) if outcome else "",
        "tags": list(sample.tags),
        "first_seen": rfc3339(sample.first_seen),
        "last_seen": rfc3339(sample.last_seen),
        "submissions": sample.submissions,
    }


def result_shape(result: EngineResult) -> dict[str, Any]:
    """Return an engine's row as JSON."""
    return {
        "engine": result.engine,
        "kind": str(result.kind),
        "category": str(result.category),
        "label": result.label,
        "version": result.version.engine,
        "definitions": result.version.definitions,
        "built": rfc3339(result.version.built) if result.version.built else "",
        "facts": dict(result.facts),
        "error": result.error,
        "seconds": result.seconds,
    }


def verdict_shape(verdict: Verdict, name: str = "") -> dict[str, Any]:
    """Return a verdict as JSON."""
    return {
        "file": name or next(iter(verdict.sample.names), ""),
        "outcome": str(verdict.outcome),
        "complete": verdict.complete,
        "positives": verdict.positives,
        "judged": verdict.judged,
        "reasons": [
            {
                "outcome": str(each.outcome),
                "text": each.text,
                "engine": each.engine,
                "path": list(each.path),
            }
            for each in verdict.reasons
        ],
        "sample": sample_shape(verdict.sample, verdict.outcome),
        "results": [result_shape(each) for each in verdict.results],
        "parts": [_part_shape(each) for each in verdict.parts],
        "parts_total": verdict.parts_total,
        "time": rfc3339(verdict.time),
        "seconds": verdict.seconds,
        "isolation": verdict.isolation,
        "id": verdict.id,
    }


def _part_shape(part: Part) -> dict[str, Any]:
    return {
        "path": list(part.path),
        "sha256": part.sha256,
        "size": part.size,
        "kind": part.kind,
        "faults": list(part.faults),
        "found": {
            each.engine: each.label
            for each in part.results
            if each.category in {Category.MALICIOUS, Category.SUSPICIOUS}
        },
    }


def change_shape(before: Verdict | None, after: Verdict) -> dict[str, Any]:
    """Return a verdict beside the one before it, and what engines say differently."""
    return {
        "id": after.id,
        "sha256": after.sample.sha256,
        "time": rfc3339(after.time),
        "outcome": str(after.outcome),
        "before": str(before.outcome) if before else "",
        "ratio": f"{after.positives}/{after.judged}",
        "changes": changes(before, after),
    }


def analysis_shape(analysis: Analysis) -> dict[str, Any]:
    """Return how far the scanning of a file is."""
    verdict = analysis.verdict
    return {
        "id": analysis.id,
        "sha256": analysis.sha256,
        "name": analysis.name,
        "state": str(analysis.state),
        "submitted": rfc3339(analysis.submitted) if analysis.submitted else "",
        "parts": analysis.progress.parts,
        "engines": dict(analysis.progress.engines),
        "outcome": str(verdict.outcome) if verdict is not None else "",
        "verdict": verdict.id if verdict is not None else "",
        "error": analysis.error,
    }


def engine_shape(engine: EngineState) -> dict[str, Any]:
    """Return an engine as it stands."""
    return {
        "id": engine.name,
        "name": engine.name,
        "summary": engine.summary,
        "kind": engine.kind,
        "place": engine.place,
        "accepts": list(engine.accepts),
        "state": engine.state,
        "version": engine.version,
        "definitions": engine.definitions,
        "built": rfc3339(engine.built) if engine.built else "",
        "reason": engine.reason,
        "tested": rfc3339(engine.tested) if engine.tested else "",
        "fault": engine.fault,
    }
