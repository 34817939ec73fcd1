"""`phage feeds`, `phage indicators` and `phage intel`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Phage = Callable[..., Any]


@pytest.fixture
def feed(phage: Phage, tmp_path: Path) -> Path:
    """Add a feed that is a file; to settings of the test, never the machine's."""
    (tmp_path / "phage.yaml").write_text("# settings\n")
    file = tmp_path / "my.list"
    file.write_text("45.1.1.0/24\n45.2.1.7\n8.8.8.8\n")
    added = phage("feeds", "add", "mine", "netset", "--set", f"url={file}", "--every", "1h")
    assert added.code == 0, added.err
    return file


def test_a_feed_is_added_got_and_asked(phage: Phage, feed: Path) -> None:
    assert phage("intel", "check", "45.1.1.9").code == 1  # Nothing was got yet.
    done = phage("feeds", "update", "--output", "json")
    (shape,) = json.loads(done.out)
    assert (done.code, shape["entries"], shape["left_out"]) == (0, 2, {"public resolver": 1})
    asked = phage("intel", "check", "45.1.1.9", "http://45.2.1.7/x", "9.9.9.9", "--output", "json")
    assert asked.code == 3
    assert [each["indicator"] for each in json.loads(asked.out)] == ["45.1.1.0/24", "45.2.1.7"]
    assert phage("intel", "check", "45.3.1.9").code == 0
    assert phage("intel", "check", "?").code == 2
    listed = phage("feeds", "list")
    assert "mine" in listed.out
    assert "1 public resolver" in listed.out


def test_a_feed_is_tested_without_being_kept(phage: Phage, feed: Path) -> None:
    feed.write_text("10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\n")
    tested = phage("feeds", "test", "mine")
    assert tested.code == 1
    assert "held back" in tested.out
    assert json.loads(phage("feeds", "list", "--output", "json").out)[0]["entries"] is None


def test_a_feed_is_disabled(phage: Phage, feed: Path) -> None:
    assert phage("feeds", "enable", "mine", "--off").code == 0
    assert json.loads(phage("feeds", "list", "--output", "json").out)[0]["enabled"] is False
    assert "no feeds" in phage("feeds", "update").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "x", "nosuch"), "there is no 'nosuch'"),
        (("add", "x", "netset"), "url is not set"),
        (("add", "x", "netset", "--set", "ulr=1"), "no such setting"),
        (("add", "mine", "netset", "--set", "url=/x"), "already"),
        (("enable", "x"), "there is no feed 'x'; there are mine"),
    ],
)
def test_mistakes_are_told_and_change_nothing(
    phage: Phage, feed: Path, arguments: tuple[str, ...], said: str
) -> None:
    answer = phage("feeds", *arguments)
    assert answer.code == 1
    assert said in answer.err
    assert len(json.loads(phage("feeds", "list", "--output", "json").out)) == 1


def test_own_indicators_are_imported_found_and_exported(phage: Phage, tmp_path: Path) -> None:
    file = tmp_path / "own"
    file.write_text(
        "# ours\nbad.example.com\n45.9.1.1\nno indicator\n8.8.8.8\n"
        '{"kind": "ja3", "value": "' + "a" * 32 + '", "tags": ["tool"], "confidence": 40}\n'
    )
    assert "would import 3" in phage("indicators", "import", str(file), "--dry-run").err
    done = phage("indicators", "import", str(file))
    assert "imported 3 indicators" in done.err
    assert "left out as public resolver: 1" in done.err
    assert "1 lines are no indicator" in done.err
    (found,) = json.loads(phage("indicators", "search", "tool", "--output", "json").out)
    assert (found["kind"], found["confidence"], found["feed"]) == ("ja3", 40, "own")
    assert phage("intel", "check", "x.bad.example.com").code == 3
    exported = phage("indicators", "export").out
    again = tmp_path / "again.jsonl"
    again.write_text(exported)
    assert "imported 3 indicators" in phage("indicators", "import", str(again)).err
    assert "bad.example.com" in phage("indicators", "show", "BAD.example.com").out
    unknown = phage("indicators", "show", "good.example.com", "--output", "json")
    assert (unknown.code, unknown.out) == (1, "")
    assert "no feed names 'good.example.com'" in unknown.err


def test_a_kind_that_is_none_is_guessed(phage: Phage, tmp_path: Path) -> None:
    file = tmp_path / "own"
    file.write_text('{"kind": ["url"], "value": "bad.example.com"}\n')
    assert "imported 1 indicators" in phage("indicators", "import", str(file)).err
    assert "domain" in phage("indicators", "show", "bad.example.com").out


def test_feeds_go_to_a_machine_without_a_network_by_file(
    phage: Phage, feed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert phage("feeds", "update").code == 0
    parcel = tmp_path / "feeds.tar"
    assert "wrote mine" in phage("feeds", "export", str(parcel)).err
    feed.unlink()
    monkeypatch.setenv("PHAGE_STATE_DIR", str(tmp_path / "elsewhere"))
    (tmp_path / "phage.yaml").write_text("# another machine\n")
    assert "mine (2)" in phage("feeds", "import", str(parcel), "--dry-run").err
    done = phage("feeds", "import", str(parcel), "--output", "json")
    (shape,) = json.loads(done.out)
    assert (done.code, shape["entries"], shape["fault"]) == (0, 2, "")
    assert "get: false" in (tmp_path / "phage.yaml").read_text()
    assert phage("intel", "check", "45.1.1.9").code == 3
    again = json.loads(phage("feeds", "update", "--output", "json").out)
    assert again[0]["fault"] == ""


@pytest.mark.parametrize("mark", [b"networks", b"phage networks 1", b'"updated"', b'"form"'])
def test_a_file_of_feeds_that_is_damaged_is_refused(
    phage: Phage, feed: Path, tmp_path: Path, mark: bytes
) -> None:
    assert phage("feeds", "update").code == 0
    parcel = tmp_path / "feeds.tar"
    phage("feeds", "export", str(parcel))
    body = bytearray(parcel.read_bytes())
    body[body.index(mark) + 1] ^= 0x01
    parcel.write_bytes(body)
    assert phage("intel", "check", "45.1.1.9").code == 3
    refused = phage("feeds", "import", str(parcel))
    assert refused.code == 1
    assert any(word in refused.err for word in ("damaged", "SHA-256", "another form"))
