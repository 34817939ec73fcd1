"""`phage devices profile`: what a device normally does, as people and programs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.api.profileshapes import hours_text, profile_shape
from phage.cli.deviceremote import RemoteDevices
from phage.cli.output import Column, emit, emit_one, say

if TYPE_CHECKING:
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


def show(chosen: Chosen, remote: Client | None, device: str, form: str) -> None:
    """Show what a device normally does. Raises PhageError."""
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
