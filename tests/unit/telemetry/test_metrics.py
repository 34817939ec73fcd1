"""Metrics and their text for Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.telemetry.metrics import MAX_SERIES, Registry


def test_the_text_is_that_of_the_format() -> None:
    registry = Registry()
    packets = registry.counter(
        "phage_packets_total", "Packets seen.\nBy interface \\ kind.", ("interface",)
    )
    packets.add(3, 'eth"0\\\n')
    packets.add(2.5, "lo")
    registry.gauge("phage_flows", "Flows now.").set(7)
    assert registry.exposition() == (
        "# HELP phage_flows Flows now.\n"
        "# TYPE phage_flows gauge\n"
        "phage_flows 7\n"
        "# HELP phage_packets_total Packets seen.\\nBy interface \\\\ kind.\n"
        "# TYPE phage_packets_total counter\n"
        'phage_packets_total{interface="eth\\"0\\\\\\n"} 3\n'
        'phage_packets_total{interface="lo"} 2.5\n'
    )


def test_special_numbers_are_written_as_the_format_says() -> None:
    registry = Registry()
    gauge = registry.gauge("g", "x", ("a",))
    for value in (float("nan"), float("inf"), float("-inf"), 1e300, 2.0**60):
        gauge.set(value, str(value))
    lines = dict(line.rsplit(" ", 1) for line in registry.exposition().splitlines()[2:])
    assert lines['g{a="nan"}'] == "NaN"
    assert lines['g{a="inf"}'] == "+Inf"
    assert lines['g{a="-inf"}'] == "-Inf"
    assert float(lines['g{a="1e+300"}']) == 1e300


def test_a_counter_only_grows() -> None:
    counter = Registry().counter("c", "x")
    counter.add(2)
    with pytest.raises(ValueError, match="only grows"):
        counter.add(-1)
    with pytest.raises(ValueError, match="only grows"):
        counter.add(float("nan"))
    counter.reach(10)
    counter.reach(4)
    assert counter.value() == 10


def test_labels_are_bounded() -> None:
    counter = Registry().counter("c", "x", ("host", "port"))
    for number in range(MAX_SERIES + 500):
        counter.add(1, f"host{number}", "80")
    assert len(counter.samples()) <= MAX_SERIES + 1
    assert counter.value("other", "other") == 500


def test_the_same_name_is_the_same_metric() -> None:
    registry = Registry()
    assert registry.counter("c", "x", ("a",)) is registry.counter("c", "y", ("a",))
    with pytest.raises(ValueError, match="is a counter with the labels"):
        registry.counter("c", "x", ("b",))
    with pytest.raises(ValueError, match="is a counter"):
        registry.gauge("c", "x", ("a",))


def test_names_are_checked() -> None:
    registry = Registry()
    for wrong in ("", "9x", "a-b", "a b"):
        with pytest.raises(ValueError, match="not a metric name"):
            registry.counter(wrong, "x")
    for wrong in ("__a", "a-b", ""):
        with pytest.raises(ValueError, match="not a label name"):
            registry.counter("c", "x", (wrong,))
    with pytest.raises(ValueError, match="has the labels"):
        registry.counter("d", "x", ("a",)).add(1)


def test_a_gauge_can_be_refreshed_and_forgotten() -> None:
    registry = Registry()
    gauge = registry.gauge("g", "x", ("a",))
    registry.on_read(lambda: gauge.set(5, "b"))
    assert 'g{a="b"} 5' in registry.exposition()
    gauge.remove("b")
    assert gauge.value("b") == 0


LINE = re.compile(r'm\{a="((?:[^"\\\n]|\\\\|\\"|\\n)*)"\} (\S+)')


@given(st.dictionaries(st.text(max_size=20), st.floats(allow_nan=False), max_size=20))
def test_any_label_and_number_comes_back(series: dict[str, float]) -> None:
    registry = Registry()
    gauge = registry.gauge("m", "x", ("a",))
    for label, number in series.items():
        gauge.set(number, label)
    text = registry.exposition()
    text.encode("utf-8")  # Raises on what is no Unicode.
    found = {}
    for match in LINE.finditer(text):
        label = re.sub(
            r"\\(.)", lambda escaped: "\n" if escaped[1] == "n" else escaped[1], match[1]
        )
        found[label] = float(match[2])
    expected = {
        label.encode("utf-8", "replace").decode(): number for label, number in series.items()
    }
    assert found == expected
