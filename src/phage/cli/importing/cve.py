"""`phage import cve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.output import emit_one, output_option, say
from phage.cli.progress import OctetsBar
from phage.cli.settings import settings_options
from phage.errors import PhageError

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.devices.vulnerabilities.importing import Importer, ImportReport

OCTETS = 1 << 30
"""A year of NVD's feeds, unpacked, has some hundred megabytes."""

SECONDS = 1800.0


@click.command()
@click.argument("sources", nargs=-1, metavar="[FILE|FOLDER|URL]...")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File whose first line is a key for NVD's API, which then answers faster.",
)
@output_option
@settings_options
def command(chosen: Chosen, sources: tuple[str, ...], key_file: Path | None, form: str) -> None:
    """Import known vulnerabilities: NVD, the CVE list, CISA's KEV, EPSS.

    Takes pages of NVD's API 2.0 and its feeds, CVE JSON 5, the lists of KEV and EPSS, as they are
    or packed, and folders of them; without arguments they are got from where they are published.
    What is there already is not touched again. A damaged file is named and changes nothing; an
    import that was ended goes on where it was.
    """
    from phage.cli.intelstore import writer
    from phage.clock import SystemClock
    from phage.devices.vulnerabilities.download import PUBLISHED
    from phage.devices.vulnerabilities.importing import CveImportError, Importer

    with writer(chosen) as store, OctetsBar("importing") as bar:
        importer = Importer(store.vulnerabilities, SystemClock(), bar.update)
        for source in sources or PUBLISHED:
            try:
                _import(chosen, importer, source, key_file)
            except PhageError as error:
                importer.report.fault(str(error))
        importer.progress(0, 0)
    report = importer.report
    _tell(report, form)
    if report.faulty:
        message = f"{report.faulty} of {max(report.files, report.faulty)} sources were not imported"
        raise CveImportError(message)


def _import(chosen: Chosen, importer: Importer, source: str, key_file: Path | None) -> None:
    if "://" not in source:
        importer.run(Path(source))
        return
    from threading import Event

    from phage.clock import SystemClock
    from phage.devices.vulnerabilities.download import Downloader
    from phage.intel.fetch import Fetcher, FetchLimits, read_key

    own = chosen.settings().intel
    ca_file = str(own.ca_file) if own.ca_file else ""
    agent = f"phage ({own.contact})" if own.contact else "phage"
    fetcher = Fetcher(SystemClock(), FetchLimits(OCTETS, SECONDS), own.proxy, agent, ca_file)
    key = read_key("", str(key_file)) if key_file else ""
    Downloader(importer, fetcher, Event().wait, key).run(source)


def _tell(report: ImportReport, form: str) -> None:
    for fault in report.faults:
        say(fault)
    for note in report.notes:
        say(note)
    count = report.count
    record = {
        "files": report.files,
        "new": count.new,
        "changed": count.changed,
        "unchanged": count.unchanged,
        "exploited": report.exploited,
        "likelihoods": report.likelihoods,
        "faulty": report.faulty,
        "faults": report.faults,
    }
    lines = [
        f"records      {count.new:,} new, {count.changed:,} changed, {count.unchanged:,} as before",
        f"exploited    {report.exploited:,} entries of KEV" if report.exploited else "",
        f"likelihoods  {report.likelihoods:,} scores of EPSS" if report.likelihoods else "",
    ]
    emit_one(form, record, [line for line in lines if line])
