"""`phage config`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.output import emit_one, output_option, say
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from phage.cli.settings import Chosen


@click.group()
def command() -> None:
    """Show and check settings, and print the reference."""


@command.command()
@output_option
@settings_options
def show(chosen: Chosen, form: str) -> None:
    """Print the settings in force: file, environment and options together. Secrets are masked."""
    from phage.config.reference import as_values
    from phage.config.reference import show as as_text

    settings = chosen.settings()
    say(f"# from {chosen.file or 'defaults'}, the environment and options")
    emit_one(form, as_values(settings), as_text(settings).splitlines())


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@settings_options
def check(chosen: Chosen, file: Path | None) -> None:
    """Check a settings file (default: the one in use), and say what is wrong with it and where."""
    from phage.cli.settings import Chosen as Choice

    picked = Choice(file, chosen.state_dir) if file is not None else chosen
    picked.settings()
    say(f"{picked.file or 'defaults'}: all is well")


@command.command()
def reference() -> None:
    """Print the whole settings file: every key with its documentation and default."""
    from phage.config.reference import reference as as_text

    print(as_text(), end="")
