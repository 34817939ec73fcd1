"""Files and analyses as objects of VirusTotal's API, version 3.

Its reference is at docs.virustotal.com: "Objects", "Files", "Analyses". Those attributes are told
that phage knows; what VirusTotal has not is in the attribute `phage`.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from phage.records.sample import Category, EngineKind
from phage.records.scanjob import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.records.sample import EngineResult, Part, Sample, Verdict
    from phage.scan.desk import Analysis

CATEGORIES = (*map(str, Category), "confirmed-timeout")
"""All that are counted; the last is one of VirusTotal's own."""

MOST_NAMES = 50

_STATUS = {JobState.QUEUED: "queued", JobState.LEASED: "in-progress"}
"""What is over is completed, however it ended: nobody waits for ever."""


def stats(results: Sequence[EngineResult]) -> dict[str, int]:
    """Return how many engines said what."""
    counted = Counter(str(each.category) for each in judges(results))
    return {name: counted[name] for name in CATEGORIES}


def judges(results: Sequence[EngineResult]) -> list[EngineResult]:
    """Return the rows of engines that judge; those that tell facts have no place here."""
    return [each for each in results if each.kind is EngineKind.EVILNESS]


def rows(results: Sequence[EngineResult]) -> dict[str, Any]:
    """Return what each engine said, by its name."""
    return {
        each.engine: {
            "category": str(each.category),
            "engine_name": each.engine,
            "engine_version": each.version.engine or None,
            "engine_update": _day(each.version.built) if each.version.built else None,
            "method": "blacklist",
            "result": each.label or None,
        }
        for each in judges(results)
    }


def file_object(sample: Sample, verdict: Verdict | None, base: str) -> dict[str, Any]:
    """Return a file with its last verdict; `base` is where the API is asked."""
    attributes: dict[str, Any] = {
        "sha256": sample.sha256,
        "sha1": sample.sha1,
        "md5": sample.md5,
        "size": sample.size,
        "type_tag": sample.kind,
        "type_description": sample.kind,
        "names": list(sample.names[:MOST_NAMES]),
        "meaningful_name": sample.names[0] if sample.names else sample.sha256,
        "tags": list(sample.tags),
        "times_submitted": sample.submissions,
        "first_submission_date": sample.first_seen // 10**9,
        "last_submission_date": sample.last_seen // 10**9,
        "reputation": 0,
        "total_votes": {"harmless": 0, "malicious": 0},
    }
    if verdict is not None:
        attributes |= {
            "last_analysis_date": verdict.time // 10**9,
            "last_analysis_stats": stats(verdict.results),
            "last_analysis_results": rows(verdict.results),
            "phage": _own(verdict),
            **_labels(verdict.results),
            **_fuzzy(verdict.results),
        }
    return _object("file", sample.sha256, f"{base}/files/{sample.sha256}", attributes)


def part_object(part: Part, base: str) -> dict[str, Any]:
    """Return a file that is in another one."""
    attributes = {
        "sha256": part.sha256,
        "size": part.size,
        "type_tag": part.kind,
        "names": [part.path[-1]] if part.path else [],
        "meaningful_name": part.path[-1] if part.path else part.sha256,
        "last_analysis_stats": stats(part.results),
        "last_analysis_results": rows(part.results),
        "phage": {"path": list(part.path), "faults": list(part.faults)},
    }
    return _object("file", part.sha256, f"{base}/files/{part.sha256}", attributes)


def analysis_object(analysis: Analysis, base: str) -> dict[str, Any]:
    """Return how far an analysis is, and what came of it."""
    results = analysis.verdict.results if analysis.verdict is not None else ()
    attributes: dict[str, Any] = {
        "date": (analysis.verdict.time if analysis.verdict else analysis.submitted) // 10**9,
        "status": _STATUS.get(analysis.state, "completed"),
        "stats": stats(results),
        "results": rows(results),
    }
    if analysis.verdict is not None:
        attributes["phage"] = _own(analysis.verdict)
    if analysis.error:
        attributes["phage"] = {"error": analysis.error}
    made = _object("analysis", analysis.id, f"{base}/analyses/{analysis.id}", attributes)
    made["links"]["item"] = f"{base}/files/{analysis.sha256}"
    return made


def verdict_object(verdict: Verdict, base: str) -> dict[str, Any]:
    """Return an earlier verdict as the analysis that it was."""
    attributes = {
        "date": verdict.time // 10**9,
        "status": "completed",
        "stats": stats(verdict.results),
        "results": rows(verdict.results),
        "phage": _own(verdict),
    }
    return _object("analysis", verdict.id, f"{base}/analyses/{verdict.id}", attributes)


def file_info(analysis: Analysis) -> dict[str, Any]:
    """Return which file an analysis is about."""
    if analysis.verdict is None:
        return {"sha256": analysis.sha256}
    sample = analysis.verdict.sample
    return {
        "sha256": sample.sha256,
        "sha1": sample.sha1,
        "md5": sample.md5,
        "size": sample.size,
    }


def _object(kind: str, id_: str, link: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "id": id_, "links": {"self": link}, "attributes": attributes}


def _own(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": str(verdict.outcome),
        "complete": verdict.complete,
        "reasons": [each.text for each in verdict.reasons],
        "parts": verdict.parts_total,
    }


def _labels(results: Sequence[EngineResult]) -> dict[str, Any]:
    labels = Counter(each.label for each in results if each.category is Category.MALICIOUS)
    if not labels:
        return {}
    names = [{"value": name, "count": count} for name, count in labels.most_common(10)]
    threat = {"suggested_threat_label": names[0]["value"], "popular_threat_name": names}
    return {"popular_threat_classification": threat}


def _fuzzy(results: Sequence[EngineResult]) -> dict[str, str]:
    """Return the digests by which files that are alike are found."""
    facts: Mapping[str, object] = next(
        (each.facts for each in results if each.engine == "fingerprint"), {}
    )
    return {name: str(facts[name]) for name in ("tlsh", "ssdeep") if facts.get(name)}


def _day(nanoseconds: int) -> str:
    return time.strftime("%Y%m%d", time.gmtime(nanoseconds // 10**9))
