"""Rules that are shipped: whole files for a home, a server, a network of things, a provider."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SUFFIX = ".yaml"


def preset_names() -> list[str]:
    """Return the names of all presets."""
    return sorted(
        file.name.removesuffix(SUFFIX) for file in _folder().iterdir() if file.name.endswith(SUFFIX)
    )


def preset_text(name: str) -> str:
    """Return the text of a preset. Raises KeyError for a name that is none."""
    if name not in preset_names():
        raise KeyError(name)
    return (_folder() / f"{name}{SUFFIX}").read_text(encoding="utf-8")


def preset_summary(name: str) -> str:
    """Return what a preset is for: its first line."""
    return preset_text(name).partition("\n")[0].lstrip("# ")


def _folder() -> Traversable:
    return resources.files("phage") / "rules"
