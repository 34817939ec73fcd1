"""What waits on a channel: digests, quiet hours, and what is too urgent for either."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.config.notify import ChannelSettings
from phage.config.quiet import Quiet, parse_quiet
from phage.errors import ConfigError
from phage.notify.channels import make_channels
from phage.notify.notice import Notice
from phage.notify.waiting import Pace, Waiting
from phage.records import Severity
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 10**9
HOUR = 3600 * SECOND
NIGHT = Quiet(22 * 60, 7 * 60)


@pytest.fixture(params=["UTC", "Asia/Tokyo"], autouse=True)
def _wall(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the clock on the wall show the time of a place."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(hour: int, minute: int = 0) -> int:
    """Return a time at which the clock on the wall shows an hour."""
    day = time.localtime(EPOCH // SECOND)
    return int(time.mktime((day.tm_year, 6, 15, hour, minute, 0, 0, 0, -1))) * SECOND


def notice(number: int, severity: Severity = Severity.MEDIUM) -> Notice:
    return Notice(f"title {number}", "text", severity, number, key=f"k{number}")


@pytest.mark.parametrize(
    ("text", "hour", "minute", "left"),
    [
        ("22:00-07:00", 21, 59, 0), ("22:00-07:00", 22, 0, 9 * 3600), ("22:00-07:00", 3, 30, 12600),
        ("22:00-07:00", 6, 59, 60), ("22:00-07:00", 7, 0, 0), ("9:00 - 10:30", 10, 0, 1800),
        ("9:00-10:30", 10, 30, 0), ("9:00-10:30", 8, 59, 0), ("00:00-23:59", 12, 0, 43140),
    ],
)  # fmt: skip
def test_quiet_hours_by_the_clock_on_the_wall(
    text: str, hour: int, minute: int, left: float
) -> None:
    quiet = parse_quiet(text)
    assert quiet is not None
    assert quiet.seconds_left(at(hour, minute)) == left


@pytest.mark.parametrize("text", ["22-7", "24:00-07:00", "22:00-22:00", "22:60-07:00", "night"])
def test_quiet_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="two different times"):
        parse_quiet(text)


def test_a_digest_is_one_message_of_all_that_came() -> None:
    clock = FixedClock(at(12))
    waiting = Waiting(Pace(gather_s=3600.0), clock)
    waiting.put(notice(1))
    assert waiting.wait() == pytest.approx(3600)
    clock.nanoseconds += HOUR // 2
    waiting.put(notice(2))
    assert waiting.wait() == pytest.approx(1800)  # It counts from the first.
    clock.nanoseconds += HOUR // 2
    assert waiting.wait() == 0
    told = waiting.take()
    assert told.title.startswith("2 notices")
    assert len(waiting) == 0
    waiting.put(notice(3))
    assert waiting.wait() == pytest.approx(3600)
    clock.nanoseconds += HOUR
    assert (waiting.wait(), waiting.take()) == (0, notice(3))  # One alone needs no digest.


def test_what_comes_at_night_is_told_in_the_morning() -> None:
    clock = FixedClock(at(23))
    waiting = Waiting(Pace(quiet=NIGHT), clock)
    waiting.put(notice(1))
    waiting.put(notice(2))
    assert waiting.wait() == 8 * 3600
    clock.nanoseconds += 8 * HOUR - SECOND
    assert waiting.wait() == 1
    clock.nanoseconds += SECOND
    assert waiting.wait() == 0
    assert waiting.take().title.startswith("2 notices")
    waiting.put(notice(3))
    waiting.put(notice(4))
    assert (waiting.wait(), waiting.take()) == (0, notice(3))  # By day each at once.


def test_what_is_urgent_waits_for_nothing() -> None:
    clock = FixedClock(at(23))
    pace = Pace(quiet=NIGHT, gather_s=86_400.0, urgent=Severity.HIGH)
    waiting = Waiting(pace, clock)
    waiting.put(notice(1))
    assert waiting.wait() > 0
    waiting.put(notice(2, Severity.HIGH))
    assert waiting.wait() == 0
    assert waiting.take() == notice(2, Severity.HIGH)
    assert waiting.wait() == pytest.approx(86_400)  # The other goes on waiting.
    assert len(waiting) == 1


def test_news_of_what_waits_takes_its_place() -> None:
    clock = FixedClock(at(12))
    waiting = Waiting(Pace(gather_s=60.0, repeat_s=0.0), clock)
    waiting.put(notice(1))
    waiting.put(notice(1, Severity.HIGH))
    clock.nanoseconds += 60 * SECOND
    assert (waiting.wait(), waiting.take()) == (0, notice(1, Severity.HIGH))


def test_of_too_many_the_least_severe_are_left_out_and_counted() -> None:
    clock = FixedClock(at(12))
    waiting = Waiting(Pace(gather_s=60.0, waiting=2), clock)
    for number, severity in enumerate((Severity.LOW, Severity.HIGH, Severity.MEDIUM, Severity.LOW)):
        assert waiting.put(notice(number, severity))
    clock.nanoseconds += 60 * SECOND
    assert waiting.wait() == 0
    told = waiting.take()
    assert "title 1" in told.text
    assert "title 2" in told.text
    assert "and 2 more" in told.text
    assert (waiting.left_out, waiting.told) == (2, 2)


def test_settings_become_a_pace() -> None:
    settings = ChannelSettings.model_validate(
        {
            "type": "webhook",
            "settings": {"url": "https://192.0.2.1/"},
            "digest": "1h",
            "quiet": "22:00-07:00",
            "urgent": "high",
        }
    )
    (channel,) = make_channels({"ops": settings})
    assert (channel.pace.gather_s, channel.pace.quiet) == (3600.0, NIGHT)
    assert channel.pace.urgent is Severity.HIGH
    with pytest.raises((ConfigError, ValueError), match="two different times"):
        ChannelSettings.model_validate({"type": "webhook", "quiet": "always"})
