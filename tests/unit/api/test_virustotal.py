"""Files over VirusTotal's interface."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phage.scan.desk import NoRoomError, TooManyError
from phage.scan.trials import EICAR
from phage.testing.household import EICAR as PACKED
from phage.testing.household import eicar_verdict
from phage.testing.scandesk import FakeScanDesk

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

    from phage.testing.apilab import ApiLab


@pytest.fixture
def desk(lab: ApiLab, tmp_path: Path) -> FakeScanDesk:
    return FakeScanDesk(lab.store, tmp_path / "vault", lab.clock)


@pytest.fixture
def client(lab: ApiLab, desk: FakeScanDesk) -> TestClient:
    made = lab.having(scanning=desk).nobody()
    _, secret = lab.access.tokens.create("operator", "vt", ("samples:*",))
    made.headers["x-apikey"] = secret
    return made


def upload(client: TestClient, data: bytes, name: str = "c.com", **fields: str) -> Any:
    return client.post("/api/v3/files", files={"file": (name, data)}, data=fields)


def test_a_file_is_handed_over_and_asked_for(client: TestClient, desk: FakeScanDesk) -> None:
    begun = upload(client, EICAR, "some/where/../c.com").json()["data"]
    assert begun["type"] == "analysis"
    assert desk.asked == [("submit", "c.com", "user:operator")]
    done = client.get(f"/api/v3/analyses/{begun['id']}").json()
    assert done["data"]["attributes"]["status"] == "completed"
    assert done["data"]["attributes"]["stats"]["malicious"] == 1
    assert done["data"]["links"]["item"].startswith("http://localhost:8080/api/v3/files/")
    info = done["meta"]["file_info"]
    for digest in (info["md5"], info["sha1"], info["sha256"].upper()):
        file = client.get(f"/api/v3/files/{digest}").json()["data"]
        assert file["id"] == info["sha256"]
        assert file["attributes"]["last_analysis_results"]["yara"] == {
            "category": "malicious", "engine_name": "yara", "engine_version": "1.0",
            "engine_update": "20010909", "method": "blacklist", "result": "Eicar",
        }  # fmt: skip
        assert file["attributes"]["meaningful_name"] == "c.com"
    again = client.post(f"/api/v3/files/{info['md5']}/analyse").json()["data"]
    assert again["id"] != begun["id"]
    listed = client.get(f"/api/v3/files/{info['md5']}/analyses", params={"limit": 1}).json()
    assert listed["meta"] == {"count": 2, "cursor": "1"}


def test_large_files_go_to_the_place_that_is_told(client: TestClient) -> None:
    url = client.get("/api/v3/files/upload_url").json()["data"]
    assert url == "http://localhost:8080/api/v3/files"
    data = bytes(range(256)) * 4000
    assert client.post(url, files={"file": ("x", data)}).status_code == 200


def test_an_analysis_that_is_not_over_says_so(
    client: TestClient, desk: FakeScanDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phage.api.routes.virustotal.HOLD_SECONDS", 0.2)
    desk.slow = True
    id_ = upload(client, b"x").json()["data"]["id"]
    attributes = client.get(f"/api/v3/analyses/{id_}").json()["data"]["attributes"]
    assert attributes["status"] == "in-progress"
    desk.cancel(id_)
    attributes = client.get(f"/api/v3/analyses/{id_}").json()["data"]["attributes"]
    assert attributes["status"] == "completed"  # Nobody waits for ever.


def test_what_is_in_a_file_and_what_it_was_in(lab: ApiLab, client: TestClient) -> None:
    lab.store.samples.save(eicar_verdict(lab.clock.now()))
    lab.store.samples.save(eicar_verdict(lab.clock.now()))
    inside = client.get(f"/api/v3/files/{PACKED}/bundled_files").json()["data"]
    assert [each["attributes"]["meaningful_name"] for each in inside] == ["eicar.com"]
    assert client.get(f"/api/v3/files/{PACKED}/comments").json()["data"] == []
    assert client.get(f"/api/v3/files/{PACKED}/compressed_parents").json()["data"] == []
    assert client.get(f"/api/v3/files/{PACKED}/nothing").status_code == 404


def test_a_file_that_was_in_another_only(lab: ApiLab, client: TestClient) -> None:
    packed = eicar_verdict(lab.clock.now())
    inside = replace(packed.parts[-1], sha256="ab" * 32, path=("deep", "c.com"))
    lab.store.samples.save(replace(packed, parts=(*packed.parts, inside)))
    for digest in ("ab" * 32, "AB" * 32):
        found = client.get(f"/api/v3/files/{digest}").json()["data"]
        assert found["attributes"]["meaningful_name"] == "c.com"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/files/" + "0" * 64, 404, "NotFoundError"),
        ("/files/..%2F..%2Fetc", 404, "NotFoundError"),
        ("/files/xyz", 400, "InvalidArgumentError"),
        ("/analyses/00000000", 404, "NotFoundError"),
    ],
)
def test_errors_are_told_in_its_words(
    client: TestClient, path: str, status: int, code: str
) -> None:
    answer = client.get(f"/api/v3{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_who_shows_no_key_or_a_wrong_one_is_told(lab: ApiLab) -> None:
    client = lab.nobody()
    for headers in ({}, {"x-apikey": "wrong"}):
        answer = client.get("/api/v3/files/upload_url", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "WrongCredentialsError"


def test_quotas_and_a_full_disk(client: TestClient, desk: FakeScanDesk) -> None:
    desk.refusal = TooManyError("ten a minute", 3.2)
    answer = upload(client, b"x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "4")
    assert answer.json()["error"]["code"] == "QuotaExceededError"
    desk.refusal = NoRoomError("the disk is full")
    assert upload(client, b"x").status_code == 507


def test_too_large_is_refused_with_and_without_a_length(
    client: TestClient, desk: FakeScanDesk
) -> None:
    assert upload(client, bytes(desk.largest)).status_code == 200
    assert upload(client, bytes(desk.largest + 1)).status_code == 413
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'

    def endless() -> Any:
        yield head
        for _ in range(40):
            yield bytes(2**16)

    answer = client.post(
        "/api/v3/files",
        content=endless(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--\r\n",
        b"--b\r\n\r\n\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nno end',
        b"--b\r\nX: " + b"y" * 5000 + b"\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n' + b"y" * 5000,
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n' * 2 + b"--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 40 + b"--b--\r\n",
        b"\xff" * 100,
    ],
)
def test_forms_that_are_none(client: TestClient, desk: FakeScanDesk, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/api/v3/files", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert desk.asked == []


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=" + "b" * 300]
)
def test_bodies_that_are_no_forms(client: TestClient, kind: str) -> None:
    answer = client.post("/api/v3/files", content=b"x", headers={"Content-Type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\x.exe", "x.exe"),
        ("a\u202egpj.exe", "a\ufffdgpj.exe"),
        ("x" * 1000, "x" * 255),
    ],
)
def test_names_lead_nowhere(
    client: TestClient, desk: FakeScanDesk, tmp_path: Path, name: str, shown: str
) -> None:
    before = set(tmp_path.iterdir())
    upload(client, b"x", name)
    assert desk.asked == [("submit", shown, "user:operator")]
    (stored,) = (tmp_path / "vault").glob("*/*")
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "vault"}
    assert len(stored.name) == 62  # Its hash, never its name.
