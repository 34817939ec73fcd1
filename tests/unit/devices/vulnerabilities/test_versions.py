from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.devices.vulnerabilities.versions import compare_versions, version_key


@pytest.mark.parametrize(
    "ordered",
    [
        ["1.0-alpha", "1.0-beta.2", "1.0-rc1", "1.0", "1.0.1-rc1", "1.0.1", "1.0.10", "1.1"],
        ["6.6p1", "6.7", "6.7p1", "6.7p2", "6.8"],
        ["1.0.1", "1.0.1a", "1.0.1b", "1.0.1z", "1.0.2-beta1", "1.0.2"],
        ["r21.5", "r21.6", "r22"],
        ["4.16.13k", "4.16.13m", "4.16.14"],
        ["jimmy-al00ac00b134", "jimmy-al00ac00b135", "jimmy-al00ac00b1000"],
        ["9.8", "9.8P3", "9.8P19", "9.9.1P16"],
        ["15.1(2)t", "15.1(3)t", "15.2(1)"],
        ["1.7.0_95", "1.7.0_111", "1.8.0_141"],
        ["3.15.0a1", "3.15.0a6", "3.15.0b2", "3.15.0rc1", "3.15.0"],
        ["2.4.6", "2.4.6-p8", "2.4.7-alpha0", "2.4.7"],
        ["11.0.0-M1", "11.0.0-M20", "11.0.0"],
        ["RELEASE.2022-11-08t05-27-07z", "RELEASE.2023-01-01t00-00-00z"],
        ["15.1.4-canary.0", "15.1.4", "15.1.5"],
        ["1.27.0-0", "1.27.0-rc.2", "1.27.0"],
        ["2.52", "2.77test1", "2.78"],
        ["0.9", "1", "1.0.1"],
    ],
)
def test_order(ordered: list[str]) -> None:
    for one, other in itertools.combinations(ordered, 2):
        assert compare_versions(one, other) == -1, (one, other)
        assert compare_versions(other, one) == 1, (other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0", "1.0.0"), ("v1.2", "1.2"), ("r21.6", "21.6"), ("4.1.135.final", "4.1.135"),
     ("1.0-RC1", "1.0rc1"), ("007", "7")],
)  # fmt: skip
def test_equal(one: str, other: str) -> None:
    assert compare_versions(one, other) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jimmy-al00", "9.0"),
        ("617e44c71f1dd9043870205f371d375c5c4d886d", "1.0"),
        ("core_2.0", "jimmy_2.0"),
        ("*", "1"),
        ("-", "1"),
    ],
)
def test_what_has_no_order(one: str, other: str) -> None:
    assert compare_versions(one, other) is None


def test_a_hostile_number_is_cut() -> None:
    assert version_key("9" * 100_000) is not None


@given(st.text(max_size=60), st.text(max_size=60))
def test_one_way_is_the_other_reversed(one: str, other: str) -> None:
    first, second = compare_versions(one, other), compare_versions(other, one)
    assert second == (None if first is None else -first)
