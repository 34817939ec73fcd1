"""Records of the CVE list (CVE JSON 5.x), with what CISA adds to them (Vulnrichment)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.devices.vulnerabilities.cpe import ANY, Cpe, CpeError, literal, parse_cpe
from phage.devices.vulnerabilities.reading.fields import (
    cve_id,
    english,
    mapping,
    members,
    number,
    prose,
    text,
)
from phage.devices.vulnerabilities.reading.nvd import read_configurations
from phage.devices.vulnerabilities.reading.ranges import Range, ranges_of
from phage.records.vulnerability import MatchString, Node, Vulnerability

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCE = "cve"

_METRICS = (("cvssV4_0", "4.0"), ("cvssV3_1", "3.1"), ("cvssV3_0", "3.0"), ("cvssV2_0", "2.0"))


def read_cve(item: object) -> Vulnerability:
    """Return the record of a CVE JSON 5 document. Raises RecordError."""
    record = mapping(item, "record")
    meta = mapping(record.get("cveMetadata"), "cveMetadata")
    name = cve_id(meta.get("cveId"), "cveMetadata.cveId")
    parts = mapping(record.get("containers"), "containers")
    cna = mapping(parts.get("cna") or {}, "cna")
    containers = [cna, *(mapping(each, "adp") for each in members(parts, "adp", "containers"))]
    score, version, vector = _cvss(containers)
    description = english(members(cna, "descriptions", "cna"), "descriptions")
    return Vulnerability(
        id=name,
        source=SOURCE,
        modified=text(meta, "dateUpdated", "cveMetadata", 40),
        published=text(meta, "datePublished", "cveMetadata", 40),
        description=description or prose(text(cna, "title", "cna", 1000)),
        cvss=score,
        cvss_version=version,
        cvss_vector=vector,
        weaknesses=tuple(dict.fromkeys(_weaknesses(containers)))[:20],
        exploitation=_exploitation(containers),
        configurations=tuple(_configurations(containers)),
        rejected=text(meta, "state", "cveMetadata").upper() == "REJECTED",
    )


def _cvss(containers: Sequence[Mapping[str, Any]]) -> tuple[float | None, str, str]:
    metrics = [
        mapping(each, "metrics") for part in containers for each in members(part, "metrics", "cna")
    ]
    for name, version in _METRICS:
        for metric in metrics:
            if name not in metric:
                continue
            data = mapping(metric[name], name)
            score = number(data, "baseScore", name, 10)
            if score is not None:
                return score, version, text(data, "vectorString", name)
    return None, "", ""


def _weaknesses(containers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for part in containers:
        for kind in members(part, "problemTypes", "cna"):
            for each in members(mapping(kind, "problemTypes"), "descriptions", "problemTypes"):
                value = text(mapping(each, "problemTypes"), "cweId", "problemTypes", 32)
                if value.startswith("CWE-"):
                    yield value


def _exploitation(containers: Sequence[Mapping[str, Any]]) -> str:
    """Return how far attacks are known, by CISA's SSVC; "active" also for what KEV lists."""
    found = ""
    for part in containers:
        for each in members(part, "metrics", "adp"):
            other = mapping(mapping(each, "metrics").get("other") or {}, "other")
            kind = other.get("type")
            if kind == "kev":
                return "active"
            if kind != "ssvc":
                continue
            content = mapping(other.get("content") or {}, "ssvc")
            for option in members(content, "options", "ssvc"):
                found = text(mapping(option, "ssvc"), "Exploitation", "ssvc", 16) or found
    return found.lower()


def _configurations(containers: Sequence[Mapping[str, Any]]) -> Iterator[Node]:
    """Yield what is affected: as a container states it, else from its versions."""
    for part in containers:
        stated = members(part, "cpeApplicability", "cna")
        if stated:
            yield from read_configurations({"configurations": stated})
            continue
        matches = [
            match
            for each in members(part, "affected", "cna")
            for match in _matches(mapping(each, "affected"))
        ]
        if matches:
            yield Node("OR", negate=False, matches=tuple(dict.fromkeys(matches)))


def _matches(affected: Mapping[str, Any]) -> Iterator[MatchString]:
    names = [each for each in members(affected, "cpes", "affected") if isinstance(each, str)]
    if not names:
        return
    default = text(affected, "defaultStatus", "affected").lower()
    versions = [mapping(each, "versions") for each in members(affected, "versions", "affected")]
    ranges = list(ranges_of(versions, default))
    for name in names:
        try:
            cpe = parse_cpe(name)
        except CpeError:
            continue  # Prose in the place of a name; others of this record may be sound.
        stated = cpe.version != ANY
        if stated and not any(each.has_bounds for each in ranges):
            yield MatchString(str(cpe))  # Several names, each with its version.
            continue
        if not ranges and not versions and not stated:
            yield MatchString(str(cpe))
        for each in ranges:
            yield _match(cpe._replace(version=ANY), each)


def _match(cpe: Cpe, found: Range) -> MatchString:
    if found.exactly:
        return MatchString(str(cpe._replace(version=literal(found.exactly))))
    return MatchString(
        str(cpe),
        vulnerable=True,
        start_including=found.start_including,
        start_excluding=found.start_excluding,
        end_including=found.end_including,
        end_excluding=found.end_excluding,
    )
