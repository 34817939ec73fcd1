"""Settings as YAML: the documented defaults, and the settings in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from phage.config.kinds import format_duration, format_size, parse_duration, parse_size
from phage.config.section import Section
from phage.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

HEADER = (
    "# Settings of phage. Every key stands here with its default; write only those that differ.\n"
)

SECRET_KEYS = frozenset({"password", "token", "key", "url", "urls"})
"""Settings of plug-ins that are secrets: the URL of a chat service holds one."""

MASK = "(set)"
"""What is shown of a secret that is set."""


def reference() -> str:
    """Return the whole settings file with every key, its documentation and its default."""
    return HEADER + "\n".join(_documented(Settings, Settings(), 0)) + "\n"


def show(settings: Settings) -> str:
    """Return the settings in force as YAML; secrets are masked."""
    return "\n".join(_plain(settings, 0)) + "\n"


def as_values(settings: Section) -> dict[str, Any]:
    """Return the settings in force as plain values; secrets are masked."""
    return {
        name: as_values(value) if isinstance(value, Section) else _json_value(value)
        for name in type(settings).model_fields
        for value in (getattr(settings, name),)
    }


def _documented(model: type[Section], values: Section, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, info in model.model_fields.items():
        value = getattr(values, name)
        yield ""
        if isinstance(value, Section):
            yield f"{indent}# {_summary(type(value))}"
            yield f"{indent}{name}:"
            yield from _documented(type(value), value, depth + 1)
            continue
        yield f"{indent}# {info.description}{_bounds(info)}"
        yield f"{indent}{name}: {_text(value, info)}"


def _plain(values: Section, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, info in type(values).model_fields.items():
        value = getattr(values, name)
        if isinstance(value, Section):
            yield f"{indent}{name}:"
            yield from _plain(value, depth + 1)
        else:
            yield f"{indent}{name}: {_text(value, info)}"


def _summary(model: type[Section]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _bounds(info: FieldInfo) -> str:
    """Return the range that a key allows, from its constraints."""
    limits: dict[str, object] = {}
    for constraint in info.metadata:
        for kind in ("ge", "gt", "le"):
            if (bound := getattr(constraint, kind, None)) is not None:
                limits[kind] = bound
    low, above, high = (
        None if bound is None else _text(bound, info)
        for bound in map(limits.get, ("ge", "gt", "le"))
    )
    if low is not None and high is not None:
        return f" Range: {low} to {high}."
    if low is not None:
        return f" At least {low}."
    if above is not None:
        return f" Above {above}" + (f", at most {high}." if high is not None else ".")
    return ""


def _json_value(value: object) -> object:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Section):
        return as_values(value)
    if isinstance(value, tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {
            str(key): MASK if key in SECRET_KEYS and item else _json_value(item)
            for key, item in value.items()
        }
    return value


def _text(value: object, info: FieldInfo) -> str:
    """Return a value as YAML in one line (JSON is YAML), sizes and times in their units."""
    parsers = {getattr(item, "func", None) for item in info.metadata}
    plain = _json_value(value)
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        if parse_size in parsers:
            return format_size(plain)
        if parse_duration in parsers:
            return format_duration(plain)
        return str(int(plain)) if float(plain).is_integer() else str(plain)
    return json.dumps(plain, ensure_ascii=False)
