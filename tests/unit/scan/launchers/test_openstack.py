"""OpenStack against a small fake of its identity and compute APIs."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from phage.scan.launcher import Joining, LaunchError, Machine
from phage.scan.launchers.openstack import ANSWER_SECONDS, OpenstackLauncher

pytest.importorskip("openstack")

if TYPE_CHECKING:
    from collections.abc import Iterator

JOINING = Joining("https://master:8080", "phage_secret", "amqps://worker:x@mq//")


DOMAIN = {"id": "default", "name": "Default"}


class Cloud(ThreadingHTTPServer):
    """Keystone (v3) and Nova (v2.1), as much as a launcher needs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.servers: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Cloud

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _answer(self, status: int, body: Any = None, **headers: str) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        url, path = self.server.url, self.path.partition("?")[0].rstrip("/")
        if path in {"/identity", "/identity/v3"}:
            version = {"id": "v3.14", "status": "stable",
                       "links": [{"rel": "self", "href": f"{url}/identity/v3/"}]}  # fmt: skip
            body = (
                {"version": version} if path.endswith("v3") else {"versions": {"values": [version]}}
            )
            self._answer(200, body)
        elif path in {"/compute", "/compute/v2.1"}:
            version = {"id": "v2.1", "status": "CURRENT", "version": "2.90", "min_version": "2.1",
                       "links": [{"rel": "self", "href": f"{url}/compute/v2.1/"}]}  # fmt: skip
            one = path.endswith("1")
            self._answer(200, {"version": version} if one else {"versions": [version]})
        elif path == "/compute/v2.1/servers/detail":
            self._answer(200, {"servers": list(self.server.servers.values())})
        else:
            self._answer(404, {"itemNotFound": {"message": path}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/identity/v3/auth/tokens"):
            endpoints = [{"id": "e", "interface": "public", "region": "r", "region_id": "r",
                          "url": f"{self.server.url}/compute/v2.1"}]  # fmt: skip
            token = {
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "methods": ["password"],
                "user": {
                    "id": "u",
                    "name": "phage",
                    "domain": {"id": "default", "name": "Default"},
                },
                "project": {"id": "p", "name": "p", "domain": {"id": "default", "name": "Default"}},
                "catalog": [{"type": "compute", "name": "nova", "id": "c", "endpoints": endpoints}],
            }
            self._answer(201, {"token": token}, X_Subject_Token="secret")
        elif self.path == "/compute/v2.1/servers":
            wanted = body["server"]
            self.server.asked.append(wanted)
            if wanted["imageRef"] == "none":
                self._answer(400, {"badRequest": {"message": "no such image"}})
                return
            id_ = f"server-{len(self.server.asked)}"
            self.server.servers[id_] = {
                "id": id_, "name": wanted["name"], "status": "BUILD",
                "metadata": wanted["metadata"], "created": "2026-11-21T10:00:00Z",
                "addresses": {"net": [{"addr": "10.0.0.9", "version": 4}]},
            }  # fmt: skip
            self._answer(202, {"server": {"id": id_, "links": [], "adminPass": "x"}})

    def do_DELETE(self) -> None:
        gone = self.server.servers.pop(self.path.rpartition("/")[2], None)
        self._answer(204 if gone else 404)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    made = Cloud()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "OS_AUTH_URL": f"{made.url}/identity/v3", "OS_USERNAME": "phage", "OS_PASSWORD": "x",
        "OS_PROJECT_NAME": "p", "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default",
        "OS_REGION_NAME": "r",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()


@pytest.mark.filterwarnings("ignore::Warning")  # The library warns of itself.
def test_created_listed_deleted(cloud: Cloud) -> None:
    launcher = OpenstackLauncher(image="image-1", flavor="small", network="net-1")
    one = launcher.start("av", "av-1", JOINING)
    launcher.start("yara", "yara-1", JOINING)
    (found,) = launcher.machines("av")
    assert (found.id, found.worker, found.address) == (one.id, "av-1", "10.0.0.9")
    asked = cloud.asked[0]
    assert (asked["imageRef"], asked["flavorRef"]) == ("image-1", "small")
    text = base64.b64decode(asked["user_data"]).decode()
    assert "phage_secret" in text
    assert launcher._connection.config.config["api_timeout"] == ANSWER_SECONDS
    launcher.end(found)
    launcher.end(found)
    assert launcher.machines("av") == []
    cloud.servers["bad"] = {
        **next(iter(cloud.servers.values())), "id": "bad", "status": "ERROR",
        "metadata": {"phage-fleet": "av", "phage-worker": "av-2"},
    }  # fmt: skip
    assert launcher.machines("av") == []
    assert "bad" not in cloud.servers
    launcher.close()


@pytest.mark.filterwarnings("ignore::Warning")  # The library warns of itself.
def test_what_the_cloud_refuses_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = OpenstackLauncher(image="none", flavor="small")
    with pytest.raises(LaunchError, match="OpenStack"):
        launcher.start("av", "av-1", JOINING)
    launcher.close()
    monkeypatch.setenv("OS_AUTH_URL", "http://127.0.0.1:1/identity/v3")
    away = OpenstackLauncher(image="i", flavor="f")
    with pytest.raises(LaunchError, match="OpenStack"):
        away.end(Machine("x", "x"))
    away.close()
