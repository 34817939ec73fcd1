"""`phage import oui`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.output import emit_one, output_option, say
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phage.cli.settings import Chosen
    from phage.devices.registry import Assignment, OuiRegistry

PUBLISHED = tuple(
    f"https://standards-oui.ieee.org/{path}"
    for path in ("oui/oui.csv", "oui28/mam.csv", "oui36/oui36.csv", "iab/iab.csv", "cid/cid.csv")
)

LEAST_SHARE = 0.5
"""A registry only grows: one with less than half of what is in force is half of a download."""


@click.command()
@click.argument("sources", nargs=-1, metavar="[FILE|FOLDER|URL]...")
@click.option("--force", is_flag=True, help="Take files that hold far less than what is in force.")
@output_option
@settings_options
def command(chosen: Chosen, sources: tuple[str, ...], form: str, *, force: bool) -> None:
    """Import to whom MAC addresses were assigned, from the IEEE's registries.

    Without arguments they are got from the IEEE. Takes its CSV and text files (Debian's package
    ieee-data has them) and Wireshark's manuf; a running daemon uses them within a minute. A damaged
    file changes nothing.
    """
    from phage.devices import registry

    path = chosen.state(chosen.settings()).oui
    fresh = [each for source in sources or PUBLISHED for each in _read(source)]
    before = _before(path)
    after = before.with_registries(fresh)
    if not force:
        _check(before.counts(), after.counts())
    registry.save(path, after)
    counts = dict(after.counts())
    lines = [f"{name}  {count:,}" for name, count in sorted(counts.items())]
    emit_one(form, {"assignments": len(after), "registries": counts}, lines)
    say(f"{len(after):,} assignments are in force")


def _read(source: str) -> Iterator[Assignment]:
    from phage.devices.ouifile import read_assignments

    if "://" in source:
        yield from read_assignments(source, _get(source))
        return
    path = Path(source)
    files = sorted(path.glob("*.csv")) or sorted(path.glob("*.txt")) if path.is_dir() else [path]
    for file in files:
        yield from read_assignments(str(file), _octets(file))


def _octets(file: Path) -> bytes:
    from phage.devices.ouifile import MAX_OCTETS, OuiFileError

    with file.open("rb") as opened:
        raw = opened.read(MAX_OCTETS + 1)
    if len(raw) > MAX_OCTETS:
        message = f"{file}: is larger than {MAX_OCTETS:,} octets: it is no registry"
        raise OuiFileError(message)
    return raw


def _get(url: str) -> bytes:
    from phage.clock import SystemClock
    from phage.devices.ouifile import MAX_OCTETS
    from phage.intel.fetch import Fetcher, FetchLimits

    return Fetcher(SystemClock(), FetchLimits(octets=MAX_OCTETS)).get(url, conditional=False)


def _before(path: Path) -> OuiRegistry:
    """Return what is in force; nothing where it is damaged, which is what is mended here."""
    from phage.devices import registry
    from phage.errors import StateError

    try:
        return registry.load(path)
    except StateError as error:
        say(str(error))
        return registry.registry_of(())


def _check(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    from phage.devices.ouifile import OuiFileError

    for name, count in before.items():
        if after.get(name, 0) < count * LEAST_SHARE:
            message = (
                f"{name}: has {after.get(name, 0):,} assignments, and {count:,} are in force: the "
                "file was cut off; nothing was imported (--force takes it anyway)"
            )
            raise OuiFileError(message)
