"""`phage intel`."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import click

from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from phage.cli.settings import Chosen

COLUMNS = (
    Column("asked", "asked"),
    Column("feed", "feed"),
    Column("indicator", "indicator"),
    Column("confidence", "confidence", right=True),
    Column("tags", "tags"),
    Column("description", "description", wrap=True),
)


@click.group()
def command() -> None:
    """Ask what threat intelligence says."""


@command.command()
@click.argument("values", nargs=-1, required=True, metavar="VALUE...")
@output_option
@settings_options
def check(chosen: Chosen, values: tuple[str, ...], form: str) -> int:
    """Say which feeds list VALUE: an address, a domain, a URL, a file hash, JA3, JA4.

    Asked of what was got last; nothing is sent anywhere. The exit code is 3 when one is listed.
    """
    from phage.cli.intelstore import catalog
    from phage.intel.geography import make_geography
    from phage.intel.values import guessed

    for value in values:
        if guessed(value) is None:
            message = f"{value!r} is no address, domain, URL, hash or JA4 fingerprint"
            raise click.BadParameter(message, param_hint="VALUE")
    known = catalog(chosen)
    shapes = [
        {
            "asked": value,
            "feed": each.feed,
            "kind": str(each.kind),
            "indicator": each.value,
            "confidence": each.confidence,
            "tags": list(each.tags),
            "description": each.description,
        }
        for value in values
        for each in known.check(value)
    ]
    emit(form, shapes, COLUMNS, empty="no feed lists it")
    geography = make_geography(chosen.settings().intel.places)
    for value in values:
        if (address := address_of(value)) and str(place := geography.place(address)):
            say(f"{value}: {place}")
    return 3 if shapes else 0


def address_of(value: str) -> str:
    """Return an address, a network's first one, '' for anything else."""
    try:
        return str(ipaddress.ip_interface(value).ip)
    except ValueError:
        return ""
