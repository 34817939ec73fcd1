"""What `phage config import` does: show what a foreign file means here, and take it over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phage.cli.output import escape_lines, say
from phage.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.policy.adoption.adopting import Adoption
    from phage.policy.importer import Imported

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def import_settings(
    file: Path,
    name: str,
    rules_folder: Path,
    settings_file: Path,
    *,
    dry_run: bool,
    may_be_made: bool = True,
) -> None:
    """Import a file of another program.

    Args:
        file: The file.
        name: Name of the new rule file, without ".yaml"; '' for the program's.
        rules_folder: Where rule files are.
        settings_file: The settings file in use, or to be made.
        dry_run: Show all, and write nothing.
        may_be_made: The settings file may be made where there is none.

    Raises:
        ConfigError: Something is wrong with a file, or one would be overwritten.
    """
    from phage.policy.adoption.adopting import adopt, rule_names
    from phage.policy.adoption.importing import import_file

    imported = import_file(file)
    target = rules_folder / f"{checked_name(name or imported.program.lower())}.yaml"
    if imported.rules and target.exists():
        message = f"{target}: is there already; give another name with --name, or remove it"
        raise ConfigError(message)
    before = _text(settings_file)
    adoption = adopt(imported, str(file), rule_names(rules_folder), before, str(settings_file))
    _tell(file, imported, adoption)
    if dry_run:
        _show(target, settings_file, adoption)
    elif adoption.diff(str(settings_file)) and not (may_be_made or settings_file.exists()):
        message = (
            "settings are to be imported, and no settings file was read; name the one to write "
            "them to with --config FILE"
        )
        raise ConfigError(message)
    else:
        _write(target, settings_file, adoption)


def checked_name(name: str) -> str:
    """Return a name of a rule file, without its suffix; no path. Raises ConfigError."""
    if _NAME.fullmatch(name) is None:
        message = f"--name {name!r}: write letters, digits, dots, - and _ only"
        raise ConfigError(message)
    return name.removesuffix(".yaml")


def _text(path: Path) -> str:
    from phage.config.document import MAX_OCTETS, read_text

    return read_text(path, MAX_OCTETS, "settings file") if path.exists() else ""


def _tell(file: Path, imported: Imported, adoption: Adoption) -> None:
    """Say what is not as it was: nothing is lost silently."""
    from phage.config.document import dotted

    say(f"{file}: a file of {imported.program} with {len(imported.rules)} rules to import")
    for warning in imported.warnings:
        say(f"warning: {warning}")
    left = {item.what for item in adoption.left}
    for change in imported.settings:
        if change.note and dotted(change.key) not in left:
            say(f"{file}:{change.line}: {dotted(change.key)}: {change.note}")
    for item in sorted(adoption.left, key=lambda item: item.line):
        say(f"{file}:{item.line}: not imported: {item.what}: {item.reason}")


def _show(target: Path, settings_file: Path, adoption: Adoption) -> None:
    if adoption.rules:
        say(f"would write {target}:")
        print(escape_lines(adoption.rules), end="")
    diff = adoption.diff(str(settings_file))
    if diff:
        say(f"would change {settings_file}:")
        print(escape_lines(diff), end="")
    say("nothing was written (--dry-run)")


def _write(target: Path, settings_file: Path, adoption: Adoption) -> None:
    from phage.config.savefile import save_new, save_over

    if adoption.rules:
        save_new(target, adoption.rules)
        say(f"wrote {target}; look at it, then `phage rules check`")
    diff = adoption.diff(str(settings_file))
    if diff:
        done = "changed" if settings_file.exists() else "made"
        save_over(settings_file, adoption.after, folder_mode=0o755)
        say(f"{done} {settings_file}:")
        print(escape_lines(diff), end="")
    if not adoption.rules and not diff:
        say("there was nothing to write")
