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
    """Show and check settings, print the reference, import files of other programs."""


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


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", default="", help="Name of the new rule file; default: the program's.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@settings_options
def import_(chosen: Chosen, file: Path, name: str, dry_run: bool) -> None:  # noqa: FBT001  A flag.
    """Import rules and settings of PhantomFirewall, phalanx or FastNetMon.

    FILE is PhantomFirewall's YAML, phalanx's detector.conf or collector.conf, or fastnetmon.conf
    (its lists of networks are read beside it, else where it says); its content shows which. Rules
    go into a new file in the folder of rules, all in dry-run; settings are changed in the settings
    file. What is not imported is listed, with the reason.
    """
    from phage.cli.imports import import_settings

    settings = chosen.settings(may_be_made=True)
    rules = chosen.state(settings).rules
    import_settings(
        file,
        name,
        rules,
        chosen.file_to_write,
        dry_run=dry_run,
        may_be_made=not chosen.names_only_state,
    )
    if settings.policy.rules:
        say(f"note: policy.rules names other files; rules in {rules} are read once it is there too")
