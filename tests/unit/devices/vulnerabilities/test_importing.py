from __future__ import annotations

import gzip
import json
import lzma
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock
from phage.devices.vulnerabilities import importing
from phage.devices.vulnerabilities.importing import CveImportError, Importer
from phage.records.cveimport import SaveCount
from phage.store.store import Store, StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    location = StoreLocation(f"sqlite:///{tmp_path}/store.sqlite3")
    with open_store(location, FixedClock()) as opened:
        yield opened


def nvd(number: int, end: str = "2.0", modified: str = "2024-01-01T00:00:00.000") -> dict[str, Any]:
    match = {
        "vulnerable": True,
        "criteria": f"cpe:2.3:a:vendor:product{number % 7}:*:*:*:*:*:*:*:*",
        "versionEndExcluding": end,
    }
    return {
        "cve": {
            "id": f"CVE-2020-{number:05}",
            "lastModified": modified,
            "descriptions": [{"lang": "en", "value": "A \x1b[31mfault\n in it"}],
            "metrics": {
                "cvssMetricV31": [
                    {"type": "Secondary", "cvssData": {"baseScore": 1.0}},
                    {
                        "type": "Primary",
                        "cvssData": {"baseScore": 9.8, "vectorString": "CVSS:3.1/x"},
                    },
                ]
            },
            "configurations": [
                {"nodes": [{"operator": "OR", "negate": False, "cpeMatch": [match]}]}
            ],
        }
    }


def page(records: list[dict[str, Any]], **header: Any) -> dict[str, Any]:
    return {
        "resultsPerPage": len(records),
        "startIndex": 0,
        "totalResults": len(records),
        "format": "NVD_CVE",
        "version": "2.0",
        **header,
        "vulnerabilities": records,
    }


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def run(store: Store, path: Path) -> importing.ImportReport:
    return Importer(store.vulnerabilities, FixedClock()).run(path)


def test_a_page_of_the_api(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "page.json", page([nvd(n) for n in range(3)]))
    assert run(store, path).count == SaveCount(new=3)
    assert run(store, path).count == SaveCount(unchanged=3)
    record = store.vulnerabilities.get("cve-2020-00001")
    assert record is not None
    assert (record.cvss, record.cvss_version, record.cvss_vector) == (9.8, "3.1", "CVSS:3.1/x")
    assert record.description == "A \\x1b[31mfault in it"
    assert [each.id for each in store.vulnerabilities.of_product("vendor", "product1")] == [
        record.id
    ]
    assert store.vulnerabilities.vendors_of("product1") == ["vendor"]


@pytest.mark.parametrize("packed", ["gz", "xz", "zip", "lines", "list"])
def test_forms_of_files(store: Store, tmp_path: Path, packed: str) -> None:
    records = [nvd(n) for n in range(5)]
    whole = json.dumps(page(records)).encode()
    path = tmp_path / f"records.{packed if packed in {'gz', 'xz', 'zip'} else 'json'}"
    if packed == "gz":
        path.write_bytes(gzip.compress(whole))
    elif packed == "xz":
        path.write_bytes(lzma.compress(whole))
    elif packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("cves/1.json", whole)
            archive.writestr("README.md", "nothing")
    elif packed == "lines":
        path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    else:
        write(path, records)
    assert run(store, path).count == SaveCount(new=5)


def test_newer_records_replace_older_ones_only(store: Store, tmp_path: Path) -> None:
    new = write(tmp_path / "new.json", page([nvd(1, "3.0", "2024-06-01")]))
    old = write(tmp_path / "old.json", page([nvd(1, "2.0", "2024-01-01")]))
    run(store, old)
    assert run(store, new).count == SaveCount(changed=1)
    assert run(store, old).count == SaveCount(unchanged=1)
    record = store.vulnerabilities.get("CVE-2020-00001")
    assert record is not None
    assert record.configurations[0].nodes[0].matches[0].end_excluding == "3.0"


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("packed", [False, True])
def test_half_a_download_changes_nothing(
    store: Store, tmp_path: Path, cut: float, packed: bool
) -> None:
    whole = json.dumps(page([nvd(n) for n in range(700)])).encode()
    raw = gzip.compress(whole) if packed else whole
    path = tmp_path / "half.json"
    path.write_bytes(raw[: int(len(raw) * cut)])
    report = run(store, path)
    assert report.faulty == 1
    assert str(path) in report.faults[0]
    assert store.vulnerabilities.counts()["records"] == 0


def test_a_damaged_record_is_named_and_nothing_of_its_file_is_taken(
    store: Store, tmp_path: Path
) -> None:
    records = [nvd(n) for n in range(600)]
    records[412]["cve"]["configurations"][0]["nodes"][0]["cpeMatch"] = "nonsense"
    write(tmp_path / "a.json", page(records))
    write(tmp_path / "b.json", page([nvd(1000)]))
    report = run(store, tmp_path)
    assert report.count == SaveCount(new=1)
    assert "a.json: record 413: nodes.cpeMatch: is no list" in report.faults[0]


def test_a_page_with_fewer_records_than_it_says_is_not_whole(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "page.json", page([nvd(1)], resultsPerPage=2000))
    assert "not whole" in run(store, path).faults[0]


