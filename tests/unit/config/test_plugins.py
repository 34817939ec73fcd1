"""Settings of plug-ins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from phage.config.plugins import describe, make
from phage.errors import ConfigError
from phage.plugin import Plugin, PluginState


@dataclass
class Example:
    """A plug-in with settings."""

    name: ClassVar[str] = "example"
    ports: int = 20
    """Ports on one host
    within a minute."""
    share: float = 0.5
    strict: bool = False
    names: tuple[str, ...] = ()
    limit: int | None = None
    """At most; null for no limit."""
    _state: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.ports < 1:
            message = "ports must be above 0"
            raise ValueError(message)


class Bare:
    """A plug-in without settings."""


def plugin(factory: type | None) -> Plugin:
    return Plugin("detectors", "example", "", PluginState.AVAILABLE, "broken", factory)


def test_settings_are_bound_in_their_types() -> None:
    made = make(plugin(Example), {"ports": 3, "share": 1, "names": ["a", "b"], "limit": 7})
    assert made == Example(ports=3, share=1.0, names=("a", "b"), limit=7)
    assert isinstance(made.share, float)
    assert make(plugin(Example), {"limit": None}) == Example()
    assert isinstance(make(plugin(Bare)), Bare)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"prots": 3},
            r"detectors\.settings\.example\.prots: no such setting; did you mean 'ports'\?",
        ),
        ({"_state": {}}, "no such setting"),
        ({"ports": "3"}, r"example\.ports: must be a whole number \(got '3'\)"),
        ({"ports": True}, "must be a whole number"),
        ({"ports": 1.5}, "must be a whole number"),
        ({"strict": 1}, "must be true or false"),
        ({"share": "x"}, "must be a number"),
        ({"names": "a"}, "must be a list of text"),
        ({"names": ["a", 1]}, r"names\[1\]: must be text"),
        ({"limit": "x"}, "must be a whole number"),
        ({"ports": 0}, "ports must be above 0"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make(plugin(Example), values)


def test_settings_of_a_plugin_without_any_are_refused() -> None:
    with pytest.raises(ConfigError, match="no such setting"):
        make(plugin(Bare), {"x": 1})
    with pytest.raises(ConfigError, match="unavailable: broken"):
        make(plugin(None))


def test_settings_are_described_with_what_stands_below_them() -> None:
    described = {each.name: each for each in describe(plugin(Example))}
    assert list(described) == ["ports", "share", "strict", "names", "limit"]
    assert described["ports"].meaning == "Ports on one host within a minute."
    assert described["ports"].default == 20
    assert described["limit"].kind == "a whole number"
    assert describe(plugin(Bare)) == []
