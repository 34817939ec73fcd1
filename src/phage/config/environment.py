"""Settings from the environment.

PHAGE_SECTION__KEY, for example PHAGE_API__LISTEN=127.0.0.1:9090.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.config.document import Key, parse_value
from phage.config.settings import Settings
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "PHAGE_"

MAX_LENGTH = 16_384
"""Octets of a value; what is longer is no setting."""


def read_environment(environment: Mapping[str, str]) -> Iterator[tuple[Key, object, str]]:
    """Yield (key, value, name of the variable) for each variable that is a setting.

    A name without a double underscore is taken only when it is a key of the first level: container
    platforms put names such as PHAGE_PORT and PHAGE_SERVICE_HOST there for a service called phage.
    """
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        parts = [part.lower() for part in name.removeprefix(PREFIX).split("__")]
        if len(parts) == 1 and parts[0] not in Settings.model_fields:
            continue
        text = environment[name]
        if len(text) > MAX_LENGTH:
            message = f"{name}: is longer than {MAX_LENGTH} octets"
            raise ConfigError(message)
        yield tuple(parts), _value(name, text), name


def _value(name: str, text: str) -> object:
    try:
        return parse_value(text)
    except ValueError as error:
        message = f"{name}: {error}"
        raise ConfigError(message) from error


def put(values: dict[str, Any], key: Key, value: object, name: str) -> None:
    """Put a value at a key, making the sections above it."""
    for part in key[:-1]:
        below = values.setdefault(str(part), {})
        if not isinstance(below, dict):
            message = f"{name}: {part} is no section of settings"
            raise ConfigError(message)
        values = below
    values[str(key[-1])] = value
