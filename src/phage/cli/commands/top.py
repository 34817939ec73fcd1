"""`phage top`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, Record, emit, encode, say
from phage.cli.settings import settings_options
from phage.clock import SystemClock
from phage.errors import PhageError
from phage.telemetry.drops import meaning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.cli.settings import Chosen
    from phage.tui.source import View

_HOST = (
    Column("address", "ip"),
    Column("mac", "mac"),
    Column("packets", "packets", right=True),
    Column("octets", "octets", right=True),
)
_BANS = (
    Column("id", "id"),
    Column("target", "target"),
    Column("packets", "packets", right=True),
    Column("octets", "octets", right=True),
    Column("until", "until"),
    Column("rule", "rule"),
    Column("reason", "reason", wrap=True),
)
_FINDINGS = (
    Column("id", "id"),
    Column("last seen", "last_seen"),
    Column("severity", "severity"),
    Column("subject", "subject"),
    Column("summary", "summary", wrap=True),
)
_DROPS = (
    Column("counter", "name"),
    Column("count", "count", right=True),
    Column("what it means", "meaning", wrap=True),
)


@click.command()
@click.option("--once", is_flag=True, help="Print what there is now and end, for scripts.")
@click.option(
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How --once prints.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 200),
    default=20,
    show_default=True,
    help="Hosts and blocks to show.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.5, 60),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@settings_options
def command(chosen: Chosen, once: bool, form: str, limit: int, interval: float) -> None:  # noqa: FBT001  An option.
    """Watch who is blocked, who talks and what was found; block and free from the keyboard."""
    from phage.tui.source import LocalSource

    settings = chosen.settings()
    control = chosen.state(settings).control
    source = LocalSource(control, chosen.location(settings), SystemClock(), limit)
    if once:
        _print(form, source.look())
        return
    if not sys.stdout.isatty():
        message = "this is no terminal; --once prints what there is now"
        raise click.UsageError(message)
    from phage.tui.app import TopApp

    TopApp(source, interval).run()


def _print(form: str, view: View) -> None:
    if not view.live and len(view.faults) > 1:
        raise PhageError("\n".join(view.faults))
    if form == "json":
        print(encode(_shape(view), indent=2))
        return
    for fault in view.faults:
        say(fault)
    live = view.live
    if live:
        print(
            f"{live['packets_a_second']:.0f} packets/s  {live['octets_a_second']:.0f} octets/s  "
            f"{view.status['in_force']} blocked  {view.findings_open} findings open"
        )
    drops = [
        {"name": name, "count": count, "meaning": meaning(name)}
        for name, count in live.get("drops", {}).items()
        if count
    ]
    for title, rows, columns in (
        ("blocked now", live.get("bans", ()), _BANS),
        ("top sources, last minute", live.get("sources", ()), _HOST),
        ("top destinations, last minute", live.get("destinations", ()), _HOST),
        ("findings", view.findings, _FINDINGS),
        ("devices", view.devices, _HOST),
        ("drops", drops, _DROPS),
    ):
        _section(title, rows, columns)


def _section(title: str, rows: Sequence[Record], columns: Sequence[Column]) -> None:
    if rows:
        print(f"\n{title}")
        emit("table", rows, columns)


def _shape(view: View) -> dict[str, Any]:
    """Return a view as one document: what the daemon says of now comes first."""
    fields = asdict(view)
    live, status = fields.pop("live"), fields.pop("status")
    live.pop("ok", None)
    live.pop("at", None)
    return {
        "at": view.at,
        "running": bool(live),
        **live,
        "in_force": status.get("in_force", 0),
        "enforce": status.get("enforce", False),
        "panic": status.get("panic", False),
        **{name: value for name, value in fields.items() if name != "at"},
    }
