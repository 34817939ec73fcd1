"""Verdicts as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.clock import rfc3339
from phage.records.sample import EngineKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.records.sample import EngineResult, Verdict

SHOWN_PARTS = 50
SHOWN_FACTS = 40


def explain_verdict(verdict: Verdict) -> Iterator[str]:
    """Yield a verdict in lines: what, why, who said what, what is in it, facts."""
    sample = verdict.sample
    ratio = f"{verdict.positives}/{verdict.judged}"
    rest = "" if verdict.complete else ", not all was looked at"
    yield f"{verdict.outcome} ({ratio} engines){rest}"
    for reason in verdict.reasons:
        yield f"  {reason.outcome}: {reason.text}"
    yield ""
    yield f"sha256     {sample.sha256}"
    yield f"sha1       {sample.sha1}"
    yield f"md5        {sample.md5}"
    yield f"size       {sample.size:,} octets, {sample.kind}"
    yield f"names      {', '.join(sample.names) or 'unknown'}"
    if sample.tags:
        yield f"tags       {', '.join(sample.tags)}"
    yield f"scanned    {rfc3339(verdict.time)}, isolation {verdict.isolation}"
    yield ""
    yield from _rows(verdict.results)
    yield from _parts(verdict)
    yield from _facts(verdict.results)


def _rows(results: Sequence[EngineResult]) -> Iterator[str]:
    order = sorted(results, key=lambda each: (-each.category.rank, each.engine))
    for each in order:
        if each.kind is EngineKind.METADATA and each.category.is_answer:
            continue
        said = each.label or each.error
        yield f"  {each.engine:12} {each.category:16} {said}".rstrip()


def _parts(verdict: Verdict) -> Iterator[str]:
    if verdict.parts_total < 2:
        return
    yield ""
    yield f"in it ({verdict.parts_total - 1:,} files)"
    shown = [part for part in verdict.parts if part.path][:SHOWN_PARTS]
    for part in shown:
        found = [each for each in part.results if each.label]
        mark = f"  {', '.join(f'{each.engine}: {each.label}' for each in found)}" if found else ""
        yield f"  {' > '.join(part.path)}  {part.kind}, {part.size:,} octets{mark}"
    if verdict.parts_total - 1 > len(shown):
        yield f"  and {verdict.parts_total - 1 - len(shown):,} more"


def _facts(results: Sequence[EngineResult]) -> Iterator[str]:
    for each in results:
        plain = {
            name: value for name, value in each.facts.items() if not isinstance(value, dict | list)
        }
        if not plain:
            continue
        yield ""
        yield each.engine
        for name, value in list(plain.items())[:SHOWN_FACTS]:
            yield f"  {name:24} {value}"
