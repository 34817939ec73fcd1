"""`phage devices`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from phage.api.deviceshapes import alerts_shape, event_shape
from phage.api.scanshapes import affected_shape
from phage.cli.devicechange import Change, edit_options
from phage.cli.deviceremote import RemoteDevices
from phage.cli.devicescan import scan, scans
from phage.cli.deviceshapes import (
    ALERT_COLUMNS,
    EVENT_COLUMNS,
    LIST_COLUMNS,
    device_shape,
    explain,
    explain_row,
)
from phage.cli.devicevulnerabilities import (
    affected_by,
    explain_affected,
    vulnerabilities,
)
from phage.cli.output import emit, emit_one, output_option, say
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options
from phage.cli.times import Moment, Span
from phage.clock import SystemClock, rfc3339
from phage.records.device import CATEGORIES, CONCLUDED

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.client.client import Client


_GRADE = click.option(
    "--grade",
    type=click.Choice(("notify", "limit", "block", "quarantine")),
    default="block",
    show_default=True,
    help="What is done about what is not normal for it.",
)
_DAYS = click.option(
    "--days", type=click.IntRange(1, 90), default=7, show_default=True, help="Days to try it on."
)


@click.group()
def command() -> None:
    """List the devices of the network, tell what they are, and say so yourself.

    DEVICE is an id, a MAC address, an IP address, or a name.
    """


command.add_command(vulnerabilities)
command.add_command(scan)
command.add_command(scans)


@command.command("list")
@click.option("--present", is_flag=True, help="Only those that are here now.")
@click.option("--category", type=click.Choice(CATEGORIES), help="Only of this category.")
@click.option("--label", default="", help="Only with this label.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@output_option
@remote_options
@settings_options
def list_(
    chosen: Chosen,
    remote: Client | None,
    category: str | None,
    label: str,
    limit: int,
    form: str,
    *,
    present: bool,
) -> None:
    """List devices, those seen last first."""
    if remote is not None:
        told = remote.devices(limit, category=category, present=present or None)
        rows = [
            {**row, "shown": row["name"]} for row in told if not label or label in row["labels"]
        ]
        emit(form, rows, LIST_COLUMNS, empty="no devices")
        return
    with chosen.reader() as store:
        devices = store.devices.list(100_000)
    wanted = [
        device
        for device in devices
        if (not present or device.present)
        and (category is None or device.category == category)
        and (not label or label in device.labels)
    ]
    emit(form, map(device_shape, wanted[:limit]), LIST_COLUMNS, empty="no devices")


@command.command()
@click.argument("device")
@output_option
@remote_options
@settings_options
def show(chosen: Chosen, remote: Client | None, device: str, form: str) -> None:
    """Show a device: what it is and why, under which addresses, and what happened to it."""
    from phage.devices.proposal import find

    if remote is not None:
        there = RemoteDevices(remote)
        found = {**there.read(device), "history": there.history(device, 20)}
        emit_one(form, found, explain_row(found))
        return
    with chosen.reader() as store:
        known = find(store.devices.list(100_000), device)
        events = store.devices.events(known.id, limit=20)
        affected = affected_by(store, known)
    shape = device_shape(known, whole=True)
    shape["history"] = [event_shape(event) for event in events]
    shape["vulnerabilities"] = [affected_shape(each) for each in affected]
    emit_one(form, shape, [*explain(known, events), *explain_affected(affected)])


@command.command()
@click.argument("device", default="")
@click.option("--since", type=Moment(SystemClock()), help="Since a time, or how long ago (2h).")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@output_option
@remote_options
@settings_options
def history(
    chosen: Chosen,
    remote: Client | None,
    device: str,
    since: int | None,
    limit: int,
    form: str,
) -> None:
    """List what happened to DEVICE, else to all: who is new, came, went, was renamed or joined."""
    from phage.devices.proposal import find

    if remote is not None:
        told = RemoteDevices(remote).history(device, limit, rfc3339(since) if since else "")
        emit(form, told, EVENT_COLUMNS, empty="nothing happened")
        return
    with chosen.reader() as store:
        id_ = find(store.devices.list(100_000), device).id if device else ""
        events = store.devices.events(id_, since, limit)
    emit(form, map(event_shape, events), EVENT_COLUMNS, empty="nothing happened")


@command.command()
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True)
@click.option("--detector", default="deviation", show_default=True, help="Findings of which.")
@output_option
@remote_options
@settings_options
def alerts(chosen: Chosen, remote: Client | None, days: int, detector: str, form: str) -> None:
    """Count findings per device and week: which devices are noisy, and how quiet it is in all."""
    from phage.devices.alerts import alert_rate

    if remote is not None:
        found = dict(remote.ask("GET", f"/api/v1/alerts?days={days}&detector={quote(detector)}"))
    else:
        with chosen.reader() as store:
            rate = alert_rate(store, SystemClock().now(), days, detector)
            known = store.devices.named([device for device, _ in rate.by_device])
        found = alerts_shape(rate, known, detector, days)
    if form != "table":
        emit_one(form, found, ())
        return
    emit(form, found["by_device"], ALERT_COLUMNS, empty="no findings")
    say(
        f"{found['alerts']} findings of {found['devices']} devices in {days} days: "
        f"{found['per_device_and_week']:g} per device and week"
    )


@command.command()
@click.argument("device")
@click.argument("name")
@edit_options
def rename(change: Change, device: str, name: str) -> None:
    """Give DEVICE a NAME, by which rules can ask for it; '' takes it away."""
    change.edit("rename", device, (name,), f"named {name!r}")


@command.command()
@click.argument("device")
@click.argument("labels", nargs=-1)
@click.option("--remove", multiple=True, help="A label to take away.")
@edit_options
def label(change: Change, device: str, labels: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Give DEVICE labels, by which rules can ask for it, and take some away."""
    change.edit("label", device, labels, "labels are changed", remove)


