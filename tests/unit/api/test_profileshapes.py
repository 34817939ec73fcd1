"""Profiles as they are answered and printed."""

from __future__ import annotations

import pytest

from phage.api.profileshapes import hours_text


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        ((), ""),
        (range(168), "any"),
        ([24 * day + hour for day in range(5) for hour in range(8, 18)], "Mo-Fr 08-18"),
        ((3, 7 * 24 - 2, 7 * 24 - 1, 7 * 24 - 4), "Mo 03-04 Su 20-21,22-24"),
    ],
)
def test_hours_of_the_week_are_told_in_few_words(hours: list[int], text: str) -> None:
    assert hours_text(hours) == text
