"""`phage attacks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.hosts import Host
from phage.cli.output import Column, emit, emit_one, output_option
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options
from phage.cli.times import Moment
from phage.clock import SystemClock, rfc3339
from phage.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.cli.settings import Chosen
    from phage.client.client import Client

COLUMNS = (
    Column("id", "id"),
    Column("last seen", "last_seen"),
    Column("state", "state"),
    Column("severity", "severity"),
    Column("direction", "direction"),
    Column("target", "target"),
    Column("kind", "kind"),
    Column("packets/s", "peak_packets_per_second", right=True),
    Column("bits/s", "peak_bits_per_second", right=True),
    Column("sources", "sources", right=True),
    Column("seconds", "seconds", right=True),
)


@click.group()
def command() -> None:
    """List attacks by volume, and show one with everything behind it."""


@command.command("list")
@click.option("--state", type=click.Choice(("open", "closed")), help="Only in this state.")
@click.option("--host", type=Host(), default="", help="Only with this address as target or source.")
@click.option(
    "--since", type=Moment(SystemClock()), help="Seen since: a time, or how long ago (2h)."
)
@click.option("--until", type=Moment(SystemClock()), help="Begun before.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@output_option
@remote_options
@settings_options
def list_(
    chosen: Chosen,
    remote: Client | None,
    state: str | None,
    host: str,
    since: int | None,
    until: int | None,
    limit: int,
    form: str,
) -> None:
    """List attacks, those seen last first."""
    from phage.api.attacks import attack_shape, list_attacks
    from phage.records import FindingState
    from phage.store.repositories.findings import FindingFilter

    if remote is not None:
        shapes: Iterable[dict[str, Any]] = remote.attacks(
            limit,
            state=state,
            host=host,
            since=since and rfc3339(since),
            until=until and rfc3339(until),
        )
    else:
        wanted = FindingFilter(
            state=FindingState(state) if state else None, party=host, since=since, until=until
        )
        with chosen.reader() as store:
            shapes = map(attack_shape, list_attacks(store, wanted, limit))
    emit(form, shapes, COLUMNS, empty="no attacks")


@command.command()
@click.argument("id_", metavar="ID")
@output_option
@remote_options
@settings_options
def show(chosen: Chosen, remote: Client | None, id_: str, form: str) -> None:
    """Show an attack: vectors, why it is one, what it consists of, and what to filter.

    The beginning of an ID is enough where it is the only one.
    """
    from phage.api.attacks import attack_shape, get_attack

    if remote is not None:
        shape = remote.attack(id_)
    else:
        with chosen.reader() as store:
            finding = get_attack(store, id_)
        if finding is None:
            message = f"no attack {id_!r}, or several begin so; `phage attacks list` names them"
            raise StateError(message)
        shape = attack_shape(finding)
    emit_one(form, shape, _explain(shape))


def _explain(shape: dict[str, Any]) -> Iterator[str]:
    details = shape["details"]
    yield shape["summary"]
    yield ""
    yield f"attack     {shape['id']} ({shape['state']}), {shape['severity']}"
    yield f"target     {shape['target']}, {shape['direction']}"
    yield f"from       {shape['first_seen']} to {shape['last_seen']}, {shape['seconds']} s"
    yield (
        f"peak       {shape['peak_packets_per_second']:,} packets/s, "
        f"{shape['peak_bits_per_second']:,} bits/s"
    )
    yield f"packets    {shape['packets']:,} from {shape['sources']:,} addresses"
    if details.get("pulses", 1) > 1:
        yield f"pulses     {details['pulses']}"
    yield from _why(details.get("why"))
    yield ""
    yield "vectors"
    for vector in shape["vectors"]:
        yield f"  {vector['share']:>6.1%}  {vector['name']}"
    for name in ("sources", "targets", "source_ports", "ports", "lengths", "tcp_flags", "systems"):
        tops = details.get(f"top_{name}")
        if tops:
            listed = ", ".join(f"{thing} {share:.0%}" for thing, share in tops[:6])
            yield f"{name.replace('_', ' ')}: {listed}"
    if entropies := details.get("entropy_bits"):
        told = (f"{name.replace('_', ' ')} {bits} bits" for name, bits in entropies.items())
        yield f"entropy: {', '.join(told)}"
    yield from _filters(details)
    if details.get("sample"):
        yield ""
        yield "some of its packets"
        for line in details["sample"]:
            yield f"  {line}"


def _why(why: dict[str, Any] | None) -> Iterator[str]:
    if not why:
        return
    yield (
        f"why        {why['value']:,} {why['measure']} in a second, limit {why['limit']:,}, "
        f"usual {why['usual']:,}; by {why['by']} over {why['window_s']} s, "
        f"{why['samples']:,} packets seen"
    )
    if why.get("threshold") and why["by"] == "threshold":
        yield f"threshold  {why['threshold']}"


def _filters(details: dict[str, Any]) -> Iterator[str]:
    suggested = details.get("suggested")
    if suggested is None:
        return
    yield ""
    cover = details.get("suggested_cover", 0.0)
    collateral = details.get("suggested_collateral", 0.0)
    yield f"what to filter: {cover:.0%} of it, and {collateral:.1%} of the traffic before"
    for each in suggested:
        parts = [
            f"{name.replace('_', ' ')} {value}"
            for name, value in each.items()
            if name not in {"covers", "collateral"} and value is not None
        ]
        yield f"  {each['covers']:>6.1%}  {', '.join(parts)}"
    if refused := details.get("suggestions_refused"):
        yield f"  {refused} more would have hit too much of that traffic, and are not told"
