"""The ledger: committed first, extended rather than doubled, ended in time, there after a kill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.clock import FixedClock
from phage.errors import StoreDataError, StoreError
from phage.policy.ledger import MAX_UNSAVED, Ledger, LedgerFullError
from phage.policy.target import parse_target
from phage.records.decision import Action, Decision
from phage.store.store import Store, StoreLocation, open_store
from phage.testing.book import MemoryBook
from phage.testing.records import EPOCH, SECOND, make_decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HOUR = 3600 * SECOND


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(StoreLocation.of("", "", tmp_path / "s.sqlite3"), FixedClock(EPOCH)) as opened:
        yield opened


def against(text: str, **values: object) -> Decision:
    fields = {"id": "", "target": parse_target(text), "start": EPOCH, "until": EPOCH + HOUR}
    return make_decision(1, **fields | values)


def test_a_decision_is_in_the_store_before_anybody_is_told() -> None:
    shelf = MemoryBook()
    told: list[bool] = []
    ledger = Ledger(
        shelf, on_change=lambda ids: told.append(all(id_ in shelf.saved for id_ in ids))
    )
    made = ledger.add(against("203.0.113.9"))
    assert told == [True]
    assert len(made.id) == 26
    assert ledger.in_force(made.id) is made


def test_the_same_effect_is_extended_and_never_shortened() -> None:
    ledger = Ledger(MemoryBook())
    first = ledger.add(against("203.0.113.9"))
    shorter = ledger.add(against("203.0.113.9", until=EPOCH + SECOND, rule="another"))
    longer = ledger.add(against("203.0.113.9", until=EPOCH + 2 * HOUR, rule="another"))
    assert shorter is first
    assert (longer.id, longer.until, longer.rule) == (first.id, EPOCH + 2 * HOUR, "another")
    forever = ledger.add(against("203.0.113.9", until=0))
    assert forever.until == 0
    assert ledger.add(against("203.0.113.9")).until == 0
    assert len(ledger) == 1
    assert ledger.expire(EPOCH + 9 * HOUR) == []


def test_other_effects_on_the_same_target_stand_beside() -> None:
    ledger = Ledger(MemoryBook())
    ledger.add(against("203.0.113.9"))
    ledger.add(against("203.0.113.9", dry_run=True))
    ledger.add(against("203.0.113.9", action=Action.REJECT))
    assert len(ledger.against(parse_target("203.0.113.9"))) == 3
    assert ledger.enforced == 2


def test_what_expires_ends_at_its_second_and_not_before() -> None:
    ledger = Ledger(MemoryBook())
    made = ledger.add(against("203.0.113.9", until=EPOCH + 10 * SECOND))
    assert ledger.next_expiry() == EPOCH + 10 * SECOND
    assert ledger.expire(EPOCH + 10 * SECOND - 1) == []
    ended = ledger.expire(EPOCH + 10 * SECOND)
    assert [(each.id, each.ended_by) for each in ended] == [(made.id, "expiry")]
    assert ledger.in_force(made.id) is None
    assert ledger.next_expiry() == 0


def test_an_extended_decision_does_not_expire_at_its_first_end() -> None:
    ledger = Ledger(MemoryBook())
    ledger.add(against("203.0.113.9", until=EPOCH + SECOND))
    ledger.add(against("203.0.113.9", until=EPOCH + 3 * SECOND))
    assert ledger.expire(EPOCH + 2 * SECOND) == []
    assert len(ledger.expire(EPOCH + 3 * SECOND)) == 1


def test_what_stood_stands_again_after_a_restart(store: Store) -> None:
    first = Ledger(store.decisions)
    kept = first.add(against("203.0.113.9"))
    first.add(against("203.0.113.10", until=EPOCH + SECOND))
    revoked = first.add(against("203.0.113.11"))
    first.end([revoked.id], EPOCH, "user:root")
    second = Ledger(store.decisions)
    second.load(EPOCH + 2 * SECOND)
    assert second.all_in_force() == [kept]
    assert [each.ended_by for each in store.decisions.list()] == ["user:root", "expiry", ""]


def test_blocking_goes_on_while_the_store_fails_and_is_written_later() -> None:
    shelf = MemoryBook()
    ledger = Ledger(shelf)
    shelf.fails = True
    made = ledger.add(against("203.0.113.9"))
    assert ledger.in_force(made.id) is made
    assert ledger.state.fault == "the disk is full"
    assert ledger.times_before("r", made.target, 0, EPOCH, dry_run=False) == 0
    with pytest.raises(StoreError):
        ledger.add(against("203.0.113.10", until=0))
    shelf.fails = False
    ledger.expire(EPOCH)
    assert list(shelf.saved) == [made.id]
    assert ledger.state.fault == ""


def test_what_waits_for_the_store_is_bounded_and_counted() -> None:
    shelf = MemoryBook()
    shelf.fails = True
    ledger = Ledger(shelf)
    made = ledger.add(against("203.0.113.9"))
    for second in range(MAX_UNSAVED + 9):
        ledger.add(replace(made, until=EPOCH + HOUR + (second + 1) * SECOND))
    assert ledger.state.lost == 10


@dataclass
class PickyBook(MemoryBook):
    """A book that never takes decisions against one address."""

    unwanted: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def save(self, decisions: Iterable[Decision]) -> None:
        wanted = list(decisions)
        if any(each.target.value == self.unwanted for each in wanted):
            message = "cannot be written as text"
            raise StoreDataError(message)
        super().save(wanted)


def test_a_decision_that_the_store_never_takes_costs_no_other() -> None:
    shelf = PickyBook("203.0.113.7")
    ledger = Ledger(shelf)
    shelf.fails = True
    made = [ledger.add(against(f"203.0.113.{last}")) for last in (8, 9)]
    shelf.fails = False
    odd = ledger.add(against("203.0.113.7"))
    assert list(shelf.saved) == [each.id for each in made]
    assert ledger.in_force(odd.id) is odd
    assert ledger.state.lost == 1
    with pytest.raises(StoreDataError):
        ledger.add(against("203.0.113.7", until=0))


def test_a_full_ledger_refuses_what_is_new_and_extends_what_stands() -> None:
    ledger = Ledger(MemoryBook(), capacity=2)
    ledger.add(against("203.0.113.1"))
    ledger.add(against("203.0.113.2"))
    with pytest.raises(LedgerFullError, match="revoke some"):
        ledger.add(against("203.0.113.3"))
    assert ledger.add(against("203.0.113.2", until=EPOCH + 2 * HOUR)).until == EPOCH + 2 * HOUR
    assert ledger.state.refused_full == 1


def test_networks_around_and_within_are_found() -> None:
    ledger = Ledger(MemoryBook())
    for text in (
        "203.0.113.0/24",
        "203.0.113.9",
        "198.51.100.0/24",
        "2001:db8::/64",
        "example.com",
    ):
        ledger.add(against(text))
    ledger.add(against("203.0.112.0/20", dry_run=True))

    def touching(text: str) -> list[str]:
        return sorted(each.target.value for each in ledger.touching(parse_target(text)))

    assert touching("203.0.113.9") == ["203.0.113.0/24", "203.0.113.9"]
    assert touching("203.0.0.0/16") == ["203.0.113.0/24", "203.0.113.9"]
    assert touching("2001:db8::5") == ["2001:db8::/64"]
    assert touching("example.com") == ["example.com"]
    assert touching("192.0.2.1") == []


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 40), st.sampled_from(("add", "end", "expire"))),
        max_size=60,
    )
)
def test_memory_and_store_agree_after_any_history(history: list[tuple[int, int, str]]) -> None:
    shelf, now = MemoryBook(), EPOCH
    ledger = Ledger(shelf)
    for host, seconds, act in history:
        now += SECOND
        target = f"203.0.113.{host}"
        if act == "add":
            ledger.add(against(target, start=now, until=now + (seconds + 1) * SECOND))
        elif act == "end":
            found = ledger.against(parse_target(target))
            ledger.end([each.id for each in found], now, "user:x")
        ledger.expire(now)
        standing = {each.id: each for each in shelf.standing()}
        assert standing == {each.id: each for each in ledger.all_in_force()}
        assert all(each.until > now for each in standing.values())
        assert ledger.enforced == len(standing) == len(ledger)


def test_ids_sort_by_time() -> None:
    ledger = Ledger(MemoryBook())
    ids = [ledger.add(against(f"203.0.113.{n}")).id for n in range(100)]
    assert ids == sorted(ids)
    assert ledger.get(ids[7].lower()) is not None
    assert ledger.get(ids[0][:5]) is None
    assert ledger.get(ids[0][:9]) is None
