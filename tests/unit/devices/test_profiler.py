"""Profiles: learned from flows, guarded, saturated; and what deviates from them."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING

import numpy as np

from phage.devices.inventory import Inventory
from phage.devices.judge import MOST_NEW
from phage.devices.keyuse import DAY_NS, MINUTE_NS
from phage.devices.profilebook import MAX_SERVICES, Book, book_of
from phage.devices.profilekeys import key_of
from phage.devices.profiler import Profiler
from phage.records import Observation, Window
from phage.records.address import parse_address, parse_mac
from phage.records.columns import FLOW, HOST, Event, HostMark, TcpState
from phage.records.device import Attribute
from phage.records.profile import (
    EPHEMERAL,
    Deviation,
    DeviationKind,
    KeyOrder,
    Phase,
    ProfileKey,
    Way,
)
from phage.testing.uses import uses_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.records.observation import Value

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND
CAMERA, PLUG, ROUTER = "00:17:88:00:00:01", "00:17:88:00:00:02", "00:17:88:00:00:fe"
CAMERA_IP, PLUG_IP = "192.168.1.5", "192.168.1.6"
CLOUD = "52.1.2.3"
HOME = ("192.168.1.0/24",)
NAMED = ProfileKey(Way.OUT, 6, 443, "name:maker.com")


class Home:
    """A camera that talks to its cloud, and what else a test lets it do."""

    def __init__(self) -> None:
        self.inventory = Inventory(home=HOME)
        self.inventory.routers = frozenset({ROUTER})
        self.profiler = Profiler(self.inventory)
        self.number = 0
        self.now = BEGIN
        self.arp = 0
        self.peers = 0.0
        self.octets = (0, 0)

    def window(
        self,
        *used: np.void,
        observations: tuple[Observation, ...] = (),
        flows: Sequence[np.void] = (),
    ) -> list[Deviation]:
        hosts = np.zeros(2, HOST)
        for row, (mac, ip) in zip(hosts, ((CAMERA, CAMERA_IP), (PLUG, PLUG_IP)), strict=True):
            row["mac"], row["address"] = parse_mac(mac), parse_address(ip)
            row["marks"], row["last"] = HostMark.HOME | HostMark.DEVICE, self.now
        hosts["arp_request"][0, 0] = self.arp
        hosts["peers"][0, 0], hosts["octets"][0] = self.peers, self.octets
        window = Window(
            self.now,
            self.now + SECOND,
            uses=uses_of(used),
            hosts=hosts,
            observations=observations,
            flows=np.array([row.tobytes() for row in flows], f"V{FLOW.itemsize}").view(FLOW),
        )
        self.now += SECOND
        self.inventory.take(window)
        return self.profiler.take(window)

    def flow(
        self,
        src: str = CAMERA_IP,
        dst: str = CLOUD,
        port: int = 443,
        protocol: int = 6,
        octets: tuple[int, int] = (1000, 1000),
        answered: bool = True,
    ) -> np.void:
        self.number += 1
        row = np.zeros(1, FLOW)[0]
        macs = {CAMERA_IP: CAMERA, PLUG_IP: PLUG}
        home = (1 if src in macs else 0) | (2 if dst in macs else 0)
        row["id"], row["start"], row["last"] = self.number, self.now, self.now
        row["src"], row["dst"] = parse_address(src), parse_address(dst)
        row["src_mac"] = parse_mac(macs.get(src, ROUTER))
        row["dst_mac"] = parse_mac(macs.get(dst, ROUTER))
        row["protocol"], row["dst_port"], row["home"] = protocol, port, home
        row["event"] = Event.STARTED | Event.ENDED
        row["state"] = TcpState.CLOSED if answered else TcpState.REFUSED
        row["octets"], row["packets"] = octets, (5, 5 if answered else 0)
        row["payload"] = octets if answered else (0, 0)
        found: np.void = row
        return found

    def asks(self, name: str, address: str) -> Observation:
        fields: dict[str, Value] = {"response": True, "query": name, "answer": (f"A {address}",)}
        return Observation(
            "dns", self.now, 1, "192.168.1.1", CAMERA_IP, 53, 999, ROUTER, CAMERA, 0, 17, 0, 0,
            fields,
        )  # fmt: skip

    def days(self, count: int) -> Iterator[int]:
        """Let days pass, in each of which the camera does what it always does."""
        for day in range(count):
            for _ in range(24):
                self.window(self.flow(), observations=(self.asks("eu1.maker.com", CLOUD),))
                self.now += 3600 * SECOND
            yield day

    def learn(self, days: int = 6) -> None:
        for _ in self.days(days):
            pass
        assert self.phase() is Phase.PROPOSE

    def phase(self) -> Phase:
        profile = self.profiler.books.profile(CAMERA)
        assert profile is not None
        return profile.phase

    @property
    def keys(self) -> set[ProfileKey]:
        profile = self.profiler.books.profile(CAMERA)
        assert profile is not None
        return set(profile.keys)


def test_a_profile_is_learned_by_names_and_saturated_by_what_is_new_not_by_the_clock() -> None:
    home = Home()
    for day in home.days(8):
        if day < 5:
            assert home.phase() is Phase.OBSERVE
            home.window(home.flow(port=9000 + day, dst=f"93.{day}.0.1"))
    assert home.phase() is Phase.OBSERVE
    for _ in home.days(6):
        pass
    assert home.phase() is Phase.PROPOSE
    assert NAMED in home.keys


def test_a_name_is_known_beyond_its_time_to_live_and_over_restarts() -> None:
    home = Home()
    home.learn()
    profile = home.profiler.books.profile(CAMERA)
    assert profile is not None
    later = Home()
    later.profiler.books.load([profile])
    later.now = home.now + 30 * DAY_NS
    assert not later.window(later.flow())
    assert later.profiler.books.profile(CAMERA) is not None
    assert later.keys == home.keys


def test_the_profile_of_a_phone_is_never_complete_and_nothing_of_it_is_told() -> None:
    home = Home()
    home.window()
    home.inventory.edit.tell(CAMERA, Attribute.CATEGORY, "phone", "user:anna")
    for _ in home.days(12):
        pass
    assert home.phase() is Phase.OBSERVE
    assert not home.window(home.flow(dst="203.0.113.9", port=23))


def test_what_is_new_deviates_once() -> None:
    home = Home()
    home.learn()
    found = home.window(home.flow(dst="203.0.113.9", port=23))
    assert [each.kind for each in found] == [DeviationKind.NEW]
    assert found[0].key == ProfileKey(Way.OUT, 6, 23, "net:203.0.0.0/16")
    assert (found[0].device, found[0].peer_ip) == (CAMERA, "203.0.113.9")
    assert not home.window(home.flow(dst="203.0.113.9", port=23))
    assert not home.window(home.flow())


def test_who_goes_on_meeting_names_is_still_new_at_what_he_never_did_of_its_kind() -> None:
    home = Home()

    def meets(day: int, times: int = 3) -> None:
        for each in range(times):
            peer = f"93.{day}.{each}.1"
            home.window(home.flow(dst=peer), observations=(home.asks(f"site{day}.com", peer),))

    outside = ("203.0.113.9", CAMERA_IP, 8000)
    for day in home.days(2):
        meets(day)
    assert not home.window(home.flow("203.0.113.8", CAMERA_IP, 8001))  # Observed too shortly.
    for day in home.days(7):
        meets(10 + day)
    assert home.phase() is Phase.OBSERVE
    [found] = home.window(home.flow(*outside))
    assert found.key == ProfileKey(Way.IN, 6, 8000, "internet")
    assert not home.window(home.flow("203.0.113.9", CAMERA_IP, 8002))  # Now of a kind it does.
    [found] = home.window(home.flow(dst="203.0.113.9", port=4444))
    assert found.key == ProfileKey(Way.OUT, 6, 4444, "net:203.0.0.0/16")
    met = home.asks("site200.com", "93.200.0.1")
    assert not home.window(home.flow(dst="93.200.0.1"), observations=(met,))


def test_a_spoofed_cloud_at_home_is_new() -> None:
    home = Home()
    home.learn()
    home.window(observations=(home.asks("eu1.maker.com", PLUG_IP),))
    found = home.window(home.flow(dst=PLUG_IP))
    assert {each.key for each in found if each.key is not None} >= {
        ProfileKey(Way.OUT, 6, 443, f"device:{PLUG}")
    }


def test_who_sends_with_the_address_of_a_cloud_is_told_and_the_router_is_not() -> None:
    home = Home()
    home.learn()
    spoofed = home.flow(CLOUD, CAMERA_IP, 50_000, answered=False)
    assert not home.window(flows=[spoofed, home.flow()])
    spoofed["src_mac"] = parse_mac(PLUG)
    [found] = home.window(flows=[spoofed])
    assert found.key == ProfileKey(Way.IN, 6, 0, f"posing:{PLUG}")
    assert (found.device, found.peer_ip) == (CAMERA, CLOUD)
    assert not home.window(flows=[spoofed])


def test_a_name_that_was_never_asked_for_is_new_and_told_once() -> None:
    home = Home()
    home.learn()
    said = replace(home.asks("evil.example.com", CLOUD), src_mac=CAMERA, src=CAMERA_IP)
    question = replace(said, fields={"response": False, "query": "evil.example.com"})
    found = home.window(observations=(question,))
    assert [each.key for each in found] == [ProfileKey(Way.OUT, 17, 53, "asks:example.com")]
    home.window(observations=(home.asks("evil.example.com", "93.184.216.34"),))
    [later] = home.window(home.flow(dst="93.184.216.34"))
    assert later.known_peer
    assert not home.window(observations=(replace(question, time=home.now),))


def test_a_service_that_answers_is_new_and_a_probe_is_not() -> None:
    home = Home()
    home.learn()
    assert not home.window(home.flow("203.0.113.9", CAMERA_IP, 23, answered=False))
    found = home.window(home.flow("203.0.113.9", CAMERA_IP, 23))
    assert [each.key for each in found] == [ProfileKey(Way.IN, 6, 23, "internet")]


def test_a_rate_far_beyond_the_usual_deviates() -> None:
    home = Home()
    home.learn()
    home.now = home.now // MINUTE_NS * MINUTE_NS + MINUTE_NS
    found = home.window(*(home.flow() for _ in range(200)))
    assert [each.kind for each in found] == [DeviationKind.RATE]
    assert found[0].usual <= 2
    assert found[0].value > 30


def test_many_arp_requests_of_a_device_are_an_excess() -> None:
    home = Home()
    home.learn()
    home.now = home.now // MINUTE_NS * MINUTE_NS + MINUTE_NS
    home.arp = 100
    home.window()
    home.arp = 0
    home.now += MINUTE_NS
    found = home.window()
    assert [(each.device, each.what, each.value) for each in found] == [
        (CAMERA, "arp_request", 100.0)
    ]


def test_fan_out_and_what_goes_up_are_excesses() -> None:
    home = Home()
    home.learn()
    home.now = home.now // MINUTE_NS * MINUTE_NS + MINUTE_NS
    home.peers, home.octets = 50.0, (20_000_000, 100_000)
    home.window()
    home.window()
    home.peers, home.octets = 0.0, (0, 0)
    home.now += MINUTE_NS
    found = home.window()
    # The most of peers, since they are of a minute already; the sum of octets.
    assert {each.what: each.value for each in found} == {"peers": 50.0, "up_down": 200.0}


def test_an_upload_far_beyond_the_usual_deviates() -> None:
    home = Home()
    home.learn()
    found = home.window(home.flow(octets=(500_000_000, 1000)))
    assert [each.kind for each in found] == [DeviationKind.VOLUME]


def test_new_firmware_is_told_and_makes_what_is_new_less_odd_for_a_day() -> None:
    home = Home()
    home.learn()
    home.window(home.flow(octets=(1000, 9_000_000)))
    [found] = home.window(home.flow(dst="203.0.113.9", port=23))
    assert found.renewed
    told = [each for each in home.inventory.take_changes().events if each.what == "renewed"]
    assert [each.detail for each in told] == ["9.0 MB from eu1.maker.com: new firmware, perhaps"]
    home.now += 2 * DAY_NS
    [found] = home.window(home.flow(dst="198.51.100.9", port=23))
    assert not found.renewed
    entry = home.inventory.table.get(CAMERA)
    assert entry is not None
    entry.renewed = home.now
    [found] = home.window(home.flow(dst="192.0.2.9", port=23))
    assert found.renewed


def test_a_profile_is_of_numbers_that_json_knows() -> None:
    home = Home()
    home.window(home.flow())
    profile = home.profiler.books.profile(CAMERA)
    assert profile is not None
    (use,) = profile.keys.values()
    assert {type(value) for value in astuple(replace(use, order=KeyOrder()))[:-1]} <= {int, float}
    assert {type(value) for value in astuple(use.order)[:-1]} == {int}
    assert (use.sent, use.received) == (1000, 1000)


def test_something_new_is_normal_when_it_comes_again_another_day() -> None:
    home = Home()
    home.learn()
    new = ProfileKey(Way.OUT, 6, 8080, "net:203.0.0.0/16")
    assert home.window(home.flow(dst="203.0.113.9", port=8080))
    assert new not in home.keys
    home.now += DAY_NS
    assert not home.window(home.flow(dst="203.0.113.9", port=8080))
    assert new in home.keys


def test_nothing_is_learned_of_whom_findings_name() -> None:
    home = Home()
    uses = uses_of([home.flow(dst="203.0.113.9", port=23)])
    window = Window(home.now, home.now + SECOND, uses=uses)
    home.window()
    home.profiler.take(window, frozenset({CAMERA_IP}))
    assert ProfileKey(Way.OUT, 6, 23, "net:203.0.0.0/16") not in home.keys


def test_nothing_is_learned_of_what_intelligence_names() -> None:
    home = Home()
    home.profiler.judge.distrusts = lambda address, _name: address == "203.0.113.9"
    home.window(home.flow(dst="203.0.113.9", port=23))
    assert not home.keys


def test_who_has_no_name_is_known_by_its_system_unless_anybody_rents_there() -> None:
    home = Home()
    home.profiler.system_of = lambda address: 16509 if address == CLOUD else 64_500
    home.window(home.flow(dst="203.0.113.9"), home.flow())
    home.window(home.flow(dst="198.51.100.9"))
    assert home.keys == {
        ProfileKey(Way.OUT, 6, 443, "as:64500"),
        ProfileKey(Way.OUT, 6, 443, "net:52.1.0.0/16"),
    }


def test_what_was_learned_before_systems_were_known_holds() -> None:
    home = Home()
    home.window(home.flow(dst="203.0.113.9"))
    home.profiler.system_of = lambda _address: 64_500
    home.window(home.flow(dst="203.0.113.10"))
    assert home.keys == {ProfileKey(Way.OUT, 6, 443, "net:203.0.0.0/16")}


def test_ports_that_are_chosen_anew_each_time_are_one() -> None:
    home = Home()
    for port in (20_001, 20_002, 20_003, 20_004, 20_005, 60_000):
        home.window(home.flow(port=port, protocol=17))
    assert home.keys == {ProfileKey(Way.OUT, 17, EPHEMERAL, "net:52.1.0.0/16")}


def test_weeks_in_which_nobody_looked_teach_nothing() -> None:
    book = Book("d", BEGIN)
    book.begin(NAMED, BEGIN, trusted=True)
    book.begin(NAMED, BEGIN + 50 * DAY_NS, trusted=True)
    assert not book.look()
    for day in range(51, 57):
        book.begin(NAMED, BEGIN + day * DAY_NS, trusted=True)
    assert book.look()


def test_what_a_hello_claims_is_believed_only_while_no_name_server_says_otherwise() -> None:
    book = Book("d", BEGIN)
    book.put_claim(CLOUD, "eu.maker.com")
    assert book.name_of(CLOUD) == "eu.maker.com"
    book.put_name("52.9.9.9", "eu.maker.com")
    assert book.name_of(CLOUD) == ""
    book.put_name(CLOUD, "us.maker.com")
    book.put_claim(CLOUD, "eu.maker.com")
    assert book.name_of(CLOUD) == "us.maker.com"
    assert dict(book.all_names()) == {"52.9.9.9": "eu.maker.com", CLOUD: "us.maker.com"}


def test_a_fenced_device_opens_nothing_by_what_it_claims() -> None:
    book = Book("d", BEGIN)
    book.put_claim(CLOUD, "eu.maker.com")
    book.phase = Phase.ENFORCE
    book.put_claim("203.0.113.9", "eu.maker.com")
    assert dict(book.all_names()) == {CLOUD: "eu.maker.com"}
    assert dict(book_of(book.record(), 0).all_names()) == {CLOUD: "eu.maker.com"}


def test_hundreds_of_things_do_not_fill_the_memory() -> None:
    book = Book("d", BEGIN)
    for number in range(5000):
        key = ProfileKey(Way.OUT, 6, 443, f"net:{number}")
        book.begin(key, BEGIN + number, trusted=True)
        book.put_claim(f"claim {number}", "y")
        book.put_name(str(number), "x")
    book.phase = Phase.PROPOSE
    for number in range(5000):
        key = ProfileKey(Way.OUT, 6, 80, f"net:{number}")
        book.begin(key, BEGIN + number, trusted=True)
    assert (len(book.keys), len(book.waiting)) == (400, 100)
    assert (len(book.names), len(book.claims)) == (512, 512)
    assert book.dropped == 4600 + 4900


def test_what_is_not_used_for_months_is_forgotten() -> None:
    book = Book("d", BEGIN)
    book.begin(NAMED, BEGIN, trusted=True)
    book.begin(ProfileKey(Way.OUT, 6, 80, "internet"), BEGIN + 61 * DAY_NS, trusted=True)
    book.look()
    assert NAMED not in book.keys


def test_a_book_comes_back_from_its_record() -> None:
    book = Book("d", BEGIN)
    for number in range(30):
        book.begin(NAMED, BEGIN + number * 300 * SECOND, trusted=True)
        book.keys[NAMED].end((1000, 3000), 1, 12.0, 144.0)
    record = book.record()
    assert record.keys[NAMED].period == 300.0
    assert book_of(record, 0).record() == record


def test_peers_are_named_by_role() -> None:
    names = {"1.2.3.4": "a.b.maker.co.uk", "1.2.3.5": "d111.cloudfront.net"}

    def peer(address: str, way: Way = Way.OUT, port: int = 443, role: str = "") -> str:
        return key_of(way, 17, port, address, names.get(address, ""), role).peer

    assert peer("1.2.3.4") == "name:maker.co.uk"
    assert peer("1.2.3.5") == "name:d#.cloudfront.net"
    assert peer("9.9.9.9") == "net:9.9.0.0/16"
    assert peer("2001:db8::1") == "net:2001:db8::/32"
    assert peer("9.9.9.9", port=123) == "internet"
    assert peer("192.168.1.1", role="router") == "router"
    assert peer("192.168.1.9", Way.IN, role="device:x") == "home"
    assert peer("239.255.255.250") == "group:239.255.255.250"
    assert peer("192.168.1.255", role="home") == "group:broadcast"
    assert peer("ff02::1:ff00:7") == peer("ff02::1:ff12:3456")


def test_a_scan_is_told_in_part_and_fills_no_table() -> None:
    home = Home()
    home.learn()
    told = home.window(*(home.flow(port=port) for port in range(1, 200)))
    assert len(told) == MOST_NEW
    assert home.profiler.dropped == 199 - MOST_NEW
    book = Book(CAMERA, 0)
    for number in range(MAX_SERVICES + 7):
        book.generalised(ProfileKey(Way.OUT, 6, 8000, f"net:{number}"))
    assert len(book.ports) == MAX_SERVICES
    assert book.dropped == 7
