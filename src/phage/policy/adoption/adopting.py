"""What an import would change: a new rule file, and lines of the settings file."""

from __future__ import annotations

import difflib
import typing
from typing import TYPE_CHECKING

from pydantic import ValidationError

from phage.config.document import dotted, parse_document
from phage.config.edit import edit
from phage.config.section import Section
from phage.config.settings import Settings
from phage.errors import ConfigError, RuleError
from phage.frozen import frozen
from phage.policy.adoption.writer import write_rules
from phage.policy.importer import NotImported
from phage.policy.reading.reader import read_file, read_rules
from phage.policy.ruleset import rule_paths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from phage.config.document import Key
    from phage.policy.importer import Imported, SettingChange


@frozen
class Adoption:
    """What an import changes, before anything is written.

    Attributes:
        rules: The text of the new rule file; '' when there are no rules.
        before: The settings file as it is.
        after: The settings file as it is to be.
        left: What is not imported, with the reasons.
    """

    rules: str
    before: str
    after: str
    left: tuple[NotImported, ...]

    def diff(self, name: str) -> str:
        """Return the change of the settings file as a unified diff; '' for none."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            name,
            name,
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def adopt(
    imported: Imported, source: str, taken: Iterable[str], settings: str, settings_name: str
) -> Adoption:
    """Work out what an import changes.

    Args:
        imported: What was read.
        source: The name of the file that it was read from.
        taken: Names of the rules that there are.
        settings: The text of the settings file; '' where there is none.
        settings_name: Its name, for errors.

    Raises:
        ConfigError: The settings file is wrong already.
        RuleError: A rule cannot be said in phage's language.
    """
    rules = write_rules(imported, source, taken) if imported.rules else ""
    read_rules(rules, source)  # What is written can be read.
    left = list(imported.left)
    after = settings
    for change in imported.settings:
        try:
            after = _with(after, settings_name, change)
        except ConfigError as error:
            if after == settings:
                parse_document(settings, settings_name)  # Wrong already: that is no detail.
            left.append(NotImported(change.line, dotted(change.key), str(error)))
    return Adoption(rules, settings, after, tuple(left))


def rule_names(folder: Path) -> set[str]:
    """Return the names of the rules in a folder; of files that cannot be read, none."""
    names: set[str] = set()
    for path in rule_paths([folder]):
        try:
            names.update(rule.name for rule in read_file(path).rules)
        except RuleError:
            continue
    return names


def _with(text: str, name: str, change: SettingChange) -> str:
    """Return the settings file with one change, if that is a setting and its value is right."""
    if not _is_setting(change.key):
        message = "phage has no such setting yet"
        raise ConfigError(message)
    value = change.value
    if isinstance(value, dict) and _current(text, name, change.key) is not None:
        message = "is set already, and stays as it is"
        raise ConfigError(message)
    if isinstance(value, list):
        value = _joined(_current(text, name, change.key), value)
    changed = edit(text, name, [(change.key, value)])
    try:
        Settings.model_validate(parse_document(changed, name).values)
    except ValidationError as error:
        place = error.errors(include_url=False)[0]["loc"]
        message = f"{name}: {dotted(tuple(place))}: is wrong; see `phage config check {name}`"
        raise ConfigError(message) from error
    return changed


def _joined(present: object, more: list[object]) -> list[object]:
    """Return a list with what it lacks added: an import takes nothing from the person's own."""
    own = present if isinstance(present, list) else []
    return [*own, *(item for item in more if item not in own)]


def _current(text: str, name: str, key: Key) -> object:
    value: object = parse_document(text, name).values
    for part in key:
        value = value.get(str(part)) if isinstance(value, dict) else None
    return value


def _is_setting(key: Key) -> bool:
    model: type[Section] = Settings
    for index, part in enumerate(key):
        info = model.model_fields.get(str(part))
        if info is None:
            return False
        if index == len(key) - 1 or (index == len(key) - 2 and _names_sections(info.annotation)):
            return True
        if not (isinstance(info.annotation, type) and issubclass(info.annotation, Section)):
            return False
        model = info.annotation
    return False


def _names_sections(annotation: object) -> bool:
    """Tell whether a setting is sections by names that people choose, as `intel.feeds`."""
    of = typing.get_args(annotation)
    return len(of) == 2 and isinstance(of[1], type) and issubclass(of[1], Section)
