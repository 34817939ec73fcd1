"""Loading settings: file, then environment, then the command line; the later wins."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError

from phage.config.document import Document, Key, dotted, read_document
from phage.config.environment import put, read_environment
from phage.config.masking import is_secret
from phage.config.section import Section
from phage.config.settings import Settings
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

MAX_REPORTED = 20
"""Faults named at a time; the rest shows when these are mended."""

SYSTEM_FILE = Path("/etc/phage/phage.yaml")


_TEXTS = {
    "model_type": "is a section: its keys stand below it, indented",
    "tuple_type": "must be a list, for example [a, b]",
    "dict_type": "must be keys and values, for example {key: value}",
    "string_type": "must be text; put it in quotes",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "path_type": "must be the name of a file or folder",
    "finite_number": "must be a finite number",
}
"""What to say instead of pydantic's words, by its kind of fault."""


def find_file(environment: Mapping[str, str], home: Path, working: Path) -> Path | None:
    """Return the settings file that is used when none is named: the first there is, or None.

    $PHAGE_CONFIG, ./phage.yaml, $XDG_CONFIG_HOME/phage/phage.yaml, /etc/phage/phage.yaml.
    """
    if named := environment.get("PHAGE_CONFIG"):
        return Path(named)
    for candidate in (working / "phage.yaml", _user_file(environment, home), SYSTEM_FILE):
        try:
            if candidate.is_file():
                return candidate
        except PermissionError:
            continue  # Another account's folder, as after `setpriv` or in a service.
    return None


def default_file(environment: Mapping[str, str], home: Path, user: int) -> Path:
    """Return the settings file to be made where there is none: the machine's for root."""
    return SYSTEM_FILE if user == 0 else _user_file(environment, home)


def _user_file(environment: Mapping[str, str], home: Path) -> Path:
    base = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "phage" / "phage.yaml"


def load_settings(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[Key, object] | None = None,
) -> Settings:
    """Return the settings in force.

    Raises ConfigError that names file, line and key of every fault.

    Args:
        path: The settings file; None for none.
        environment: Variables to take settings from; None for none.
        overrides: Values from the command line, by key.
    """
    document = read_document(path) if path is not None else Document("")
    origins: dict[Key, str] = {}
    for key, value, name in read_environment(environment or {}):
        put(document.values, key, value, name)
        origins[key] = name
    for key, value in (overrides or {}).items():
        name = f"option for {dotted(key)}"
        put(document.values, key, value, name)
        origins[key] = name
    try:
        settings = Settings.model_validate(document.values)
    except ValidationError as error:
        raise ConfigError(_explain(error, document, origins)) from error
    settings = _with_secrets(settings)
    _check_together(settings, document, origins)
    return settings


def suggestion(wrong: str, known: list[str]) -> str:
    """Return "; did you mean 'x'?" or the list of what there is."""
    near = difflib.get_close_matches(wrong[:100], known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known here: {', '.join(sorted(known))}" if known else ""


def _explain(error: ValidationError, document: Document, origins: Mapping[Key, str]) -> str:
    faults = error.errors(include_url=False, include_context=True)
    lines = [_explain_one(fault, document, origins) for fault in faults[:MAX_REPORTED]]
    if len(faults) > MAX_REPORTED:
        lines.append(f"and {len(faults) - MAX_REPORTED} more")
    return "\n".join(lines)


def _explain_one(fault: ErrorDetails, document: Document, origins: Mapping[Key, str]) -> str:
    key = tuple(part for part in fault["loc"] if part != "[key]")
    where = _where(key, document, origins)
    if fault["type"] == "extra_forbidden":
        known = _known_keys(key[:-1])
        return f"{where}: {dotted(key)}: no such key{suggestion(str(key[-1]), known)}"
    text = _TEXTS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    text = text.removeprefix("Input ")
    text = text[:1].lower() + text[1:]
    shown = repr(fault["input"])
    got = "" if is_secret(key) or len(shown) > 80 else f" (got {shown})"
    return f"{where}: {dotted(key)}: {text}{got}"


def _where(key: Key, document: Document, origins: Mapping[Key, str]) -> str:
    for end in range(len(key), 0, -1):
        if key[:end] in origins:
            return origins[key[:end]]
    return document.place(key) or "settings"


def _known_keys(section: Key) -> list[str]:
    model: type[Section] = Settings
    for part in section:
        annotation = (
            model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        )
        if not (isinstance(annotation, type) and issubclass(annotation, Section)):
            return []
        model = annotation
    return list(model.model_fields)


def read_secret(path: Path, key: str) -> str:
    """Return the first line of a secret's file.

    Raises ConfigError without ever showing the content.
    """
    try:
        with path.open("rb") as file:
            line = file.read(4097).partition(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        message = (
            f"{key}: {path} cannot be read: {error.strerror}; check the path and its permissions"
        )
        raise ConfigError(message) from error
    try:
        secret = line.decode()
    except UnicodeDecodeError:
        secret = ""
    if not secret or len(line) > 4096:
        message = f"{key}: the first line of {path} must be the secret, as UTF-8 text"
        raise ConfigError(message)
    return secret


def _with_secrets(settings: Settings) -> Settings:
    """Fill each secret from its file."""
    changes: dict[str, Any] = {}
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if not isinstance(section, Section):
            continue
        found = {
            key: SecretStr(read_secret(getattr(section, f"{key}_file"), f"{name}.{key}_file"))
            for key in type(section).model_fields
            if getattr(section, f"{key}_file", None) is not None
        }
        if found:
            changes[name] = section.model_copy(update=found)
    return settings.model_copy(update=changes) if changes else settings


def _check_together(settings: Settings, document: Document, origins: Mapping[Key, str]) -> None:
    """Check what no key can be checked for alone."""
    scheme = settings.store.url.partition(":")[0]
    if settings.store.url and scheme not in {"sqlite", "postgresql", "postgres"}:
        where = _where(("store", "url"), document, origins)
        message = f"{where}: store.url: must begin with sqlite:/// or postgresql://"
        raise ConfigError(message)
