from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from phage.web.assets import address_of, assets

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab


def test_files_are_kept_by_their_digest(empty: ApiLab) -> None:
    client = empty.nobody()
    answer = client.get(address_of("phage.css"))
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "immutable" in answer.headers["Cache-Control"]
    assert client.get("/static/phage.css").headers["Cache-Control"] == "no-cache"
    again = client.get("/static/phage.css", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert gzip.decompress(assets()["phage.css"].packed) == answer.content


@pytest.mark.parametrize(
    "path",
    ["/static/../dashboard.py", "/static/%2e%2e%2fdashboard.py", "/static/..%5crender.py",
     "/static/nothing.js", "/static/%00", "/static/static/phage.css"],
)  # fmt: skip
def test_nothing_else_is_served(path: str, empty: ApiLab) -> None:
    assert empty.nobody().get(path).status_code == 404


def test_it_can_be_installed(empty: ApiLab) -> None:
    client = empty.nobody()
    manifest = json.loads(client.get("/static/manifest.webmanifest").content)
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        assert client.get(icon["src"]).headers["Content-Type"] == icon["type"]
    worker = client.get("/sw.js")
    assert worker.headers["Content-Type"].startswith("text/javascript")
    assert "/offline" in worker.text
    assert "cannot be reached" in client.get("/offline").text


def test_all_pages_together_are_small() -> None:
    loaded = ("phage.css", "phage.js", "chart.js", "theme.js", "icons.svg")
    assert sum(len(assets()[name].packed) for name in loaded) < 20_000
