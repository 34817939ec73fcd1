"""Makes channels of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.config.plugins import make
from phage.config.quiet import parse_quiet
from phage.errors import ConfigError
from phage.notify.dispatch import Channel
from phage.notify.notifier import Notifier
from phage.notify.waiting import Pace
from phage.plugin import Family, discover

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.config.notify import ChannelSettings

NOTIFIERS = Family("notifiers", Notifier, "phage.notify.notifiers")


def make_channels(settings: Mapping[str, ChannelSettings]) -> list[Channel]:
    """Make the channels that the settings name.

    Raises ConfigError for a notifier that there is not, is unavailable, or lacks a setting.
    """
    if not settings:
        return []  # Nothing is loaded that nobody wants.
    plugins = {plugin.name: plugin for plugin in discover(NOTIFIERS)}
    channels = []
    for name, each in settings.items():
        plugin = plugins.get(each.type)
        if plugin is None:
            known = ", ".join(plugins)
            message = f"notify.{name}.type: there is no {each.type!r}; there are {known}"
            raise ConfigError(message)
        notifier = make(plugin, each.settings, f"notify.{name}.settings")
        if missing := notifier.check():
            message = f"notify.{name}.settings: {missing}"
            raise ConfigError(message)
        pace = Pace(
            a_minute=each.a_minute,
            burst=each.burst,
            repeat_s=each.repeat,
            gather_s=each.digest,
            quiet=parse_quiet(each.quiet),
            urgent=each.urgent,
        )
        channels.append(
            Channel(name, notifier, each.least, pace, always=each.always, closed=each.closed)
        )
    return channels
