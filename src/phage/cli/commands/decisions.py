"""`phage decisions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.api.shapes import decision_shape
from phage.cli.output import Column, emit, emit_one, output_option, say
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options
from phage.cli.times import Moment, Span
from phage.clock import SystemClock, rfc3339
from phage.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phage.cli.settings import Chosen
    from phage.client.client import Client

COLUMNS = (
    Column("id", "id"),
    Column("start", "start"),
    Column("until", "until"),
    Column("state", "state"),
    Column("action", "action"),
    Column("target", "target"),
    Column("rule", "rule"),
    Column("by", "by"),
    Column("reason", "reason", wrap=True),
)

REVOKED_COLUMNS = tuple(column for column in COLUMNS if column.path != "state")


@click.group()
def command() -> None:
    """List what was decided, decide by hand, and take back."""


@command.command("list")
@click.option("--target", default="", help="Only against this address, network, MAC or domain.")
@click.option("--finding", default="", metavar="ID", help="Only because of this finding.")
@click.option("--rule", default="", help="Only of this rule.")
@click.option("--all", "every", is_flag=True, help="Also what has ended.")
@click.option("--in-force", is_flag=True, help="Only what is carried out, not what is recorded.")
@click.option("--since", type=Moment(SystemClock()), help="Begun since: a time, or how long ago.")
@click.option("--after", default="", metavar="ID", help="The page after this decision.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@output_option
@remote_options
@settings_options
def list_(
    chosen: Chosen,
    remote: Client | None,
    target: str,
    finding: str,
    rule: str,
    every: bool,  # noqa: FBT001  An option.
    in_force: bool,  # noqa: FBT001  An option.
    since: int | None,
    after: str,
    limit: int,
    form: str,
) -> None:
    """List decisions, the newest first."""
    from phage.store.repositories.decisions import DecisionFilter

    wanted = DecisionFilter(
        standing=None if every else True,
        target=_canonical(target) if target else "",
        finding=finding,
        rule=rule,
        dry_run=False if in_force else None,
        since=since,
        after=after,
    )
    if remote is not None:
        shapes: Iterable[dict[str, Any]] = remote.decisions(
            limit,
            target=wanted.target,
            finding=finding,
            rule=rule,
            all=every,
            in_force=in_force,
            since=since and rfc3339(since),
        )
    else:
        now = SystemClock().now()
        with chosen.reader() as store:
            found = store.decisions.list(wanted, limit)
            receipts = store.receipts.of([each.id for each in found])
        shapes = (decision_shape(each, now, receipts.get(each.id, ())) for each in found)
    emit(form, shapes, COLUMNS, empty="no decisions")


@command.command()
@click.argument("id_", metavar="ID")
@output_option
@remote_options
@settings_options
def show(chosen: Chosen, remote: Client | None, id_: str, form: str) -> None:
    """Show a decision: why, until when, what each responder did, and who changed it.

    The beginning of an ID is enough where it is the only one.
    """
    if remote is not None:
        told = remote.decision(id_)
        emit_one(form, told, _lines(told))
        return
    with chosen.reader() as store:
        decision = store.decisions.get(id_)
        if decision is None:
            message = f"no decision {id_!r}, or several begin so; `phage decisions list` names them"
            raise StateError(message)
        receipts = store.receipts.of([decision.id])[decision.id]
        audit = store.decisions.audit(decision.id)
    shape = decision_shape(decision, SystemClock().now(), receipts, audit)
    emit_one(form, shape, _lines(shape))


@command.command()
@click.argument("target")
@click.option(
    "--action",
    type=click.Choice(("ban", "reject", "limit", "quarantine")),
    default="ban",
    show_default=True,
)
@click.option(
    "--for",
    "seconds",
    type=Span(least=1),
    default="1h",
    show_default=True,
    help="How long, or `ever`.",
)
@click.option(
    "--direction",
    type=click.Choice(("from", "to", "both")),
    default="from",
    show_default=True,
    help="Which packets of the target; a quarantine is always of both.",
)
@click.option(
    "--rate", type=click.IntRange(1, 10**9), help="Packets a second that a limit lets by."
)
@click.option("--reason", default="", help="Why, for whoever looks later.")
@click.option("--responder", "responders", multiple=True, help="Only by this responder.")
@output_option
@remote_options
@settings_options
def add(
    chosen: Chosen,
    remote: Client | None,
    target: str,
    action: str,
    seconds: float,
    direction: str,
    rate: int | None,
    reason: str,
    responders: tuple[str, ...],
    form: str,
) -> None:
    """Decide against TARGET by hand: an address, a network, a MAC address or a domain.

    What is on the allow-list is refused. The running daemon carries it out.
    """
    from phage.daemon.requests import AddDecision, checked

    request = checked(
        AddDecision,
        target=target,
        action=action,
        direction=direction,
        seconds=seconds,
        rate=rate,
        reason=reason,
        responders=responders,
    )
    if remote is not None:
        answer = remote.decide(**request.model_dump(mode="json", exclude={"verb"}))
    else:
        answer = chosen.ask(request)
    made = answer["decision"]
    emit_one(form, made | {"receipts": answer["receipts"]}, _added(made, answer["receipts"]))
    if answer.get("panic"):
        say("the panic switch is on: nothing is carried out until `phage panic --release`")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="ID|TARGET...")
@output_option
@remote_options
@settings_options
def revoke(chosen: Chosen, remote: Client | None, names: tuple[str, ...], form: str) -> None:
    """Take decisions back: by ID (its beginning is enough), or all against a target.

    The rule that decided does not decide the same again before the decision's time is over.
    """
    from phage.daemon.requests import RevokeDecisions, checked

    request = checked(RevokeDecisions, names=names)
    ended = chosen.ask(request)["decisions"] if remote is None else remote.revoke(list(names))
    emit(form, ended, REVOKED_COLUMNS)
    say(f"{len(ended)} revoked")


def _canonical(target: str) -> str:
    from phage.policy.target import parse_target

    try:
        return parse_target(target).value
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--target") from error


def _added(made: Mapping[str, Any], receipts: list[Mapping[str, Any]]) -> Iterator[str]:
    until = f"until {made['until']}" if made["until"] else "for ever"
    done = "recorded" if made["dry_run"] else "decided"
    yield f"{done}: {made['action']} {made['direction']} {made['target']} {until}, as {made['id']}"
    if made["dry_run"]:
        yield made["reason"]
    for receipt in receipts:
        detail = f": {receipt['detail']}" if receipt["detail"] else ""
        yield f"{receipt['responder']}: {receipt['state']}{detail}"


def _lines(shape: Mapping[str, Any]) -> Iterator[str]:
    yield shape["reason"]
    yield ""
    for name in ("id", "state", "action", "direction", "target", "start", "until", "rule",
                 "finding", "by", "ended", "ended_by"):  # fmt: skip
        if shape[name]:
            yield f"{name.replace('_', ' '):<10} {shape[name]}"
    for receipt in shape["receipts"]:
        yield f"{receipt['responder']:<10} {receipt['state']} {receipt['at']}  {receipt['detail']}"
    for entry in shape["audit"]:
        yield f"{entry['at']}  {entry['act']} by {entry['by']}  {entry['detail']}"
