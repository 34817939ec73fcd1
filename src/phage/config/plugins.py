"""Settings of plug-ins: the plug-in's class is a dataclass, and its public fields are its settings.

What a setting does stands in a string below its field:

    @dataclass
    class Portscan:
        name: ClassVar[str] = "portscan"
        ports: int = 20
        '''Ports on one host within a minute.'''
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import re
import sys
import types
import typing
from typing import Any

from phage.config.load import suggestion
from phage.errors import ConfigError

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phage.plugin import Plugin

_SIMPLE = (bool, int, float, str)
_MEANING = re.compile(r'^\s+(\w+)\s*:[^\n]*\n\s+"""(.*?)"""', re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a plug-in: name, type as people write it, default, what it does."""

    name: str
    kind: str
    default: object
    meaning: str


def make(
    plugin: Plugin, values: Mapping[str, object] | None = None, key: str = "detectors.settings"
) -> Any:  # noqa: ANN401  What a plug-in is, its family knows.
    """Make a plug-in with its settings. Raises ConfigError that names the key and what to do."""
    where = f"{key}.{plugin.name}"
    if plugin.factory is None:
        message = f"{where}: {plugin.name} is unavailable: {plugin.reason}"
        raise ConfigError(message)
    hints = {name: hint for name, _, hint in _fields(plugin)}
    for name in values or {}:
        if name not in hints:
            message = f"{where}.{name}: no such setting{suggestion(name, list(hints))}"
            raise ConfigError(message)
    own = {
        name: _convert(value, hints[name], f"{where}.{name}")
        for name, value in (values or {}).items()
    }
    try:
        return plugin.factory(**own)
    except (TypeError, ValueError) as error:
        message = f"{where}: {error}"
        raise ConfigError(message) from error


def describe(plugin: Plugin) -> list[Setting]:
    """Return the settings that a plug-in documents."""
    meanings = _meanings(plugin)
    return [
        Setting(name, _kind_name(hint), _default(field), meanings.get(name, ""))
        for name, field, hint in _fields(plugin)
    ]


def _fields(plugin: Plugin) -> Iterator[tuple[str, dataclasses.Field[Any], Any]]:
    """Yield name, field and type of each setting; a field of another type is a part."""
    kind = plugin.factory
    if not inspect.isclass(kind) or not dataclasses.is_dataclass(kind):
        return
    module = sys.modules.get(kind.__module__)
    known = vars(module) if module else {}
    for field in dataclasses.fields(kind):
        if not field.init or field.name.startswith("_"):
            continue
        bare = type("Setting", (), {"__annotations__": {"value": field.type}})
        try:
            hint = typing.get_type_hints(bare, globalns=known)["value"]
        except NameError:  # A type that exists for type checkers alone is that of a part.
            continue
        if _is_plain(hint):
            yield field.name, field, hint


def _is_plain(hint: Any) -> bool:  # noqa: ANN401  Any type.
    """Tell whether a settings file can say values of a type."""
    if hint in _SIMPLE or hint in {type(None), Ellipsis}:
        return True
    arguments = typing.get_args(hint)
    known = typing.get_origin(hint) in {tuple, frozenset, types.UnionType, typing.Union}
    return known and bool(arguments) and all(map(_is_plain, arguments))


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _convert(value: object, hint: Any, where: str) -> object:  # noqa: ANN401  Any type.
    """Return a value in the type that a field has; a number is never taken from text."""
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in _SIMPLE and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {tuple, frozenset} and isinstance(value, list):
        return origin(
            _convert(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(value)
        )
    if origin in {types.UnionType, typing.Union}:
        if value is None and type(None) in arguments:
            return None
        rest = [argument for argument in arguments if argument is not type(None)]
        if len(rest) == 1:
            return _convert(value, rest[0], where)
    message = f"{where}: must be {_kind_name(hint)} (got {value!r})"
    raise ConfigError(message)


def _kind_name(hint: Any) -> str:  # noqa: ANN401  Any type.
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if hint in _SIMPLE:
        return names[hint]
    arguments = [item for item in typing.get_args(hint) if item not in {Ellipsis, type(None)}]
    if typing.get_origin(hint) in {tuple, frozenset}:
        return f"a list of {_kind_name(arguments[0])}"
    if arguments:
        return " or ".join(_kind_name(item) for item in arguments)
    return getattr(hint, "__name__", str(hint))


def _meanings(plugin: Plugin) -> dict[str, str]:
    """Read the text that stands under each field in the source."""
    if not inspect.isclass(plugin.factory):
        return {}
    found: dict[str, str] = {}
    for base in reversed(plugin.factory.__mro__):  # What a class says goes before its bases.
        if not dataclasses.is_dataclass(base):
            continue
        with contextlib.suppress(OSError, TypeError):
            for match in _MEANING.finditer(inspect.getsource(base)):
                found[match[1]] = " ".join(match[2].split())
    return found
