"""`phage plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, emit, output_option

if TYPE_CHECKING:
    from phage.plugin import Family

COLUMNS = (
    Column("family", "family"),
    Column("name", "name"),
    Column("state", "shown"),
    Column("summary", "summary", wrap=True),
)


@click.group()
def command() -> None:
    """List the plug-ins: detectors, collectors, models, buses, feeds, notifiers."""


@command.command("list")
@click.argument("family", default="")
@output_option
def list_(family: str, form: str) -> None:
    """List plug-ins with their state; FAMILY shows one family only, with settings in JSON."""
    families = known_families()
    if family and family not in families:
        message = f"{family!r} is no family of plug-ins; there are {', '.join(families)}"
        raise click.BadParameter(message, param_hint="FAMILY")
    wanted = [families[family]] if family else list(families.values())
    emit(form, [shape for each in wanted for shape in _shapes(each)], COLUMNS, empty="no plug-ins")


def known_families() -> dict[str, Family]:
    """Return the families of plug-ins by name."""
    from phage.bus.bus import Bus
    from phage.collect.collector import Collector
    from phage.detect.detector import Detector
    from phage.devices.identifier import IDENTIFIERS
    from phage.intel.feed import FEEDS
    from phage.learn.model import Model
    from phage.notify.channels import NOTIFIERS
    from phage.plugin import Family
    from phage.policy.importer import IMPORTERS
    from phage.scan.engine import ENGINES
    from phage.scan.front import FRONTS
    from phage.scan.launcher import LAUNCHERS
    from phage.scan.queue import QUEUES

    families = (
        Family("detectors", Detector, "phage.detect.detectors"),
        Family("collectors", Collector, "phage.collect.collectors"),
        Family("models", Model, "phage.learn.models"),
        Family("buses", Bus, "phage.bus.buses"),
        FEEDS,
        IDENTIFIERS,
        NOTIFIERS,
        IMPORTERS,
        ENGINES,
        QUEUES,
        FRONTS,
        LAUNCHERS,
    )
    return {family.name: family for family in families}


def _shapes(family: Family) -> list[dict[str, Any]]:
    from phage.config.plugins import describe
    from phage.plugin import discover

    return [
        {
            "family": plugin.family,
            "name": plugin.name,
            "state": str(plugin.state),
            "reason": plugin.reason,
            "summary": plugin.summary,
            "origin": plugin.origin,
            "settings": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "default": each.default,
                    "meaning": each.meaning,
                }
                for each in describe(plugin)
            ],
            "shown": f"{plugin.state}: {plugin.reason}" if plugin.reason else str(plugin.state),
        }
        for plugin in discover(family)
    ]
