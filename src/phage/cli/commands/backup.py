"""`phage backup`."""

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
@output_option
@settings_options
def command(chosen: Chosen, file: Path, form: str) -> None:
    """Save the store, the model and the captures to FILE (.tar.gz) while phage goes on running."""
    from phage.store.backup import back_up
    from phage.telemetry.version import package_version

    settings = chosen.settings()
    report = back_up(
        file.absolute(),
        chosen.location(settings),
        chosen.state(settings),
        SystemClock(),
        package_version(),
    )
    record = {
        "file": str(report.path),
        "octets": report.octets,
        "created": report.manifest.created,
        "files": len(report.manifest.files),
    }
    say(f"{report.path}: {report.octets:,} octets, {len(report.manifest.files)} files")
    if form != "table":
        emit_one(form, record, ())
