"""Foreign files: told apart by content; hostile ones are refused with file and line."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.errors import ConfigError
from phage.policy.adoption.importing import import_file, import_text
from phage.policy.adoption.writer import write_rules
from phage.policy.importer import Source
from phage.policy.reading.reader import read_rules
from phage.policy.rule import Match, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEVER = ("[]", "{}", "{a: 1}", "true", "[[1]]", "1.5", '""', "'; rm -rf /'", '"$(reboot)"')

PHANTOM_VALUES = {
    "port": (
        *NEVER, "-1", "0", "65536", "99999999999", "abc", "80-", "-80", "90-80", '"1e3"',
        "\uff18\uff10",
        "[80, x]", '"80,,81"', "80:", "999999999999999999999999", "[80, [81]]", '"\\u0660"',
    ),
    "protocol": (*NEVER, "TPC", "0", "256", "-1", "6 17", "tcp;udp", '"6.0"', "ⅥI", "[6, tcp]"),
    "source_ip": (
        *NEVER, "300.1.1.1", "1.2.3", "1.2.3.4/33", '"::g"', '"2001:db8::/129"', "1.2.3.4/-1",
        "example.com", "12345", "[1.2.3.4, 5]", "1.2.3.4 5.6.7.8", '"fe80::1%eth0/64"', "१.२.३.४",
        '"10.0.0.0/8,"', '",10.0.0.0/8"', "0x7f000001", "1.2.3.4-1.2.3.9", "01.02.03.04", "!",
    ),
    "priority": ("[]", "{}", "{a: 1}", "true", "1.5", '""', "high", '"1e9"', "9" * 30, "0b1"),
    "action": (*NEVER, "NUKE", "5", "DROP;ACCEPT", "[DROP]", "DR\u200bOP", "null",
               "\uff24\uff32\uff2f\uff30"),
    "name": ("[]", "{}", "{a: 1}", "[[1]]"),
    "rate": (
        *NEVER, "10", "ten/minute", "10/fortnight", "0/minute", "-1/s", "99999999999/s", "10/",
        "/minute", '"10/minute;"', "10//s", "1.5/s", "1e3/s", "inf/s", "nan",
    ),
}  # fmt: skip

PHANTOM_SECTIONS = {
    "log_level": (*NEVER, "LOUD", "5", "null", "info;"),
    "api_port": (*NEVER, "0", "65536", "-1", "http", "8080.5", "null", "9" * 20),
    "rules": ("5", "x", "{}", "{a: 1}", "true", "[5]", "[[]]", "[x]", "[null]", '""', "1.5"),
}

NO_YAML = (
    "rules: [", "rules: {", 'rules: "', "rules: &a [*a]", "rules: &a 1\nmode: *a",
    "rules: !!python/object/apply:os.system [id]", "rules: !x y", "rules: []\nrules: []",
    "rules:\n\t- a", "rules: @x", "rules: `x", "rules: %x", "rules: [1, 2", "rules: ]",
    "rules: a: b", "rules: |\n - a\n- b", "rules: \x00", "rules: \x07", "rules: []\n---\nrules: []",
    "? [a]: b\nrules:",
    "<<: {a: 1}\nrules: []", "rules: " + "[" * 40 + "]" * 40, "rules: " + "{a: " * 40 + "}" * 40,
    "- rules: []", "'rules: []", "rules: []\n  x: 1", "rules: [}", "rules: 'a' b", "rules: *nobody",
    "{rules: [}", "rules: \ufffe", "rules:\n - {name: a, name: b}",
    "rules: " + "[" * 5000, "rules: " + "&a " * 50, "phantom: 5", "phantom: []",
    "phantom: x", "phantom:",
)  # fmt: skip

BAD_TOML = (
    "true", "1.5", "[]", "[1]", "{}", "{a = 1}", '"x"', '"-1;"', '"$(id)"', "1979-05-27", "inf",
    "99999999999999999999", '"\uff19"', "[[1]]",
)  # fmt: skip
TOML_KEYS = ("maxreq", "maxpkts", "maxbytes", "timeduration", "bantime")
TOML_TEXTS = {
    "whitelist": (
        "1", "true", '"x"', '["x"]', "[1]", "[[]]", "{}", '["1.2.3.4/33"]', '["10.0.0.0/8,"]',
        '["::g"]', '["1.2.3.4", 1]', '["1.2.3.4; iptables -F"]', "1.5", '[""]', '["\\u0000"]',
    ),
    "dryrun": ("1.5", '"maybe"', "[]", "{}", '["true"]', '""', "7", "1979-05-27"),
    "capturemode": ("1", "true", "[]", "{}", '"pcap"', '"netflow; id"', '""'),
    "banmode": ("1", "true", "[]", "{}", '"iptables"', '"$(reboot)"', '""'),
}  # fmt: skip
NO_TOML = (
    "maxreq = ", "maxreq = [", 'maxreq = "', "maxreq = 1\nmaxreq = 2", "maxreq = 1\nMAXREQ = 2",
    "maxreq == 1", "maxreq = 1 2", "maxreq = {", "maxreq = 'a", "maxreq = 01", "maxreq = 1__0",
    "maxreq = +", "maxreq = \x00", "maxreq = '''", 'maxreq = """', "maxreq = 0x", "maxreq = nul",
    "maxreq = 1\n[", "maxreq = 1\n[]", "maxreq = 1\n[a", "maxreq = 1\n= 2", "maxreq = 1\nx",
    'maxreq = "\\q"', 'maxreq = "\\ud800"', 'maxreq = "\\U00110000"', "maxreq = 1\n[maxreq]",
    "maxreq = 1\nmaxreq.x = 2", "maxreq = 1\r2", "maxreq = " + "[" * 3000, "maxreq = " + "9" * 4000,
    "maxreq = " + "[{a=" * 1000, "maxreq = '" + "x" * 5000 + "'",
    "maxreq." + ".".join("a" * 3000) + " = 1",
    'maxreq = 1\n"\\q" = 1', "maxreq = 2020-13-45", "maxreq = 1\n[[a]]\n[a]", "maxreq = 99:99:99",
)  # fmt: skip


