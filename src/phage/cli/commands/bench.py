"""`phage bench`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from phage.cli.output import Column, emit, emit_one, output_option, say
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from phage.cli.settings import Chosen

COLUMNS = (
    Column("name", "name"),
    Column("value", "shown", right=True),
    Column("unit", "unit"),
    Column("peer", "peer"),
    Column("peer's value", "peer_shown", right=True),
    Column("ratio", "ratio", right=True),
)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=3600),
    default=2.0,
    show_default=True,
    help="How long each measurement runs at least.",
)
@output_option
@settings_options
def command(chosen: Chosen, names: tuple[str, ...], seconds: float, form: str) -> None:
    """Measure how fast phage is here, and a peer in the same run where there is one.

    NAME takes some measurements only, for example decode.full or path.*; default is all.
    """
    settings = chosen.settings()
    from phage.daemon.bench import bench
    from phage.daemon.options import BenchOptions

    report = bench(BenchOptions(settings, names, seconds))
    if form == "json":
        results = [asdict(result) for result in report.results]
        emit_one(form, {"machine": dict(report.machine), "results": results}, ())
        return
    rows = []
    for result in report.results:
        row = asdict(result)
        row["shown"] = f"{result.value:,.4g}" if result.value < 1000 else f"{result.value:,.0f}"
        if result.peer_value:
            row["peer_shown"] = f"{result.peer_value:,.0f}"
            row["ratio"] = f"{result.value / result.peer_value:,.2f}"
        rows.append(row)
    say(", ".join(f"{name} {value}" for name, value in report.machine.items()))
    emit(form, rows if form == "table" else [asdict(result) for result in report.results], COLUMNS)
