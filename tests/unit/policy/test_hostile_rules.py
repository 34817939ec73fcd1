"""Rule files that attack, or are mistaken: each gives a clear error with file and line, or is read.

Nothing else may come of a rule file: no other exception, no hang, no filled memory.
"""

from __future__ import annotations

import copy
import random
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from phage.errors import RuleError
from phage.policy.check import check
from phage.policy.compile import compile_rules, next_change
from phage.policy.facts import StaticFacts
from phage.policy.reading.match import MATCH_KEYS
from phage.policy.reading.parties import PARTY_KEYS, canonical_domain
from phage.policy.reading.reader import MAX_OCTETS, read_file, read_rules
from phage.policy.reading.rule import RULE_KEYS
from phage.policy.ruleset import RuleSet, join
from phage.policy.runtests import run_tests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE: dict[str, Any] = yaml.safe_load("""
version: 1
zone: Europe/Paris
objects:
  office: [198.51.100.0/28, 192.0.2.10-192.0.2.13]
  cameras: {category: camera, not: 192.168.1.9}
  group: [office, cameras]
  pages: {service: [tcp/80, udp/443]}
  night: {time: {days: [mon-fri], from: '22:00', to: '06:00'}}
defaults: {input: accept}
rules:
- name: packets
  priority: 10
  match:
    source: {list: bad, confidence: 80}
    service: pages
    time: night
    interface: {in: eth0}
    vlan: 20
    direction: in
    not: {country: [DE], source: office}
  action: [log, drop]
  mode: enforce
  scope: {hooks: [input]}
- name: rates
  match: {mac: '02:00:5e:00:53:01', rate: 10 connections/minute, per: source}
  action: drop
- name: findings
  match: {finding: bruteforce, severity: high, score: 0.8}
  action: [ban, notify]
  for: {first: 10m, times: 4, longest: 7d}
  notify: mail
given: {self: 192.168.1.1, devices: {tv: {address: 192.168.1.20}}, lists: {bad: [192.0.2.0/24]}}
tests:
- traffic: {source: tv, destination: self, service: ssh}
  expect: nothing
  at: '2026-11-20T23:00:00+01:00'
- finding: {detector: bruteforce, source: 203.0.113.9}
  expect: [ban, notify]
""")

NASTY: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**40,
    float("inf"),
    float("nan"),
    "",
    " ",
    "0",
    "\x00",
    "\u202e\u2066evil",
    "\U0001f608" * 300,
    "a" * 5000,
    "{{7*7}}",
    "; drop table",
    "../../../etc/passwd",
    "9" * 400,
    "1.2.3.4/33",
    "0.0.0.0/0-::/0",
    "::ffff:1.2.3.4%eth0/129",
    "0.0.0.0-255.255.255.254",
    "-",
    "/",
    "tcp/",
    "ip/999",
    "1e400/s",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"not": {"not": {"not": {}}}},
    {"": ""},
    {"<<": {}},
    {"a": 1},
    [["a", ["b", ["c", ["d", ["e", ["f", ["g", ["h", ["i", ["j"]]]]]]]]]]],
    list(range(200)),
    ["x"] * 300,
)


def outcome(text: str) -> RuleSet | RuleError:
    """Read a text as a rule file, and use it; nothing but a RuleError may come."""
    result = read(text)
    if isinstance(result, RuleError):
        for line in str(result).splitlines():
            assert re.match(r"bad\.yaml:\d+:\d+: .|and \d+ more", line), line
        assert result.file == "bad.yaml"
        assert result.line >= 1
        return result
    facts = StaticFacts()
    check(result, facts, 0)
    compile_rules(result, facts, 0)
    next_change(result, 0)
    run_tests(result)
    return result


def read(text: str) -> RuleSet | RuleError:
    try:
        return join([read_rules(text, "bad.yaml")])
    except RuleError as error:
        return error


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from paths(item, (*path, key))


def replaced(path: tuple[Any, ...], value: Any) -> str:
    changed = copy.deepcopy(BASE)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return yaml.dump(changed, sort_keys=False, allow_unicode=True)


def test_hundreds_of_files_with_one_hostile_value() -> None:
    assert isinstance(outcome(yaml.dump(BASE)), RuleSet)
    cases = [(path, value) for path in paths(BASE) for value in NASTY]
    chosen = random.Random(3).sample(cases, 900)
    refused = sum(isinstance(outcome(replaced(*case)), RuleError) for case in chosen)
    assert refused > 700