def test_an_import_that_was_killed_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 50)
    monkeypatch.setattr(importing, "KEPT", 100)
    path = write(tmp_path / "feed.json", page([nvd(n) for n in range(333)]))
    saves = 0
    save = store.vulnerabilities.save

    def killed(*arguments: Any) -> SaveCount:
        nonlocal saves
        saves += 1
        if saves == 4:
            raise KeyboardInterrupt
        return save(*arguments)

    monkeypatch.setattr(store.vulnerabilities, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        run(store, path)
    assert store.vulnerabilities.counts()["records"] == 150
    assert run(store, path).count == SaveCount(new=183)
    assert store.vulnerabilities.counts()["records"] == 333
    assert run(store, path).known == 1


def test_known_exploited(store: Store, tmp_path: Path) -> None:
    entry = {"cveID": "CVE-2020-00001", "dateAdded": "2021-01-01", "vulnerabilityName": "Name",
             "knownRansomwareCampaignUse": "Known"}  # fmt: skip
    whole = {"dateReleased": "2024-02-01", "count": 1, "vulnerabilities": [entry]}
    assert run(store, write(tmp_path / "kev.json", whole)).exploited == 1
    assert store.vulnerabilities.exploited(["CVE-2020-00001"])["CVE-2020-00001"].ransomware
    older = whole | {"dateReleased": "2024-01-01", "vulnerabilities": [], "count": 0}
    older["vulnerabilities"] = [entry | {"cveID": "CVE-2020-00009"}]
    assert "left out" in run(store, write(tmp_path / "old.json", older)).notes[0]
    half = whole | {"dateReleased": "2024-03-01", "count": 1404}
    assert run(store, write(tmp_path / "half.json", half)).faulty == 1
    assert list(store.vulnerabilities.exploited(["CVE-2020-00001"]))


def test_likelihoods(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "epss.csv.gz"
    text = (
        "#model_version:v2023.03.01,score_date:2023-06-24T00:00:00+0000\n"
        "cve,epss,percentile\nCVE-1999-0001,0.011,0.82987\nCVE-1999-0002,0.5,0.9\n"
    )
    path.write_bytes(gzip.compress(text.encode()))
    assert run(store, path).likelihoods == 2
    assert store.vulnerabilities.likelihoods(["CVE-1999-0001"])["CVE-1999-0001"].score == 0.011
    path.write_bytes(gzip.compress(text.replace("0.5", "5.0").encode()))
    assert "line 4: a likelihood is from 0 to 1" in run(store, path).faults[0]
    assert len(store.vulnerabilities.likelihoods(["CVE-1999-0001", "CVE-1999-0002"])) == 2


def test_a_record_of_the_cve_list(store: Store, tmp_path: Path) -> None:
    record = {
        "dataType": "CVE_RECORD",
        "cveMetadata": {"cveId": "CVE-2023-28771", "state": "PUBLISHED", "dateUpdated": "2024"},
        "containers": {
            "cna": {
                "descriptions": [{"lang": "en", "value": "Text"}],
                "metrics": [{"cvssV3_1": {"baseScore": 9.8, "vectorString": "V"}}],
                "affected": [{"vendor": "Zyxel", "versions": [{"version": "4.60 through 4.73"}]}],
            },
            "adp": [
                {
                    "metrics": [
                        {"other": {"type": "ssvc", "content": {"options": [
                            {"Exploitation": "poc"}]}}},
                        {"other": {"type": "kev", "content": {}}},
                    ],
                    "affected": [
                        {
                            "cpes": ["cpe:2.3:o:zyxel:zywall_firmware:*:*:*:*:*:*:*:*"],
                            "versions": [
                                {"version": "4.60", "status": "affected", "lessThanOrEqual": "4.73"}
                            ],
                        }
                    ],
                }
            ],
        },
    }  # fmt: skip
    run(store, write(tmp_path / "CVE-2023-28771.json", record))
    found = store.vulnerabilities.get("CVE-2023-28771")
    assert found is not None
    assert (found.cvss, found.exploitation) == (9.8, "active")
    match = found.configurations[0].matches[0]
    assert (match.start_including, match.end_including) == ("4.60", "4.73")


def test_a_correction_is_stronger_than_what_it_corrects(store: Store, tmp_path: Path) -> None:
    run(store, write(tmp_path / "page.json", page([nvd(1)])))
    match = {"criteria": "cpe:2.3:a:null:null:*:*:*:*:*:*:*:*", "vulnerable": False}
    override = {
        "_annotation": {"cve_id": "CVE-2020-00001"},
        "cve": {"configurations": [{"nodes": [{"operator": "OR", "cpeMatch": [match]}]}]},
    }
    run(store, write(tmp_path / "override.json", override))
    record = store.vulnerabilities.get("CVE-2020-00001")
    assert record is not None
    assert record.configurations[0].nodes[0].matches[0].criteria.startswith("cpe:2.3:a:null")
    assert record.cvss == 9.8


def test_foreign_files(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", {"hello": 1})
    assert "is no record" in run(store, path).faults[0]
    path.write_text("[[[[", encoding="utf-8")
    assert run(store, path).faulty == 1
    path.write_text("[" * 200_000, encoding="utf-8")
    assert run(store, path).faulty == 1
    path.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in run(store, path).faults[0]
    path.write_bytes(b"")
    assert "empty" in run(store, path).faults[0]
    with pytest.raises(CveImportError, match="no such file"):
        run(store, tmp_path / "none.json")
