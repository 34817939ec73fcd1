"""`phage rules`: what rule files say, whether they are sound, and what they would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, emit, emit_one, encode, output_option, say, text
from phage.cli.remote import remote_options
from phage.cli.rulefiles import facts_here, read
from phage.cli.ruleimport import import_
from phage.cli.ruleplan import hits, plan, unused
from phage.cli.rulesapply import apply, confirm, rollback
from phage.cli.settings import settings_options
from phage.cli.times import Moment
from phage.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.cli.settings import Chosen
    from phage.client.client import Client
    from phage.policy.check import Problem
    from phage.policy.evaluate import Verdict
    from phage.policy.explain import Explanation
    from phage.policy.rule import Rule
    from phage.policy.ruleset import RuleSet
    from phage.policy.runtests import Result

_PATH = click.Path(path_type=Path)
_files = click.argument("files", nargs=-1, type=_PATH)

FORMS = ("table", "yaml", "json", "nft")

RULE_COLUMNS = (
    Column("priority", "priority", right=True),
    Column("name", "name", wrap=True),
    Column("mode", "mode"),
    Column("about", "about"),
    Column("action", "action"),
    Column("match", "match", wrap=True),
    Column("place", "place"),
)
PROBLEM_COLUMNS = (
    Column("place", "place"),
    Column("gravity", "gravity"),
    Column("rule", "rule"),
    Column("problem", "text", wrap=True),
)
TEST_COLUMNS = (
    Column("place", "place"),
    Column("result", "result"),
    Column("why", "why", wrap=True),
)
NO_RULES = "no rules; `phage rules import home` brings some to begin with"


@click.group()
def command() -> None:
    """Check, test, explain, plan, import and show rules.

    FILES are rule files and folders of them; those that the settings name (policy.rules), else
    rules/ in the folder of state, if none are given.
    """


for each in (import_, plan, hits, unused, apply, confirm, rollback):
    command.add_command(each)


@command.command()
@_files
@output_option
@settings_options
def check(chosen: Chosen, files: tuple[Path, ...], form: str) -> int:
    """Check rules: what never matches, is never asked, or would cut the admin off.

    Ends with 1 where an error was found; warnings alone are no failure.
    """
    from phage.policy.check import Gravity
    from phage.policy.check import check as find_problems

    ruleset = read(chosen, files)
    problems = find_problems(ruleset, facts_here(chosen), SystemClock().now())
    emit(form, map(_problem, problems), PROBLEM_COLUMNS)
    errors = sum(problem.gravity is Gravity.ERROR for problem in problems)
    say(f"{_count(ruleset)}: {errors} errors, {len(problems) - errors} warnings")
    return 1 if errors else 0


@command.command()
@_files
@output_option
@settings_options
def test(chosen: Chosen, files: tuple[Path, ...], form: str) -> int:
    """Run the tests in rule files. Ends with 1 where one fails."""
    from phage.policy.runtests import run_tests

    ruleset = read(chosen, files)
    results = run_tests(ruleset)
    failed = [result for result in results if result.why]
    emit(form, map(_result, failed if form == "table" else results), TEST_COLUMNS)
    say(f"{_count(ruleset)}: {len(results) - len(failed)} tests passed, {len(failed)} failed")
    return 1 if failed else 0


@command.command()
@click.argument("source", metavar="FROM")
@click.argument("destination", metavar="TO")
@click.argument("service")
@click.option("--rules", "files", multiple=True, type=_PATH, help="Rule file or folder.")
@click.option("--at", type=Moment(SystemClock()), help="At this time; now if not given.")
@output_option
@settings_options
def explain(
    chosen: Chosen,
    source: str,
    destination: str,
    service: str,
    files: tuple[Path, ...],
    at: int | None,
    form: str,
) -> None:
    """Say which rule decides about a connection, and why none before it does.

    FROM and TO are addresses, names of devices, or self, gateway, admin. SERVICE is ssh, tcp/22,
    udp/53, icmp or a TCP port. In the list, "=" marks the rule that decides, "+" one that matches
    and does not decide, "-" one that does not match.
    """
    from phage.policy.explain import explain as ask
    from phage.policy.explain import sentences, traffic_of

    ruleset, facts = read(chosen, files), facts_here(chosen)
    try:
        traffic = traffic_of(source, destination, service, facts)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    now = SystemClock().now() if at is None else at
    explanation = ask(ruleset, traffic, facts, now)
    emit_one(form, _explained(explanation), sentences(explanation))


@command.command()
@_files
@click.option(
    "--as", "form", type=click.Choice(FORMS), default="table", show_default=True, help="As what."
)
@remote_options
@settings_options
def show(chosen: Chosen, remote: Client | None, files: tuple[Path, ...], form: str) -> None:
    """Show rules in the order in which they are asked, or what they become in the kernel."""
    from phage.policy.writing.writer import dump, ruleset_values

    if remote is not None:
        _show_remote(remote, files, form)
        return
    ruleset = read(chosen, files)
    if form == "table":
        emit("table", map(_rule, ruleset.rules), RULE_COLUMNS, empty=NO_RULES)
    elif form == "nft":
        print(_as_nft(chosen, ruleset), end="")
    else:
        values = ruleset_values(ruleset)
        print(dump(values) if form == "yaml" else encode(values, indent=2), end="")


def _show_remote(remote: Client, files: tuple[Path, ...], form: str) -> None:
    if files or form == "nft":
        message = "--url shows the rules that are in force there, as table, yaml or json"
        raise click.UsageError(message)
    from phage.policy.writing.writer import dump

    rules = remote.rules()
    if form != "table":
        values = {"rules": [each["rule"] for each in rules]}
        print(dump(values) if form == "yaml" else encode(values, indent=2), end="")
        return
    for each in rules:
        each["match"] = text(each["rule"].get("match", ""))
        each["place"] = f"{each['file']}:{each['line']}"
    emit("table", rules, RULE_COLUMNS, empty=NO_RULES)


@command.command()
@_files
@settings_options
def export(chosen: Chosen, files: tuple[Path, ...]) -> None:
    """Print all rules as one file that stands by itself.

    Tests are taken along where all rules come from one file.
    """
    from phage.policy.writing.writer import dump, ruleset_values

    ruleset = read(chosen, files)
    if len(ruleset.files) > 1 and ruleset.tests:
        say(f"left out: {len(ruleset.tests)} tests, each of which needs what its own file gives")
    print(dump(ruleset_values(ruleset)), end="")


@command.command()
def schema() -> None:
    """Print the JSON Schema of rule files, for editors."""
    from phage.policy.reading.schema import rule_schema

    print(encode(rule_schema(), indent=2))


def _count(ruleset: RuleSet) -> str:
    return f"{len(ruleset.rules)} rules in {len(ruleset.files)} files"


def _as_nft(chosen: Chosen, ruleset: RuleSet) -> str:
    from phage.policy.compile import compile_rules
    from phage.respond.nft.render import render

    return render(compile_rules(ruleset, facts_here(chosen), SystemClock().now()))


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "place": str(problem.place),
        "gravity": problem.gravity.value,
        "kind": problem.kind,
        "rule": problem.rule,
        "text": problem.text,
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "place": str(result.test.place),
        "result": "failed" if result.why else "passed",
        "why": result.why,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    from phage.policy.writing.writer import match_values

    match = match_values(rule.match)
    return {
        "priority": rule.priority,
        "name": rule.name,
        "mode": rule.mode.value,
        "about": "findings" if rule.is_about_findings else "packets",
        "action": [verb.value for verb in rule.actions],
        "match": match if isinstance(match, str) else ", ".join(_parts(match)),
        "place": rule.place.short,
    }


def _parts(match: dict[str, Any]) -> Iterator[str]:
    for key, value in match.items():
        yield f"{key} {_short(value)}"


def _short(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(_parts(value)) + ")"
    if isinstance(value, list):
        return " or ".join(map(_short, value))
    return str(value)


def _explained(explanation: Explanation) -> dict[str, Any]:
    traffic = explanation.traffic
    return {
        "source": str(traffic.source),
        "destination": str(traffic.destination),
        "protocol": traffic.protocol,
        "port": traffic.port,
        **_verdict(explanation.now),
        "if_enforced": _verdict(explanation.enforced),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    place = verdict.rule.place if verdict.rule is not None else verdict.default
    return {
        "action": verdict.action.value,
        "hook": verdict.hook.value,
        "rule": verdict.rule.name if verdict.rule is not None else "",
        "place": str(place) if place is not None else "",
        "why": verdict.why,
        "asked": [
            {
                "rule": step.rule.name,
                "place": str(step.rule.place),
                "why_not": step.why_not,
                "effect": step.effect,
                "decides": step.decides,
            }
            for step in verdict.steps
        ],
    }
