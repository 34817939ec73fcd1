"""Lists about vulnerabilities: CISA's KEV, FIRST's EPSS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.devices.vulnerabilities.reading.fields import (
    RecordError,
    cve_id,
    mapping,
    prose,
    text,
)
from phage.records.vulnerability import Exploited, Likelihood

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def read_kev(item: object) -> Exploited:
    """Return an entry of `vulnerabilities` of KEV. Raises RecordError."""
    entry = mapping(item, "record")
    return Exploited(
        cve=cve_id(entry.get("cveID"), "cveID"),
        name=prose(text(entry, "vulnerabilityName", "record", 400)),
        added=text(entry, "dateAdded", "record", 32),
        due=text(entry, "dueDate", "record", 32),
        action=prose(text(entry, "requiredAction", "record", 1000)),
        ransomware=text(entry, "knownRansomwareCampaignUse", "record").lower() == "known",
    )


def epss_header(line: str) -> str:
    """Return the date of the scores, of the first line of a file; '' where it is none."""
    if not line.startswith("#"):
        return ""
    fields = dict(part.partition(":")[::2] for part in line.lstrip("#").strip().split(","))
    return fields.get("score_date", "")[:40]


def read_epss(lines: Iterable[str]) -> Iterator[Likelihood]:
    """Yield the scores of the lines behind the header `cve,epss,percentile`.

    Raises RecordError, whose text begins with the line's number counted from the first given.
    """
    names: list[str] = []
    for at, line in enumerate(lines, start=1):
        values = line.strip().split(",")
        if values == [""] or line.startswith("#"):
            continue
        if not names:
            names = [value.strip().lower() for value in values]
            if names[:2] != ["cve", "epss"]:
                message = f"line {at}: no header cve,epss,percentile"
                raise RecordError(message)
            continue
        yield _likelihood(values, names, at)


def _likelihood(values: list[str], names: list[str], at: int) -> Likelihood:
    if len(values) != len(names):
        message = f"line {at}: has {len(values)} fields, not {len(names)}"
        raise RecordError(message)
    try:
        score = float(values[1])
        percentile = float(values[2]) if len(values) > 2 else 0.0
    except ValueError as error:
        message = f"line {at}: {error}"
        raise RecordError(message) from error
    if not (0 <= score <= 1 and 0 <= percentile <= 1):
        message = f"line {at}: a likelihood is from 0 to 1"
        raise RecordError(message)
    return Likelihood(cve_id(values[0].strip(), f"line {at}"), score, percentile)
