"""Users, sessions, tokens, the audit log and labels, in both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.access.access import make_access
from phage.access.credentials import digest_of
from phage.access.roles import Role
from phage.access.sessions import MAX_OF_USER
from phage.records.device import Device, Seen
from phage.store.repositories.flows import ORDERS, FlowFilter
from phage.store.repositories.labels import FindingLabel, Label
from phage.testing.apilab import quick_passwords
from phage.testing.records import EPOCH, make_finding, make_flow

if TYPE_CHECKING:
    from phage.clock import FixedClock
    from phage.store.store import Store


def test_access_is_kept(store: Store, clock: FixedClock) -> None:
    access = make_access(store, clock)
    with quick_passwords():
        access.users.use_link(access.users.make_link("ada"), "correct horse battery")
        assert access.login.check("ada", "correct horse battery", "", "192.0.2.1").name == "ada"
    token, secret = access.tokens.create("ada", "t", ["*:read"])
    session = access.sessions.begin("ada", "192.0.2.1", "\0 agent")
    for found in (access.tokens.identify(secret, "::1"), access.sessions.identify(session)):
        assert found is not None
        assert found.role is Role.ADMIN
    access.tokens.revoke(token.id)
    assert access.tokens.identify(secret, "::1") is None
    access.audit.note("user:ada", "did", "x", "\0 and \ud800")
    access.audit.note("user:ada", "did", "y")
    assert access.audit.verify().fault == ""
    assert len(access.audit.list("user:ada", before=1)) == 1


def test_of_sessions_of_the_same_moment_the_new_one_stays(store: Store, clock: FixedClock) -> None:
    access = make_access(store, clock)
    sessions = access.sessions
    with quick_passwords():
        access.users.use_link(access.users.make_link("ada"), "correct horse battery")
    for _ in range(3 * MAX_OF_USER):
        assert store.sessions.get(digest_of(sessions.begin("ada", "192.0.2.1", "agent")))
    assert len(sessions.of("ada")) == MAX_OF_USER


def test_labels_are_kept_with_their_findings(store: Store) -> None:
    store.findings.save([make_finding(1)])
    label = FindingLabel(make_finding(1).id, Label.EXPECTED, "ours", "user:ada", EPOCH)
    store.labels.save(label)
    assert store.labels.of([label.finding, "other"]) == {label.finding: label}
    assert store.labels.remove(label.finding)
    assert not store.labels.remove(label.finding)


def test_flows_of_a_host_are_read_page_after_page(store: Store) -> None:
    store.flows.save(
        make_flow(number, **({"src": "10.0.0.9"} if number % 3 else {"dst": "10.0.0.9"}))
        for number in range(1, 21)
    )
    order, seen, before = ORDERS["last"], [], None
    while page := store.flows.list(FlowFilter(host="10.0.0.9", before=before), 6):
        seen += [flow.id for flow in page]
        before = order.keys(page[-1])
    assert seen == list(range(20, 0, -1))


def test_addresses_of_devices(store: Store) -> None:
    assert list(store.devices.addresses(10)) == []
    store.devices.save(
        Device(id=name, addresses=(Seen(ip, 1, 2),) if ip else (), present=here)
        for name, ip, here in (("a", "10.0.0.1", True), ("b", "fd00::1", False), ("c", "", True))
    )
    assert sorted(store.devices.addresses(10)) == [
        ("", True),
        ("10.0.0.1", True),
        ("fd00::1", False),
    ]