def hostile() -> Iterator[str]:
    """Yield files that are each wrong in one place."""
    for flat, (key, values) in itertools.product((True, False), PHANTOM_VALUES.items()):
        for value in values:
            fields = {"name": "r", "action": "DROP", "port": "80"} | {key: value}
            if key == "rate":
                fields["action"] = "LIMIT"
            if key == "protocol":
                fields["port"] = "null"
            lines = [f"      {name}: {text}" for name, text in fields.items()]
            rules = "\n".join(["  rules:", "    - priority: 7", *lines])
            if key == "priority":
                rules = rules.replace("- priority: 7\n      ", "- ")
            yield f"phantom:\n{rules}\n" if not flat else re.sub(r"(?m)^  ", "", rules) + "\n"
    for flat, (key, values) in itertools.product((True, False), PHANTOM_SECTIONS.items()):
        for value in values:
            yield (
                f"{key}: {value}\nmode: x\n" if flat else f"phantom:\n  mode: x\n  {key}: {value}\n"
            )
    yield from NO_YAML
    for key, value in itertools.product(TOML_KEYS, BAD_TOML):
        yield f"capturemode = 'netflow'\n{key} = {value}\n"
    for key, values in TOML_TEXTS.items():
        yield from (f"maxreq = 1\n{key} = {value}\n" for value in values)
    yield from NO_TOML


HOSTILE = list(dict.fromkeys(hostile()))


def test_there_are_enough_hostile_files() -> None:
    assert len(HOSTILE) >= 500


def refusal(text: str) -> str:
    """Return the error that a file is refused with."""
    try:
        found = import_text(Source("hostile", text))
    except ConfigError as error:
        return str(error)
    pytest.fail(f"was taken as {found}: {text[:300]!r}")


@pytest.mark.parametrize("part", range(10))
def test_hostile_files_are_refused_with_file_and_line(part: int) -> None:
    for text in HOSTILE[part::10]:
        for line in refusal(text).splitlines():
            assert re.match(r"hostile:[1-9]\d*: .|and \d+ more", line), (text[:200], line)
            assert len(line) < 400


def check_safe(text: str) -> None:
    """Import what can be; what comes out can be read, acts on nothing, and meets not everything."""
    try:
        found = import_text(Source("f", text))
    except ConfigError:
        return
    written = write_rules(found, "f")
    rules = read_rules(written, "written").rules if found.rules else ()
    assert len(rules) == len(found.rules)
    for rule in rules:
        assert rule.mode is Mode.DRY_RUN
        assert replace(rule.match, per="") != Match()
        assert not rule.match.everything


WORDS = st.sampled_from(
    ["phantom:", "rules:", "- name: a", "name: [x]", "action: DROP", "action: accept", "port: 80",
     "source_ip: any", "dest_ip: 10.0.0.0/8", "source: threat_intel", "protocol: udp", "rate: 5/s",
     "action: LIMIT", "priority: -5", 'name: "\\u202e\\n\\0"', "mode: x", "log_level: INFO", "-",
     "#", 'name: "match: everything"', "port: 1-9", "action: LOG", "enabled: false",
     'comment: "a\\nb: c"', "maxreq = 5", "timeduration = 1", "bantime = 9", 'whitelist = ["::1"]',
     "maxbytes = 3"]
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 4), WORDS), max_size=14))
def test_whatever_is_put_together_comes_out_safe(parts: list[tuple[int, str]]) -> None:
    check_safe("\n".join("  " * depth + word for depth, word in parts))


@given(st.text(max_size=80))
def test_any_text_is_refused_or_safe(text: str) -> None:
    check_safe("rules:\n - {action: DROP, name: " + text)
    check_safe("maxreq = 1\n" + text)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=100),
    st.sampled_from(["DROP", "LOG"]),
    st.integers(-(10**12), 10**12),
)
def test_any_name_can_be_written(name: str, action: str, priority: int) -> None:
    quoted = "".join(f"\\U{ord(character):08x}" for character in name)
    check_safe(f'rules: [{{name: "{quoted}", action: {action}, port: 1, priority: {priority}}}]')


@pytest.mark.parametrize("text", ["", "hello\n", "[a]\nb = 1\n", "interfaces: [eth0]\n", "\x00"])
def test_other_files_are_told_what_can_be_imported(text: str) -> None:
    with pytest.raises(ConfigError, match=r"f:1: .*detector\.conf.*PhantomFirewall's YAML"):
        import_text(Source("f", text))


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"rules:\n - \xff\n")
    with pytest.raises(ConfigError, match=r"f:2: is not UTF-8"):
        import_file(path)
    path.write_bytes(b"rules: " + b" " * 300_000)
    with pytest.raises(ConfigError, match="larger than"):
        import_file(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        import_file(tmp_path)
