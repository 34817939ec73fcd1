"""The nouns: frozen, without behaviour, shared by every layer.

A name is imported when it is asked for: the enforcer, which is to stay small, needs decisions only,
and a window needs NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phage.records.advice import Advice
    from phage.records.finding import Feature, Finding, FindingState, Peer, Severity, Subject
    from phage.records.logevent import LogEvent, LogKind
    from phage.records.observation import Observation
    from phage.records.window import Columns, Window

__all__ = [
    "Advice",
    "Columns",
    "Feature",
    "Finding",
    "FindingState",
    "LogEvent",
    "LogKind",
    "Observation",
    "Peer",
    "Severity",
    "Subject",
    "Window",
]

_MODULES = {
    "advice": ("Advice",),
    "finding": ("Feature", "Finding", "FindingState", "Peer", "Severity", "Subject"),
    "logevent": ("LogEvent", "LogKind"),
    "observation": ("Observation",),
    "window": ("Columns", "Window"),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
