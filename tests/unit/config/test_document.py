"""Settings files: values, lines, and what is refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.config.document import dotted, parse_document, parse_value, read_document
from phage.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_values_follow_the_core_schema_of_yaml_1_2() -> None:
    text = "a: yes\nb: 12:30:45\nc: 2026-01-01\nd: 0x1F\ne: 1.5e3\nf: ~\ng: true\nh: '5'\ni: 007\n"
    values = parse_document(text, "f").values
    assert values == {
        "a": "yes",
        "b": "12:30:45",
        "c": "2026-01-01",
        "d": 31,
        "e": 1500.0,
        "f": None,
        "g": True,
        "h": "5",
        "i": 7,
    }


def test_lines_are_those_of_the_keys() -> None:
    document = parse_document("a: 1\n\nb:\n  c: [1,\n    2]\n", "f.yaml")
    assert document.place(("a",)) == "f.yaml:1"
    assert document.place(("b", "c")) == "f.yaml:4"
    assert document.place(("b", "c", 1)) == "f.yaml:5"
    assert document.place(("b", "missing")) == "f.yaml:3"
    assert document.place(("missing",)) == "f.yaml"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: &x 1\nb: *x\n", 1, "anchors and aliases"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "tag"),
        ("a: 1\na: 2\n", 2, "a second time"),
        ("a:\n  <<: {b: 1}\n", 2, "plain name"),
        ("? [1, 2]\n: 3\n", 1, "plain name"),
        ("a: 1\n b: 2\n", 2, "is not YAML"),
        ("a: [1, 2\n", 2, "is not YAML"),
        ("- a\n- b\n", 1, "keys and values"),
        ("a: " + "[" * 40 + "]" * 40 + "\n", 1, "nested"),
        ("a: 1\n---\nb: 2\n", 2, "is not YAML"),
    ],
)
def test_what_is_hostile_or_wrong_is_named_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError, match=f"^f.yaml:{line}: .*{says}"):
        parse_document(text, "f.yaml")


def test_an_alias_bomb_is_refused_at_once() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True):
        text += f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    with pytest.raises(ConfigError, match="anchors and aliases"):
        parse_document(text, "bomb.yaml")


def test_a_deep_file_does_not_exhaust_the_stack() -> None:
    with pytest.raises(ConfigError, match="nested more than"):
        parse_document("[" * 100_000, "deep.yaml")


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_document(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_document(tmp_path)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"# " + b"x" * 300_000)
    with pytest.raises(ConfigError, match="larger than"):
        read_document(large)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: 1\nb: \xff\xfe\n")
    with pytest.raises(ConfigError, match=r"binary\.yaml:2: is not UTF-8"):
        read_document(binary)


def test_a_byte_order_mark_and_an_empty_file_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(file).values == {"a": 1}
    file.write_bytes(b"")
    assert read_document(file).values == {}


def test_one_value_is_parsed_as_in_the_file() -> None:
    assert parse_value("[eth0, eth1]") == ["eth0", "eth1"]
    assert parse_value("127.0.0.1:8080") == "127.0.0.1:8080"
    assert parse_value("") is None
    assert parse_value("{a: 1}") == {"a": 1}
    with pytest.raises(ValueError, match="is not YAML"):
        parse_value("[1")


def test_keys_are_written_as_people_do() -> None:
    assert dotted(("outputs", "eve", "types", 2)) == "outputs.eve.types[2]"


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_document(text, "any").values, dict)


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(data)
    with contextlib.suppress(ConfigError):
        read_document(file)
