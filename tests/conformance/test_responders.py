"""Every responder there is, crossed with every check, on ordinary and on hostile decisions."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phage.plugin import Family, Plugin, discover
from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    Rate,
    Target,
    TargetKind,
)
from phage.respond.bgp import speaker as speakers
from phage.respond.bgp.speaker import Speaker
from phage.respond.responder import Responder
from phage.respond.responders.dnsfile import DnsFile
from phage.respond.responders.flowspec import Flowspec
from phage.respond.responders.rtbh import Rtbh
from phage.respond.responders.script import Script
from phage.testing.conformance import responders as checks
from phage.testing.exabgp import FakeExaBgp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phage.testing.conformance.responders import Check, Make

_CLONE_NEWNET = 0x4000_0000
FAMILY = Family("responders", Responder, "phage.respond.responders")
PLUGINS = [plugin for plugin in discover(FAMILY) if plugin.factory is not None]
each_responder = pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
each_check = pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)


def apart(work: Callable[[], None]) -> None:
    """Do something where the network is an empty one: a responder must never touch the machine's.

    Without root nothing can be touched anyway.
    """
    faults: list[BaseException] = []

    def run() -> None:
        try:
            if os.geteuid() == 0:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.unshare(_CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            work()
        except BaseException as fault:  # noqa: BLE001  It is raised again, in the test's thread.
            faults.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if faults:
        raise faults[0]


def maker(plugin: Plugin) -> Make:
    def make() -> Responder:
        assert plugin.factory is not None
        made = plugin.factory()
        assert isinstance(made, Responder)
        return made

    return make


def numbered(decisions: list[Decision]) -> list[Decision]:
    """Give each decision an id of its own, as the ledger does."""
    return [
        Decision(
            target=each.target,
            action=each.action,
            reason=each.reason,
            start=each.start,
            until=each.until,
            id=f"01K{number:023d}",
            direction=each.direction,
            pattern=each.pattern,
            rate=each.rate,
            spoofable=each.spoofable,
        )
        for number, each in enumerate(decisions)
    ]


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
prefixes = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
).map(lambda pair: f"{pair[0]}/{pair[1]}")
names = st.sampled_from(["example.org", "xn--bcher-kva.example", "a" * 63 + ".test"])
macs = st.integers(1, 2**48 - 1).map(lambda number: number.to_bytes(6, "big").hex(":"))
hostile = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "0.0.0.0/0", "::", "-h", "$(id)", "1.2.3.4; announce", "fe80::1%eth0", "::/0"]
    ),
)
ranges = st.lists(st.tuples(st.integers(-1, 70_000), st.integers(-1, 70_000)), max_size=40).map(
    tuple
)
octets = st.integers(-1, 300)
patterns = st.builds(
    Pattern,
    protocol=st.one_of(st.none(), octets),
    ports=ranges,
    source_ports=ranges,
    tcp_flags=st.one_of(st.none(), st.tuples(octets, octets)),
    lengths=ranges,
    fragments=st.booleans(),
)
rates = st.builds(
    Rate,
    count=st.one_of(st.integers(-1, 10**7), st.just(10**400)),
    unit=st.sampled_from(["packets", "octets", "connections", "\n"]),
    seconds=st.integers(-1, 3600),
)


def targets(values: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Target]:
    """Return targets of each kind, with values as they are or with any."""
    usual = (
        (TargetKind.IP, addresses),
        (TargetKind.PREFIX, prefixes),
        (TargetKind.MAC, macs),
        (TargetKind.DEVICE, macs),
        (TargetKind.DOMAIN, names),
    )
    return st.one_of(
        *(
            st.builds(Target, st.just(kind), own if values is None else values)
            for kind, own in usual
        )
    )


def decisions(among: st.SearchStrategy[Target]) -> st.SearchStrategy[list[Decision]]:
    each = st.builds(
        Decision,
        target=among,
        action=st.sampled_from(Action),
        reason=st.text(max_size=20),
        start=st.just(checks.NOW - 1),
        until=st.one_of(st.just(0), st.integers(checks.NOW + 1, 2**62)),
        direction=st.sampled_from(Direction),
        pattern=st.one_of(st.just(Pattern()), patterns),
        rate=st.one_of(st.none(), rates),
        spoofable=st.booleans(),
    )
    return st.lists(each, max_size=6).map(numbered)


def usual() -> list[Decision]:
    """Return one decision of each sort that somebody can carry out."""
    known = {
        TargetKind.IP: ("203.0.113.7", "2001:db8::7"),
        TargetKind.PREFIX: ("203.0.113.0/24", "2001:db8::/64"),
        TargetKind.MAC: ("02:00:5e:10:00:01",),
        TargetKind.DEVICE: ("02:00:5e:10:00:02",),
        TargetKind.DOMAIN: ("example.org",),
    }
    shapes = (Pattern(), Pattern(protocol=17, source_ports=((53, 53),)))
    return numbered(
        [
            Decision(
                Target(kind, value),
                action,
                "a flood",
                checks.NOW - 1,
                until=checks.NOW + 10**12,
                direction=direction,
                pattern=pattern,
                rate=Rate(125_000, "octets") if action is Action.LIMIT else None,
            )
            for kind, values in known.items()
            for value in values
            for action in Action
            for direction in Direction
            for pattern in shapes
        ]
    )


@each_responder
@each_check
def test_without_settings_on_usual_decisions(plugin: Plugin, check: Check) -> None:
    apart(lambda: check(maker(plugin), usual()))


@each_responder
@each_check
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(given=st.one_of(decisions(targets()), decisions(targets(hostile))))
def test_without_settings_on_any_decisions(
    plugin: Plugin, check: Check, given: list[Decision]
) -> None:
    apart(lambda: check(maker(plugin), given))


@pytest.fixture(params=["rtbh", "flowspec", "script", "dnsfile"])
def equipped(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Make:
    """Return what makes a responder whose means are there."""
    session = {"neighbours": ("192.0.2.1",), "local_as": 1, "peer_as": 1, "router_id": "192.0.2.2"}
    monkeypatch.setattr(
        speakers,
        "lease",
        lambda peering, _user: Speaker(peering, make=FakeExaBgp),  # type: ignore[arg-type]
    )
    monkeypatch.setattr("phage.respond.bgp.speaker.missing", lambda: "")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    program.chmod(0o755)
    makers: dict[str, Make] = {
        "rtbh": lambda: Rtbh(**session, source_based=True),  # type: ignore[arg-type]
        "flowspec": lambda: Flowspec(**session),  # type: ignore[arg-type]
        "script": lambda: Script(path=str(program), retry_s=1),
        "dnsfile": lambda: DnsFile(path=str(tmp_path / "banned.hosts")),
    }
    return makers[request.param]


@pytest.mark.parametrize(
    "check", [*checks.CHECKS, checks.check_works], ids=lambda check: check.__name__
)
def test_with_their_means_on_usual_decisions(equipped: Make, check: Check) -> None:
    check(equipped, usual())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=st.one_of(decisions(targets()), decisions(targets(hostile))))
def test_with_their_means_on_any_decisions(equipped: Make, given: list[Decision]) -> None:
    for check in (checks.check_suits, checks.check_receipts, checks.check_unsuited):
        check(equipped, given)
