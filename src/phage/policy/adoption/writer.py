"""Imported rules, written down in phage's own language for people to read and to change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phage.policy.facts import ANY_LIST
from phage.policy.reading.node import MAX_NAME
from phage.policy.services import protocol_name, range_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.policy.importer import Imported, ImportedRule

HIGHEST_PRIORITY = 1_000_000
"""Priorities above this, or below 0, are numbered anew: only their order means something."""

WIDTH = 100
"""Characters of a line; a longer condition is written over several."""

_UNITS = {60: "min", 3600: "h", 86_400: "d"}


def write_rules(imported: Imported, source: str, taken: Iterable[str] = ()) -> str:
    """Return a rule file with imported rules, all in dry-run, each with a note of its origin.

    Args:
        imported: What was read; its rules all have a condition.
        source: The name of the file it was read from.
        taken: Names of rules in other files: a rule's name is unique.
    """
    names = set(taken)
    lines = [
        f"# Imported from {clean(source)} ({imported.program}).",
        "# Every rule is in dry-run: what it would do is counted, and nothing is blocked.",
        "# To let one act, change its mode to: enforce",
        "rules:",
    ]
    for rule, priority in zip(imported.rules, _priorities(imported.rules), strict=True):
        lines += ["", *_rule(rule, priority, _unique(clean(rule.name), names), source)]
    return "\n".join(lines) + "\n"


def clean(text: str) -> str:
    """Return a text on one line, without what would move a cursor or turn the writing round."""
    return "".join(
        character if character.isprintable() else "\ufffd" for character in " ".join(text.split())
    )


def _priorities(rules: tuple[ImportedRule, ...]) -> list[int]:
    if all(0 <= rule.priority <= HIGHEST_PRIORITY for rule in rules):
        return [rule.priority for rule in rules]
    ranks = {value: rank for rank, value in enumerate(sorted({each.priority for each in rules}))}
    return [ranks[rule.priority] for rule in rules]


def _unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number behind it where it is taken; and take it."""
    found, number = name[:MAX_NAME].strip() or "rule", 2
    while found in taken:
        suffix = f" ({number})"
        found = name[: MAX_NAME - len(suffix)].strip() + suffix
        number += 1
    taken.add(found)
    return found


def _rule(rule: ImportedRule, priority: int, name: str, source: str) -> Iterator[str]:
    yield f"  # {clean(source)}:{rule.line}"
    for note in rule.notes:
        yield f"  # {clean(note)}"
    yield f"  - name: {_quoted(name)}"
    yield f"    priority: {priority}"
    yield from _match(dict(_conditions(rule)))
    yield f"    action: {rule.action}"
    if rule.target:
        yield f"    target: {rule.target}"
    if rule.rate is not None:
        yield f"    rate: {_rate(rule.rate.count, rule.rate.unit, rule.rate.seconds)}"
    if rule.seconds:
        yield f"    for: {rule.seconds}s"
    if rule.responders:
        yield f"    scope: {{responders: [{', '.join(rule.responders)}]}}"
    yield "    mode: dry-run"


def _conditions(rule: ImportedRule) -> Iterator[tuple[str, list[str]]]:
    if rule.finding:
        yield "finding", [rule.finding]
    if rule.feeds:
        yield "source", [f"{{list: {ANY_LIST}}}"]
    elif rule.sources:
        yield "source", [_address(network) for network in rule.sources]
    if rule.destinations:
        yield "destination", [_address(network) for network in rule.destinations]
    if rule.protocol is not None:
        yield "protocol", [protocol_name(rule.protocol).removeprefix("ip/")]
    if rule.ports:
        yield "port", [range_text(*ends) for ends in rule.ports]
    if rule.excess is not None:
        excess = rule.excess
        yield "rate", [_rate(excess.count, excess.unit, excess.seconds)]
        yield "per", ["source"]


def _match(conditions: dict[str, list[str]]) -> Iterator[str]:
    """Yield the condition: on one line where it fits, else a key a line, else an item a line."""
    parts = [f"{key}: {_flow(items)}" for key, items in conditions.items()]
    line = f"    match: {{{', '.join(parts)}}}"
    if len(line) <= WIDTH:
        yield line
        return
    yield "    match:"
    for part, (key, items) in zip(parts, conditions.items(), strict=True):
        if len(part) + 6 <= WIDTH:
            yield f"      {part}"
        else:
            yield f"      {key}:"
            yield from (f"        - {item}" for item in items)


def _flow(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"[{', '.join(items)}]"


def _address(network: str) -> str:
    """Return a network as people write it: an address without its length; IPv6 in quotes."""
    text = network.removesuffix("/128" if ":" in network else "/32")
    return _quoted(text) if ":" in text else text


def _rate(count: int, unit: str, seconds: int) -> str:
    for length, name in _UNITS.items():
        if seconds == length:
            return f"{count} {unit}/{name}"
    return f"{count} {unit}/{seconds} s"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # A JSON string is a YAML string.
