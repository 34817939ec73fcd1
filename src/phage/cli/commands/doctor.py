"""`phage doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phage.cli.output import emit_one, output_option
from phage.cli.settings import settings_options
from phage.clock import SystemClock

if TYPE_CHECKING:
    from phage.cli.settings import Chosen

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@output_option
@settings_options
def command(chosen: Chosen, form: str) -> int:
    """Check that phage can work here, and say what to do where it cannot.

    Exits with 1 on a failure.
    """
    from phage.cli.checks import check_all

    results = list(check_all(chosen, SystemClock()))
    failed = any(result.state == "fail" for result in results)
    if form != "table":
        record = {
            "state": "fail" if failed else "ok",
            "checks": [
                {"name": each.name, "state": each.state, "says": each.says, "advice": each.advice}
                for each in results
            ],
        }
        emit_one(form, record, ())
        return int(failed)
    from phage.telemetry.escape import escape

    width = max(len(result.name) for result in results)
    for result in results:
        state = click.style(f"{result.state:4}", fg=_COLOURS[result.state])
        click.echo(f"{state}  {result.name:{width}}  {escape(result.says)}")
        if result.advice:
            click.echo(f"{'':{width + 8}}-> {escape(result.advice)}")
    return int(failed)
