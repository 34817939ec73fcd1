"""The one way out: forms, escaping, progress."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

import numpy as np

from phage.cli.output import Column, emit, encode, lookup, table, text
from phage.cli.progress import OctetsBar, line
from phage.cli.times import Moment
from phage.clock import FixedClock

if TYPE_CHECKING:
    import pytest


def test_values_become_cells() -> None:
    assert [text(value) for value in (None, True, False, 1.23456789, 3, ("a", 1), "x\ty")] == [
        "",
        "yes",
        "no",
        "1.23457",
        "3",
        "a, 1",
        "x\\x09y",
    ]


def test_json_takes_numpy_and_odd_numbers() -> None:
    value = {"a": np.float32(1.5), "b": math.nan, "c": (np.int64(3), {1}), 4: "é"}
    assert json.loads(encode(value)) == {"a": 1.5, "b": None, "c": [3, [1]], "4": "é"}
    assert encode("é\x1b").isascii()


def test_paths_lead_into_records() -> None:
    assert lookup({"a": {"b": 3}}, "a.b") == 3
    assert lookup({"a": 1}, "a.b") is None
    assert lookup({}, "x") is None


def test_plain_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    table([["a", "1"], ["bbb", "22"]], [Column("name", "n"), Column("count", "c", right=True)])
    assert capsys.readouterr().out == "name  count\na         1\nbbb      22\n"


def test_on_a_terminal_a_table_is_drawn_and_markup_is_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    emit("table", [{"n": "[bold red]x[/]"}, {"n": "y\x1b[0m"}], [Column("name", "n", wrap=True)])
    out = capsys.readouterr().out
    assert "[bold red]x[/]" in out
    assert "y\\x1b[0m" in out


def test_progress_lines() -> None:
    assert line("reading", 5_000_000, 10_000_000, 1.0) == (
        "reading: [###############...............]  50%, 5 MB/s, 1 s left"
    )
    assert line("reading", 5_000_000, 0, 1.0) == "reading: 5 MB, 5 MB/s"
    assert "100%" in line("reading", 20, 10, 0.0)


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with OctetsBar("reading", FixedClock()) as bar:
        bar.update(1, 2)
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal_is_drawn_and_taken_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = FixedClock(10**9)
    with OctetsBar("reading", clock) as bar:
        bar.update(1, 2)
        bar.update(2, 2)
        clock.nanoseconds += 10**9
        bar.update(2, 2)
    err = capsys.readouterr().err
    assert err.count("reading:") == 2
    assert err.endswith("\r\x1b[K")


def test_moments() -> None:
    clock = FixedClock(10 * 3600 * 10**9)
    moment = Moment(clock)
    assert moment.convert("2h", None, None) == 8 * 3600 * 10**9
    assert moment.convert("1970-01-01T00:00:01.5Z", None, None) == 1_500_000_000
    assert moment.convert("1970-01-02", None, None) == 86_400 * 10**9
    assert moment.convert("1970-01-01T02:00:00+02:00", None, None) == 0
    assert moment.convert(7, None, None) == 7
