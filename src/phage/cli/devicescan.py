"""`phage devices scan` and `phage devices scans`: active scans of our own network."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from phage.api.scanshapes import diff_shape, scan_shape
from phage.cli.output import Column, emit, emit_one, output_option, say
from phage.cli.progress import StepsBar
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options
from phage.cli.times import Moment
from phage.clock import SystemClock, rfc3339
from phage.errors import ScanError, StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.cli.settings import Chosen
    from phage.client.client import Client
    from phage.records.scan import Scan, ScanDiff, ScanOptions

Record = dict[str, Any]

POLL_SECONDS = 0.2

HOST_COLUMNS = (
    Column("address", "address"),
    Column("mac", "mac"),
    Column("by", "ways"),
    Column("services", "services_text", wrap=True),
    Column("says", "says", wrap=True),
)
SCAN_COLUMNS = (
    Column("id", "id"),
    Column("started", "started"),
    Column("state", "state"),
    Column("by", "by"),
    Column("targets", "targets"),
    Column("ports", "ports"),
    Column("hosts", "hosts_total", right=True),
    Column("seconds", "seconds", right=True),
)
NO_SCANS = "no scans; `phage devices scan` makes one"
DIFF_COLUMNS = (
    Column("at", "at"),
    Column("status", "status"),
    Column("host", "host"),
    Column("service", "service"),
    Column("before", "before"),
    Column("after", "after"),
    Column("notice", "notice"),
)


@click.command()
@click.argument("targets", nargs=-1, metavar="[CIDR]...")
@click.option(
    "--ports",
    default=None,
    metavar="top100|all|none|LIST",
    help="TCP ports to ask; 22,80,8000-8100.",
)
@click.option(
    "--fast", is_flag=True, help="As fast as the network goes; cheap devices may fall over."
)
@click.option("--no-udp", is_flag=True, help="Ask no UDP services (DNS, SNMP, SSDP, ...).")
@click.option("--no-browse", is_flag=True, help="Do not ask by mDNS and SSDP.")
@click.option("--outside", is_flag=True, help="Also the address of our router on the internet.")
@click.option(
    "--credentials",
    is_flag=True,
    help="Try the passwords that makers ship, on our own hosts; some lock out who guesses.",
)
@click.option("--stop", is_flag=True, help="Stop the scan that runs.")
@output_option
@remote_options
@settings_options
def scan(  # noqa: PLR0913  An argument for each option.
    chosen: Chosen,
    remote: Client | None,
    targets: tuple[str, ...],
    ports: str | None,
    form: str,
    *,
    fast: bool,
    no_udp: bool,
    no_browse: bool,
    outside: bool,
    credentials: bool,
    stop: bool,
) -> None:
    """Scan our own network: who is there, which ports are open, what they say.

    Without CIDR the networks of this machine's interfaces are scanned. A running `phage run` does
    it; without one it takes root. Gently: 200 questions a second on a wire, 50 a second to a host.
    """
    from phage.records.scan import ScanOptions

    if stop:
        _stop(chosen, remote)
        return
    own = chosen.settings().discovery
    options = ScanOptions(
        targets,
        own.ports if ports is None else ports,
        fast,
        not no_udp,
        not no_browse,
        outside,
        credentials,
        own.community,
    )
    with StepsBar("scanning") as bar:
        shape, diffs = _there(remote, options, bar) if remote else _made(chosen, options, bar)
    if shape["fault"]:
        raise ScanError(shape["fault"])
    if form == "table":
        emit(form, map(_row, shape["hosts"]), HOST_COLUMNS, empty="no hosts answered")
        say(f"scan {shape['id']}: {shape['hosts_total']:,} hosts in {shape['seconds'] or 0:.1f} s")
        for diff in diffs:
            say(_sentence(diff))
    else:
        emit_one(form, {**shape, "diffs": diffs}, ())


@click.command()
@click.argument("id_", metavar="[ID]", default="")
@click.option("--diffs", is_flag=True, help="List what was different, instead of scans.")
@click.option("--notices", is_flag=True, help="Of differences only those worth a notice.")
@click.option("--since", type=Moment(SystemClock()), help="Differences since a time (2h, 1d).")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@output_option
@remote_options
@settings_options
def scans(
    chosen: Chosen,
    remote: Client | None,
    id_: str,
    since: int | None,
    limit: int,
    form: str,
    *,
    diffs: bool,
    notices: bool,
) -> None:
    """List scans, or show what one found ("last" is the latest), or what was different."""
    from phage.store.repositories.scans import DiffFilter

    if remote is not None:
        _list_there(remote, id_, since, limit, form, diffs=diffs or notices, notices=notices)
        return
    with chosen.reader() as store:
        found = store.scans.get(id_) if id_ else None
        if id_ and found is None:
            message = f"no scan {id_!r}, or several begin so; `phage devices scans` names them"
            raise StateError(message)
        if diffs or notices:
            wanted = DiffFilter(found.id if found else "", notices=notices, since=since)
            listed = store.scans.diffs(wanted, limit)
            emit(form, map(diff_shape, listed), DIFF_COLUMNS, empty="nothing was different")
        elif found is not None:
            _show(scan_shape(found), form)
        else:
            rows = (scan_shape(each, hosts=False) for each in store.scans.latest(limit))
            emit(form, rows, SCAN_COLUMNS, empty=NO_SCANS)


def _list_there(
    remote: Client,
    id_: str,
    since: int | None,
    limit: int,
    form: str,
    *,
    diffs: bool,
    notices: bool,
) -> None:
    """List scans of a phage elsewhere, or show one, or what was different."""
    from phage.cli import remotescans

    if diffs:
        wanted = {"scan": id_, "since": rfc3339(since) if since else "", "notices": notices}
        listed = remotescans.diffs(remote, limit, **wanted)
        emit(form, listed, DIFF_COLUMNS, empty="nothing was different")
    elif id_:
        _show(remotescans.show(remote, id_), form)
    else:
        emit(form, remotescans.latest(remote, limit), SCAN_COLUMNS, empty=NO_SCANS)


def _show(shape: Record, form: str) -> None:
    if form == "table":
        emit(form, map(_row, shape["hosts"]), HOST_COLUMNS, empty="no hosts answered")
    else:
        emit_one(form, shape, ())


def _row(host: dict[str, Any]) -> dict[str, Any]:
    """Return a host as a row of a table: its services as words."""
    words = [
        f"{each['protocol']}/{each['port']} {each['software'] or each['name']}".strip()
        for each in host["services"]
        if each["certain"]
    ]
    return {**host, "services_text": words}


def _sentence(diff: Record) -> str:
    from phage.daemon.discovery import told
    from phage.records.scan import Change, ScanDiff

    names = ("host", "mac", "service", "before", "after")
    return told(
        ScanDiff(diff["scan"], 0, Change(diff["status"]), **{name: diff[name] for name in names})
    )


def _stop(chosen: Chosen, remote: Client | None) -> None:
    from phage.cli import remotescans
    from phage.daemon.requests import StopScan

    if remote is not None:
        stopped = remotescans.stop(remote)
    else:
        stopped = str(chosen.ask(StopScan())["scan"])
    say(f"scan {stopped} stops" if stopped else "no scan runs")


def _there(remote: Client, options: ScanOptions, bar: StepsBar) -> tuple[Record, list[Record]]:
    from phage.cli import remotescans

    return remotescans.make(remote, options, bar)


def _made(chosen: Chosen, options: ScanOptions, bar: StepsBar) -> tuple[Record, list[Record]]:
    """Have a running daemon scan, else scan here; say its notes, return it and what is different.

    Raises ScanError, ControlError, StoreError.
    """
    settings = chosen.settings()
    state = chosen.state(settings)
    state.create()
    try:
        with state.lock():
            made, diffs, notes = _here(chosen, options, bar)
    except StateError:
        made, diffs, notes = _asked(chosen, options, bar)
    for note in notes:
        say(note)
    return scan_shape(made), [diff_shape(each) for each in diffs]


_Made = tuple["Scan", "Sequence[ScanDiff]", "Sequence[str]"]


def _asked(chosen: Chosen, options: ScanOptions, bar: StepsBar) -> _Made:
    from phage.daemon.requests import ScanStatus, StartScan, StopScan, checked
    from phage.store.repositories.scans import DiffFilter

    request = checked(
        StartScan,
        targets=options.targets,
        ports=options.ports,
        fast=options.fast,
        udp=options.udp,
        browse=options.browse,
        outside=options.outside,
        credentials=options.credentials,
    )
    id_, notes = str(chosen.ask(request)["scan"]), list[str]()
    try:
        while (status := chosen.ask(ScanStatus()))["scan"] == id_:
            bar.update(int(status["done"]), 1000, str(status["what"]))
            notes = list(status.get("notes", ()))
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        chosen.ask(StopScan())
        raise
    with chosen.reader() as store:
        found = store.scans.get(id_)
        diffs = store.scans.diffs(DiffFilter(id_), 1000)
    if found is None:
        message = f"scan {id_} was not stored; the daemon's log says why"
        raise ScanError(message)
    return found, diffs, notes


def _here(chosen: Chosen, options: ScanOptions, bar: StepsBar) -> _Made:
    import getpass

    from phage.cli.intelstore import writer
    from phage.daemon.devices import make_inventory, store_changes
    from phage.daemon.discovery import run_here

    settings, clock = chosen.settings(), SystemClock()
    with writer(chosen) as store:
        inventory = make_inventory(tuple(map(str, settings.home)), clock)
        inventory.load(store.devices.list(100_000))
        by = f"user:{getpass.getuser()}"
        try:
            return run_here(
                settings,
                store,
                inventory,
                clock,
                options,
                lambda done, what: bar.update(done, 1000, what),
                by,
            )
        finally:
            store_changes(store, inventory.take_changes())
