"""What commands about rules share: which files are meant, and what is known of this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from phage.cli.settings import Chosen
    from phage.daemon.listfacts import ListSets
    from phage.policy.facts import StaticFacts
    from phage.policy.ruleset import RuleSet
    from phage.records.device import Device

MAX_DEVICES = 65_536
"""Devices that rules can be asked about, as many as are followed."""


def read(chosen: Chosen, files: Sequence[Path]) -> RuleSet:
    """Read the files that are named, else those that the settings say. Raises RuleError."""
    from phage.daemon.rulebook import rule_files
    from phage.policy.ruleset import load

    settings = chosen.settings()
    return load(files or rule_files(settings, chosen.state(settings)))


def facts_here(chosen: Chosen) -> StaticFacts:
    """Return what rules know of this machine, its networks, its devices and who is logged in."""
    import ipaddress

    from phage.clock import SystemClock
    from phage.daemon.facts import World
    from phage.daemon.placefacts import PlaceSets
    from phage.intel.geography import make_geography
    from phage.policy.allowlist import AllowList, entries_of
    from phage.policy.lifelines.lifelines import Lifelines
    from phage.policy.lifelines.sessions import Sessions

    settings, clock = chosen.settings(), SystemClock()
    lifelines = Lifelines(clock)
    sessions = Sessions(clock, settings.policy.admin_ports, dict(os.environ))
    allow = AllowList(entries_of(settings.policy.allow), [lifelines, sessions])
    allow.look()
    home = [ipaddress.ip_network(text) for text in settings.home]
    seen = _devices(chosen)
    return World(
        home,
        allow,
        lambda: seen,
        sessions.sessions,
        lifelines.routers,
        _names(chosen),
        (_lists(chosen), PlaceSets(make_geography(settings.intel.places))),
    ).facts()


def _lists(chosen: Chosen) -> ListSets:
    """Return the lists of threat intelligence as they were kept last."""
    from phage.cli.intelstore import catalog
    from phage.daemon.listfacts import ListSets

    feeds = chosen.settings().intel.feeds
    names = frozenset(name for name, feed in feeds.items() if feed.enabled)
    if not names:
        return ListSets()
    try:
        return ListSets(names, catalog(chosen))
    except PhageError:  # There is no store yet: the names are known all the same.
        return ListSets(names)


def _devices(chosen: Chosen) -> Sequence[Device]:
    """Return the devices of the store; none where there is no store yet."""
    try:
        with chosen.reader() as store:
            return store.devices.list(MAX_DEVICES)
    except PhageError:
        return ()


def _names(chosen: Chosen) -> dict[str, frozenset[str]]:
    """Return the names that rules may use of plug-ins and of what the settings define."""
    from phage.daemon.pipeline import DETECTORS
    from phage.plugin import Family, discover
    from phage.respond.responder import Responder

    settings = chosen.settings()
    responders = Family("responders", Responder, "phage.respond.responders")
    return {
        "detectors": _plugins(discover(DETECTORS)),
        "responders": _plugins(discover(responders)),
        "scripts": frozenset(settings.respond.scripts),
    }


def _plugins(plugins: Iterable[object]) -> frozenset[str]:
    return frozenset(str(getattr(plugin, "name", "")) for plugin in plugins)
