"""A rule file with every rule in dry run, and all else in it as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.config.document import compose
from phage.errors import RuleError
from phage.policy.reading.node import Value
from phage.policy.reading.reader import read_rules
from phage.policy.rule import Mode

if TYPE_CHECKING:
    from phage.policy.rule import RuleFile


def in_dry_run(text: str, source: str) -> tuple[str, RuleFile]:
    """Return the text of a rule file with `mode: dry-run` where it said enforce, and what it says.

    Raises RuleError that names file, line and column of every fault.
    """
    if not any(rule.mode is Mode.ENFORCE for rule in read_rules(text, source).rules):
        return text, read_rules(text, source)
    lines = text.split("\n")
    # From the end, so that places before stay where they are.
    for value in reversed(_modes(text, source)):
        row, column = value.place.line - 1, value.place.column - 1
        end = value.node.end_mark.column
        lines[row] = f"{lines[row][:column]}{Mode.DRY_RUN}{lines[row][end:]}"
    changed = "\n".join(lines)
    file = read_rules(changed, source)
    if acting := [rule for rule in file.rules if rule.mode is Mode.ENFORCE]:
        message = f"{acting[0].place}: write `mode: dry-run` on one line"
        raise RuleError(message, file=source, line=acting[0].place.line)
    return changed, file


def _modes(text: str, source: str) -> list[Value]:
    """Return the values that say that a rule is enforced, in order."""
    root = compose(text, source)
    if root is None:
        return []
    found = []
    for key, value in Value(root, source).entries():
        for rule in value.items() if key.node.value == "rules" else ():
            for inner, mode in rule.entries():
                if inner.node.value == "mode" and mode.text() == Mode.ENFORCE:
                    found.append(mode)
    return found
