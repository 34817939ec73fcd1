"""Checks that plug-ins of every family pass."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from phage.config.plugins import describe, make
from phage.testing.conformance.quiet import no_input_or_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.plugin import Plugin

_NAME = re.compile(r"[a-z][a-z0-9]{1,30}")


def expect(condition: object, message: str) -> None:
    """Raise AssertionError with a message unless a condition holds."""
    if not condition:
        raise AssertionError(message)


def check_name(plugin: Plugin) -> None:
    """A name is one word of lower-case letters and digits: it is a label, a key and an option."""
    expect(_NAME.fullmatch(plugin.name), f"{plugin.name!r} is no name for a plug-in")


def check_summary(plugin: Plugin) -> None:
    """A summary is one printable line."""
    expect(plugin.summary.strip() == plugin.summary != "", f"{plugin.name} has no summary")
    expect(plugin.summary.isprintable(), f"{plugin.name}: the summary is not one printable line")
    expect(len(plugin.summary) <= 120, f"{plugin.name}: the summary is longer than a line")


def check_state(plugin: Plugin) -> None:
    """A plug-in that is unavailable has a reason, and none otherwise."""
    expect(bool(plugin.reason) != plugin.is_available, f"{plugin.name}: state without reason")
    expect("lacks" not in plugin.reason, f"{plugin.name} does not satisfy its contract")
    expect("fails at import" not in plugin.reason, f"{plugin.name} {plugin.reason}")


def check_documentation(plugin: Plugin) -> None:
    """The class says what it does, and each setting what it is for."""
    if plugin.factory is None:
        return
    expect(inspect.getdoc(plugin.factory), f"{plugin.name} has no docstring")
    for setting in describe(plugin):
        expect(setting.meaning, f"{plugin.name}: the setting {setting.name} is not documented")


def check_settings(plugin: Plugin) -> None:
    """The defaults of the settings are values that a settings file can say."""
    if plugin.factory is None:
        return
    for setting in describe(plugin):
        value = list(setting.default) if isinstance(setting.default, tuple) else setting.default
        make(plugin, {setting.name: value})


def check_inert(plugin: Plugin) -> None:
    """Making it does no input or output."""
    if plugin.factory is None or not describe_only(plugin):
        return
    with no_input_or_output(plugin.name):
        make(plugin)


def describe_only(plugin: Plugin) -> bool:
    """Tell whether a plug-in can be made from its settings alone."""
    if plugin.factory is None:
        return False
    needed = inspect.signature(plugin.factory).parameters.values()
    return all(
        parameter.default is not inspect.Parameter.empty
        or parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
        for parameter in needed
    )


CHECKS: tuple[Callable[[Plugin], None], ...] = (
    check_name,
    check_summary,
    check_state,
    check_documentation,
    check_settings,
    check_inert,
)
