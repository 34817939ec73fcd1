"""Files on pages: handed over with and without script, followed, scanned again, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phage.scan.desk import TooManyError
from phage.scan.trials import EICAR
from phage.testing.scandesk import FakeScanDesk

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from phage.testing.apilab import ApiLab

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)'`.com"


@pytest.fixture
def desk(empty: ApiLab) -> FakeScanDesk:
    found = empty.services.scanning
    assert isinstance(found, FakeScanDesk)
    return found


def browser(lab: ApiLab, role: str = "operator") -> tuple[TestClient, str]:
    """Return a browser without script, and the token that its forms carry."""
    client = lab.browser(role)
    token = client.headers.pop("X-CSRF-Token")
    client.headers["Accept"] = "text/html"
    return client, token


def hand_over(client: TestClient, token: str, data: bytes = EICAR, name: str = "c.com") -> Any:
    fields = {"csrf_token": token, "password": "x"}
    return client.post("/files", data=fields, files={"file": (name, data)})


def test_a_form_without_script_is_enough(empty: ApiLab, desk: FakeScanDesk) -> None:
    client, token = browser(empty)
    desk.slow = True
    followed = hand_over(client, token)
    assert followed.url.path == "/files/analyses/" + "0" * 32
    assert "is being scanned" in followed.text
    assert "1 of 1 have answered" in followed.text
    desk.finish("0" * 32)
    done = client.get(followed.url.path)
    assert done.url.path.startswith("/files/27")
    assert "1 of 1 engines that judge found something" in done.text
    listed = client.get("/files?q=c.com").text
    assert "1 sample" in listed
    assert ">infected<" in listed


def test_a_form_of_another_site_is_refused_before_its_file_is_read(
    empty: ApiLab, desk: FakeScanDesk
) -> None:
    client, token = browser(empty)
    for fields in ({}, {"csrf_token": "0" * 64}):
        answer = client.post("/files", data=fields, files={"file": ("c.com", EICAR)})
        assert "is missing or wrong" in answer.text
    late = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nx\r\n'
        b'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n'
        + token.encode()
        + b"\r\n--b--\r\n"
    )
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert "is missing or wrong" in client.post("/files", content=late, headers=kind).text
    site = {"Sec-Fetch-Site": "same-site"}
    answer = client.post(
        "/files", data={"csrf_token": token}, files={"file": ("c", b"x")}, headers=site
    )
    assert answer.status_code == 403
    assert desk.asked == []


def test_only_who_may_hands_files_over(empty: ApiLab, desk: FakeScanDesk) -> None:
    client, token = browser(empty, "viewer")
    assert hand_over(client, token).status_code == 403
    assert 'type="file"' not in client.get("/files").text
    assert desk.asked == []


def test_what_is_refused_is_told(empty: ApiLab, desk: FakeScanDesk) -> None:
    client, token = browser(empty)
    desk.refusal = TooManyError("too many files wait", 3)
    assert "too many files wait" in hand_over(client, token).text
    assert (
        "has no field" in client.post("/files", data={"csrf_token": token}, files={"x": b""}).text
    )


def test_a_file_is_scanned_again_and_removed(empty: ApiLab, desk: FakeScanDesk) -> None:
    client, token = browser(empty)
    place = hand_over(client, token).url.path
    assert "Scan again" in client.get(place).text
    again = client.post(place, data={"csrf_token": token, "act": "rescan"})
    assert "History" in again.text
    assert len(desk.asked) == 2
    assert client.get(f"{place}/download").status_code == 403
    admin = empty.browser("admin")
    assert admin.get(f"{place}/download").content.startswith(b"PK")
    gone = client.post(place, data={"csrf_token": token, "act": "remove"})
    assert "No file was scanned yet" in gone.text
    assert client.get(place).status_code == 404


def test_names_are_text(empty: ApiLab, desk: FakeScanDesk) -> None:
    client, token = browser(empty)
    desk.slow = True
    shown = hand_over(client, token, name=HOSTILE).text
    desk.finish("0" * 32)
    for text in (shown, client.get("/files").text, client.get(f"/files/{first(empty)}").text):
        assert "<img" not in text
        assert "<script>alert" not in text
        assert "onerror=alert" in text


def first(lab: ApiLab) -> str:
    return lab.store.samples.list()[0].sha256


def test_engines_are_tested_from_their_page(empty: ApiLab) -> None:
    client, token = browser(empty)
    assert "no clamd" in client.get("/engines").text
    said = client.post("/engines", data={"csrf_token": token, "name": "yara"})
    assert "yara: passes its test" in said.text
    said = client.post("/engines", data={"csrf_token": token, "name": "none"})
    assert "there is no engine" in said.text


def test_where_nothing_is_scanned_files_are_only_shown(empty: ApiLab) -> None:
    client = empty.having(scanning=None).browser()
    text = client.get("/files").text
    assert "phage scan FILE" in text
    assert 'type="file"' not in text
    assert client.get("/engines", headers={"Accept": "text/html"}).status_code == 503
