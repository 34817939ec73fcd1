"""TAXII and MISP with programs that are not ours: medallion, taxii2-client, PyMISP."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phage.access.roles import Role
from phage.api.app import make_app
from phage.api.server import ApiServer
from phage.clock import SystemClock
from phage.intel.feeds.taxii import Taxii
from phage.intel.fetch import Fetcher
from phage.intel.share import Sharing, misp_feed, offences
from phage.records import Severity, Subject
from phage.store.store import StoreLocation
from phage.testing.apilab import api_lab, quick_passwords
from phage.testing.ports import await_port, free_port
from phage.testing.records import EPOCH, make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.records import Finding

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore")]

SHARING = Sharing("phage", ("192.168.0.0/16", "8.8.4.0/24"), Severity.MEDIUM, 10 * 86_400.0)
OBJECTS = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


def attackers(count: int) -> Iterator[Finding]:
    """Make findings: attackers, one of ours, one that may be forged, one that is told already."""
    for number in range(count):
        yield replace(
            make_finding(number, detector="portscan", severity=Severity.HIGH),
            subject=Subject("", f"8.8.8.{number + 1}", f"8.8.8.{number + 1}"),
            evidence={"subject_is": "attacker"},
            spoofable=False,
        )
    own = make_finding(300, detector="portscan", severity=Severity.HIGH)
    yield replace(own, subject=Subject("", "8.8.4.4", "8.8.4.4"), spoofable=False)
    yield replace(own, id="FORGED", subject=Subject("", "9.9.9.9", "9.9.9.9"), spoofable=True)
    yield replace(
        own, id="TOLD", detector="intelmatch", subject=Subject("", "9.9.9.8", "x"), spoofable=False
    )


@pytest.fixture
def medallion(tmp_path: Path) -> Iterator[str]:
    """Serve indicators by OASIS' own TAXII server; return the collection's address."""
    pytest.importorskip("medallion")
    when = "2026-01-0{}T00:00:00.000Z"
    patterns = [
        "[ipv4-addr:value = '45.1.1.1']",
        "[domain-name:value = 'bad.example.com' OR ipv4-addr:value IN ('45.1.1.2', '45.1.1.3')]",
        "[ipv4-addr:value = '45.1.1.4' AND network-traffic:dst_port = 22]",
    ]
    objects = [
        {
            "type": "indicator", "spec_version": "2.1", "pattern_type": "stix",
            "id": f"indicator--6770298f-0fd8-471a-ab8c-1c658a46574{number}",
            "created": when.format(number + 1), "modified": when.format(number + 1),
            "valid_from": when.format(number + 1), "pattern": pattern, "labels": ["malicious"],
        }
        for number, pattern in enumerate(patterns)
    ]  # fmt: skip
    stix = "application/stix+json;version=2.1"
    manifest = [
        {"id": each["id"], "date_added": each["created"], "version": each["modified"],
         "media_type": stix}
        for each in objects
    ]  # fmt: skip
    port = free_port()
    data = {
        "/discovery": {
            "title": "T",
            "default": f"http://localhost:{port}/r/",
            "api_roots": [f"http://localhost:{port}/r/"],
        },
        "r": {
            "information": {
                "title": "R",
                "versions": ["application/taxii+json;version=2.1"],
                "max_content_length": 9765625,
            },
            "status": [],
            "collections": [
                {
                    "id": OBJECTS, "title": "C", "can_read": True, "can_write": False,
                    "media_types": [stix], "manifest": manifest, "objects": objects,
                }
            ],
        },
    }  # fmt: skip
    (tmp_path / "data.json").write_text(json.dumps(data))
    config = {
        "backend": {
            "module": "medallion.backends.memory_backend",
            "module_class": "MemoryBackend",
            "filename": str(tmp_path / "data.json"),
        },
        "users": {"admin": "pass"},
        "taxii": {"max_page_size": 2},
    }
    (tmp_path / "medallion.json").write_text(json.dumps(config))
    program = "import sys; from medallion.scripts.run import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, "--port", str(port),
         str(tmp_path / "medallion.json")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            await_port(port, server)
            yield f"http://localhost:{port}/r/collections/{OBJECTS}/"
        finally:
            server.kill()


def test_a_server_that_is_not_ours_is_read_page_by_page(medallion: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("pass\n")
    feed = Taxii(url=medallion, user="admin", key_file=str(tmp_path / "key"), limit=2)
    fetcher = Fetcher(SystemClock())
    found = feed.collect(fetcher, 0)
    assert {each.value for each in found.indicators} == {
        "bad.example.com",
        "45.1.1.1",
        "45.1.1.2",
        "45.1.1.3",
    }
    assert (found.rejected, found.replaces) == (1, True)
    since = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
    later = feed.collect(fetcher, since)
    assert "45.1.1.1" not in {each.value for each in later.indicators}
    assert not later.replaces


def test_a_client_that_is_not_ours_reads_what_we_share(tmp_path: Path) -> None:
    taxii2client = pytest.importorskip("taxii2client.v21")
    location = StoreLocation.of("", "", tmp_path / "s.sqlite3")
    with quick_passwords(), api_lab(location, tmp_path) as plain:
        lab = plain.having(sharing=SHARING)
        lab.store.findings.save(attackers(5))
        _, secret = lab.access.tokens.create(Role.VIEWER, "taxii", ("shared:read",))
        server = ApiServer(make_app(lab.services), "127.0.0.1", 0)
        server.start()
        try:
            url = f"http://127.0.0.1:{server.port}/taxii2/"
            root = taxii2client.Server(url, user="any", password=secret).api_roots[0]
            (collection,) = root.collections
            assert collection.can_read
            assert not collection.can_write
            pages = list(taxii2client.as_pages(collection.get_objects, per_request=2))
            objects = [each for page in pages for each in page["objects"]]
            assert len(pages) == 3
            assert sorted(each["type"] for each in objects) == ["identity", *["indicator"] * 5]
            assert {each["pattern"] for each in objects if "pattern" in each} == {
                f"[ipv4-addr:value = '8.8.8.{number}']" for number in range(1, 6)
            }
            one = collection.get_object(objects[1]["id"])["objects"]
            assert one == [objects[1]]
            assert len(collection.get_manifest()["objects"]) == 6
            only = collection.get_objects(type="identity")["objects"]
            assert [each["type"] for each in only] == ["identity"]
            with pytest.raises(Exception, match="401"):
                _ = taxii2client.Server(url, user="any", password="wrong").api_roots
        finally:
            server.stop()


def test_pymisp_reads_what_we_export(tmp_path: Path) -> None:
    pymisp = pytest.importorskip("pymisp")
    shared = offences(attackers(5), SHARING.home)
    files = misp_feed(shared, "phage", EPOCH)
    (event_name,) = (name for name in files if name not in {"manifest.json", "hashes.csv"})
    (tmp_path / event_name).write_text(json.dumps(files[event_name]))
    event = pymisp.MISPEvent()
    event.load_file(tmp_path / event_name)
    assert {each.value for each in event.attributes} == {f"8.8.8.{n}" for n in range(1, 6)}
    assert all(each.to_ids for each in event.attributes)
    assert files["manifest.json"][event.uuid]["info"] == event.info
    assert len(files["hashes.csv"].splitlines()) == 5
    assert event.to_feed()["Event"]["uuid"] == event.uuid
