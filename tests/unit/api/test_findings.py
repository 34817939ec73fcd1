"""Findings over the API: pages, order, narrowing, fields, labels, packets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phage.records import Severity
from phage.testing.records import make_finding

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab

FINDINGS = "/api/v1/findings"


@pytest.fixture
def many(lab: ApiLab) -> ApiLab:
    severities = list(Severity)
    lab.store.findings.save(
        make_finding(number, severity=severities[number % 5]) for number in range(25)
    )
    return lab


@pytest.mark.parametrize("sort", ["last_seen", "first_seen", "severity"])
def test_pages_show_every_finding_once_in_order(many: ApiLab, sort: str) -> None:
    client, seen, cursor = many.client("viewer"), [], ""
    while True:
        page = client.get(FINDINGS, params={"sort": sort, "limit": 4, "cursor": cursor}).json()
        seen += page["items"]
        cursor = page["next"]
        if not cursor:
            break
    assert len({each["id"] for each in seen}) == len(seen) == 25
    ranks = {severity.value: severity.rank for severity in Severity}
    keys = [ranks[each[sort]] if sort == "severity" else each[sort] for each in seen]
    assert keys == sorted(keys, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "bnVsbA", "!!!", "W251bGwsbnVsbF0"])
def test_cursors_that_are_none_are_refused(many: ApiLab, cursor: str) -> None:
    answer = many.client().get(FINDINGS, params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "query.cursor"


def test_only_the_fields_that_are_wanted_come(many: ApiLab) -> None:
    client = many.client()
    items = client.get(FINDINGS, params={"fields": "summary,severity"}).json()["items"]
    assert set(items[0]) == {"id", "summary", "severity"}
    assert client.get(FINDINGS, params={"fields": "nothing"}).status_code == 422


def test_a_finding_is_labelled_and_the_label_taken_back(many: ApiLab) -> None:
    client = many.client("operator")
    place = f"{FINDINGS}/{make_finding(3).id}"
    body = {"label": "not an attack", "note": "the scanner of the office"}
    label = client.put(f"{place}/label", json=body).json()
    assert (label["label"], label["by"]) == ("not an attack", "user:operator")
    assert client.get(place).json()["label"] == label
    assert many.client("viewer").put(f"{place}/label", json=body).status_code == 403
    assert client.delete(f"{place}/label").status_code == 204
    assert client.get(place).json()["label"] is None
    noted = many.access.audit.list(limit=1)[0]
    assert noted.act == "DELETE unlabel_finding"
    assert noted.actor.startswith("user:operator")


def test_packets_are_downloaded_by_operators(many: ApiLab) -> None:
    finding = make_finding(1)
    folder = many.services.captures
    assert folder is not None
    folder.mkdir()
    (folder / "one.pcap").write_bytes(b"\xd4\xc3\xb2\xa1")
    place = f"{FINDINGS}/{finding.id}/packets"
    assert many.client().get(place).status_code == 404
    many.store.findings.save([replace(finding, capture="one.pcap")])
    assert many.client("operator").get(place).content == b"\xd4\xc3\xb2\xa1"
    assert many.client("viewer").get(place).status_code == 403
    for name in ("../store.sqlite3", "/etc/passwd", ".hidden", "gone.pcap"):
        many.store.findings.save([replace(finding, capture=name)])
        assert many.client().get(place).status_code == 404
    (folder / "link.pcap").symlink_to("/etc/passwd")
    many.store.findings.save([replace(finding, capture="link.pcap")])
    assert many.client().get(place).status_code == 404


def test_a_device_with_a_hostile_name_is_data(many: ApiLab) -> None:
    hostile = '"><script>alert(1)</script>'
    many.store.findings.save([make_finding(99, summary=hostile)])
    answer = many.client().get(f"{FINDINGS}/{make_finding(99).id}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["summary"] == hostile
