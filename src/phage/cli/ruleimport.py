"""`phage rules import`: rules that are shipped, or in a file, into the folder of rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.output import escape_lines, say
from phage.cli.settings import settings_options
from phage.errors import ConfigError

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.policy.importer import Source


@click.command("import")
@click.argument("what", metavar="PRESET|FILE", required=False)
@click.option("--name", default="", help="Name of the new rule file; default: that of the source.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@settings_options
def import_(chosen: Chosen, what: str | None, name: str, dry_run: bool) -> None:  # noqa: FBT001  A flag.
    """Copy rules into the folder of rules, all of them in dry-run; without a source, list presets.

    PRESET is home, server, iot or provider. A FILE is in phage's own language; for those of other
    programs use `phage config import`. No file is overwritten.
    """
    if what is None:
        _list()
        return
    settings = chosen.settings(may_be_made=True)
    folder = chosen.state(settings).rules
    source = _source(what)
    _take(source, folder, name or Path(what).stem, dry_run=dry_run)
    if settings.policy.rules:
        say(f"note: policy.rules names other files; add {folder} there")


def _list() -> None:
    from phage.policy.presets import preset_names, preset_summary

    for name in preset_names():
        print(f"{name:10} {preset_summary(name)}")


def _source(what: str) -> Source:
    """Return a preset, else a file; a name with a slash or a dot is a file's."""
    from phage.config.document import read_text
    from phage.policy.importer import Source
    from phage.policy.presets import preset_names, preset_text
    from phage.policy.reading.reader import MAX_OCTETS

    if what in preset_names():
        return Source(f"preset {what}", preset_text(what))
    path = Path(what)
    if not path.exists():
        message = f"{what!r} is no file and no preset; presets are {', '.join(preset_names())}"
        raise click.BadParameter(message, param_hint="PRESET|FILE")
    return Source(what, read_text(path, MAX_OCTETS, "rule file"))


def _take(source: Source, folder: Path, name: str, *, dry_run: bool) -> None:
    from phage.cli.imports import checked_name
    from phage.config.savefile import save_new
    from phage.policy.reading.reader import read_file
    from phage.policy.ruleset import join, rule_paths
    from phage.policy.writing.dryrun import in_dry_run

    target = folder / f"{checked_name(name)}.yaml"
    if target.exists():
        message = f"{target}: is there already; give another name with --name, or remove it"
        raise ConfigError(message)
    text, file = in_dry_run(source.text, source.name)
    others = [read_file(path) for path in rule_paths([folder] if folder.is_dir() else [])]
    join([*others, file])  # Names must not be taken, and objects must be there.
    if text != source.text:
        say("rules that were enforced are in dry-run now")
    if dry_run:
        say(f"would write {target}:")
        print(escape_lines(text), end="")
        return
    save_new(target, text)
    say(f"wrote {target} with {len(file.rules)} rules; next: `phage rules plan`")
