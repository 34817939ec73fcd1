"""Looks at the Rust core: whether it is built, and how.

The only place of the command line that loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING = (
    "the Rust core is not built; run `make install`, or `pip install .` with Rust 1.89 or later"
)


def core_build() -> Mapping[str, str] | str:
    """Return version, kernel and target of the core, or why it cannot be loaded."""
    try:
        from phage import native
    except ModuleNotFoundError:
        return MISSING
    except ImportError as error:
        return f"the Rust core cannot be loaded: {error}"
    return native.build()


def core_faults() -> list[str]:
    """Return where the core and the Python side do not agree; empty when they do."""
    try:
        from phage import native
    except ImportError:
        return []
    from phage.records.columns import ROW_SIZES

    if native.row_sizes() == ROW_SIZES:
        return []
    return [f"rows of the core have {native.row_sizes()} octets, those of the package {ROW_SIZES}"]