@command.command()
@click.argument("device")
@click.option("--vendor", help="Who made it.")
@click.option("--product", help="What it is, as its maker calls it.")
@click.option("--category", type=click.Choice(("", *CATEGORIES)), help="What kind of thing it is.")
@click.option("--system", help="Its operating system.")
@click.option("--kind", help="The kind of those that were learned from examples.")
@edit_options
def identify(
    change: Change,
    device: str,
    vendor: str | None,
    product: str | None,
    category: str | None,
    system: str | None,
    kind: str | None,
) -> None:
    """Say what DEVICE is: a person's word is final. An empty value takes it back."""
    told = dict(zip(CONCLUDED, (vendor, product, category, system, kind), strict=True))
    values = tuple(f"{name}={value}" for name, value in told.items() if value is not None)
    if not values:
        message = "say at least one of --vendor, --product, --category, --system"
        raise click.UsageError(message)
    change.edit("tell", device, values, f"{', '.join(values)}, as you say")


@command.command()
@click.argument("device")
@click.argument("others", nargs=-1, required=True)
@edit_options
def merge(change: Change, device: str, others: tuple[str, ...]) -> None:
    """Say that OTHERS are the same thing as DEVICE, under other addresses."""
    change.edit("merge", device, others, "merged; `phage devices split` undoes it")


@command.command()
@click.argument("device")
@click.argument("mac")
@edit_options
def split(change: Change, device: str, mac: str) -> None:
    """Say that the MAC address is another thing than DEVICE; they are never joined again."""
    change.edit("split", device, (mac,), f"{mac} is a device of its own")


@command.command()
@click.argument("device")
@edit_options
def forget(change: Change, device: str) -> None:
    """Forget DEVICE and all that is known of it; it is new when it is seen again."""
    change.edit("forget", device, (), "forgotten")


@command.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--test", "tested", is_flag=True, help="Judge the captures, and learn nothing.")
@output_option
@settings_options
def train(chosen: Chosen, folder: Path, form: str, *, tested: bool) -> None:
    """Learn kinds of devices from captures in FOLDER: a folder for each kind, named for it.

    The device of a folder is that of the MAC address in its mac.txt, else the one that says most.
    FOLDER/kinds.csv (kind, vendor, product, category) may tell what kinds are. MAC addresses
    are not learned. With --test it is told what the kinds that were learned before make of
    the captures.
    """
    from phage.cli.devicekinds import learn, test

    (test if tested else learn)(chosen, folder, form)


@command.command()
@click.argument("device")
@output_option
@remote_options
@settings_options
def profile(chosen: Chosen, remote: Client | None, device: str, form: str) -> None:
    """Show what DEVICE normally does: with whom, how often, how regularly, when, after what."""
    from phage.cli import deviceprofile

    deviceprofile.show(chosen, remote, device, form)


@command.command()
@click.argument("device")
@_GRADE
@_DAYS
@edit_options
def propose(change: Change, device: str, grade: str, days: int) -> None:
    """Print rules that fence DEVICE in, and what they would have blocked in the last days."""
    from phage.cli.devicefence import propose as act

    act(change, device, grade, days)


@command.command()
@click.argument("device")
@_GRADE
@_DAYS
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Rules as you edited them.",
)
@click.option("--force", is_flag=True, help="Also where something speaks against it.")
@click.option("--yes", is_flag=True, help="It may block what it would have blocked; do not ask.")
@edit_options
def enforce(
    change: Change, device: str, grade: str, days: int, file: Path | None, *, force: bool, yes: bool
) -> None:
    """Let DEVICE do what it normally does, and act on the rest.

    What that would have blocked in the last days is told first, and you are asked whether it may.
    """
    from phage.cli.devicefence import enforce as act

    act(change, device, grade, file, force=force, yes=yes, days=days)


@command.command()
@click.argument("device")
@edit_options
def release(change: Change, device: str) -> None:
    """Take the fence of DEVICE away."""
    from phage.cli.devicefence import release as act

    act(change, device)


@command.command()
@click.argument("device")
@click.option("--for", "seconds", type=Span(least=1), default="1d", show_default=True)
@click.option("--reason", default="", help="Why, for whoever looks later.")
@edit_options
def quarantine(change: Change, device: str, seconds: float, reason: str) -> None:
    """Let DEVICE reach only what it needs to be mended: DHCP, DNS and ping of the router.

    `phage decisions revoke` takes it back.
    """
    from phage.cli.devicefence import quarantine as act

    act(change, device, seconds, reason)


@command.command()
@click.argument("device")
@click.option(
    "--import", "source", metavar="FILE|URL", help="Take what a MUD file allows as normal for it."
)
@click.option(
    "--fetch", is_flag=True, help="The same, from the address that it tells by DHCP or LLDP."
)
@edit_options
def mud(change: Change, device: str, source: str | None, *, fetch: bool) -> None:
    """Print what DEVICE normally does as a MUD file (RFC 8520), or import one."""
    from phage.cli import devicemud

    if source is not None and fetch:
        message = "--import names a file and --fetch asks the device for one: give one of them"
        raise click.UsageError(message)
    if fetch:
        devicemud.fetch(change, device)
    elif source is not None:
        devicemud.take(change, device, source)
    else:
        devicemud.show(change, device)
