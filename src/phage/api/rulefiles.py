"""Changes of rule files that the API and the dashboard share: the order of rules, and saving."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from phage.api.problem import Fault, ProblemError
from phage.policy.writing.edit import with_priority

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.api.desks import RuleDesk

MAX_PRIORITY = 1_000_000
STEP = 10
"""Between two priorities: room for rules that are written by hand."""


def rule_id(name: str) -> str:
    """Return the id of a rule: names may hold any character, ids fit into a path."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def save_file(desk: RuleDesk, name: str, text: str) -> None:
    """Write a file that can be used. Raises ProblemError with every fault."""
    judged = desk.judge(name, text)
    if not judged.is_usable or judged.failed:
        wrong = [each for each in (*judged.remarks, *judged.failed) if each.gravity == "error"]
        faults = [
            Fault(where=f"{name}:{each.line}:{each.column}", detail=each.text) for each in wrong
        ]
        message = "the rules stay as they are"
        raise ProblemError(422, message, kind="rules", errors=faults[:20])
    desk.save(name, text)


def put_in_order(desk: RuleDesk, ids: Sequence[str]) -> int:
    """Write an order of rules to their files; return how many files that changed.

    Rules that are not named keep their priority. It comes into force when rules are applied.

    Raises ProblemError for a rule that there is not, and for files that cannot be used then.
    """
    texts = {file.name: file.text for file in desk.files()}
    known = {rule_id(rule.name): rule for rule in desk.rules()}
    if unknown := [each for each in ids if each not in known]:
        message = f"there is no rule with the id {unknown[0]}"
        raise ProblemError(404, message)
    first = min(known[each].priority for each in ids)
    changed: set[str] = set()
    for number, each in enumerate(dict.fromkeys(ids)):
        rule, priority = known[each], min(first + number * STEP, MAX_PRIORITY)
        file = rule.place.file.rpartition("/")[2]
        if rule.priority != priority and file in texts:
            texts[file] = with_priority(texts[file], file, rule.name, priority)
            changed.add(file)
    for file in sorted(changed):
        save_file(desk, file, texts[file])
    return len(changed)
