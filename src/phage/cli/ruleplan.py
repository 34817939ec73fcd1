"""`phage rules plan`, `hits` and `unused`: rules against what really happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, emit, emit_one, output_option, say
from phage.cli.settings import settings_options
from phage.cli.times import Moment
from phage.clock import SystemClock, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.cli.settings import Chosen
    from phage.policy.hits import Unused
    from phage.policy.plan import Change, Plan, RuleEffect
    from phage.policy.planfindings import FindingEffect
    from phage.policy.rule import Rule
    from phage.policy.ruleset import RuleSet
    from phage.records.rulehits import RuleHits
    from phage.store.store import Store

_files = click.argument("files", nargs=-1, type=click.Path(path_type=Path))

CHANGE_COLUMNS = (
    Column("host", "host"),
    Column("ours", "ours"),
    Column("now", "before"),
    Column("then", "after"),
    Column("flows", "flows", right=True),
    Column("octets", "octets", right=True),
    Column("rule", "rule", wrap=True),
    Column("for example", "example"),
)
EFFECT_COLUMNS = (
    Column("rule", "rule", wrap=True),
    Column("mode", "mode"),
    Column("action", "action"),
    Column("flows", "flows", right=True),
    Column("octets", "octets", right=True),
    Column("from", "sources", right=True),
    Column("of these ours", "ours", right=True),
    Column("to", "destinations", right=True),
    Column("", "note"),
)
FINDING_COLUMNS = (
    Column("rule", "rule", wrap=True),
    Column("mode", "mode"),
    Column("action", "action"),
    Column("findings", "findings", right=True),
    Column("targets", "targets", right=True),
    Column("ours", "ours", wrap=True),
)
HITS_COLUMNS = (
    Column("rule", "rule", wrap=True),
    Column("mode", "mode"),
    Column("hits", "hits", right=True),
    Column("last hit", "last_hit"),
    Column("counted since", "since"),
    Column("place", "place"),
)
UNUSED_COLUMNS = (
    Column("rule", "rule", wrap=True),
    Column("mode", "mode"),
    Column("counted since", "since"),
    Column("place", "place"),
)


@click.command()
@_files
@click.option(
    "--since",
    type=Moment(SystemClock()),
    default="3d",
    show_default=True,
    help="Flows and findings since: a time, or how long ago.",
)
@click.option("--enforced", is_flag=True, help="Take rules in dry-run as if they were enforced.")
@click.option(
    "--limit", type=click.IntRange(1, 50_000), default=20, show_default=True, help="Hosts to show."
)
@output_option
@settings_options
def plan(
    chosen: Chosen,
    files: tuple[Path, ...],
    since: int,
    enforced: bool,  # noqa: FBT001  A flag.
    limit: int,
    form: str,
) -> None:
    """Say what rules would have done to the flows of the last days, before they are applied.

    FILES are the rules that might be; those of the settings if none are given. They are compared
    with the rules in force. Hosts of yours that would be blocked come first. Rates and numbers of
    connections are not judged, since flows do not show them.
    """
    from phage.cli.rulefiles import facts_here, read
    from phage.policy.plan import make_plan, needs
    from phage.policy.planfindings import plan_findings
    from phage.store.repositories.findings import MAX_PAGE, FindingFilter

    candidate, in_force, facts = read(chosen, files), _in_force(chosen), facts_here(chosen)
    wanted = needs(in_force, candidate)
    now = SystemClock().now()
    with chosen.reader() as store:
        groups = store.flow_groups.stream(
            since, now, source_ports=wanted.source_ports, minutes=wanted.minutes
        )
        made = make_plan(groups, in_force, candidate, facts, as_enforced=enforced)
        found = store.findings.list(FindingFilter(since=since), MAX_PAGE)
    effects = plan_findings(found, candidate, facts)
    if form == "table":
        _tables(made, effects, limit)
    else:
        emit_one(form, _shape(made, effects, limit), ())
    _summary(made, len(found), since, enforced=enforced)


@click.command()
@_files
@output_option
@settings_options
def unused(chosen: Chosen, files: tuple[Path, ...], form: str) -> None:
    """List rules that nothing ever met, those that are counted longest first.

    Rules about packets are counted by the kernel while they are in force, in dry-run too; rules
    about findings, and those that ban who exceeds a rate, by their decisions.
    """
    from phage.cli.rulefiles import read
    from phage.policy.hits import unused as find

    ruleset = read(chosen, files)
    with chosen.reader() as store:
        hits = [*store.rule_hits.list(), *_decided(ruleset, store)]
        found = find(ruleset, hits)
    emit(form, map(_unused_shape, found), UNUSED_COLUMNS, empty="every rule was met")


@click.command()
@_files
@output_option
@settings_options
def hits(chosen: Chosen, files: tuple[Path, ...], form: str) -> None:
    """List rules with how often they were met, and when last.

    Of rules about packets that is as of the last minute; a hit of a rule that decides is a
    decision.
    """
    from phage.cli.rulefiles import read
    from phage.policy.hits import summed

    ruleset = read(chosen, files)
    with chosen.reader() as store:
        counted = summed([*store.rule_hits.list(), *_decided(ruleset, store)])
    shapes = (_hits_shape(rule, counted.get(rule.name)) for rule in ruleset.rules)
    emit(form, shapes, HITS_COLUMNS, empty="no rules")


def _hits_shape(rule: Rule, hits: RuleHits | None) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "mode": rule.mode.value,
        "hits": hits.packets if hits else 0,
        "last_hit": rfc3339(hits.last_hit) if hits and hits.last_hit else "",
        "since": rfc3339(hits.since) if hits and hits.since else "",
        "place": rule.place.short,
    }


def _decided(ruleset: RuleSet, store: Store) -> Iterator[RuleHits]:
    """Yield the rules that may lead to decisions, with to how many they did."""
    from phage.records.rulehits import RuleHits
    from phage.store.repositories.decisions import DecisionFilter

    for ready in (*ruleset.finding_rules, *ruleset.excess_rules.values()):
        wanted = DecisionFilter(rule=ready.rule.name)
        last = max((each.start for each in store.decisions.list(wanted, 1)), default=0)
        yield RuleHits(ready.rule.name, store.decisions.count(wanted), last_hit=last)


def _in_force(chosen: Chosen) -> RuleSet:
    """Return the rules that are enforced now; none while enforcing is off."""
    from phage.policy.ruleset import RuleSet, load

    settings = chosen.settings()
    folder = chosen.state(settings).confirmed_rules
    if not settings.policy.enforce:
        say("policy.enforce is off: nothing is blocked now")
        return RuleSet()
    return load([folder]) if folder.is_dir() else RuleSet()


def _tables(made: Plan, effects: Sequence[FindingEffect], limit: int) -> None:
    emit("table", map(_change, made.changes[:limit]), CHANGE_COLUMNS, empty="no host is affected")
    if made.effects:
        print()
        emit("table", map(_effect, made.effects), EFFECT_COLUMNS)
    if effects:
        print()
        emit("table", map(_finding_effect, effects), FINDING_COLUMNS)


def _summary(made: Plan, findings: int, since: int, *, enforced: bool) -> None:
    from phage.store.repositories.findings import MAX_PAGE

    ours = sum(change.flows for change in made.changes if change.is_block and change.is_ours)
    say(
        f"of {made.flows} flows since {rfc3339(since)}, {made.blocked} would have been blocked "
        f"({ours} from hosts of yours) and {made.freed} would have passed again"
    )
    if made.uncounted:
        say(f"{made.uncounted} flows of further hosts are counted in the sums only")
    if findings == MAX_PAGE:
        say(f"only the newest {MAX_PAGE} findings were asked about")
    dry = any(effect.rule.mode.value == "dry-run" and effect.flows for effect in made.effects)
    if dry and not enforced:
        say("rules in dry-run block nothing; --enforced shows what they would block")


def _shape(made: Plan, effects: Sequence[FindingEffect], limit: int) -> dict[str, Any]:
    return {
        "flows": made.flows,
        "octets": made.octets,
        "blocked": made.blocked,
        "freed": made.freed,
        "changes": [_change(change) for change in made.changes[:limit]],
        "changes_total": len(made.changes),
        "uncounted": made.uncounted,
        "rules": [_effect(effect) for effect in made.effects],
        "finding_rules": [_finding_effect(effect) for effect in effects],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "host": change.host,
        "ours": change.is_ours,
        "before": change.before.value,
        "after": change.after.value,
        "flows": change.flows,
        "octets": change.octets,
        "rule": change.rule,
        "example": change.example,
    }


def _effect(effect: RuleEffect) -> dict[str, Any]:
    return {
        "rule": effect.rule.name,
        "mode": effect.rule.mode.value,
        "action": [verb.value for verb in effect.rule.actions],
        "flows": effect.flows,
        "octets": effect.octets,
        "sources": len(effect.sources),
        "ours": effect.ours,
        "destinations": len(effect.destinations),
        "note": "" if effect.is_certain else "its rate is not judged",
    }


def _finding_effect(effect: FindingEffect) -> dict[str, Any]:
    return {
        "rule": effect.rule.name,
        "mode": effect.rule.mode.value,
        "action": [verb.value for verb in effect.rule.actions],
        "findings": effect.findings,
        "targets": len(effect.targets),
        "ours": list(effect.ours)[:20],
    }


def _unused_shape(item: Unused) -> dict[str, Any]:
    return {
        "rule": item.rule,
        "mode": item.mode.value,
        "since": rfc3339(item.since) if item.since else "never",
        "place": item.place,
    }
