"""Logs: forms, levels, the limiter, and that no secret and no control character gets out."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.telemetry import requestid
from phage.telemetry.escape import escape
from phage.telemetry.logs import configure, mask
from phage.telemetry.rotation import RotatingFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising
    logging.captureWarnings(capture=False)


def test_text_is_one_line_a_record() -> None:
    stream = io.StringIO()
    configure("text", "info", {}, stream=stream)
    logging.getLogger("phage.x").info("hello %s", "a\nb\x1b[31m\u202e", extra={"flow": 7})
    logging.getLogger("phage.x").debug("not shown")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("info    phage.x: hello a\\x0ab\\x1b[31m\\u202e flow=7")


def test_json_is_one_object_a_record() -> None:
    stream = io.StringIO()
    configure("json", "warning", {"phage.loud": "debug"}, stream=stream)
    logging.getLogger("phage.x").info("not shown")
    logging.getLogger("phage.loud").debug("shown", extra={"count": 3, "who": "é\n"})
    record = json.loads(stream.getvalue())
    assert record["message"] == "shown"
    assert record["level"] == "debug"
    assert record["logger"] == "phage.loud"
    assert (record["count"], record["who"]) == (3, "é\n")
    assert record["time"].endswith("Z")


def test_what_repeats_is_logged_once_a_minute_with_a_count() -> None:
    stream, clock = io.StringIO(), FixedClock()
    configure("json", "info", {}, clock, stream)
    log = logging.getLogger("phage.x")
    for _ in range(50):
        log.warning("trouble", extra={"limit": "store"})
        log.warning("other", extra={"limit": "disk"})
    assert len(stream.getvalue().splitlines()) == 2
    clock.nanoseconds += 61 * 10**9
    log.warning("trouble", extra={"limit": "store"})
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert last["repeated"] == 49
    assert "limit" not in last


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://ada:s3cret@db/phage", "postgresql://ada:***@db/phage"),
        ("password=hunter2 next", "password=*** next"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("token: xyz", "token: ***"),
        ("nothing here", "nothing here"),
    ],
)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_secrets_in_tracebacks_are_masked() -> None:
    for form in ("text", "json"):
        stream = io.StringIO()
        configure(form, "info", {}, stream=stream)
        error = RuntimeError("cannot connect to postgresql://ada:s3cret@db/phage")
        logging.getLogger("phage.x").error("failed", exc_info=error)
        assert "RuntimeError" in stream.getvalue()
        assert "s3cret" not in stream.getvalue()


def test_escape_leaves_what_is_printable() -> None:
    assert escape("Café 北京") == "Café 北京"
    assert escape("a\tb\x00\x9b\u2028\U000e0001") == "a\\x09b\\x00\\x9b\\u2028\\U000e0001"
    assert escape("\ud800") == "\\ud800"


def test_a_record_carries_the_id_of_its_request() -> None:
    stream = io.StringIO()
    configure("json", "info", {}, stream=stream)
    token = requestid.current.set("abcdef12")
    try:
        logging.getLogger("phage.api").info("asked")
    finally:
        requestid.current.reset(token)
    logging.getLogger("phage.api").info("by itself")
    one, other = map(json.loads, stream.getvalue().splitlines())
    assert one["request"] == "abcdef12"
    assert "request" not in other


def test_logs_in_a_file_begin_anew_when_it_is_large(tmp_path: Path) -> None:
    path = tmp_path / "phage.log"
    configure("text", "info", {}, file=RotatingFile(path, 2000, 2, FixedClock()))
    for number in range(60):
        logging.getLogger("phage").info("line %d, token=s3cret phage_%s", number, "x" * 40)
    configure("text", "info", {}, stream=io.StringIO())
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["phage.log", "phage.log.1", "phage.log.2"]
    text = "".join(file.read_text() for file in files)
    assert "line 59" in text
    assert "s3cret" not in text
    assert "xxxx" not in text


def test_each_package_has_its_own_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure("text", "warning", {"phage.store": "debug", "phage.api": "error"})
    for name in ("phage.store.writer", "phage.api.server", "phage.detect", "other"):
        for level in ("debug", "warning", "error"):
            logging.getLogger(name).log(getattr(logging, level.upper()), "%s of %s", level, name)
    said = capsys.readouterr().err
    for name, levels in (
        ("phage.store.writer", {"debug", "warning", "error"}),
        ("phage.api.server", {"error"}),
        ("phage.detect", {"warning", "error"}),
        ("other", {"warning", "error"}),
    ):
        told = {each for each in ("debug", "warning", "error") if f"{each} of {name}\n" in said}
        assert told == levels, name
