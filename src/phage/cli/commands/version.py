"""`phage version`."""

from __future__ import annotations

import platform

import click

from phage.cli.core import core_build
from phage.cli.output import emit_one, output_option
from phage.telemetry.version import package_version


@click.command()
@output_option
def command(form: str) -> None:
    """Print the versions of phage, its core and Python."""
    core = core_build()
    record: dict[str, object] = {
        "phage": package_version(),
        "core": core if isinstance(core, str) else dict(core),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    built = (
        core
        if isinstance(core, str)
        else ", ".join(f"{key} {value}" for key, value in core.items())
    )
    emit_one(
        form,
        record,
        [
            f"phage {record['phage']}",
            f"core: {built}",
            f"python {record['python']} on {record['system']}",
        ],
    )
