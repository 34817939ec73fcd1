"""The settings file, for the API and the dashboard: shown, checked, changed with its comments."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import SecretStr

from phage.api.desks import FileText, Setting
from phage.config.document import MAX_OCTETS, Document, parse_document, read_text
from phage.config.edit import edit
from phage.config.load import default_file, load_settings
from phage.config.local import local_values
from phage.config.masking import masked, unmasked, with_secrets
from phage.config.reference import as_values
from phage.config.savefile import save_over
from phage.config.section import Section
from phage.config.settings import Settings
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass
class LocalSettingsDesk:
    """The settings file of this machine. May be called from several threads.

    Attributes:
        in_force: The settings with which phage was started.
        path: The settings file; None where there is none yet.
        environment: Variables that settings are taken from, which go before the file.
    """

    in_force: Settings
    path: Path | None
    environment: Mapping[str, str]

    @property
    def _path(self) -> Path:
        return self.path or default_file(self.environment, Path.home(), os.geteuid())

    def file(self) -> FileText:
        """Return the settings file; empty where there is none yet."""
        path = self._path
        text = read_text(path, MAX_OCTETS, "settings file") if path.exists() else ""
        return FileText(path.name, text, str(path))

    def shown(self) -> FileText:
        """Return the settings file with its secrets masked."""
        file = self.file()
        return replace(file, text=masked(file.text, file.name))

    def settings(self) -> Sequence[Setting]:
        """Return every key in force, in order."""
        written: set[tuple[str, ...]] = set()
        try:
            file = self.file()
            document = parse_document(file.text, file.place)
            written = {tuple(map(str, key)) for key in document.lines}
        except ConfigError:
            pass  # A file that cannot be read is told where it is edited.
        values, defaults = as_values(self.in_force), as_values(Settings())
        return list(_keys(Settings, values, defaults, (), written))

    def check(self, text: str) -> Sequence[str]:
        """Return what is wrong with a text."""
        name = self._path.name
        with tempfile.TemporaryDirectory(prefix="phage-settings-") as folder:
            trial = Path(folder) / name
            try:
                trial.write_text(self._unmasked(text), encoding="utf-8")
                load_settings(trial, self.environment)
            except ConfigError as error:
                return [line.replace(f"{folder}/", "") for line in str(error).splitlines()]
        return []

    def changed(self, key: tuple[str, ...], value: str) -> str:
        """Return the file's text with a key set to a value."""
        try:
            wanted: Any = yaml.safe_load(value)
        except yaml.YAMLError as error:
            message = f"{'.'.join(key)}: {value!r} is no YAML"
            raise ConfigError(message) from error
        file = self.file()
        before = parse_document(file.text, file.place)
        return edit(file.text, file.place, [(key, with_secrets(key, wanted, before))])

    def save(self, text: str) -> None:
        """Write the file; one that cannot be used is refused."""
        if faults := self.check(text):
            raise ConfigError("\n".join(faults))
        plain = self._unmasked(text)
        self._keep_local(plain)
        save_over(self._path, plain)

    def _unmasked(self, text: str) -> str:
        """Return a text with the secrets that were masked when it was shown."""
        file = self.file()
        try:
            before = parse_document(file.text, file.name)
        except ConfigError:  # A file that cannot be read has none to put back.
            before = Document(file.name)
        return unmasked(text.replace("\r\n", "\n"), self._path.name, before)

    def _keep_local(self, text: str) -> None:
        """Refuse to change what phage runs, reads or writes: who asks may be anywhere."""
        before: dict[str, object] = {}
        with contextlib.suppress(ConfigError):  # A file that cannot be read grants nothing.
            file = self.file()
            before = local_values(parse_document(file.text, file.place).values)
        after = local_values(parse_document(text, self._path.name).values)
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                message = f"{key} is changed on phage's own machine only, in the settings file"
                raise ConfigError(message)


def _keys(
    model: type[Section],
    values: Mapping[str, Any],
    defaults: Mapping[str, Any],
    above: tuple[str, ...],
    written: set[tuple[str, ...]],
) -> Iterator[Setting]:
    for name, info in model.model_fields.items():
        key, annotation = (*above, name), info.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from _keys(annotation, values[name], defaults[name], key, written)
            continue
        yield Setting(
            key,
            info.description or "",
            _text(values[name]),
            _text(defaults[name]),
            is_secret=annotation is SecretStr,
            is_written=key in written,
        )


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
