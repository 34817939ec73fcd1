"""`phage worker`."""

from __future__ import annotations

from pathlib import Path
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
@click.option(
    "--join",
    "url",
    envvar="PHAGE_JOIN",
    metavar="URL",
    default="",
    help="Scan for the phage there.",
)
@click.option(
    "--token-file",
    envvar="PHAGE_TOKEN_FILE",
    type=click.Path(path_type=Path),
    help="File with the worker's token.",
)
@click.option("--token", envvar="PHAGE_TOKEN", default="", help="The token itself.")
@click.option("--ca-file", envvar="PHAGE_CA_FILE", default="", help="Certificates to trust.")
@click.option(
    "--name",
    envvar="PHAGE_WORKER_NAME",
    default="",
    help="Of this worker. Default: host and process.",
)
@click.option("--engine", "engines", multiple=True, metavar="NAME", help="Only this one; again.")
@settings_options
def command(
    chosen: Chosen,
    once: bool,  # noqa: FBT001  A flag of the command line.
    idle: float | None,
    url: str,
    token_file: Path | None,
    token: str,
    ca_file: str,
    name: str,
    engines: tuple[str, ...],
) -> None:
    """Scan files for others: serve the queue of jobs and the watched folders (scan.watch).

    With --join the engines of this machine scan for a phage on another one, which has the store:
    tasks come over scan.queue_url, files from the URL. Only engines that pass their self-test are
    used. Ends with SIGTERM or Ctrl-C, after the file at work.
    """
    from phage.clock import SystemClock
    from phage.daemon.scanwork import work
    from phage.telemetry.logs import configure

    settings = chosen.settings()
    configure(settings.logging.format, settings.logging.level, settings.logging.levels)
    if url:
        from phage.cli.joining import masters
        from phage.daemon.enginework import EngineWork

        made = masters(url, token_file, token, ca_file)
        EngineWork(settings, chosen.state(settings), SystemClock(), made, name).run(engines)
        return
    work(
        settings,
        chosen.state(settings),
        chosen.location(settings),
        SystemClock(),
        idle=0.0 if once else idle,
    )
