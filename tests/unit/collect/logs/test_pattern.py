"""Patterns are read before they are used: what is slow or ambiguous is refused."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.collect.logs.pattern import PatternError, read, read_own
from phage.collect.logs.service import LONGEST_MESSAGE, known_services


@pytest.mark.parametrize(
    "text",
    [
        "login of (?P<user>.*) from <address> refused",
        r"^denied: <address>:\d{1,5}$",
        r"(?:error|warning): [^ ]+ \[<address>\] (?P<user>[^,]*), .*",
        r"<HOST> - (?P<path>/[^ ]*) (?P<status>\d{3})",
    ],
)
def test_sound_patterns_are_taken(text: str) -> None:
    assert "address" in read(text).groups


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no address here", "no <address>"),
        (".* from <address> .*", "more than one part"),
        (r"(?:a+)+<address>", "cannot be repeated"),
        (r"(?:a|a)*<address>", "cannot be repeated"),
        (r"a**<address>", "repetition follows"),
        (r"\w+\w+x<address>", "more than one part"),
        (r"(?P<user>.*)(?P<path>.*)<address>", "more than one part"),
        (r"a{0,300}a{0,300}<address>", "too many ways"),
        (r"(?=x)<address>", "(?:...)"),
        (r"(a)\1<address>", "there is no"),
        (r"(?P<evil>x)<address>", "no group 'evil'"),
        (r"<address> <address>", "stands twice"),
        (r"(<address>", "without its )"),
        (r"<address>)", "without its ("),
        (r"<address>[abc", "without its ]"),
        (r"*<address>", "nothing stands before"),
        (r"x{5,2}<address>", "repetitions go up"),
        (r"x{a}<address>", "write {3}"),
        (r"<address>(?::\d+)?", "a port cannot be optional"),
        (r"a$b<address>", "at the end only"),
        ("x" * 2000 + "<address>", "longer than"),
    ],
)
def test_others_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)):
        read(text)


def test_the_text_that_every_match_contains_is_found() -> None:
    pattern = read("Failed (?:password|key) for (?P<user>.*) from <address> port 22")
    assert pattern.start == "Failed "
    assert pattern.hint == " port 22"


def test_a_name_before_the_address_and_anything_after_it_is_refused() -> None:
    for text in ("of (?P<user>[^ ]*) from <address>: .*", '(?P<path>/[^ ]*) <address> [^"]*'):
        with pytest.raises(PatternError, match="could choose the address"):
            read_own(text)
    for text in ("of (?P<user>.*) from <address>: no", "<address> (?P<user>[^ ]*) .*"):
        assert not read_own(text).is_forgeable


def test_services_whose_lines_could_be_forged_say_what_must_stand_once() -> None:
    for service in known_services().values():
        for line in service.lines:
            assert line.once or not read(line.pattern).is_forgeable, (service.name, line.pattern)


@given(st.text(alphabet="ab.*+?(){}[]|\\^$<>P:dws,0123 ", max_size=40))
def test_any_text_is_taken_or_refused_and_what_is_taken_compiles(text: str) -> None:
    try:
        pattern = read(text + "<address>")
    except PatternError:
        return
    pattern.expression.fullmatch("aab 192.0.2.1")


def test_no_pattern_of_a_service_takes_long_for_any_message() -> None:
    """The worst that a sender can do is bounded: the square of a bounded length."""
    for service in known_services().values():
        for line in service.lines:
            pattern = read(line.pattern)
            for filling in (" ", "1.", "::", "a", "' from 1.2.3.4 port 1", '", client: 1.2.3.4, '):
                message = (pattern.start + pattern.hint + filling * 1000)[:LONGEST_MESSAGE]
                began = time.process_time()
                pattern.expression.fullmatch(message)
                # A hundred times what the slowest takes: catastrophe is hours.
                assert time.process_time() - began < 2.0
