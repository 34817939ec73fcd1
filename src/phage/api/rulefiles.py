"""Changes of rule files that the API and the dashboard share: the order of rules, and saving."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from phage.api.problem import Fault, ProblemError
from phage.errors import PhageError
from phage.policy.writing.edit import with_priority

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.api.desks import RuleDesk

MAX_PRIORITY = 1_000_000
STEP = 10
"""Between two priorities: room for rules that are written by hand."""


def rule_id(name: str) -> str:
    """Return the id of a rule: names may hold any character, ids fit into a path."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


@contextlib.contextmanager
def changed_files(desk: RuleDesk, texts: Mapping[str, str]) -> Iterator[None]:
    """Write files, all or none; where what follows fails they are as before.

    Raises ProblemError with every fault of one that cannot be used.
    """
    for name, text in texts.items():
        _judge(desk, name, text)
    before = {file.name: file.text for file in desk.files() if not file.is_shipped}
    written: list[str] = []
    try:
        for name, text in texts.items():
            desk.save(name, text)
            written.append(name)
        yield
    except PhageError:
        for name in written:
            if name in before:
                desk.save(name, before[name])
            else:
                desk.remove(name)
        raise


def _judge(desk: RuleDesk, name: str, text: str) -> None:
    judged = desk.judge(name, text)
    if not judged.is_usable or judged.failed:
        wrong = [each for each in (*judged.remarks, *judged.failed) if each.gravity == "error"]
        faults = [
            Fault(where=f"{name}:{each.line}:{each.column}", detail=each.text) for each in wrong
        ]
        message = "the rules stay as they are"
        raise ProblemError(422, message, kind="rules", errors=faults[:20])


def in_order(desk: RuleDesk, ids: Sequence[str]) -> dict[str, str]:
    """Return the files that another order of rules changes, by name.

    Rules that are not named keep their priority. Raises ProblemError for one that there is not.
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
    return {file: texts[file] for file in sorted(changed)}
