"""Records of NVD's CVE API 2.0 and feeds (schema nvd_cve_2.0), and corrections in that shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.devices.vulnerabilities.reading.fields import (
    RecordError,
    boolean,
    cve_id,
    english,
    mapping,
    members,
    number,
    prose,
    text,
)
from phage.records.vulnerability import MatchString, Node, Vulnerability

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOURCE, OVERRIDE = "nvd", "override"

_METRICS = (
    ("cvssMetricV40", "4.0"),
    ("cvssMetricV31", "3.1"),
    ("cvssMetricV30", "3.0"),
    ("cvssMetricV2", "2.0"),
)
_MAX_DEPTH = 16


def read_nvd(item: object) -> Vulnerability:
    """Return the record of an item of `vulnerabilities`. Raises RecordError."""
    record = mapping(mapping(item, "record").get("cve"), "cve")
    name = cve_id(record.get("id"), "cve.id")
    score, version, vector = _cvss(mapping(record.get("metrics") or {}, "metrics"))
    return Vulnerability(
        id=name,
        source=SOURCE,
        modified=text(record, "lastModified", "cve", 40),
        published=text(record, "published", "cve", 40),
        description=english(members(record, "descriptions", "cve"), "descriptions"),
        cvss=score,
        cvss_version=version,
        cvss_vector=vector,
        weaknesses=_weaknesses(record),
        configurations=read_configurations(record),
        rejected=text(record, "vulnStatus", "cve").lower() == "rejected",
    )


def read_override(item: object) -> Vulnerability:
    """Return a correction of what NVD says is affected. Raises RecordError.

    In the form of anchore/nvd-data-overrides: `_annotation` names the vulnerability.
    """
    whole = mapping(item, "record")
    note = mapping(whole.get("_annotation"), "_annotation")
    return Vulnerability(
        id=cve_id(note.get("cve_id"), "_annotation.cve_id"),
        source=OVERRIDE,
        modified=text(note, "modified", "_annotation", 40),
        published=text(note, "published", "_annotation", 40),
        description=prose(text(note, "description", "_annotation", 8000)),
        configurations=read_configurations(mapping(whole.get("cve"), "cve")),
    )


def read_configurations(record: Mapping[str, Any]) -> tuple[Node, ...]:
    """Return what is affected. Raises RecordError."""
    return tuple(
        _node(each, "configurations", 0) for each in members(record, "configurations", "cve")
    )


def _node(value: object, where: str, depth: int) -> Node:
    """Return a configuration or a node of one: they differ in what they hold only."""
    if depth > _MAX_DEPTH:
        message = f"{where}: nodes are nested deeper than {_MAX_DEPTH}"
        raise RecordError(message)
    node = mapping(value, where)
    operator = text(node, "operator", where).upper() or "OR"
    if operator not in {"AND", "OR"}:
        message = f"{where}.operator: {operator[:20]!r} is neither AND nor OR"
        raise RecordError(message)
    below = (*members(node, "nodes", where), *members(node, "children", where))
    return Node(
        operator,
        boolean(node, "negate", where, default=False),
        tuple(_match(each) for each in members(node, "cpeMatch", where)),
        tuple(_node(each, "nodes", depth + 1) for each in below),
    )


def _match(value: object) -> MatchString:
    match = mapping(value, "cpeMatch")
    criteria = text(match, "criteria", "cpeMatch", 1025)
    if not criteria.lower().startswith("cpe:"):
        message = f"cpeMatch.criteria: {criteria[:60]!r} is no CPE name"
        raise RecordError(message)
    return MatchString(
        criteria,
        boolean(match, "vulnerable", "cpeMatch", default=True),
        text(match, "versionStartIncluding", "cpeMatch"),
        text(match, "versionStartExcluding", "cpeMatch"),
        text(match, "versionEndIncluding", "cpeMatch"),
        text(match, "versionEndExcluding", "cpeMatch"),
    )


def _cvss(metrics: Mapping[str, Any]) -> tuple[float | None, str, str]:
    """Return score, version and vector of the newest CVSS there is, NVD's own before others'."""
    for name, version in _METRICS:
        found = [mapping(each, name) for each in members(metrics, name, "metrics")]
        found.sort(key=lambda each: each.get("type") != "Primary")
        for each in found:
            data = mapping(each.get("cvssData"), f"{name}.cvssData")
            score = number(data, "baseScore", f"{name}.cvssData", 10)
            if score is not None:
                return score, version, text(data, "vectorString", f"{name}.cvssData")
    return None, "", ""


def _weaknesses(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_each_weakness(record)))[:20]


def _each_weakness(record: Mapping[str, Any]) -> Iterator[str]:
    for weakness in members(record, "weaknesses", "cve"):
        for each in members(mapping(weakness, "weaknesses"), "description", "weaknesses"):
            value = text(mapping(each, "weaknesses"), "value", "weaknesses", 32)
            if value.startswith("CWE-"):
                yield value
