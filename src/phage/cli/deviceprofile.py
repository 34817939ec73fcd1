"""`phage devices profile`: what a device normally does, as people and programs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.cli.deviceremote import RemoteDevices
from phage.cli.output import Column, emit, emit_one, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.cli.settings import Chosen
    from phage.client.client import Client

Record = dict[str, Any]

COLUMNS = (
    Column("way", "way"),
    Column("protocol", "protocol", right=True),
    Column("port", "port", right=True),
    Column("peer", "peer"),
    Column("flows", "flows", right=True),
    Column("days", "days", right=True),
    Column("octets each", "usual_octets", right=True),
    Column("every s", "every", right=True),
    Column("most/min", "most_a_minute", right=True),
    Column("hours of the week", "hours_text", wrap=True),
    Column("after", "after_text", wrap=True),
    Column("last", "last"),
)

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def show(chosen: Chosen, remote: Client | None, device: str, form: str) -> None:
    """Show what a device normally does. Raises PhageError."""
    from phage.api.profileshapes import profile_shape
    from phage.devices.proposal import known

    if remote is not None:
        shape = RemoteDevices(remote).read(device, "profile")
    else:
        with chosen.reader() as store:
            shape = profile_shape(known(store, device)[1])
    if form != "table":
        emit_one(form, shape, ())
        return
    emit(form, map(_row, shape["keys"]), COLUMNS, empty="nothing is normal for it yet")
    rates = ", ".join(f"{name} {most:g}" for name, most in sorted(shape["rates"].items()) if most)
    if rates:
        say(f"most in a minute: {rates}")
    say(f"{device}: {shape['phase']}; {len(shape['waiting'])} things are not normal yet")


def _row(key: Record) -> Record:
    after = (f"{each['peer']} {each['share']:.0%}" for each in key["after"])
    return {
        **key,
        "every": f"{key['period_s']:g} ±{key['jitter']:.0%}" if key["period_s"] else "",
        "hours_text": hours_text(key["hours"]),
        "after_text": ", ".join(after),
    }


def hours_text(hours: Iterable[int]) -> str:
    """Return hours of the week in few words: "any", "Mo-Fr 08-18", "Mo 03-04 Th 22-24"."""
    by_day: dict[int, list[int]] = {}
    for hour in sorted(hours):
        by_day.setdefault(hour // 24, []).append(hour % 24)
    if sum(map(len, by_day.values())) == 24 * len(_DAYS):
        return "any"
    said: list[tuple[int, int, str]] = []
    for day, its in by_day.items():
        text = _spans(its)
        if said and said[-1][1] == day - 1 and said[-1][2] == text:
            said[-1] = said[-1][0], day, text
        else:
            said.append((day, day, text))
    return " ".join(f"{_days(first, last)} {text}" for first, last, text in said)


def _days(first: int, last: int) -> str:
    return _DAYS[first] if first == last else f"{_DAYS[first]}-{_DAYS[last]}"


def _spans(hours: list[int]) -> str:
    """Return hours of a day as spans, each to the beginning of the hour after it."""
    spans: list[list[int]] = []
    for hour in hours:
        if spans and spans[-1][1] == hour:
            spans[-1][1] = hour + 1
        else:
            spans.append([hour, hour + 1])
    return ",".join(f"{first:02}-{last:02}" for first, last in spans)
