"""The nouns: frozen, without behaviour, shared by every layer."""

from phage.records.finding import Feature, Finding, FindingState, Peer, Severity, Subject
from phage.records.logevent import LogEvent, LogKind
from phage.records.observation import Observation
from phage.records.window import Columns, Window

__all__ = [
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
