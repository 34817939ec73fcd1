"""Changes of one rule in the text of a rule file that leave all else as it is: comments, order.

A change is made in the text, and taken only if the file then reads back as the same rules with
exactly this change.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from phage.config.document import compose
from phage.errors import RuleError
from phage.policy.reading.reader import read_rules
from phage.policy.writing.writer import dump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.policy.rule import Rule

Values = dict[str, Any]


def with_rule(text: str, source: str, values: Mapping[str, Any]) -> str:
    """Return a file with a rule added after the others. Raises RuleError."""
    name = str(values.get("name", ""))
    lines = _lines(text)
    items = _items(text, source)
    block = _block(values, _indent(lines, items[-1], source) if items else "")
    if items:
        at = _end(lines, items[-1])
        changed = [*lines[:at], "", *block, *lines[at:]]
    else:
        bare = [line for line in lines if line.split("#")[0].strip() not in {"rules:", "rules: []"}]
        changed = [*bare, "rules:", *block]
    return _checked(text, "\n".join(changed) + "\n", source, name, removed="")


def replaced_rule(text: str, source: str, name: str, values: Mapping[str, Any]) -> str:
    """Return a file with other values for one of its rules. Raises RuleError."""
    lines, item = _lines(text), _item(text, source, name)
    block = _block(values, _indent(lines, item, source))
    changed = [*lines[: item.start_mark.line], *block, *lines[_end(lines, item) :]]
    new = str(values.get("name", ""))
    return _checked(text, "\n".join(changed) + "\n", source, new, removed=name)


def without_rule(text: str, source: str, name: str) -> str:
    """Return a file without one of its rules. Raises RuleError."""
    lines, item = _lines(text), _item(text, source, name)
    _indent(lines, item, source)
    kept = [*lines[: item.start_mark.line], *lines[_end(lines, item) :]]
    if len(_items(text, source)) == 1:
        kept = ["rules: []" if line.split("#")[0].strip() == "rules:" else line for line in kept]
    return _checked(text, "\n".join(kept) + "\n", source, "", removed=name)


def with_priority(text: str, source: str, name: str, priority: int) -> str:
    """Return a file with another priority for one of its rules; its other lines stay."""
    lines, item = _lines(text), _item(text, source, name)
    _indent(lines, item, source)
    column = " " * item.start_mark.column
    for key, value in item.value:
        if key.value == "priority":
            at, begin, end = value.start_mark.line, value.start_mark.column, value.end_mark.column
            lines[at] = f"{lines[at][:begin]}{priority}{lines[at][end:]}"
            break
    else:
        after = next(value for key, value in item.value if key.value == "name")
        lines.insert(after.end_mark.line + 1, f"{column}priority: {priority}")
    changed = "\n".join(lines) + "\n"
    return _checked(text, changed, source, name, removed=name)


def _lines(text: str) -> list[str]:
    return text.rstrip("\n").split("\n") if text.strip() else []


def _items(text: str, source: str) -> list[yaml.MappingNode]:
    """Return the nodes of the rules of a file that is sound. Raises RuleError."""
    read_rules(text, source)
    root = compose("\n".join([*_lines(text), ""]), source)
    if not isinstance(root, yaml.MappingNode):
        return []
    listed = next((value for key, value in root.value if key.value == "rules"), None)
    return list(listed.value) if isinstance(listed, yaml.SequenceNode) else []


def _item(text: str, source: str, name: str) -> yaml.MappingNode:
    for item in _items(text, source):
        if any(key.value == "name" and value.value == name for key, value in item.value):
            return item
    message = f"{source}: there is no rule {name!r}"
    raise RuleError(message, file=source)


def _indent(lines: list[str], item: yaml.MappingNode, source: str) -> str:
    """Return how the dash of a rule is indented.

    Raises RuleError for a rule that does not stand in lines of its own.
    """
    line, column = item.start_mark.line, item.start_mark.column
    before = lines[line][:column]
    if before.strip() != "-" or item.flow_style:
        message = (
            f"{source}:{line + 1}: this rule is written in one line with others, and can only be "
            "changed in the text of the file"
        )
        raise RuleError(message, file=source, line=line + 1)
    return before[: before.index("-")]


def _end(lines: list[str], item: yaml.MappingNode) -> int:
    """Return the line after a rule; comments and empty lines after it are not part of it."""
    end = min(item.end_mark.line, len(lines))  # Where what comes next begins.
    while end > item.start_mark.line + 1:
        bare = lines[end - 1].strip()
        if bare and not bare.startswith("#"):
            break
        end -= 1
    return end


def _block(values: Mapping[str, Any], indent: str) -> list[str]:
    plain = json.loads(json.dumps(dict(values), default=str))
    inner = dump(plain).rstrip("\n").split("\n")
    return [f"{indent}{'- ' if number == 0 else '  '}{line}" for number, line in enumerate(inner)]


def _checked(before: str, after: str, source: str, new: str, *, removed: str) -> str:
    """Return a changed text. Raises RuleError where more than one rule is another now."""
    old = {rule.name: rule for rule in read_rules(before, source).rules}
    now = {rule.name: rule for rule in read_rules(after, source).rules}
    wanted = {name: rule for name, rule in old.items() if name != removed}
    others: dict[str, Rule] = {name: rule for name, rule in now.items() if name != new}
    if others != {name: rule for name, rule in wanted.items() if name != new} or (
        new and new not in now
    ):
        message = f"{source}: is written in a way that can only be changed in its text"
        raise RuleError(message, file=source)
    return after