def test_files_cut_and_mixed_at_random() -> None:
    text = yaml.dump(BASE, sort_keys=False)
    dice = random.Random(4)
    pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        "\t",
        "\n",
        "- ",
        "&a ",
        "*a",
        "!!x ",
        "\0",
        "%",
        "'",
        "\ud800",
    ]
    for _ in range(300):
        start, end = sorted(dice.randrange(len(text)) for _ in range(2))
        kind = dice.randrange(3)
        if kind == 0:
            outcome(text[:start])
        elif kind == 1:
            outcome(text[:start] + text[end:])
        else:
            outcome(text[:start] + dice.choice(pieces) + text[start:])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a [x]\nb: [*a, *a]\n", "anchors"),
        ("rules: !!python/object/apply:os.system [id]\n", "tag"),
        ("rules: " + "[" * 5000, "nested"),
        ("rules: " + "{a: " * 5000, "nested"),
        ("rules:\n" + "".join("  " * depth + "- \n" for depth in range(1, 300)), "nested"),
        ("? {a: b}\n: c\n", "plain name"),
        ("rules: []\nrules: []\n", "second time"),
        ("rules: []\n---\nrules: []\n", "YAML"),
        ("objects: {" + ", ".join(f"o{n}: 10.0.0.1" for n in range(10_001)) + "}", "more than"),
        ("rules: [" + "a, " * 10_001 + "a]", "more than"),
        ("objects: {a: [" + "10.0.0.1, " * 10_001 + "]}", "indicator list"),
        (
            "objects: {o0: 10.0.0.1, "
            + ", ".join(
                f"o{n}: [{{address: o{n - 1}, not: 10.0.0.{n}}}, "
                f"{{address: o{n - 1}, not: 10.1.0.{n}}}]"
                for n in range(1, 30)
            )
            + "}",
            "different combinations",
        ),
        (
            "objects: {" + ", ".join(f"o{n}: o{n + 1}" for n in range(99)) + ", o99: 10.0.0.1}",
            "nested more than",
        ),
        (
            "objects: {s0: {service: tcp/1}, "
            + ", ".join(f"s{n}: {{service: [s{n - 1}, s{n - 1}]}}" for n in range(1, 60))
            + ", a: b, b: a}",
            "contain each other",
        ),
    ],
)
def test_bombs_are_refused(text: str, says: str) -> None:
    result = outcome(text)
    assert isinstance(result, RuleError)
    assert says in str(result)


def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"rules: []\n# \xff\xfe\n")
    with pytest.raises(RuleError, match=r"bad\.yaml:2: is not UTF-8"):
        read_file(path)
    path.write_bytes(b"#" * (MAX_OCTETS + 1))
    with pytest.raises(RuleError, match="is larger than"):
        read_file(path)
    with pytest.raises(RuleError, match="cannot be read"):
        read_file(tmp_path / "none.yaml")
    with pytest.raises(RuleError, match="cannot be read"):
        read_file(tmp_path)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70_000),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        [
            "any",
            "self",
            "internet",
            "home",
            "10.0.0.0/8",
            "::/0",
            "2001:db8::1",
            "tcp/80-90",
            "ssh",
            "icmp",
            "22:00",
            "mon-fri",
            "10/minute",
            "1h",
            "drop",
            "ban",
            "accept",
            "o",
            "everything",
            "02:00:5e:00:53:01",
        ]
    ),
)
keys = st.sampled_from(
    sorted({*RULE_KEYS, *MATCH_KEYS, *PARTY_KEYS, "from", "to", "days", "in", "first", "x"})
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)
rules = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=5), "match": values, "action": values},
    optional={key: values for key in RULE_KEYS if key not in {"name", "match", "action"}},
)


@given(st.lists(rules | values, max_size=3), st.dictionaries(st.just("o") | st.text(), values))
def test_any_yaml_is_read_or_refused_with_its_place(written: Any, objects: Any) -> None:
    outcome(yaml.dump({"rules": written, "objects": objects}, allow_unicode=True))


@given(st.text())
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    outcome(text)


@pytest.mark.parametrize("name", ["a##.example", "a#1.example", "1#.example"])
def test_a_number_in_a_domain_is_a_whole_one(name: str) -> None:
    """Else matching a name of many digits would take longer than anybody waits."""
    with pytest.raises(ValueError, match="whole number"):
        canonical_domain(name)
    assert canonical_domain("eu#-west.Cloud.example.") == "eu#-west.cloud.example"
