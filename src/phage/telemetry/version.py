"""The version of the installed package."""

from __future__ import annotations

from functools import cache


@cache
def package_version() -> str:
    """Return the version of the installed package."""
    from importlib import metadata  # noqa: PLC0415  Reads every package's folder.

    try:
        return metadata.version("phage")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"
