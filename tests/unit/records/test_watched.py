"""What is watched besides hosts and prefixes: its numbers stay what they are."""

from __future__ import annotations

import pytest

from phage.records.watched import (
    FIRST_SERVICE,
    GROUP,
    MOST_SERVICES,
    HostGroup,
    Watched,
    group_key,
    is_service,
    numbered,
)


def test_a_new_service_as_a_rule_renumbers_no_other() -> None:
    before = dict(numbered(["tcp/80", "udp/53"]))
    after = dict(numbered(["tcp/443", "udp/53", "tcp/80", "tcp/80"]))
    assert before.items() <= after.items()
    assert len(set(after.values())) == 3


def test_of_two_that_come_to_the_same_number_the_first_has_it() -> None:
    before = dict(numbered(["tcp/443"]))
    after = dict(numbered(["tcp/443", "tcp/21"]))
    assert after["tcp/21"] == before["tcp/443"]
    assert after["tcp/443"] == after["tcp/21"] + 1


def test_numbers_are_few_and_distinct() -> None:
    many = [f"tcp/{port}" for port in range(1, MOST_SERVICES + 1)]
    assert sorted(dict(numbered(many)).values()) == list(range(MOST_SERVICES))
    with pytest.raises(ValueError, match="more than"):
        numbered([*many, "udp/1"])


def test_the_core_is_told_names_as_rows_have_them() -> None:
    told = Watched(numbered(["tcp/80"]), (HostGroup("shop", ("10.0.0.0/8",)),)).as_core()
    assert told["groups"] == [[group_key("shop").hex(), ["10.0.0.0/8"]]]
    (number,) = dict(numbered(["tcp/80"])).values()
    assert told["services"] == [["tcp/80", number]]
    assert is_service(FIRST_SERVICE + number)
    assert not is_service(128)
    assert not is_service(GROUP)
