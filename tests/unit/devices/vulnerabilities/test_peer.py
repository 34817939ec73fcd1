"""Every match string of the given NVD records, asked at and around its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.devices.vulnerabilities.applicability import Criterion, Truth
from phage.devices.vulnerabilities.cpe import NA, literal
from phage.devices.vulnerabilities.documents import Document
from phage.devices.vulnerabilities.importing import read_records
from phage.devices.vulnerabilities.versions import compare_versions
from phage.records.vulnerability import Vulnerability

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.records.vulnerability import MatchString, Node

pytestmark = pytest.mark.peer


def matches(node: Node) -> Iterator[MatchString]:
    yield from node.matches
    for each in node.nodes:
        yield from matches(each)


def cases(match: MatchString) -> Iterator[tuple[str, bool]]:
    start = match.start_including or match.start_excluding
    end = match.end_including or match.end_excluding
    if start and end and compare_versions(start, end) != -1:
        return  # Empty, or the versions have no order: a slip of whoever wrote it.
    if match.start_including:
        yield match.start_including, True
    if match.start_excluding:
        yield match.start_excluding, False
    if match.end_including:
        yield match.end_including, True
    if match.end_excluding:
        yield match.end_excluding, False
    if end and end[0].isdigit():
        yield "99999999", False
    if start and start[0].isdigit():
        yield "0.0.0.0.1", compare_versions("0.0.0.0.1", start) == 1 and not match.start_excluding


@pytest.mark.parametrize(
    "name", ["nvd_overrides.dev.ndjson.gz", "nvd_api_pages/vunnel_full-page.json",
             "nvd_api_pages/nvdlib_CVE-2021-26855.json"]
)  # fmt: skip
def test_every_match_string(peer_data: Path, name: str) -> None:
    asked, wrong = 0, []
    for record in read_records(Document(peer_data / "devices" / "cve" / name)):
        assert isinstance(record, Vulnerability)
        for match in (m for node in record.configurations for m in matches(node)):
            criterion = Criterion.of(match)
            if not criterion.bounds:
                asked += 1
                if criterion.applies(criterion.name) is not Truth.YES:
                    wrong.append((record.id, match, ""))
                continue
            for version, expected in cases(match):
                asked += 1
                seen = criterion.name._replace(version=literal(version))
                if (criterion.applies(seen) is Truth.YES) != expected:
                    wrong.append((record.id, match, version))
            assert criterion.applies(criterion.name._replace(version=NA)) is Truth.NO
    assert asked > 20
    assert wrong == []
