"""`phage intel`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options
from phage.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
@click.option("--resolve", is_flag=True, help="Also ask the name server for names of addresses.")
@click.option("--no-ask", is_flag=True, help="Do not ask AbuseIPDB, even with a key.")
@output_option
@settings_options
def check(
    chosen: Chosen,
    values: tuple[str, ...],
    resolve: bool,  # noqa: FBT001  A flag.
    no_ask: bool,  # noqa: FBT001  A flag.
    form: str,
) -> int:
    """Say which feeds list VALUE: an address, a domain, a URL, a file hash, JA3, JA4.

    Asked of what was got last. Nothing is sent anywhere without --resolve, unless
    intel.abuseipdb.key_file is set: then AbuseIPDB is asked about addresses, within its quota. The
    exit code is 3 when one is listed.
    """
    from phage.cli.intelstore import catalog
    from phage.intel.geography import make_geography
    from phage.intel.reverse import name_of
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
    if not no_ask:
        shapes += _asked(chosen, values)
    emit(form, shapes, COLUMNS, empty="no feed lists it")
    geography = make_geography(chosen.settings().intel.places)
    for value in values:
        if not (address := address_of(value)):
            continue
        name = name_of(address) if resolve else ""
        if about := ", ".join(filter(None, (name, str(geography.place(address))))):
            say(f"{value}: {about}")
    return 3 if shapes else 0


def _asked(chosen: Chosen, values: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """Yield what AbuseIPDB says of addresses that were reported; say what else it knows."""
    from phage.cli.intelstore import writer
    from phage.clock import SystemClock
    from phage.daemon.intel import make_abuse_check
    from phage.intel.feed import FeedError

    settings = chosen.settings()
    addresses = [address for value in values if (address := address_of(value))]
    if settings.intel.abuseipdb.key_file is None or not addresses:
        return
    with writer(chosen) as store:
        asking = make_abuse_check(settings, store, SystemClock())
        for address in addresses:
            try:
                found = asking.ask(address) if asking is not None else None
            except FeedError as error:
                say(f"{address}: {error}")
                continue
            if found is not None and found.score:
                yield {
                    "asked": address,
                    "feed": "AbuseIPDB",
                    "kind": "network",
                    "indicator": address,
                    "confidence": found.score,
                    "tags": [],
                    "description": str(found),
                }
            elif found is not None:
                say(f"{address}: AbuseIPDB: {found}")


@command.command()
@click.option(
    "--format",
    "shape",
    type=click.Choice(["stix", "misp"]),
    default="stix",
    show_default=True,
    help="A STIX 2.1 bundle, or the files of a MISP feed.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    help="File of the bundle, or folder of the feed; without it a bundle is printed.",
)
@settings_options
def share(chosen: Chosen, shape: str, target: Path | None) -> None:
    """Write the attackers that phage saw in a form that others read.

    Which address, when, how often, by which detectors; nothing about devices here.
    """
    import json

    from phage.clock import SystemClock
    from phage.daemon.intel import make_sharing
    from phage.intel.share import misp_feed, offences, stix_objects
    from phage.intel.stix import bundle
    from phage.store.repositories.findings import MAX_PAGE, FindingFilter

    sharing, now = make_sharing(chosen.settings()), SystemClock().now()
    with chosen.reader() as store:
        wanted = FindingFilter(severity=sharing.least, since=now - int(sharing.seconds * 1e9))
        found = offences(store.findings.list(wanted, MAX_PAGE), sharing.home)
    if shape == "stix":
        text = json.dumps(bundle([each for _, each in stix_objects(found, sharing.name)]), indent=2)
        if target is None:
            click.echo(text)
            return
        files = {target: text + "\n"}
    else:
        if target is None:
            message = "a MISP feed is several files: name their folder"
            raise click.BadParameter(message, param_hint="--to")
        made = misp_feed(found, sharing.name, now)
        files = {
            target / name: each if isinstance(each, str) else json.dumps(each, indent=2) + "\n"
            for name, each in made.items()
        }
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        message = f"{error.filename}: {error.strerror}"
        raise StateError(message) from error
    say(f"{len(found)} attackers written to {target}")


def address_of(value: str) -> str:
    """Return an address, a network's first one, '' for anything else."""
    try:
        return str(ipaddress.ip_interface(value).ip)
    except ValueError:
        return ""
