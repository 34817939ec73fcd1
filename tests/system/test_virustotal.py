"""vt-py, VirusTotal's own client, unmodified, against phage with a real worker."""

from __future__ import annotations

import asyncio
import io
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from phage.api.app import make_app
from phage.api.server import ApiServer
from phage.api.tls import self_made, server_context
from phage.clock import SystemClock
from phage.config.settings import Settings
from phage.config.statedir import StateDirectory
from phage.daemon.ownprogram import OwnProgram
from phage.daemon.scandesk import start_desk
from phage.scan.trials import EICAR
from phage.store.store import StoreLocation
from phage.testing import containers
from phage.testing.apilab import api_lab, quick_passwords

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.system

LARGE = int(os.environ.get("PHAGE_LARGE_UPLOAD", str(48 * 2**20)))


class Service:
    """phage's API over a real desk, queue and worker."""

    def __init__(self, place: str, key: str) -> None:
        self.place = place
        self.key = key

    def client(self, key: str = "") -> Any:
        vt = pytest.importorskip("vt", reason="lacks vt-py")
        return vt.Client(key or self.key, host=self.place, verify_ssl=False)


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Give vt-py an event loop: the one that it makes for itself it never closes."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


@pytest.fixture(scope="module", params=["http", "https"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("vt")
    state = StateDirectory(folder)
    settings = Settings()
    clock = SystemClock()
    with ExitStack() as stack:
        stack.enter_context(quick_passwords())
        location = StoreLocation.of("", "", state.store)
        lab = stack.enter_context(api_lab(location, folder / "captures", now=clock.now()))
        program = OwnProgram(None, folder)
        desk = start_desk(settings, state, program, lab.store, clock, lambda _: None, stack)
        app = make_app(lab.having(scanning=desk, clock=clock).services)
        tls: ssl.SSLContext | None = None
        if request.param == "https":
            tls = server_context(self_made(folder / "tls", ["127.0.0.1"], clock))
        server = ApiServer(app, "127.0.0.1", 0, tls)
        server.start()
        stack.callback(server.stop)
        _, key = lab.access.tokens.create("operator", "vt", ("samples:*",))
        yield Service(f"{request.param}://127.0.0.1:{server.port}", key)


def test_vt_py_scans_and_asks(service: Service, tmp_path: Path) -> None:
    vt = pytest.importorskip("vt", reason="lacks vt-py")
    packed = tmp_path / "käse.zip"
    packed.write_bytes(containers.zipped(EICAR))
    with service.client() as client:
        with packed.open("rb") as file:
            analysis = client.scan_file(file, wait_for_completion=True)
        assert analysis.status == "completed"
        assert analysis.stats["malicious"] >= 1
        file = client.get_object("/files/{}", sha256(packed))
        assert file.last_analysis_stats["malicious"] >= 1
        assert file.last_analysis_results["yara"]["category"] == "malicious"
        assert file.names == ["käse.zip"]
        inside = list(client.iterator("/files/{}/bundled_files", file.id))
        assert [each.last_analysis_stats["malicious"] >= 1 for each in inside] == [True]
        again = client.get_object("/files/{}", inside[0].id)
        assert again.phage["path"]
        reanalysed = client.get_json("/analyses/{}", analysis.id)["meta"]["file_info"]
        assert reanalysed["sha256"] == file.id
        begun = client.post(f"/files/{file.id}/analyse")
        assert begun.json()["data"]["type"] == "analysis"
        with pytest.raises(vt.APIError) as refused:
            client.get_object("/files/{}", "0" * 64)
        assert refused.value.code == "NotFoundError"


def test_vt_py_hands_over_a_large_file(service: Service) -> None:
    data = io.BytesIO(bytes(LARGE))
    with service.client() as client:
        analysis = client.scan_file(data, wait_for_completion=True)
    assert analysis.status == "completed"
    assert analysis.stats["malicious"] == 0
    assert analysis.stats["undetected"] >= 1


def test_a_wrong_key_is_told(service: Service) -> None:
    vt = pytest.importorskip("vt", reason="lacks vt-py")
    with (
        service.client("wrong") as client,
        pytest.raises(vt.APIError) as refused,
    ):
        client.scan_file(io.BytesIO(b"x"))
    assert refused.value.code == "WrongCredentialsError"


def sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()
