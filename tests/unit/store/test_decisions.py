"""The ledger on disk, on both engines: what is saved comes back, and is found fast."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phage.config.settings import RetentionSettings
from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    Rate,
    Receipt,
    ReceiptState,
    Target,
    TargetKind,
)
from phage.store.repositories.decisions import AuditEntry, DecisionFilter
from phage.store.repositories.text import storable
from phage.store.retention import Retention
from phage.store.store import open_store
from phage.testing.records import EPOCH, SECOND, make_decision

if TYPE_CHECKING:
    from phage.clock import FixedClock
    from phage.store.store import Store, StoreLocation

SAME_STORE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

texts = st.text(max_size=30)
times = st.integers(0, 2**62)
ranges = st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535)), max_size=3).map(tuple)
decisions = st.builds(
    Decision,
    id=st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26),
    target=st.builds(Target, st.sampled_from(TargetKind), texts),
    action=st.sampled_from(Action),
    reason=texts,
    start=times,
    until=times,
    rule=texts,
    finding=texts,
    by=texts,
    direction=st.sampled_from(Direction),
    pattern=st.builds(
        Pattern,
        protocol=st.none() | st.integers(0, 255),
        ports=ranges,
        source_ports=ranges,
        tcp_flags=st.none() | st.tuples(st.integers(0, 255), st.integers(0, 255)),
        lengths=ranges,
        fragments=st.booleans(),
    ),
    rate=st.none() | st.builds(Rate, st.integers(1, 2**40), st.sampled_from(("packets", "octets"))),
    responders=st.lists(texts, max_size=2).map(tuple),
    dry_run=st.booleans(),
    spoofable=st.booleans(),
    ended=times,
    ended_by=texts,
)


@SAME_STORE
@given(decisions)
def test_a_decision_comes_back_as_it_was(store: Store, decision: Decision) -> None:
    store.database.execute("DELETE FROM decisions")
    store.decisions.save([decision])
    expected = replace(
        decision,
        target=Target(decision.target.kind, storable(decision.target.value)),
        reason=storable(decision.reason),
        rule=storable(decision.rule),
        finding=storable(decision.finding),
        by=storable(decision.by),
        ended_by=storable(decision.ended_by),
    )
    assert store.decisions.list(limit=10) == [expected]
    assert store.decisions.get(decision.id.lower()) == expected


def test_saved_again_it_is_extended_and_ended(store: Store) -> None:
    store.decisions.save([make_decision(1)])
    store.decisions.save([make_decision(1, until=EPOCH + 9 * SECOND, ended=7, ended_by="expiry")])
    found = store.decisions.get(make_decision(1).id)
    assert found is not None
    assert (found.until, found.ended, found.ended_by) == (EPOCH + 9 * SECOND, 7, "expiry")
    assert store.decisions.count() == 1


def test_an_id_may_be_shortened_where_only_one_begins_so(store: Store) -> None:
    one, other = (
        make_decision(1, id="01ABCDEF" + "0" * 18),
        make_decision(2, id="01ABCDEG" + "Z" * 18),
    )
    store.decisions.save([one, other])
    assert store.decisions.get("01abcdef") == one
    assert store.decisions.get("01ABCDEG") == other
    assert store.decisions.get("01ABCDE") is None
    assert store.decisions.get("01ABC") is None
    assert store.decisions.get("nothing") is None


def test_what_stands_is_told_from_what_has_ended(store: Store) -> None:
    store.decisions.save([make_decision(n, ended=(n % 2) * EPOCH) for n in range(10)])
    assert [int(each.id) for each in store.decisions.standing()] == [0, 2, 4, 6, 8]
    assert store.decisions.count(DecisionFilter(standing=False)) == 5
    newest = store.decisions.list(DecisionFilter(standing=True), 2)
    assert [int(each.id) for each in newest] == [8, 6]
    page = store.decisions.list(DecisionFilter(standing=True, after=newest[-1].id))
    assert [int(each.id) for each in page] == [4, 2, 0]


def test_decisions_are_found_by_target_finding_rule_and_time(store: Store) -> None:
    store.decisions.save([make_decision(n, rule=f"r{n % 3}", dry_run=n > 5) for n in range(9)])

    def found(**wanted: object) -> list[int]:
        return [int(each.id) for each in store.decisions.list(DecisionFilter(**wanted))]  # type: ignore[arg-type]

    assert found(target="203.0.0.5") == [4]
    assert found(finding=f"{7:016x}") == [7]
    assert found(rule="r1") == [7, 4, 1]
    assert found(rule="r1", dry_run=False) == [4, 1]
    assert found(since=EPOCH + 7 * SECOND) == [8, 7]


def test_earlier_decisions_of_a_rule_against_a_target_are_counted(store: Store) -> None:
    target = Target(TargetKind.IP, "203.0.113.9")
    store.decisions.save([make_decision(n, target=target, ended=EPOCH) for n in range(4)])
    store.decisions.save([make_decision(4, target=target, dry_run=True)])
    store.decisions.save([make_decision(5, target=target, rule="another")])

    def times(since: int, now: int = 0, *, dry_run: bool = False) -> int:
        return store.decisions.times_before("Scanners", target, since, now, dry_run=dry_run)

    assert times(0) == 4
    assert times(EPOCH + 2 * SECOND) == 2
    assert times(0, dry_run=True) == 1
    assert times(0, now=EPOCH + SECOND) == 3
    store.decisions.save([make_decision(9, target=target, start=EPOCH, responders=("trigger",))])
    assert times(0) == 4


def test_receipts_keep_the_last_word_of_each_responder(store: Store) -> None:
    store.decisions.save([make_decision(1), make_decision(2)])
    one = make_decision(1).id
    applied = Receipt(one, "nftables", ReceiptState.APPLIED, EPOCH, "set ban4")
    store.receipts.save([Receipt(one, "nftables", ReceiptState.FAILED, EPOCH - 1, "busy")])
    store.receipts.save([applied, Receipt("gone", "nftables", ReceiptState.APPLIED, EPOCH)])
    assert store.receipts.of([one, make_decision(2).id]) == {
        one: [applied],
        make_decision(2).id: [],
    }


def test_what_people_did_is_kept(store: Store) -> None:
    entry = AuditEntry("01", EPOCH, "user:root", "revoke", make_decision(1).id, "a mistake")
    store.decisions.note(entry)
    store.decisions.note(AuditEntry("02", EPOCH + 1, "user:root", "panic"))
    assert store.decisions.audit(make_decision(1).id) == [entry]
    assert [each.act for each in store.decisions.audit()] == ["panic", "revoke"]


def test_decisions_are_forgotten_by_their_end_and_never_while_they_stand(store: Store) -> None:
    day = 86_400 * SECOND
    store.decisions.save(
        [
            make_decision(1),
            make_decision(2, ended=EPOCH + SECOND),
            make_decision(3, ended=EPOCH + 9 * day),
        ]
    )
    store.receipts.save(
        [Receipt(make_decision(n).id, "x", ReceiptState.APPLIED, EPOCH) for n in (1, 2)]
    )
    store.decisions.note(AuditEntry("01", EPOCH, "user:root", "revoke"))
    settings_ = RetentionSettings(decisions=5 * 86_400)
    swept = Retention(settings_).sweep(store.database, EPOCH + 10 * day)
    assert swept.deleted == {"decisions": 1, "decision_audit": 1}
    assert [int(each.id) for each in store.decisions.list()] == [3, 1]
    assert store.database.query("SELECT count(*) FROM receipts") == [(1,)]


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ("ended = 0 ORDER BY id DESC LIMIT 100", "decisions_by_end"),
        ("target = 'x' ORDER BY id DESC LIMIT 100", "decisions_by_target"),
        ("finding = 'x' ORDER BY id DESC LIMIT 100", "decisions_by_finding"),
        ("ended > 0 AND ended < 5 ORDER BY ended LIMIT 1000", "decisions_by_end"),
    ],
)
def test_no_question_reads_the_whole_table(
    sqlite: StoreLocation, clock: FixedClock, where: str, index: str
) -> None:
    with open_store(sqlite, clock) as store:
        plan = store.database.query(f"EXPLAIN QUERY PLAN SELECT * FROM decisions WHERE {where}")
    assert len(plan) == 1
    assert f"USING INDEX {index}" in str(plan[0][3])
