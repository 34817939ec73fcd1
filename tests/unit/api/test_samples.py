"""Samples and engines over phage's own API."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phage.records.sample import Outcome
from phage.scan.trials import EICAR
from phage.testing.household import EICAR as PACKED
from phage.testing.household import eicar_verdict
from phage.testing.scandesk import FakeScanDesk

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

    from phage.testing.apilab import ApiLab


@pytest.fixture
def desk(lab: ApiLab) -> FakeScanDesk:
    found = lab.services.scanning
    assert isinstance(found, FakeScanDesk)
    return found


def upload(client: TestClient, data: bytes = EICAR, name: str = "c.com") -> Any:
    return client.post("/api/v1/samples", files={"file": (name, data)})


def test_a_file_is_handed_over_followed_and_cancelled(lab: ApiLab, desk: FakeScanDesk) -> None:
    client = lab.client("operator")
    desk.slow = True
    taken = upload(client)
    assert taken.status_code == 202
    told = taken.json()
    assert (told["state"], told["name"], told["outcome"]) == ("leased", "c.com", "")
    assert (told["parts"], told["engines"]) == (1, {"yara": "undetected"})
    place = f"/api/v1/analyses/{told['id']}"
    assert client.delete(place).status_code == 204
    assert client.get(place).json()["state"] == "cancelled"
    assert client.delete(place).status_code == 409
    assert client.delete("/api/v1/analyses/ffff").status_code == 404
    desk.slow = False
    done = upload(client, b"good").json()
    assert (done["state"], done["outcome"]) == ("done", "clean")


def test_samples_are_listed_in_pages_and_searched(lab: ApiLab) -> None:
    client = lab.client("operator")
    for number in range(7):
        lab.clock.nanoseconds += 1
        upload(client, b"file %d" % number, f"{number}.txt")
    upload(client)
    seen, cursor = [], ""
    while True:
        page = client.get("/api/v1/samples", params={"limit": 3, "cursor": cursor}).json()
        seen += [each["names"][0] for each in page["items"]]
        if not (cursor := page["next"]):
            break
    assert sorted(seen) == sorted([*(f"{number}.txt" for number in range(7)), "c.com"])

    def found(**wanted: str) -> list[str]:
        items = client.get("/api/v1/samples", params=wanted).json()["items"]
        return sorted(each["names"][0] for each in items)

    (infected,) = client.get("/api/v1/samples?outcome=infected").json()["items"]
    assert infected["names"] == ["c.com"]
    assert found(name="3.t") == ["3.txt"]
    for digest in (infected["md5"], infected["sha1"], infected["sha256"][:12]):
        assert found(hash=digest) == ["c.com"]
    assert found(fact="yara.label", value="eicar") == ["c.com"]
    assert found(value="eicar") == ["c.com"]
    assert found(kind="nothing") == []
    assert client.get("/api/v1/samples?fields=names").json()["items"][0].keys() == {"id", "names"}
    assert client.get("/api/v1/samples?cursor=xx").status_code == 422


def test_a_sample_is_shown_with_all_that_is_in_it(lab: ApiLab) -> None:
    first = eicar_verdict(lab.clock.now())
    lab.store.samples.save(replace(first, id="old", outcome=Outcome.CLEAN, results=(),
                                   time=first.time - 1))  # fmt: skip
    lab.store.samples.save(first)
    client = lab.client("viewer")
    shown = client.get(f"/api/v1/samples/{PACKED[:12]}").json()
    assert shown["verdict"]["outcome"] == "infected"
    assert [each["path"] for each in shown["verdict"]["parts"]] == [[], ["eicar.com"]]
    assert shown["kept"] is False
    old = client.get(f"/api/v1/samples/{PACKED}", params={"verdict": "old"}).json()
    assert old["verdict"]["outcome"] == "clean"
    assert client.get(f"/api/v1/samples/{PACKED}?verdict=none").status_code == 404
    history = client.get(f"/api/v1/samples/{PACKED}/history").json()
    assert [(each["before"], each["outcome"]) for each in history] == [
        ("clean", "infected"),
        ("", "clean"),
    ]
    assert "clamav: new, malicious Eicar-Test-Signature" in history[0]["changes"]


def test_a_sample_is_scanned_again_and_removed(lab: ApiLab) -> None:
    client = lab.client("operator")
    sha256 = upload(client).json()["sha256"]
    again = client.post(f"/api/v1/samples/{sha256}/rescan", json={"forgive": True})
    assert again.status_code == 202
    assert again.json()["outcome"] == "infected"
    assert client.post(f"/api/v1/samples/{sha256}/rescan").status_code == 202
    assert client.delete(f"/api/v1/samples/{sha256}").status_code == 204
    assert client.delete(f"/api/v1/samples/{sha256}").status_code == 404
    lab.store.samples.save(eicar_verdict(lab.clock.now()))
    answer = client.post(f"/api/v1/samples/{PACKED}/rescan")
    assert answer.status_code == 409
    assert "not kept any more" in answer.json()["detail"]


@pytest.mark.parametrize("size", [0, 1, 16, 68, 2**20 + 5])
def test_the_sample_itself_is_for_who_may_have_it(lab: ApiLab, tmp_path: Path, size: int) -> None:
    data = bytes(number % 251 for number in range(min(size, 4096))) * max(1, size // 4096)
    sha256 = upload(lab.client("operator"), data, "x.exe").json()["sha256"]
    place = f"/api/v1/samples/{sha256}/download"
    assert lab.client("operator").get(place).status_code == 403
    assert lab.client("admin", ("samples:*",)).get(place).status_code == 403
    answer = lab.client("admin").get(place)
    assert answer.headers["Content-Type"] == "application/zip"
    assert "infected.zip" in answer.headers["Content-Disposition"]
    assert data not in answer.content or size < 16
    (entry, *_) = lab.access.audit.list()
    assert (entry.act, entry.subject) == ("download sample", sha256)
    program = shutil.which("7zz") or shutil.which("7z")
    if program is None:
        pytest.skip("lacks 7zip")
    (tmp_path / "a.zip").write_bytes(answer.content)
    for password, right in (("wrong", False), ("infected", True)):
        command = (program, "x", "-y", f"-p{password}", "-so", "a.zip")
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode == 0 and done.stdout == data) == right


def test_what_is_no_longer_kept_cannot_be_had(lab: ApiLab) -> None:
    lab.store.samples.save(eicar_verdict(lab.clock.now()))
    assert lab.client("admin").get(f"/api/v1/samples/{PACKED}/download").status_code == 404


def test_engines_are_listed_and_tested(lab: ApiLab) -> None:
    client = lab.client("operator")
    engines = {each["name"]: each for each in client.get("/api/v1/engines").json()["items"]}
    assert engines["clamav"]["reason"] == "no clamd"
    assert client.get("/api/v1/engines/yara").json()["tested"] == ""
    tested = client.post("/api/v1/engines/yara/test").json()
    assert (tested["tested"] != "", tested["fault"]) == (True, "")
    assert lab.client("viewer").post("/api/v1/engines/yara/test").status_code == 403
    for path in ("/api/v1/engines/none", "/api/v1/engines/none/test"):
        method = "POST" if path.endswith("test") else "GET"
        assert client.request(method, path).status_code == 404


def test_where_nothing_is_scanned_that_is_said(lab: ApiLab) -> None:
    client = lab.having(scanning=None).client("admin")
    for path in ("/api/v1/engines", "/api/v1/analyses/0000"):
        assert client.get(path).status_code == 503
    assert client.get("/api/v1/samples").status_code == 200
