"""The engines to be used here: found, made with their settings, asked for their versions."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from phage.config.load import suggestion
from phage.config.plugins import make
from phage.errors import ConfigError, PhageError
from phage.frozen import frozen
from phage.plugin import Plugin, discover
from phage.scan.engine import ENGINES, Engine, Place
from phage.scan.sandbox.sandbox import Load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from phage.config.scan import ScanSettings
    from phage.records.sample import EngineKind, EngineVersion


_WORD = re.compile(r"[a-z0-9_]{1,40}")
"""The name of an instance, after its engine's."""


@frozen
class Ready:
    """An engine that can be used.

    Attributes:
        engine: It, made with its settings; for one of the sandbox only its settings are used here.
        load: How it is made inside; with the engine's name, that of an instance where it is one.
        version: What would answer now.
        options: A digest of its settings: other settings, other results.
    """

    engine: Engine
    load: Load
    version: EngineVersion
    options: str

    @property
    def name(self) -> str:
        """The engine's name."""
        return self.load.name

    @property
    def kind(self) -> EngineKind:
        """Whether it judges or tells facts."""
        return self.engine.kind

    @property
    def in_sandbox(self) -> bool:
        """Tell whether it runs in the sandbox."""
        return self.engine.place is Place.SANDBOX

    def takes(self, kind: str, size: int) -> bool:
        """Tell whether it takes files of a kind and size."""
        accepts = self.engine.accepts
        return (not accepts or kind in accepts) and size <= self.engine.largest

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What its results are kept under, besides the file's hash."""
        return (self.name, self.version.engine, self.version.definitions, self.options)


@frozen
class EngineSet:
    """Engines by name, and why others are not there."""

    ready: Mapping[str, Ready]
    unavailable: Mapping[str, str]
    idle: Mapping[str, str]
    """Engines that are available and not used, with the reason."""

    @property
    def fingerprint(self) -> str:
        """A digest of all engines, versions and options: what a verdict rests on."""
        return digest_of(each.key for each in self.ready.values())

    def only(self, names: Iterable[str]) -> EngineSet:
        """Return the set with some engines only. Raises ConfigError for one that is not ready."""
        wanted = tuple(names)
        for name in wanted:
            if name not in self.ready:
                raise ConfigError(self._why(name))
        return EngineSet({name: self.ready[name] for name in wanted}, self.unavailable, self.idle)

    def _why(self, name: str) -> str:
        known = [*self.ready, *self.unavailable, *self.idle]
        if reason := self.unavailable.get(name):
            return f"engine {name} is unavailable: {reason}"
        if reason := self.idle.get(name):
            return f"engine {name} is not in use: {reason}"
        return f"there is no engine {name!r}{suggestion(name, known)}"


def digest_of(keys: Iterable[tuple[str, str, str, str]]) -> str:
    """Return a digest of engines, versions and options, in whatever order."""
    return hashlib.sha256(json.dumps(sorted(keys)).encode()).hexdigest()[:32]


def definitions_folder(folder: Path, name: str) -> Path:
    """Return where the definitions of an engine lie that are in force."""
    return folder / name / "current"


def find_engines(settings: ScanSettings, folder: Path, wanted: Iterable[str] = ()) -> EngineSet:
    """Return the engines to use.

    Args:
        settings: What the settings say of engines.
        folder: Where definitions lie, one folder an engine.
        wanted: Engines that are named now, opt-in or not; empty for those of the settings.

    Raises:
        ConfigError: An engine is named that is not there, or a setting is wrong.
    """
    named = tuple(wanted) or settings.engines
    plugins = engine_plugins(settings, named)
    ready: dict[str, Ready] = {}
    unavailable: dict[str, str] = {}
    idle: dict[str, str] = {}
    for name, plugin in plugins.items():
        if reason := plugin.reason:
            unavailable[name] = reason
        elif reason := _unwanted(plugin, named, settings):
            idle[name] = reason
        else:
            try:
                ready[name] = _made(plugin, settings, folder)
            except ConfigError:
                raise
            except PhageError as error:
                unavailable[name] = str(error)
            except Exception as error:  # noqa: BLE001  Of one engine; the others scan.
                unavailable[name] = f"{type(error).__name__}: {error}"[:500]
    return EngineSet(ready, unavailable, idle)


def engine_plugins(settings: ScanSettings, wanted: Iterable[str] = ()) -> dict[str, Plugin]:
    """Return all engines by name, with the instances that settings name (`icap-gateway`).

    Raises ConfigError for a name that is of no engine.
    """
    plugins = {plugin.name: plugin for plugin in discover(ENGINES)}
    for name in (*wanted, *settings.also, *settings.disabled, *settings.settings):
        if name in plugins:
            continue
        base, _, word = name.partition("-")
        plugin = plugins.get(base)
        if plugin is None or not getattr(plugin.factory, "instances", False):
            message = f"scan.engines: there is no engine {name!r}{suggestion(name, list(plugins))}"
            raise ConfigError(message)
        if _WORD.fullmatch(word) is None:
            message = f"scan.engines: {name!r}: write {base}-WORD, in small letters and digits"
            raise ConfigError(message)
        plugins[name] = replace(plugin, name=name)
    return plugins


def _unwanted(plugin: Plugin, named: tuple[str, ...], settings: ScanSettings) -> str:
    if named:
        return "" if plugin.name in (*named, *settings.also) else "others are named"
    if plugin.name in settings.disabled:
        return "is disabled by the settings"
    by_default = getattr(plugin.factory, "by_default", True)
    if not by_default and plugin.name not in settings.also:
        return "is opt-in: name it in scan.also"
    return ""


def make_engine(plugin: Plugin, settings: ScanSettings, folder: Path) -> Engine:
    """Make an engine with its settings and the folder of its definitions. Raises ConfigError."""
    values: dict[str, object] = dict(settings.settings.get(plugin.name, {}))
    definitions = definitions_folder(folder, plugin.name)
    if "definitions" not in values and definitions.is_dir():
        values["definitions"] = str(definitions.resolve())
    engine: Engine = make(plugin, values, "scan.settings")
    return engine


def _made(plugin: Plugin, settings: ScanSettings, folder: Path) -> Ready:
    return ready_of(make_engine(plugin, settings, folder), plugin.name)


def ready_of(engine: Engine, name: str = "") -> Ready:
    """Return an engine ready for use, `name` for an instance. Raises PluginUnavailableError."""
    values = _values(engine)
    text = json.dumps(
        {name: value for name, value in values.items() if name != "definitions"},
        sort_keys=True,
        default=str,
    )
    options = hashlib.sha256(text.encode()).hexdigest()[:16]
    kind = type(engine)
    load = Load(name or engine.name, kind.__module__, kind.__qualname__, values)
    return Ready(engine, load, engine.version(), options)


def _values(engine: Engine) -> dict[str, object]:
    kind: Any = type(engine)
    return {
        each.name: getattr(engine, each.name)
        for each in fields(kind)
        if each.init and not each.name.startswith("_")
    }
