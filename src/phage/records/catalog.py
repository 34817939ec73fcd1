"""The features that score rows name by number: behaviour first, then damped statistics."""

from __future__ import annotations

from phage.native import BEHAVIOUR_CATALOG, DAMPED_CATALOG


def feature_catalog() -> tuple[tuple[str, str, str], ...]:
    """Return name, unit and meaning of every feature, in the order of their numbers."""
    return (*BEHAVIOUR_CATALOG, *DAMPED_CATALOG)
