"""`phage restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.output import emit_one, output_option, say
from phage.cli.settings import settings_options
from phage.clock import SystemClock

if TYPE_CHECKING:
    from phage.cli.settings import Chosen


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only verify the backup; change nothing.")
@output_option
@settings_options
def command(chosen: Chosen, file: Path, *, dry_run: bool, form: str) -> None:
    """Put a backup in place of the state there is, which is set aside.

    The backup is verified whole before anything is touched. `phage run` must not run meanwhile. A
    backup of an SQLite store can be restored to PostgreSQL and the other way round.
    """
    from phage.store.restore import restore

    settings = chosen.settings()
    report = restore(
        file.absolute(),
        chosen.location(settings),
        chosen.state(settings),
        SystemClock(),
        dry_run=dry_run,
    )
    about = report.manifest
    say(f"{file}: made {about.created} by phage {about.version}")
    say(f"{len(about.files)} files, all whole")
    say("nothing was changed (--dry-run)" if dry_run else "restored")
    if report.aside:
        say(f"the state before lies in {report.aside}")
    if form != "table":
        emit_one(
            form, {"created": about.created, "restored": not dry_run, "aside": report.aside}, ()
        )
