from __future__ import annotations

from phage.records.decision import Action
from phage.respond.bans.members import Members
from phage.respond.bans.places import Keys, Place

PLACE = Place(Action.BAN, False, Keys.NETWORK, 4, 32, "ban4")
KEY = bytes([192, 0, 2, 1])
SECOND = 1_000_000_000


def test_a_key_stays_until_its_last_holders_end() -> None:
    members = Members()
    for holder in (("a", 10), ("b", 30), ("c", 20)):
        members.keep(members.added([(PLACE, KEY, holder)]))
    (change,) = members.removed([(PLACE, KEY, ("b", 30))])
    assert (change.before, change.after) == (30, 20)
    members.keep([change])
    members.keep(members.removed([(PLACE, KEY, ("a", 10)), (PLACE, KEY, ("c", 20))]))
    assert list(members.each(PLACE)) == []
    assert len(members) == 0


def test_nothing_changes_until_it_is_kept_and_it_can_be_undone() -> None:
    members = Members()
    changes = members.added([(PLACE, KEY, ("a", 10)), (PLACE, KEY, ("b", 5))])
    assert len(members) == 0
    assert [(each.before, each.after) for each in changes] == [(0, 10)]
    members.keep(changes)
    members.keep([each.undone() for each in changes])
    assert len(members) == 0


def test_adding_again_changes_nothing() -> None:
    members = Members()
    members.keep(members.added([(PLACE, KEY, ("a", 10))]))
    (change,) = members.added([(PLACE, KEY, ("a", 10))])
    assert change.before == change.after == 10


def test_samples_are_of_what_must_still_be_there() -> None:
    members = Members()
    members.keep(members.added([(PLACE, KEY, ("a", 10 * SECOND))]))
    assert members.sample(PLACE, 8 * SECOND) == KEY
    # What is about to end may have ended by the kernel's clock.
    assert members.sample(PLACE, 9 * SECOND) is None
    assert not members.must_stand(PLACE, KEY, 10 * SECOND)


def test_keys_are_told_while_others_come_and_go() -> None:
    members = Members()
    other = bytes([192, 0, 2, 2])
    members.keep(members.added([(PLACE, KEY, ("a", 10)), (PLACE, other, ("b", 10))]))
    keys = members.keys()
    assert next(keys) == (PLACE, KEY)
    members.keep(members.removed([(PLACE, KEY, ("a", 10)), (PLACE, other, ("b", 10))]))
    members.keep(members.added([(PLACE, bytes([192, 0, 2, 3]), ("c", 10))]))
    assert list(keys) == [(PLACE, other)]
    assert not members.must_stand(PLACE, other, 0)
