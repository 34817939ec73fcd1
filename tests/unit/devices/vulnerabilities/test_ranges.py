from __future__ import annotations

import pytest

from phage.devices.vulnerabilities.reading.ranges import Range, ranges_of, read_prose


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4.60 through 4.73", Range(start_including="4.60", end_including="4.73")),
        ("< 1.2.3", Range(end_excluding="1.2.3")),
        (">= 1.0, < 2.0", Range(start_including="1.0", end_excluding="2.0")),
        ("<= 5", Range(end_including="5")),
        ("before 7.4", Range(end_excluding="7.4")),
        ("prior to v7.4", Range(end_excluding="7.4")),
        ("1.05B03 and earlier", Range(end_including="1.05B03")),
        ("2.4.x", Range(start_including="2.4", end_excluding="2.5")),
        ("1.0.1", Range(exactly="1.0.1")),
        ("n/a", None),
        ("all of them, I think", None),
    ],
)
def test_prose(text: str, expected: Range | None) -> None:
    assert read_prose(text) == expected


def test_versions() -> None:
    versions = [
        {"version": "0", "status": "affected", "lessThan": "1.2"},
        {"version": "2.0", "status": "affected", "lessThanOrEqual": "2.4.*"},
        {"version": "3.0", "status": "unaffected"},
        {"version": "3.1", "status": "affected"},
    ]
    assert list(ranges_of(versions, "unaffected")) == [
        Range(end_excluding="1.2"),
        Range(start_including="2.0", end_excluding="2.5"),
        Range(exactly="3.1"),
    ]
    fixed = [{"version": "3.0", "status": "unaffected", "lessThan": "*"}]
    assert list(ranges_of(fixed, "affected")) == [Range(end_excluding="3.0")]
