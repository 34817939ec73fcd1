"""Changes of a settings file: what is asked for, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.config.document import parse_document
from phage.config.edit import edit
from phage.errors import ConfigError

FILE = """\
# Ours.
interfaces: [eth0]  # the uplink

api:
    # Only here.
    enabled: true

    token_file: /etc/token
logging:
  level: warning   # enough
outputs: {eve: {enabled: true}}
home:
- 10.0.0.0/8
"""


def change(text: str, *changes: tuple[tuple[str, ...], object]) -> str:
    return edit(text, "phage.yaml", changes)


def test_a_file_is_made() -> None:
    made = change("", (("api", "listen"), "127.0.0.1:8080"), (("logging", "level"), "debug"))
    assert made == 'api:\n  listen: "127.0.0.1:8080"\nlogging:\n  level: "debug"\n'


def test_a_value_is_replaced_and_its_comment_stays() -> None:
    changed = change(FILE, (("logging", "level"), "debug"))
    assert changed == FILE.replace("level: warning ", 'level: "debug" ')


def test_a_key_goes_into_its_section_as_the_others_are_indented() -> None:
    changed = change(FILE, (("api", "listen"), "127.0.0.1:80"))
    assert changed == FILE.replace("api:\n", 'api:\n    listen: "127.0.0.1:80"\n')


def test_a_section_is_added_at_the_end() -> None:
    assert change(FILE, (("store", "flows"), False)) == FILE + "store:\n  flows: false\n"


def test_a_list_in_one_line_is_replaced() -> None:
    assert 'interfaces: ["eth1", "eth2"]  # the uplink' in change(
        FILE, (("interfaces",), ["eth1", "eth2"])
    )


def test_what_is_so_already_is_left_alone() -> None:
    assert change(FILE, (("logging", "level"), "warning")) == FILE


@pytest.mark.parametrize(
    "key",
    [("outputs", "eve", "path"), ("outputs", "eve", "enabled"), ("home",), ("api", "enabled", "x")],
)
def test_what_cannot_be_changed_is_left_to_the_person(key: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"phage\.yaml:\d+: .*by hand, set it to"):
        change(FILE, (key, "x"))


def test_a_section_without_keys_gets_its_first() -> None:
    assert change("api:\n", (("api", "enabled"), False)) == "api:\n  enabled: false\n"


def test_a_file_that_is_wrong_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"phage\.yaml:2: "):
        change("a: 1\n b: [\n", (("c",), 1))


@given(
    st.text("ab:# -{}[]'\"\n \t|>&*0", max_size=60), st.sampled_from([("a",), ("a", "b"), ("b",)])
)
def test_whatever_stands_there_only_the_key_changes(text: str, key: tuple[str, ...]) -> None:
    try:
        before = parse_document(text, "f").values
        changed = change(text, (key, ["x", 1]))
    except ConfigError:
        return
    after = parse_document(changed, "f").values
    section, old = after, before
    for part in key[:-1]:
        section, old = section[part], (old.get(part) or {})
    assert section[key[-1]] == ["x", 1]
    assert {k: v for k, v in section.items() if k != key[-1]} == {
        k: v for k, v in old.items() if k != key[-1]
    }
