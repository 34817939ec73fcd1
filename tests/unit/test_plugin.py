"""Discovery of plug-ins by folder and entry point, and the runner."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pytest

from phage.clock import FixedClock
from phage.plugin import (
    LOG_EVERY_SECONDS,
    PAUSE_AFTER,
    PAUSE_SECONDS,
    Family,
    Plugin,
    PluginState,
    Runner,
    discover,
    missing_members,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@runtime_checkable
class Greeter(Protocol):
    """Greets."""

    name: str
    summary: str

    def greet(self, whom: str) -> str: ...


MODULES = {
    "good": (
        "class Good:\n    name = 'good'\n    summary = 'Greets well.'\n"
        "    def greet(self, whom): return whom\n"
    ),
    "dataclass": (
        "from dataclasses import dataclass\nfrom typing import ClassVar\n"
        "@dataclass(slots=True)\nclass Data:\n    '''Greets from a dataclass.\n\n    More.'''\n"
        "    name: ClassVar[str] = 'data'\n    summary: str = ''\n    times: int = 3\n"
        "    def greet(self, whom): return whom * self.times\n"
    ),
    "needs": "import a_package_that_is_not_there\n",
    "broken": "def x(:\n",
    "raises": "raise RuntimeError('no luck')\n",
    "incomplete": "class Almost:\n    name = 'almost'\n    summary = 'x'\n",
    "empty": "x = 1\n",
    "reason": (
        "class Here:\n    name = 'reason'\n    summary = 'x'\n    def greet(self, whom): ...\n"
        "    @staticmethod\n    def available(): return 'needs a GPU'\n"
    ),
    "refuses": (
        "from phage.errors import PluginUnavailableError\n"
        "class Here:\n    name = 'refuses'\n    summary = 'x'\n    def greet(self, whom): ...\n"
        "    @staticmethod\n    def available(): raise PluginUnavailableError('no licence')\n"
    ),
    "fails": (
        "class Here:\n    name = 'fails'\n    summary = 'x'\n    def greet(self, whom): ...\n"
        "    @staticmethod\n    def available(): 1 / 0\n"
    ),
    "twin": "class Twin:\n    name = 'good'\n    summary = 'x'\n    def greet(self, whom): ...\n",
    "imports": "from example_plugins.good import Good\n",
    "_support": "raise RuntimeError('support is not a plug-in')\n",
}


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    folder = tmp_path / "example_plugins"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name, source in MODULES.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Family("greeters", Greeter, "example_plugins")
    for name in [name for name in sys.modules if name.startswith("example_plugins")]:
        del sys.modules[name]


def test_every_module_of_the_folder_is_listed_with_its_state(family: Family) -> None:
    plugins = {plugin.name: plugin for plugin in discover(family)}
    reasons = {name: plugin.reason for name, plugin in plugins.items()}
    contract = f"{__name__}.Greeter"
    assert reasons == {
        "good": "",
        "data": "",
        "needs": "needs the Python package 'a_package_that_is_not_there'",
        "broken": reasons["broken"],
        "raises": "fails at import: RuntimeError: no luck",
        "incomplete": f"no class satisfies {contract}: Almost lacks greet",
        "empty": f"no class satisfies {contract}",
        "imports": f"no class satisfies {contract}",
        "reason": "needs a GPU",
        "refuses": "no licence",
        "fails": "available() fails: ZeroDivisionError: division by zero",
        "good (example_plugins.twin)": "the name 'good' is taken by example_plugins.good",
    }
    assert reasons["broken"].startswith("fails at import: SyntaxError")
    for plugin in plugins.values():
        assert plugin.is_available == (plugin.reason == "")
    assert plugins["good"].summary == "Greets well."
    assert plugins["data"].summary == "Greets from a dataclass."
    assert plugins["data"].factory is not None
    assert plugins["data"].factory(times=2).greet("a") == "aa"
    assert list(plugins) == sorted(plugins)


class Point:
    """An entry point."""

    def __init__(self, name: str, loaded: object) -> None:
        self.name = name
        self.value = f"other:{name}"
        self._loaded = loaded

    def load(self) -> object:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


def test_other_packages_add_plugins_by_entry_points(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Foreign:
        summary = "From elsewhere."

        def greet(self, whom: str) -> str:
            return whom

    class Named(Foreign):
        name = "foreign"

    points = [
        Point("a", Named),
        Point("b", ImportError("libfoo is missing")),
        Point("c", 3),
        Point("d", Foreign),
    ]
    groups: list[str] = []

    def entry_points(*, group: str) -> list[Point]:
        groups.append(group)
        return points

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    plugins = {plugin.name: plugin for plugin in discover(family)}
    assert groups == ["phage.greeters"]
    assert plugins["foreign"].is_available
    assert plugins["foreign"].origin == "other:a"
    assert plugins["b"].reason == "libfoo is missing"
    assert plugins["c"].reason == "the entry point names no class"
    assert plugins["d"].reason == "Foreign lacks name"


def test_members_are_compared_by_name() -> None:
    class Whole:
        name: str
        summary = "x"

        def greet(self) -> None: ...

    assert missing_members(Greeter, Whole) == []
    assert missing_members(Greeter, object) == ["name", "summary", "greet"]


class Moody:
    """Raises when told."""

    def __init__(self) -> None:
        self.raises = False

    def look(self, count: int) -> Iterator[int]:
        yield from range(count)
        if self.raises:
            message = "bad mood"
            raise RuntimeError(message)


@pytest.fixture
def runner() -> Runner[Moody]:
    return Runner("moody", Moody(), FixedClock())


def clock_of(runner: Runner[Moody]) -> FixedClock:
    assert isinstance(runner.clock, FixedClock)
    return runner.clock


def test_a_runner_takes_all_that_is_yielded(runner: Runner[Moody]) -> None:
    assert runner.call(runner.plugin.look, 3) == [0, 1, 2]
    assert (runner.calls, runner.failures, runner.is_healthy) == (1, 0, True)


def test_what_was_yielded_before_the_exception_is_kept(runner: Runner[Moody]) -> None:
    runner.plugin.raises = True
    assert runner.call(runner.plugin.look, count=2) == [0, 1]
    assert runner.failures == 1
    assert runner.last_error == "RuntimeError: bad mood"


def test_several_in_a_row_pause_it_and_time_gives_it_another_try(runner: Runner[Moody]) -> None:
    runner.plugin.raises = True
    for _ in range(PAUSE_AFTER):
        assert runner.is_healthy
        runner.call(runner.plugin.look, 1)
    assert not runner.is_healthy
    assert runner.call(runner.plugin.look, 1) == []
    assert (runner.calls, runner.skipped) == (PAUSE_AFTER, 1)
    clock_of(runner).nanoseconds += int(PAUSE_SECONDS * 1e9)
    runner.call(runner.plugin.look, 1)
    assert runner.calls == PAUSE_AFTER + 1
    assert not runner.is_healthy
    runner.call(runner.plugin.look, 1)
    assert runner.skipped == 2
    clock_of(runner).nanoseconds += int(PAUSE_SECONDS * 1e9)
    runner.plugin.raises = False
    assert runner.call(runner.plugin.look, 1) == [0]
    assert runner.is_healthy


def test_a_success_between_starts_the_count_anew(runner: Runner[Moody]) -> None:
    for number in range(PAUSE_AFTER * 4):
        runner.plugin.raises = number % PAUSE_AFTER != 0
        runner.call(runner.plugin.look, 1)
    assert runner.is_healthy
    assert runner.skipped == 0


def test_it_is_logged_once_a_minute(
    runner: Runner[Moody], caplog: pytest.LogCaptureFixture
) -> None:
    runner.plugin.raises = True
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            runner.call(runner.plugin.look, 1)
        assert caplog.text.count("plug-in moody raised") == 1
        clock_of(runner).nanoseconds += int(LOG_EVERY_SECONDS * 1e9)
        runner.call(runner.plugin.look, 1)
        assert caplog.text.count("plug-in moody raised") == 2
    assert "(4 in all)" in caplog.text


def test_states_have_names() -> None:
    assert str(PluginState.UNAVAILABLE) == "unavailable"
    assert not Plugin("f", "n", "s", PluginState.UNAVAILABLE, "r").is_available
