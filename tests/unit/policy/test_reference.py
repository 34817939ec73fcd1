"""The examples of the documentation are rule files that can be read, and their tests hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phage.policy.reading.match import MATCH_KEYS
from phage.policy.reading.parties import PARTY_KEYS
from phage.policy.reading.reader import read_rules
from phage.policy.reading.rule import RULE_KEYS
from phage.policy.rule import Mode, Role, Verb, Way
from phage.policy.ruleset import join
from phage.policy.runtests import run_tests

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("reference/rules.md", "howto/block-safely.md", "howto/import.md")
EXAMPLES = [
    (f"{page}-{number}", text)
    for page in PAGES
    for number, text in enumerate(
        re.findall(
            r"^```yaml\n(.*?)^```",
            (DOCS / page).read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )
    )
    if re.search(r"^(rules|objects|tests):", text, re.MULTILINE)
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_examples_can_be_read_and_their_tests_hold(name: str, text: str) -> None:
    rules = join([read_rules(text, name)])
    assert rules.rules
    assert [(str(each.test.place), each.why) for each in run_tests(rules) if each.why] == []


def test_every_key_and_word_of_the_language_is_named() -> None:
    text = (DOCS / "reference/rules.md").read_text(encoding="utf-8")
    words = {*RULE_KEYS, *MATCH_KEYS, *PARTY_KEYS, *Verb, *Mode, *Way, *Role}
    assert [word for word in sorted(words) if not re.search(rf"\b{re.escape(word)}\b", text)] == []
