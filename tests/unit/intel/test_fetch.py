"""Documents of feeds: what is asked, what is believed, and what is refused."""

from __future__ import annotations

import contextlib
import gzip
import socket
import time
from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.intel.feed import FeedError, Unchanged
from phage.intel.fetch import Fetcher, FetchLimits, read_key

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from tests.unit.intel.conftest import Replay


def test_a_document_is_asked_for_again_only_if_it_is_another(
    replay: Replay, fetcher: Fetcher
) -> None:
    url = replay.put(
        "/list", "1.2.3.4\n", ETag='"v1"', Last_Modified="Sat, 21 Nov 2026 00:00:00 GMT"
    )
    assert fetcher.get(url) == b"1.2.3.4\n"
    with pytest.raises(Unchanged):
        fetcher.get(url)
    assert replay.asked[1].headers["if-none-match"] == '"v1"'
    assert replay.asked[1].headers["if-modified-since"] == "Sat, 21 Nov 2026 00:00:00 GMT"
    replay.put("/list", "1.2.3.5\n", ETag='"v2"')
    assert fetcher.get(url) == b"1.2.3.5\n"


def test_a_server_without_validators_is_known_by_its_answer(
    replay: Replay, fetcher: Fetcher
) -> None:
    url = replay.put("/list", "1.2.3.4\n")
    fetcher.get(url)
    with pytest.raises(Unchanged):
        fetcher.get(url)
    assert fetcher.get(url, conditional=False) == b"1.2.3.4\n"


@pytest.mark.parametrize("announced", [True, False])
def test_gzip_is_unpacked_whether_announced_or_not(
    replay: Replay, fetcher: Fetcher, announced: bool
) -> None:
    body = gzip.compress(b"1.2.3.4\n") + gzip.compress(b"1.2.3.5\n")
    url = replay.put("/list.gz", body)
    if announced:
        replay.replies["/list.gz"].headers["Content-Encoding"] = "gzip"
    assert fetcher.get(url) == b"1.2.3.4\n1.2.3.5\n"


def test_a_gzip_bomb_is_refused(replay: Replay, fetcher: Fetcher) -> None:
    url = replay.put("/bomb", gzip.compress(bytes(64 << 20)))
    with pytest.raises(FeedError, match="larger than 1 MiB"):
        fetcher.get(url)


@pytest.mark.parametrize("cut", [5, 100])
def test_damaged_gzip_is_refused(replay: Replay, fetcher: Fetcher, cut: int) -> None:
    packed = gzip.compress(bytes(range(256)) * 8)
    with pytest.raises(FeedError, match="gzip"):
        fetcher.get(replay.put("/cut", packed[:cut]))


def test_a_large_document_is_refused(replay: Replay, fetcher: Fetcher) -> None:
    with pytest.raises(FeedError, match="larger than 1 MiB"):
        fetcher.get(replay.put("/large", bytes(1 << 21)))


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"1.2.3.4\n" * 1000)


def _slow(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    _drip(handler)


def _slow_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    _drip(handler)


def _slow_chunk(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    _drip(handler)


def _drip(handler: BaseHTTPRequestHandler) -> None:
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"1")
            handler.wfile.flush()
            time.sleep(0.05)


def _short(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"1.2.3.4\n")


def _no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\0\xff" * 100)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (_endless, "larger than 1 MiB"),
        (_short, "broke|IncompleteRead"),
        (_no_http, "http://127.0.0.1: "),
    ],
)
def test_hostile_streams_are_refused(
    replay: Replay, fetcher: Fetcher, raw: object, reason: str
) -> None:
    url = replay.put("/hostile", b"")
    replay.replies["/hostile"].raw = raw  # type: ignore[assignment]
    with pytest.raises(FeedError, match=reason):
        fetcher.get(url)


@pytest.mark.parametrize("raw", [_slow, _slow_head, _slow_chunk])
def test_a_stream_that_never_ends_is_left(replay: Replay, raw: object) -> None:
    url = replay.put("/slow", b"")
    replay.replies["/slow"].raw = raw  # type: ignore[assignment]
    with pytest.raises(FeedError, match="took longer"):
        Fetcher(SystemClock(), FetchLimits(seconds=0.5)).get(url)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1/",
        "http://localhost:1/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "/again",
    ],
)
def test_redirects_to_local_addresses_are_refused(
    replay: Replay, fetcher: Fetcher, target: str
) -> None:
    url = replay.put("/moved", b"", 302, Location=target)
    with pytest.raises(FeedError, match="local address"):
        fetcher.get(url)
    assert len(replay.asked) == 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://192.0.2.1/", "", "http://"])
def test_redirects_to_elsewhere_are_refused(replay: Replay, fetcher: Fetcher, target: str) -> None:
    url = replay.put("/moved", b"", 301, Location=target)
    with pytest.raises(FeedError):
        fetcher.get(url)


def test_a_source_says_how_long_to_stay_away(replay: Replay, fetcher: Fetcher) -> None:
    with pytest.raises(FeedError, match="answered 429") as refused:
        fetcher.get(replay.put("/busy", b"", 429, Retry_After="120"))
    assert refused.value.after == 120
    with pytest.raises(FeedError, match="answered 503") as refused:
        fetcher.get(replay.put("/busy", b"", 503, Retry_After="soon"))
    assert refused.value.after == 0


def test_a_document_comes_through_a_proxy(replay: Replay, fetcher: Fetcher) -> None:
    fetcher.proxy = replay.url
    replay.put("http://feed.example/list", "1.2.3.4\n")
    assert fetcher.get("http://feed.example/list") == b"1.2.3.4\n"


def test_nobody_listens(fetcher: Fetcher) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(FeedError, match="refused"):
            fetcher.get(f"http://127.0.0.1:{taken.getsockname()[1]}/")


def test_files_are_read(tmp_path: Path, fetcher: Fetcher) -> None:
    file = tmp_path / "list.gz"
    file.write_bytes(gzip.compress(b"1.2.3.4\n"))
    assert fetcher.get(str(file)) == b"1.2.3.4\n"
    with pytest.raises(Unchanged):
        fetcher.get(str(file))
    with pytest.raises(FeedError, match="No such file"):
        fetcher.get(str(tmp_path / "none"))


def test_errors_do_not_tell_keys(fetcher: Fetcher) -> None:
    with pytest.raises(FeedError) as failed:
        fetcher.get("http://127.0.0.1:1/list?auth-key=secret")
    assert "secret" not in str(failed.value)


def test_a_key_is_the_first_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("abc\nmore\n")
    assert read_key("", str(file)) == "abc"
    with pytest.raises(FeedError, match="cannot be read"):
        read_key("", str(tmp_path / "none"))


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.1", "[fd00:ec2::254]"])
def test_a_feed_is_never_where_a_machine_keeps_its_credentials(fetcher: Fetcher, host: str) -> None:
    with pytest.raises(FeedError, match="where no feed can be"):
        fetcher.get(f"http://{host}/latest/meta-data")
