"""What engines say differently from one verdict to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phage.records.sample import Verdict


def changes(before: Verdict | None, after: Verdict) -> list[str]:
    """Return what engines say differently: "yara: undetected -> malicious Rule"."""
    if before is None:
        return []
    old = {row.engine: row for row in before.results}
    told = []
    for row in after.results:
        was = old.pop(row.engine, None)
        if was is None:
            told.append(f"{row.engine}: new, {row.category} {row.label}".rstrip())
        elif (was.category, was.label) != (row.category, row.label):
            said = f"{was.category} {was.label}".rstrip(), f"{row.category} {row.label}".rstrip()
            told.append(f"{row.engine}: {said[0]} -> {said[1]}")
        elif was.version != row.version:
            told.append(f"{row.engine}: other version, the same answer")
    return told + [f"{engine}: not asked" for engine in old]
