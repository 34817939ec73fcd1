from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.devices.vulnerabilities.cpe import (
    Cpe,
    CpeError,
    Relation,
    compare,
    compare_field,
    literal,
    parse_cpe,
    plain,
)


@pytest.mark.parametrize(
    ("text", "product", "version", "update"),
    [
        ("cpe:2.3:a:openbsd:openssh:6.7:p1:*:*:*:*:*:*", "openssh", "6.7", "p1"),
        ("cpe:2.3:o:cisco:ios:15.1\\(2\\)t:*:*:*:*:*:*:*", "ios", "15.1(2)t", "*"),
        ("CPE:2.3:A:Foo:Bar\\:Baz:1:*:*:*:*:*:*:*", "bar:baz", "1", "*"),
        ("cpe:2.3:a:v:back\\\\:1:*:*:*:*:*:*:*", "back\\", "1", "*"),
        ("cpe:/a:openbsd:openssh:6.7p1", "openssh", "6.7p1", "*"),
        ("cpe:/a:hp:insight_diagnostics:7.4.0.1570::~~online~win2003~x64~", "insight_diagnostics",
         "7.4.0.1570", "*"),
        ("cpe:/o:cisco:ios:15.1%282%29", "ios", "15.1(2)", "*"),
    ],
)  # fmt: skip
def test_names_are_read(text: str, product: str, version: str, update: str) -> None:
    name = parse_cpe(text)
    assert (plain(name.product), plain(name.version), name.update) == (product, version, update)


def test_packed_fields_of_a_uri() -> None:
    name = parse_cpe("cpe:/a:hp:insight:7.4::~~online~win2003~x64~")
    assert (name.sw_edition, name.target_sw, name.target_hw) == ("online", "win2003", "x64")
    wild = parse_cpe("cpe:/a:v:p:8.%02:%01")
    assert (wild.version, wild.update) == ("8.*", "?")


@pytest.mark.parametrize(
    "text", ["", "openssh", "cpe:2.3:a:b", "cpe:2.3:x" + ":*" * 10, "cpe:2.3:a:" + "b" * 2000]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(CpeError):
        parse_cpe(text)


@pytest.mark.parametrize(
    ("source", "target", "relation"),
    [
        ("*", "1", Relation.SUPERSET),
        ("*", "-", Relation.SUPERSET),
        ("1", "*", Relation.SUBSET),
        ("-", "1", Relation.DISJOINT),
        ("1", "-", Relation.DISJOINT),
        ("-", "-", Relation.EQUAL),
        ("1.*", "1.5", Relation.SUPERSET),
        ("1.*", "2.5", Relation.DISJOINT),
        ("1.?", "1.5", Relation.SUPERSET),
        ("1.?", "1.", Relation.SUPERSET),
        ("1.?", "1.55", Relation.DISJOINT),
        ("1\\*", "15", Relation.DISJOINT),
        ("*\\*x", "a\\*x", Relation.SUPERSET),
        ("1.5", "1x5", Relation.DISJOINT),
    ],
)
def test_fields_are_compared(source: str, target: str, relation: Relation) -> None:
    assert compare_field(source, target) is relation


def test_names_are_compared() -> None:
    some = parse_cpe("cpe:2.3:a:v:p:*:*:*:*:*:*:*:*")
    one = parse_cpe("cpe:2.3:a:v:p:1:*:*:*:*:*:*:*")
    assert compare(some, one) is Relation.SUPERSET
    assert compare(one, some) is Relation.SUBSET
    assert compare(one, one) is Relation.EQUAL
    assert compare(parse_cpe("cpe:2.3:o:v:p:1:*:*:*:*:*:*:*"), one) is Relation.DISJOINT


@given(st.text(max_size=40))
def test_what_was_seen_is_taken_word_for_word(text: str) -> None:
    value = literal(text)
    name = parse_cpe(str(Cpe("a", "v", "p", value))) if value.strip("*") else None
    if name is not None and value.islower():
        assert compare_field(name.version, value) >= Relation.EQUAL


@given(st.text(max_size=200))
def test_nothing_else_is_raised(text: str) -> None:
    for prefix in ("", "cpe:2.3:", "cpe:/"):
        with contextlib.suppress(CpeError):
            parse_cpe(prefix + text)
