"""Changes of the feeds in a settings file, for commands, the API and the dashboard."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from phage.config.document import MAX_OCTETS, read_text
from phage.config.edit import edit
from phage.config.load import load_settings
from phage.config.savefile import save_over
from phage.daemon.intel import subscriptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.config.document import Key
    from phage.config.settings import Settings


def added(name: str, values: Mapping[str, object]) -> list[tuple[Key, object]]:
    """Return the changes that add a feed: a line for each key, so that one can be changed."""
    return [(("intel", "feeds", name, key), value) for key, value in values.items()]


def enabled(name: str, *, on: bool) -> list[tuple[Key, object]]:
    """Return the change that enables a feed, or disables it."""
    return [(("intel", "feeds", name, "enabled"), on)]


def change_feeds(
    path: Path, changes: Sequence[tuple[Key, object]], environment: Mapping[str, str]
) -> Settings:
    """Change a settings file, and return what it says then.

    Raises ConfigError for what is wrong afterwards; the file is as before then.
    """
    before = read_text(path, MAX_OCTETS, "settings file") if path.exists() else ""
    after = edit(before, str(path), changes)
    with tempfile.TemporaryDirectory(prefix="phage-settings-") as folder:
        trial = Path(folder) / path.name
        trial.write_text(after, encoding="utf-8")
        settings = load_settings(trial, environment, {})
        subscriptions(settings)
    save_over(path, after)
    return settings
