"""Fences: the rules that a profile makes, and what they would have done; MUD."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace

import pytest

from phage.devices.fence import FenceError, Grade, fence_rules, objection, replay
from phage.devices.mud import MudError, read_mud, to_mud
from phage.policy.reading.reader import read_rules
from phage.records.device import PERSONAL, Attribute, Device, Guess, Seen
from phage.records.flow import Flow
from phage.records.profile import EPHEMERAL, KeyUse, Phase, Profile, ProfileKey, Way

MAC, ROUTER = "00:17:88:00:00:01", "00:17:88:00:00:fe"
AT = 1_700_000_000_000_000_000
USE = KeyUse(AT, AT, 7, 100)
KEYS = (
    ProfileKey(Way.OUT, 6, 443, "name:maker.com"),
    ProfileKey(Way.OUT, 17, EPHEMERAL, "net:52.1.0.0/16"),
    ProfileKey(Way.OUT, 17, 1900, "group:239.255.255.250"),
    ProfileKey(Way.OUT, 17, 67, "group:broadcast"),
    ProfileKey(Way.OUT, 6, 80, "device:00:17:88:00:00:02"),
    ProfileKey(Way.IN, 6, 80, "home"),
    ProfileKey(Way.OUT, 1, 0, "router"),
    ProfileKey(Way.OUT, 6, 8443, "as:64500"),
    ProfileKey(Way.OUT, 47, 0, "internet"),
)
DEVICE = Device(
    MAC,
    "Hall camera",
    macs=(Seen(MAC, AT, AT),),
    guesses={Attribute.CATEGORY: Guess("camera", 0.9), Attribute.VENDOR: Guess("Acme", 0.9)},
)
PROFILE = Profile(
    MAC, AT, AT, Phase.PROPOSE, dict.fromkeys(KEYS, USE), names={"52.9.9.9": "eu.maker.com"}
)


def far(_mac: str, _ip: str) -> str:
    return "router" if _mac == ROUTER and _ip == "192.168.1.1" else ""


def flow(dst: str, port: int, protocol: int = 6, **values: object) -> Flow:
    made = Flow(1, AT, AT, "192.168.1.5", dst, 40_000, port, protocol, MAC, ROUTER, packets=(5, 5))
    return replace(made, **values)  # type: ignore[arg-type]


def test_a_fence_is_a_rule_file_that_a_person_can_read() -> None:
    text = fence_rules(DEVICE, PROFILE, Grade.BLOCK)
    rules = read_rules(text, "fence.yaml").rules
    names = [rule.name for rule in rules]
    assert names[-2:] == [
        "Fence of Hall camera: nothing else that it begins",
        "Fence of Hall camera: nothing else that it is asked",
    ]
    assert "Fence of Hall camera: tcp/443 to maker.com" in names
    assert "Fence of Hall camera: tcp/80 from home" in names
    assert len(set(names)) == len(names)
    assert MAC in text


@pytest.mark.parametrize("grade", [Grade.NOTIFY, Grade.LIMIT, Grade.QUARANTINE])
def test_milder_grades_react_to_findings(grade: Grade) -> None:
    [rule] = read_rules(fence_rules(DEVICE, PROFILE, grade), "fence.yaml").rules
    assert rule.name == f"Fence of Hall camera: {grade}"


def test_hostile_names_stay_text() -> None:
    hostile = replace(DEVICE, name="x\"'\n- name: y: &a *b {", id=MAC)
    assert len(read_rules(fence_rules(hostile, PROFILE, Grade.BLOCK), "fence.yaml").rules) > 5


def test_a_device_without_a_mac_cannot_be_fenced() -> None:
    with pytest.raises(FenceError, match="behind a router"):
        fence_rules(replace(DEVICE, macs=()), PROFILE, Grade.BLOCK)


def test_phones_and_what_is_still_learned_are_not_fenced_in_by_themselves() -> None:
    assert objection(DEVICE, PROFILE) == ""
    for category in PERSONAL:
        personal = replace(DEVICE, guesses={Attribute.CATEGORY: Guess(category, 0.9)})
        assert "what it does is up to people" in objection(personal, PROFILE)
    assert "still does new things" in objection(DEVICE, replace(PROFILE, phase=Phase.OBSERVE))
    assert "nothing is known" in objection(DEVICE, None)
    router = replace(DEVICE, guesses={Attribute.CATEGORY: Guess("router", 0.9)})
    assert "is a router" in objection(router, PROFILE)
    many = {ProfileKey(Way.OUT, 6, 443, f"name:x{n}.com"): USE for n in range(50)}
    assert "used by people" in objection(DEVICE, replace(PROFILE, keys=many))


def test_the_past_is_replayed() -> None:
    flows = [
        flow("52.9.9.9", 443),
        flow("52.1.7.7", 50_000, 17),
        flow("192.168.1.1", 53, 17),
        flow("203.0.113.5", 123, 17),
        flow("192.168.1.7", 0, 0),
        flow("203.0.113.9", 23),
        flow("203.0.113.9", 23),
        flow("203.0.113.9", 53, 17),
        flow("192.168.1.5", 23, src="203.0.113.9", src_mac=ROUTER, dst_mac=MAC),
        flow("192.168.1.5", 24, src="203.0.113.9", src_mac=ROUTER, dst_mac=MAC, packets=(5, 0)),
    ]
    flows.append(flow("198.51.100.7", 8443))
    system_of = {"198.51.100.7": 64_500}
    blocked = replay(DEVICE, PROFILE, flows, far, lambda address: system_of.get(address, 0))
    assert [(each.key.way, each.key.port, each.flows) for each in blocked] == [
        (Way.OUT, 23, 2),
        (Way.IN, 23, 1),
        (Way.OUT, 53, 1),
    ]


def test_a_cloud_that_takes_turns_and_one_of_a_pool_are_not_blocked() -> None:
    turns = [ProfileKey(Way.OUT, 6, 8886, f"net:18.{number}.0.0/16") for number in range(4)]
    pool = ProfileKey(Way.OUT, 6, 8883, "name:mqtt#.eu.tuyaeu.com")
    profile = replace(PROFILE, keys=dict.fromkeys((*turns, pool), USE))
    named = replace(profile, names={"52.9.9.9": "mqtt77.eu.tuyaeu.com"})
    passes = [flow("18.99.0.1", 8886), flow("52.9.9.9", 8883)]
    assert replay(DEVICE, named, passes, far) == []
    assert len(replay(DEVICE, named, [flow("18.99.0.1", 8887)], far)) == 1
    few = replace(profile, keys=dict.fromkeys(turns[:3], USE))
    assert len(replay(DEVICE, few, [flow("18.99.0.1", 8886)], far)) == 1
    names = [rule.name for rule in read_rules(fence_rules(DEVICE, profile, Grade.BLOCK), "f").rules]
    assert "Fence of Hall camera: tcp/8886 to internet" in names
    assert "Fence of Hall camera: tcp/8883 to mqtt#.eu.tuyaeu.com" in names


def test_a_profile_goes_out_as_mud_and_comes_in_again() -> None:
    document = json.dumps(to_mud(DEVICE, PROFILE, AT)).encode()
    keys = set(read_mud("x.json", document))
    assert ProfileKey(Way.OUT, 6, 443, "name:maker.com") in keys
    assert ProfileKey(Way.OUT, 17, EPHEMERAL, "net:52.1.0.0/16") in keys
    assert ProfileKey(Way.IN, 6, 80, "home") in keys
    for each in json.loads(document)["ietf-access-control-list:acls"]["acl"]:
        for entry in each["aces"]["ace"]:
            network = entry["matches"].get("ipv4", {}).get("destination-ipv4-network")
            if network is not None:
                ipaddress.ip_network(network)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is no MUD file"),
        (b"[" * 100_000, "is no MUD file"),
        (b'{"ietf-mud:mud": {}}', "is no MUD file"),
        (b"x" * 2_000_000, "is larger than"),
    ],
)
def test_what_is_no_mud_file_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(MudError, match=message):
        read_mud("x.json", raw)


def test_an_entry_that_makes_no_sense_is_named() -> None:
    document = to_mud(DEVICE, PROFILE, AT)
    acl = document["ietf-access-control-list:acls"]["acl"][0]
    acl["aces"]["ace"][0]["matches"]["ipv4"]["protocol"] = "seven"
    with pytest.raises(MudError, match="the entry 'from-0' makes no sense"):
        read_mud("x.json", json.dumps(document).encode())
