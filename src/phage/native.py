"""The Rust core, re-exported: the only importer of `phage._native`."""

from __future__ import annotations

from phage._native import (  # noqa: TID251  The one importer.
    BEHAVIOUR_CATALOG,
    DAMPED_CATALOG,
    FAULTS,
    DatagramSender,
    Engine,
    ExportDecoder,
    ExportEngine,
    Filter,
    PrefixSet,
    ToldFlows,
    Transmitter,
    Volumes,
    build,
    row_sizes,
)

__all__ = [
    "BEHAVIOUR_CATALOG",
    "DAMPED_CATALOG",
    "FAULTS",
    "DatagramSender",
    "Engine",
    "ExportDecoder",
    "ExportEngine",
    "Filter",
    "PrefixSet",
    "ToldFlows",
    "Transmitter",
    "Volumes",
    "build",
    "row_sizes",
]
