"""The client, against the API itself over a socket, and against what is none."""

from __future__ import annotations

import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from phage.api.server import ApiServer
from phage.client.client import Client, ClientError
from phage.store.store import StoreLocation
from phage.testing.apilab import ApiLab, FakeDaemon, api_lab, quick_passwords
from phage.testing.records import make_decision, make_finding, make_flow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ApiLab]:
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with quick_passwords(), api_lab(location, tmp_path / "captures") as made:
        made.store.findings.save(make_finding(number) for number in range(30))
        made.store.flows.save(make_flow(number) for number in range(1, 31))
        made.store.decisions.save(make_decision(number) for number in range(5))
        yield made.having(steer=FakeDaemon())


@pytest.fixture
def server(lab: ApiLab) -> Iterator[ApiServer]:
    made = ApiServer(lab.app, "127.0.0.1", 0)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(lab: ApiLab, server: ApiServer) -> Iterator[Client]:
    _, secret = lab.access.tokens.create("operator", "test", ["*"])
    with Client(f"http://127.0.0.1:{server.port}", secret) as made:
        yield made


def test_it_reads_page_after_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phage.client.client.PAGE", 7)
    assert len(list(client.findings(1000))) == 30
    assert len(list(client.findings(10))) == 10
    assert len(list(client.flows(1000, port=443))) == 30
    assert [each["id"] for each in client.decisions(2)] == [f"{4:026d}", f"{3:026d}"]
    assert client.status()["status"] == "running"
    assert client.rules()[0]["name"]
    assert client.exporters() == []
    assert list(client.attacks(5)) == []


def test_it_steers(client: Client) -> None:
    assert client.decide("203.0.113.7", seconds=60)["decision"]["target"] == "203.0.113.7"
    assert client.revoke(["203.0.113.7"]) == []
    first = next(client.findings(1))
    assert client.label(first["id"], "expected")["by"] == "user:operator"
    assert client.finding(first["id"])["label"]["label"] == "expected"


def test_problems_are_told_as_phage_told_them(client: Client) -> None:
    with pytest.raises(ClientError, match="there is no finding") as caught:
        client.finding("ffff")
    assert caught.value.status == 404
    with pytest.raises(ClientError, match=r"query\.limit"):
        client.ask("GET", "/api/v1/findings?limit=0")
    client.token = "phage_wrong"
    with pytest.raises(ClientError, match="not valid") as caught:
        client.status()
    assert caught.value.status == 401


def test_what_is_no_phage_is_told(server: ApiServer) -> None:
    for url in ("ftp://x", "http://", "phage.lan:8080", "http://x:99999"):
        with pytest.raises(ClientError, match="no address of phage"):
            Client(url, "t").status()
    with pytest.raises(ClientError, match="cannot be asked"):
        Client("http://127.0.0.1:1", "t").status()


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"[]"), (500, b"oops"), (302, b""), (404, b'"x"'), (200, b"{}")],
)
def test_it_survives_other_servers(status: int, body: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with socketserver.TCPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever, daemon=True)
        thread.start()
        client = Client(f"http://127.0.0.1:{other.server_address[1]}", "t")
        if body == b"{}":
            assert client.status() == {}
        else:
            with pytest.raises(ClientError):
                client.status()
        client.close()
        other.shutdown()
        thread.join()
