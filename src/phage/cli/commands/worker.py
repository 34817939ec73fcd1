"""`phage worker`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from phage.cli.settings import Chosen


@click.command()
@click.option("--once", is_flag=True, help="End when no job waits.")
@click.option(
    "--idle",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="End when no job came for so long.",
)
@settings_options
def command(chosen: Chosen, once: bool, idle: float | None) -> None:  # noqa: FBT001  A flag of the command line.
    """Scan files for others: serve the queue of jobs and the watched folders (scan.watch).

    Only engines that pass their self-test are used. Ends with SIGTERM or Ctrl-C, after the file at
    work.
    """
    from phage.clock import SystemClock
    from phage.daemon.scanwork import work
    from phage.telemetry.logs import configure

    settings = chosen.settings()
    configure(settings.logging.format, settings.logging.level, settings.logging.levels)
    work(
        settings,
        chosen.state(settings),
        chosen.location(settings),
        SystemClock(),
        idle=0.0 if once else idle,
    )
