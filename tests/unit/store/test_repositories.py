"""Repositories, on both engines: what is saved comes back, filters narrow, order and pages hold."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phage.errors import StoreDataError
from phage.records import Feature, Finding, FindingState, Peer, Severity, Subject
from phage.records.device import (
    Attribute,
    Device,
    DeviceEvent,
    Guess,
    Join,
    Mark,
    MarkKind,
    Seen,
    Trait,
)
from phage.records.flow import Flow
from phage.store.repositories.counters import MINUTE, MinuteCounter
from phage.store.repositories.findings import FindingFilter
from phage.store.repositories.flows import FlowFilter
from phage.store.repositories.models import ModelSaved
from phage.store.repositories.text import storable
from phage.testing.records import EPOCH, SECOND, make_finding, make_flow

if TYPE_CHECKING:
    from phage.store.store import Store

SAME_STORE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

texts = st.text(max_size=40)
times = st.integers(0, 2**62)
numbers = st.floats(allow_nan=False, allow_infinity=True, width=64)
findings = st.builds(
    Finding,
    id=st.text("0123456789abcdef", min_size=16, max_size=16),
    detector=texts,
    key=texts,
    severity=st.sampled_from(Severity),
    score=st.floats(0, 12),
    subject=st.builds(Subject, texts, texts, texts),
    summary=texts,
    first_seen=times,
    last_seen=times,
    peers=st.lists(
        st.builds(Peer, texts, texts, st.lists(texts, max_size=3).map(tuple)), max_size=4
    ).map(tuple),
    peers_total=st.integers(0, 2**40),
    packets=st.integers(0, 2**63 - 1),
    evidence=st.dictionaries(
        texts, texts | st.integers(-(2**63), 2**63) | st.booleans() | st.none(), max_size=4
    ),
    features=st.lists(
        st.builds(Feature, texts, numbers, numbers, numbers, texts, numbers, texts), max_size=3
    ).map(tuple),
    spoofable=st.booleans(),
    state=st.sampled_from(FindingState),
    count=st.integers(0, 2**31),
    capture=texts,
    related=st.lists(texts, max_size=2).map(tuple),
)
ports = st.integers(0, 65535)
pairs = st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
flows = st.builds(
    Flow,
    id=st.integers(0, 2**53 - 1),
    start=times,
    last=times,
    src=texts,
    dst=texts,
    src_port=ports,
    dst_port=ports,
    protocol=st.integers(0, 255),
    src_mac=texts,
    dst_mac=texts,
    vlan=st.integers(0, 4095),
    packets=pairs,
    octets=pairs,
    payload=pairs,
    flags=st.tuples(st.integers(0, 255), st.integers(0, 255)),
    handshake=st.integers(0, 2**32 - 1),
    state=st.sampled_from(["none", "closed"]),
    end_reason=st.sampled_from(["none", "idle timeout"]),
    application=texts,
    ended=st.booleans(),
)


def as_stored(finding: Finding) -> Finding:
    """Return a finding with the text of its columns as a database can hold it."""
    subject = finding.subject
    return dataclasses.replace(
        finding,
        detector=storable(finding.detector),
        key=storable(finding.key),
        summary=storable(finding.summary),
        capture=storable(finding.capture),
        subject=Subject(storable(subject.mac), storable(subject.ip), storable(subject.device)),
    )


@SAME_STORE
@given(finding=findings)
def test_any_finding_comes_back(store: Store, finding: Finding) -> None:
    store.findings.save([finding])
    assert store.findings.get(finding.id) == as_stored(finding)


@SAME_STORE
@given(flow=flows)
def test_any_flow_comes_back(store: Store, flow: Flow) -> None:
    store.database.execute("DELETE FROM flows")
    store.flows.save([flow])
    expected = dataclasses.replace(
        flow,
        src=storable(flow.src),
        dst=storable(flow.dst),
        src_mac=storable(flow.src_mac),
        dst_mac=storable(flow.dst_mac),
        application=storable(flow.application),
    )
    assert store.flows.list() == [expected]


def test_saving_again_updates(store: Store) -> None:
    store.findings.save([make_finding(1), make_finding(1, packets=500, summary="More.")])
    store.findings.save([make_finding(1, packets=900, state=FindingState.CLOSED)])
    assert store.findings.count() == 1
    found = store.findings.get(make_finding(1).id)
    assert found is not None
    assert (found.packets, found.state) == (900, FindingState.CLOSED)
    store.flows.save([make_flow(1), make_flow(1, packets=(99, 98))])
    store.flows.save([make_flow(1, packets=(100, 99))])
    assert [flow.packets for flow in store.flows.list()] == [(100, 99)]


def test_findings_are_filtered(store: Store) -> None:
    other = Subject("02:00:00:00:00:09", "192.168.1.77", "02:00:00:00:00:09")
    peer = (Peer("FE80::7", "AA:00:00:00:00:01"),)
    store.findings.save(
        [
            make_finding(1, severity=Severity.LOW),
            make_finding(2, detector="synflood", severity=Severity.HIGH),
            make_finding(3, subject=other, state=FindingState.CLOSED),
            make_finding(4, subject=other, peers=peer, severity=Severity.CRITICAL),
            make_finding(5, state=FindingState.MERGED),
        ]
    )

    def numbers_of(**wanted: Any) -> list[int]:
        return [int(finding.id, 16) for finding in store.findings.list(FindingFilter(**wanted))]

    assert numbers_of() == [4, 3, 2, 1]
    assert numbers_of(state=FindingState.MERGED) == [5]
    assert numbers_of(detector="synflood") == [2]
    assert numbers_of(severity=Severity.MEDIUM) == [4, 3, 2]
    assert numbers_of(severity=Severity.CRITICAL) == [4]
    assert numbers_of(state=FindingState.CLOSED) == [3]
    assert numbers_of(device="02:00:00:00:00:09") == [4, 3]
    assert numbers_of(party="192.168.1.77") == [4, 3]
    assert numbers_of(party="fe80::7") == [4]
    assert numbers_of(party="aa:00:00:00:00:01") == [4]
    assert numbers_of(since=EPOCH + 8 * SECOND) == [4, 3]
    assert numbers_of(until=EPOCH + 3 * SECOND) == [2, 1]
    assert numbers_of(detector="portscan", severity=Severity.HIGH) == [4]
    assert numbers_of(party="' OR 1=1 --") == []


def test_findings_come_in_pages(store: Store) -> None:
    # All seen at the same time: the order must hold nevertheless.
    store.findings.save(make_finding(number, last_seen=EPOCH) for number in range(25))
    seen: list[str] = []
    after = ""
    while page := store.findings.list(FindingFilter(after=after), limit=10):
        seen += [finding.id for finding in page]
        after = page[-1].id
    assert sorted(seen) == [f"{number:016x}" for number in range(25)]
    assert len(seen) == 25


def test_a_finding_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    store.findings.save(
        [make_finding(id="abcd1111"), make_finding(id="abcd2222"), make_finding(id="ffff%_zz")]
    )
    found = store.findings.get("abcd1")
    assert found is not None
    assert found.id == "abcd1111"
    assert store.findings.get("abcd") is None
    assert store.findings.get("abc") is None
    assert store.findings.get("%%%%%") is None
    assert store.findings.get("") is None
    assert store.findings.get("ffff%") is not None


def test_related_findings_share_a_party(store: Store) -> None:
    alone = Subject(ip="10.9.9.9", device="10.9.9.9")
    store.findings.save(
        [make_finding(1), make_finding(2), make_finding(3, subject=alone, peers=())]
    )
    first = store.findings.get(make_finding(1).id)
    assert first is not None
    assert [finding.id for finding in store.findings.related(first)] == [make_finding(2).id]


def test_numbers_that_are_no_numbers_are_kept_as_such(store: Store) -> None:
    feature = Feature("x", math.nan, -math.inf, math.inf, "1")
    store.findings.save(
        [make_finding(1, score=math.nan, features=(feature,), evidence={"rate": math.inf})]
    )
    found = store.findings.get(make_finding(1).id)
    assert found is not None
    assert found.score == 0.0
    assert math.isnan(found.features[0].value)
    assert found.features[0].expected_low == -math.inf
    assert found.evidence == {"rate": "inf"}


def test_flows_are_filtered(store: Store) -> None:
    store.flows.save(
        [
            make_flow(1),
            make_flow(2, src="10.0.0.9", dst_port=53, protocol=17, application="dns"),
            make_flow(3, dst="fe80::1", src_mac="02:00:00:00:00:77", src_port=53),
        ]
    )

    def numbers_of(**wanted: Any) -> list[int]:
        return [flow.id for flow in store.flows.list(FlowFilter(**wanted))]

    assert numbers_of() == [3, 2, 1]
    assert numbers_of(host="192.168.1.5") == [3, 1]
    assert numbers_of(host="10.0.0.9") == [2]
    assert numbers_of(host="FE80::1") == [3]
    assert numbers_of(host="02:00:00:00:00:77") == [3]
    assert numbers_of(port=53) == [3, 2]
    assert numbers_of(protocol=17) == [2]
    assert numbers_of(application="tls") == [3, 1]
    assert numbers_of(since=EPOCH + 4 * SECOND) == [3, 2]
    assert numbers_of(until=EPOCH + 2 * SECOND) == [1]
    assert store.flows.count(FlowFilter(port=53)) == 2
    assert len(store.flows.list(limit=2)) == 2
    assert store.flows.list(limit=-5) == []


DEVICE = Device(
    id="02:00:00:00:00:01",
    name="Anna's phone",
    labels=("guest",),
    macs=(Seen("02:00:00:00:00:02", 5, 9), Seen("02:00:00:00:00:01", 1, 4)),
    addresses=(Seen("10.0.0.2", 5, 9),),
    first_seen=1,
    last_seen=9,
    present=True,
    traits=(Trait(Attribute.CATEGORY, "phone", 0.9, "hostname", "calls itself 'x\\0y'", 9),),
    marks=(Mark(MarkKind.HOSTNAME, "annas-phone"),),
    words=("opt55:1,3",),
    given={Attribute.VENDOR: "Apple"},
    guesses={Attribute.CATEGORY: Guess("phone", 0.9, ("hostname: x",), (("tablet", 0.05),))},
    joins=(Join("02:00:00:00:00:02", 0.9, "host name", 5),),
    apart=("02:00:00:00:00:03",),
    vlan=7,
    packets=3,
    octets=4,
    gap=60,
)


def test_devices_come_back_whole(store: Store) -> None:
    store.devices.save([DEVICE, Device("10.0.0.9", last_seen=2)])
    assert store.devices.list() == [DEVICE, Device("10.0.0.9", last_seen=2)]
    store.devices.see([dataclasses.replace(DEVICE, last_seen=20, packets=9, name="not now")])
    assert store.devices.list()[0] == dataclasses.replace(DEVICE, last_seen=20, packets=9)
    store.devices.remove([DEVICE.id])
    assert store.devices.count() == 1


def test_what_a_device_says_is_stored_whatever_it_is(store: Store) -> None:
    hostile = Trait(Attribute.NAME, "a\0b\ud800<b>&amp;", 0.9, "hostname", "'\0'", 9)
    store.devices.save([Device("d", traits=(hostile,), name="\0\ud800")])
    assert store.devices.list()[0].traits[0].attribute is Attribute.NAME


def test_events_of_devices_are_listed_the_latest_first(store: Store) -> None:
    events = [DeviceEvent("a", 1, "new"), DeviceEvent("b", 2, "new"), DeviceEvent("a", 3, "away")]
    store.devices.save_events([*events, events[0]])
    assert store.devices.events() == events[::-1]
    assert store.devices.events("a", since=2) == events[2:]
    assert store.devices.events(limit=1) == events[2:]


def test_counters_add_up_by_minute(store: Store) -> None:
    base = EPOCH - EPOCH % MINUTE
    store.counters.save(
        [MinuteCounter(base + 5, "packets", 3), MinuteCounter(base + MINUTE, "packets", 4)]
    )
    store.counters.save([MinuteCounter(base + 9, "packets", 2), MinuteCounter(base, "octets", 1)])
    assert store.counters.list("packets", base, base + 2 * MINUTE) == [
        MinuteCounter(base, "packets", 5),
        MinuteCounter(base + MINUTE, "packets", 4),
    ]
    assert store.counters.list("packets", base + MINUTE, base + MINUTE) == []
    values = [each.value for each in store.counters.list("packets", 0, 2**62)]
    hour = 60 * MINUTE
    assert store.counters.sums("packets", 0, 2**62, hour) == {base - base % hour: sum(values)}
    assert store.counters.sums("octets", base, base, hour) == {}


def test_saved_models_are_listed_newest_first(store: Store) -> None:
    old = ModelSaved("a.model", 10, 1000, "training", "00", 5)
    new = ModelSaved("b.model", 20, 2000, "watching", "11", 6, "after roll-back")
    for model in (old, new, dataclasses.replace(old, packets=1500)):
        store.models.save(model)
    assert store.models.list() == [new, dataclasses.replace(old, packets=1500)]
    store.models.remove("a.model")
    assert store.models.list() == [new]


def test_a_transaction_is_kept_whole_or_not_at_all(store: Store) -> None:
    class Interrupted(Exception):  # noqa: N818
        pass

    def interrupted() -> None:
        with store.database.transaction():
            store.flows.save([make_flow(1)])
            store.findings.save([make_finding(1)])
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    assert store.flows.list() == []
    assert store.findings.list() == []
    store.flows.save([make_flow(2)])
    assert [flow.id for flow in store.flows.list()] == [2]


def test_a_value_that_does_not_fit_is_an_error_of_the_record(store: Store) -> None:
    with pytest.raises(StoreDataError):
        store.flows.save([make_flow(1, handshake=2**70)])
    assert store.flows.list() == []
