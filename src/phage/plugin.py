"""Plug-ins: found by folder and entry point, listed with what they lack, and run with care.

The singular file is the contract, the plural folder beside it holds the plug-ins: a module in
`phage/detect/detectors/` with a class that satisfies `phage.detect.detector.Detector` is a
detector. Modules whose name begins with an underscore are support, not plug-ins. Other packages add
plug-ins by an entry point in the group `phage.<family>`, for example `phage.detectors`.

A plug-in class may have `available()`, a static or class method that returns the reason why it
cannot run here ('' if it can), or raises PluginUnavailableError with it.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import logging
import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from phage.errors import PluginUnavailableError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from phage.clock import Clock

_log = logging.getLogger(__name__)

PAUSE_AFTER = 5
"""Exceptions in a row after which a plug-in is paused: fewer can be one odd window, more is a
fault."""

PAUSE_SECONDS = 300.0
"""How long a pause lasts before the plug-in gets one more try; then the next exception pauses it
again."""

LOG_EVERY_SECONDS = 60.0
"""A plug-in that raises on every window must not fill the log."""


class PluginState(enum.StrEnum):
    """Whether a plug-in can be used."""

    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"


@frozen
class Family:
    """One kind of plug-in.

    Its name (plural), its contract, and the folder where the plug-ins stand.
    """

    name: str
    contract: type
    package: str

    @property
    def group(self) -> str:
        """Return the entry-point group of plug-ins from other packages."""
        return f"phage.{self.name}"


@frozen
class Plugin:
    """One plug-in as it was found.

    `factory` makes it: the class itself. It is None when the plug-in is unavailable and its class
    could not be loaded.
    """

    family: str
    name: str
    summary: str
    state: PluginState
    reason: str = ""
    factory: Callable[..., Any] | None = None
    origin: str = ""

    @property
    def is_available(self) -> bool:
        """Tell whether it can be made."""
        return self.state is PluginState.AVAILABLE


def discover(family: Family) -> list[Plugin]:
    """Find every plug-in of a family, by name.

    Never raises for a plug-in's fault: that is its `reason`.
    """
    found: dict[str, Plugin] = {}
    for plugin in [*_in_folder(family), *_by_entry_point(family)]:
        if plugin.name not in found:
            found[plugin.name] = plugin
            continue
        reason = f"the name {plugin.name!r} is taken by {found[plugin.name].origin}"
        double = _unavailable(family, f"{plugin.name} ({plugin.origin})", reason, plugin.origin)
        found[double.name] = double
    return sorted(found.values(), key=lambda plugin: plugin.name)


def missing_members(contract: type, candidate: type) -> list[str]:
    """Return what a class lacks to satisfy a contract, by name; empty when it satisfies it.

    `issubclass` cannot tell, since contracts have data members. An attribute that is only annotated
    (as in a dataclass) counts as there.
    """
    annotated = {name for base in candidate.__mro__ for name in inspect.get_annotations(base)}
    return [
        name
        for name in contract_members(contract)
        if not hasattr(candidate, name) and name not in annotated
    ]


def contract_members(contract: type) -> list[str]:
    """Return the public names that a contract asks for."""
    names: dict[str, None] = {}
    for base in contract.__mro__:
        if base is object or base.__module__ == "typing":
            continue
        for name in (*inspect.get_annotations(base), *base.__dict__):
            if not name.startswith("_"):
                names[name] = None
    return list(names)


def _unavailable(family: Family, name: str, reason: str, origin: str, summary: str = "") -> Plugin:
    return Plugin(family.name, name, summary, PluginState.UNAVAILABLE, reason, None, origin)


def _in_folder(family: Family) -> Iterator[Plugin]:
    folder = importlib.import_module(family.package)
    for module_info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda info: info.name):
        if module_info.name.startswith("_"):
            continue
        origin = f"{family.package}.{module_info.name}"
        try:
            module = importlib.import_module(origin)
        except Exception as error:  # noqa: BLE001  A plug-in's fault is its own.
            yield _unavailable(family, module_info.name, _import_reason(error), origin)
            continue
        yield from _in_module(family, module, module_info.name)


def _import_reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "phage._native":
        return "the Rust core is not built"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"needs the Python package {error.name!r}"
    if isinstance(error, ImportError | PluginUnavailableError):
        return str(error)
    return f"fails at import: {type(error).__name__}: {error}"


def _in_module(family: Family, module: ModuleType, short: str) -> Iterator[Plugin]:
    """Yield the plug-ins of a module; one unavailable plug-in if there is none."""
    nearest: tuple[str, list[str]] | None = None
    satisfied = False
    for candidate in vars(module).values():
        if not inspect.isclass(candidate) or candidate.__module__ != module.__name__:
            continue
        missing = missing_members(family.contract, candidate)
        if not missing and not inspect.isabstract(candidate):
            satisfied = True
            yield _inspected(family, candidate, short, module.__name__)
        elif missing and (nearest is None or len(missing) < len(nearest[1])):
            nearest = (candidate.__name__, missing)
    if not satisfied:
        contract = f"{family.contract.__module__}.{family.contract.__qualname__}"
        reason = f"no class satisfies {contract}"
        if nearest is not None:
            reason += f": {nearest[0]} lacks {', '.join(nearest[1])}"
        yield _unavailable(family, short, reason, module.__name__)


def _inspected(family: Family, candidate: type, fallback: str, origin: str) -> Plugin:
    name = getattr(candidate, "name", fallback)
    name = name if isinstance(name, str) and name else fallback
    summary = getattr(candidate, "summary", "")
    if not isinstance(summary, str) or not summary:
        summary = (inspect.getdoc(candidate) or "").partition("\n")[0]
    reason = _availability(candidate)
    state = PluginState.UNAVAILABLE if reason else PluginState.AVAILABLE
    return Plugin(family.name, name, summary, state, reason, candidate, origin)


def _availability(candidate: type) -> str:
    check = getattr(candidate, "available", None)
    if not callable(check):
        return ""
    try:
        answer = check()
    except PluginUnavailableError as error:
        return str(error) or "unavailable"
    except Exception as error:  # noqa: BLE001  A plug-in's fault is its own.
        return f"available() fails: {type(error).__name__}: {error}"
    if isinstance(answer, bool):
        return "" if answer else "available() says no"
    return str(answer or "")


def _by_entry_point(family: Family) -> Iterator[Plugin]:
    from importlib.metadata import entry_points  # noqa: PLC0415  Slow to load, rarely needed.

    for point in sorted(entry_points(group=family.group), key=lambda point: point.name):
        origin = point.value
        try:
            candidate = point.load()
        except Exception as error:  # noqa: BLE001  A plug-in's fault is its own.
            yield _unavailable(family, point.name, _import_reason(error), origin)
            continue
        if not inspect.isclass(candidate):
            yield _unavailable(family, point.name, "the entry point names no class", origin)
            continue
        missing = missing_members(family.contract, candidate)
        if missing:
            reason = f"{candidate.__name__} lacks {', '.join(missing)}"
            yield _unavailable(family, point.name, reason, origin)
            continue
        yield _inspected(family, candidate, point.name, origin)


P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@dataclass(slots=True)
class Runner(Generic[T]):
    """Runs one plug-in: counts its exceptions, logs one a minute, pauses it after several in a row.

    Attributes:
        name: The plug-in's name, for the log and for metrics.
        plugin: The plug-in itself.
        clock: Tells when the last line of log was and when a pause ends.
        calls: Calls made.
        failures: Calls that raised.
        skipped: Calls not made because the plug-in was paused.
        last_error: What the last exception said.
    """

    name: str
    plugin: T
    clock: Clock
    calls: int = 0
    failures: int = 0
    skipped: int = 0
    last_error: str = ""
    _in_a_row: int = field(default=0, init=False)
    _paused_until: float | None = field(default=None, init=False)
    _logged: float | None = field(default=None, init=False)

    @property
    def is_healthy(self) -> bool:
        """Tell whether it is neither paused nor just back from a pause without success."""
        return self._in_a_row < PAUSE_AFTER

    def call(self, method: Callable[P, Iterable[R]], *args: P.args, **kwargs: P.kwargs) -> list[R]:
        """Call a method of the plug-in and take what it yields, up to where it raises.

        [] when it is paused.
        """
        if self._paused_until is not None:
            if self.clock.monotonic() < self._paused_until:
                self.skipped += 1
                return []
            self._paused_until = None
        self.calls += 1
        answers: list[R] = []
        try:
            answers.extend(method(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  A plug-in's fault is its own.
            self._failed(error)
        else:
            self._in_a_row = 0
        return answers

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._in_a_row += 1
        self.last_error = f"{type(error).__name__}: {error}"
        now = self.clock.monotonic()
        paused = self._in_a_row >= PAUSE_AFTER
        if paused:
            self._paused_until = now + PAUSE_SECONDS
        if self._logged is not None and now - self._logged < LOG_EVERY_SECONDS:
            return
        self._logged = now
        _log.error(
            "plug-in %s raised %s (%d in all)%s",
            self.name,
            self.last_error,
            self.failures,
            f"; paused for {PAUSE_SECONDS:.0f} s" if paused else "",
            exc_info=error,
        )
