"""The allow-list answers as a plain search through its entries would."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.policy.allowlist import NOBODY, AllowList, Entry, entries_of
from phage.policy.target import canonical, network_of, network_target, parse_target
from phage.records.decision import Target, TargetKind
from phage.testing.records import make_decision

v4 = st.builds(
    lambda address, length: ipaddress.ip_network((address, length), strict=False),
    st.integers(0x0A000000, 0x0A0000FF) | st.integers(0, 2**32 - 1),
    st.integers(20, 32) | st.integers(0, 32),
)
v6 = st.builds(
    lambda address, length: ipaddress.ip_network((address, length), strict=False),
    st.integers(0, 255).map(lambda low: 0x20010DB8 << 96 | low) | st.integers(2**40, 2**128 - 1),
    st.integers(100, 128) | st.integers(0, 128),
)


@given(st.lists(v4 | v6, max_size=12), v4 | v6)
def test_any_network_that_shares_an_address_with_an_entry_is_protected(
    listed: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
    asked: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> None:
    allow = AllowList([Entry(str(network), "mine") for network in listed])
    everything = [*listed, *(ipaddress.ip_network(entry.value) for entry in NOBODY)]
    expected = any(each.version == asked.version and each.overlaps(asked) for each in everything)
    target = canonical(network_target(asked))
    if str(target.value).partition("/")[0] == str(
        asked.network_address
    ):  # Not an IPv4 in disguise.
        assert allow.protects(target) == expected


@pytest.mark.parametrize("text", ["10.1.0.0", "10.1.0.0/16", "11.0.0.0"])
def test_of_a_long_list_that_nests_only_what_shares_an_address_is_looked_at(text: str) -> None:
    listed = [Entry("10.0.0.0/8", "all")]
    listed += [Entry(str(ipaddress.IPv4Address(0x0A000000 + 512 * n)), "one") for n in range(9000)]
    target = parse_target(text)
    looked_at: list[Entry] = []

    def excuses(entry: Entry) -> bool:
        looked_at.append(entry)
        return True

    AllowList(listed)._entry(target, excuses)
    network = network_of(target)
    assert network is not None
    assert len(looked_at) == sum(
        network.overlaps(ipaddress.ip_network(entry.value)) for entry in listed
    )


def test_the_users_list_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Changing:
        number = 0

        def entries(self) -> list[Entry]:
            self.number += 1
            return [Entry(f"203.0.113.{self.number}", "seen")]

    allow = AllowList([Entry(f"198.51.100.{n}", "mine") for n in range(9)], [Changing()])
    parsed: list[str] = []

    def parse(text: str) -> Target:
        parsed.append(text)
        return parse_target(text)

    monkeypatch.setattr("phage.policy.allowlist.parse_target", parse)
    assert allow.look() == {"203.0.113.1"}
    assert allow.look() == {"203.0.113.2"}
    assert not any(text.startswith("198.") for text in parsed)
    assert allow.protects(parse_target("198.51.100.3"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("198.51.100.7", "198.51.100.7 is on the allow-list: mine"),
        ("198.51.100.0/24", "198.51.100.0/24 holds 198.51.100.7, which is on the allow-list: mine"),
        ("203.0.113.9", "203.0.113.9 lies in 203.0.113.0/24, which is on the allow-list: mine"),
        (
            "www.example.com",
            "www.example.com lies in example.com, which is on the allow-list: mine",
        ),
        ("com", "com holds example.com, which is on the allow-list: mine"),
        ("example.org", ""),
        ("ample.com", ""),
        ("02:00:00:00:00:01", "02:00:00:00:00:01 is on the allow-list: mine"),
        ("02:00:00:00:00:02", ""),
    ],
)
def test_the_objection_says_what_is_protected_and_why(text: str, why: str) -> None:
    listed = ["198.51.100.7", "203.0.113.0/24", "example.com", "02:00:00:00:00:01"]
    allow = AllowList(entries_of(listed, "mine"))
    assert allow.objection(make_decision(1, target=parse_target(text))) == why


def test_a_device_is_protected_by_its_mac_and_by_its_address() -> None:
    allow = AllowList(entries_of(["02:00:00:00:00:01", "192.168.1.1"]))
    for name in ("02:00:00:00:00:01", "192.168.1.1"):
        assert allow.protects(Target(TargetKind.DEVICE, name))
    assert not allow.protects(Target(TargetKind.DEVICE, "02:00:00:00:00:02"))


@pytest.mark.parametrize(
    ("kind", "given_", "expected"),
    [
        ("ip", "192.0.2.7", "192.0.2.7"),
        ("ip", "::ffff:192.0.2.7", "192.0.2.7"),
        ("ip", "2001:DB8:0::1", "2001:db8::1"),
        ("prefix", "192.0.2.7/24", "192.0.2.0/24"),
        ("prefix", "::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("prefix", "192.0.2.7/32", "192.0.2.7"),
        ("mac", "02-00-00-00-00-0A", "02:00:00:00:00:0a"),
        ("domain", "Example.COM.", "example.com"),
        ("domain", "Bücher.example", "xn--bcher-kva.example"),
        ("device", "02:00:00:00:00:0A", "02:00:00:00:00:0a"),
        ("device", "192.0.2.7", "192.0.2.7"),
    ],
)
def test_targets_are_brought_into_one_form(kind: str, given_: str, expected: str) -> None:
    assert canonical(Target(TargetKind(kind), given_)).value == expected


@pytest.mark.parametrize(
    "text",
    ["", "nobody here", "1.2.3", "1.2.3.4/33", "fe80::1%eth0", "00:00:00:00:00:00", "a..b", "-a.b",
     "x" * 300, "256.1.1.1", "1.2.3.4.5", "::/129", "\0", "a\nb", "1.2.3.4;reboot"],
)  # fmt: skip
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_target(text)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = parse_target(text)
    except ValueError:
        return
    assert canonical(target) == target
    assert parse_target(target.value) == target
