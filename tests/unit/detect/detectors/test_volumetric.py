"""Floods of all kinds are found with vector and exact target; what only looks like one is not."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from phage.detect.detector import Knowledge
from phage.detect.detectors.volumetric import Volumetric
from phage.records import Window
from phage.records.columns import TRAFFIC, VOLUME
from phage.records.threshold import Threshold
from phage.records.watched import GROUP, HostGroup, Watched, numbered
from phage.testing.conformance.detectors import check_finding
from phage.testing.floods import SLOT, Network, Packet
from phage.testing.windows import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.records import Finding

VICTIM = "198.18.4.210"
BEGIN, END = 20.0, 35.0


def detect(network: Network, **knowledge: Any) -> dict[str, tuple[float, Finding]]:
    """Return the findings by key, as they stand at the end, and when each was made first."""
    detector = Volumetric()
    known = Knowledge(home=(network.home,), **knowledge)
    found: dict[str, tuple[float, Finding]] = {}
    for window in network.windows():
        for finding in detector.inspect(window, known):
            first = found.get(finding.key, ((window.end - EPOCH) / 1e9, finding))[0]
            found[finding.key] = (first, finding)
    return found


def one(found: dict[str, tuple[float, Finding]]) -> Finding:
    assert len(found) == 1, sorted(found)
    return next(iter(found.values()))[1]


def vectors(finding: Finding) -> set[str]:
    told = finding.evidence["vectors"]
    assert isinstance(told, list)
    return {each["name"] for each in told}


@pytest.fixture
def network() -> Network:
    network = Network()
    network.background(END + 2)
    return network


def reflected(network: Network, port: int, length: int, victims: int = 1) -> Callable[[], Packet]:
    amplifiers = [network.far() for _ in range(300)]

    def packet() -> Packet:
        victim = VICTIM if victims == 1 else f"198.18.7.{network.random.randrange(victims)}"
        source = network.random.choice(amplifiers)
        return Packet(source, victim, port, network.port(), 17, 0, length)

    return packet


def spoofed(network: Network, protocol: int, flags: int, octets: int) -> Callable[[], Packet]:
    return lambda: Packet(network.far(), VICTIM, network.port(), 443, protocol, flags, octets)


def test_benign_traffic_is_left_alone(network: Network) -> None:
    assert detect(network) == {}


@pytest.mark.parametrize(
    ("port", "rate", "vector"),
    [
        (123, 60_000, "ntp-amplification"),
        (389, 8000, "cldap-amplification"),
        (11_211, 12_000, "memcached-amplification"),
    ],
)
def test_amplification_is_named_by_its_service(
    network: Network, port: int, rate: float, vector: str
) -> None:
    network.send(BEGIN, END, rate, reflected(network, port, 1400))
    finding = one(detect(network))
    assert finding.evidence["target"] == f"{VICTIM}/32"
    assert vectors(finding) == {vector}
    assert finding.subject.ip == VICTIM
    assert finding.spoofable


@pytest.mark.parametrize(
    ("protocol", "flags", "vector"),
    [(6, 2, "syn-flood"), (6, 0x10, "ack-flood"), (6, 0x12, "syn-ack-flood"), (17, 0, "udp-flood"),
     (1, 0, "icmp-flood"), (47, 0, "gre-flood")],
)  # fmt: skip
def test_floods_are_named_by_their_packets(
    network: Network, protocol: int, flags: int, vector: str
) -> None:
    network.send(BEGIN, END, 40_000, spoofed(network, protocol, flags, 100))
    found = detect(network)
    assert vectors(one(found)) == {vector}
    assert min(first for first, _ in found.values()) <= BEGIN + 1.5


def test_a_carpet_is_found_on_exactly_its_prefix(network: Network) -> None:
    network.send(BEGIN, END, 80_000, reflected(network, 53, 1200, victims=256))
    finding = one(detect(network))
    assert finding.evidence["target"] == "198.18.7.0/24"
    assert finding.subject.device == "198.18.7.0/24"
    assert finding.subject.ip == ""
    assert vectors(finding) == {"dns-amplification"}


def test_the_prefix_need_not_be_one_that_is_counted(network: Network) -> None:
    network.send(BEGIN, END, 60_000, reflected(network, 53, 1200, victims=64))
    assert one(detect(network)).evidence["target"] == "198.18.7.0/26"


def test_pulses_are_one_attack(network: Network) -> None:
    on = lambda time: 100_000.0 if (time - BEGIN) % 5 < 2 else 0.0  # noqa: E731
    network.send(BEGIN, END, on, spoofed(network, 17, 0, 700))
    assert one(detect(network)).evidence["pulses"] == 3


def test_a_carpet_that_wanders_is_one_attack_on_its_network(network: Network) -> None:
    amplifiers = [network.far() for _ in range(300)]

    def part(third: int) -> Callable[[], Packet]:
        def packet() -> Packet:
            victim = f"198.18.7.{third * 32 + network.random.randrange(32)}"
            return Packet(network.random.choice(amplifiers), victim, 123, 9, 17, 0, 468)

        return packet

    for step in range(7):
        network.send(BEGIN + 2 * step, BEGIN + 2 * step + 2, 40_000, part(step))
    finding = one(detect(network))
    assert finding.evidence["target"] == "198.18.7.0/24"
    assert vectors(finding) == {"ntp-amplification"}


def test_attacks_on_two_hosts_of_a_network_are_two(network: Network) -> None:
    for begin, victim in ((BEGIN, "198.18.7.9"), (BEGIN + 6, "198.18.7.200")):
        packets = itertools.repeat(Packet(network.far(), victim, 123, 9, 17, 0, 468))
        network.send(begin, begin + 5, 30_000, packets.__next__)
    targets = {each.evidence["target"] for _, each in detect(network).values()}
    assert targets == {"198.18.7.9/32", "198.18.7.200/32"}


def test_a_ramp_does_not_become_usual(network: Network) -> None:
    network.send(BEGIN, END, lambda time: 1600 * (time - BEGIN), spoofed(network, 17, 0, 500))
    found = detect(network)
    assert one(found).evidence["target"] == f"{VICTIM}/32"
    assert min(first for first, _ in found.values()) < BEGIN + 8


def test_vectors_of_one_attack_are_told_together(network: Network) -> None:
    for protocol, flags in ((17, 0), (6, 2), (1, 0)):
        network.send(BEGIN, END, 18_000, spoofed(network, protocol, flags, 200))
    finding = one(detect(network))
    assert vectors(finding) == {"udp-flood", "syn-flood", "icmp-flood"}
    assert len(finding.evidence["suggested"]) == 3  # type: ignore[arg-type]


def test_a_flood_from_inside_names_the_guilty_host(network: Network) -> None:
    network.send(
        BEGIN, END, 60_000,
        lambda: Packet(VICTIM, "192.0.2.7", network.port(), network.port(), 17, 0, 800),
    )  # fmt: skip
    finding = one(detect(network))
    assert finding.evidence["direction"] == "outgoing"
    assert finding.evidence["subject_is"] == "attacker"
    assert finding.subject.ip == VICTIM
    assert not finding.spoofable


def test_a_host_that_takes_its_neighbours_addresses_accuses_nobody(network: Network) -> None:
    network.send(
        BEGIN, END, 60_000,
        lambda: Packet(
            f"198.18.7.{network.random.randrange(1, 255)}", "192.0.2.7", network.port(),
            network.port(), 17, 0, 800,
        ),
    )  # fmt: skip
    finding = one(detect(network))
    assert finding.evidence["direction"] == "outgoing"
    assert finding.evidence["carpet"]
    assert finding.spoofable


@pytest.mark.parametrize(("rate", "lasting"), [(2500, 16), (700, 30)])
def test_low_and_slow_is_found_by_its_sources(network: Network, rate: int, lasting: int) -> None:
    """The second is seen by seven packets a second: there it has to last for longer."""
    clients = [network.far() for _ in range(3000)]

    def asks() -> Packet:
        client = network.random.choice(clients)
        return Packet(client, VICTIM, network.port(), 80, 6, 0x18, 90)

    network.send(BEGIN, BEGIN + lasting, rate, asks)
    network.send(
        BEGIN, BEGIN + lasting, rate,
        lambda: Packet(VICTIM, network.random.choice(clients), 80, network.port(), 6, 0x10, 52),
    )  # fmt: skip
    assert vectors(one(detect(network))) == {"slow-http"}


def test_sparse_sampling_widens_the_time() -> None:
    network = Network(sampling=1000)
    network.background(END + 12)
    network.send(BEGIN, END + 10, 9000, reflected(network, 53, 1300))
    finding = one(detect(network))
    assert finding.evidence["target"] == f"{VICTIM}/32"
    assert finding.evidence["why"]["window_s"] == 5  # type: ignore[index]


def test_ipv6_is_judged_alike() -> None:
    network = Network(home="2001:db8:1::/48", seed=5)
    network.background(END + 2)
    sources = [network.far() for _ in range(300)]
    network.send(
        BEGIN, END, 50_000,
        lambda: Packet(network.random.choice(sources), "2001:db8:1::7", 123, network.port(), 17),
    )  # fmt: skip
    finding = one(detect(network))
    assert finding.evidence["target"] == "2001:db8:1::7/128"


def test_one_transfer_is_no_flood_though_nobody_answers(network: Network) -> None:
    network.send(
        BEGIN, END, 110_000, lambda: Packet("192.0.2.9", VICTIM, 8080, 51_515, 6, 0x10, 1500)
    )
    network.send(
        BEGIN, END, 80_000, lambda: Packet("198.18.4.99", "192.0.2.8", 51_000, 22, 6, 0x18, 1500)
    )
    assert detect(network) == {}


def test_a_crowd_that_completes_its_handshakes_is_no_flood(network: Network) -> None:
    def asks() -> Packet:
        flags, octets = network.random.choice([(2, 60), (16, 52), (16, 52), (24, 400), (24, 300)])
        return Packet(network.far(), VICTIM, network.port(), 443, 6, flags, octets)

    def answers() -> Packet:
        flags, octets = network.random.choice([(0x12, 60), (16, 1500), (16, 1500), (24, 900)])
        return Packet(VICTIM, network.far(), 443, network.port(), 6, flags, octets)

    crowd = lambda time: min(60_000.0, 6000 * (time - BEGIN))  # noqa: E731
    network.send(BEGIN, END, crowd, asks)
    network.send(BEGIN, END, crowd, answers)
    assert detect(network) == {}


def test_one_who_asks_all_hosts_for_all_ports_scans(network: Network) -> None:
    scanner = network.far()
    network.send(
        BEGIN, END, 8000,
        lambda: Packet(scanner, network.near(), 40_000, network.random.randrange(1024), 6, 2, 44),
    )  # fmt: skip
    assert detect(network) == {}


def test_a_host_that_floods_the_whole_internet_is_told(network: Network) -> None:
    network.send(BEGIN, END, 30_000, lambda: Packet(VICTIM, network.far(), 9, 80, 6, 2, 60))
    finding = one(detect(network))
    assert finding.evidence["direction"] == "outgoing"
    assert finding.subject.ip == VICTIM


def test_files_in_fragments_are_answered(network: Network) -> None:
    server = network.far()
    network.send(BEGIN, END, 18_000, lambda: Packet(server, VICTIM, 0, 0, 17, 0, 1480))
    network.send(BEGIN, END, 4000, lambda: Packet(server, VICTIM, 2049, 700, 17, 0, 1480))
    network.send(BEGIN, END, 4000, lambda: Packet(VICTIM, server, 700, 2049, 17, 0, 150))
    assert detect(network) == {}


@pytest.mark.parametrize("watches", [True, False])
def test_who_watches_others_by_echoes_is_no_victim(network: Network, watches: bool) -> None:
    asked, answer = (0x0800, 0)
    came, went = (answer, asked) if watches else (asked, answer)
    network.send(BEGIN, END, 4000, lambda: Packet(network.far(), VICTIM, 0, came, 1, 0, 84))
    network.send(BEGIN, END, 4000, lambda: Packet(VICTIM, network.far(), 0, went, 1, 0, 84))
    assert (detect(network) == {}) is watches


def test_answers_that_were_asked_for_are_no_amplification(network: Network) -> None:
    network.send(0, END, 20_000, lambda: Packet(VICTIM, network.far(), network.port(), 53, 17))
    network.send(0, END, 20_000, lambda: Packet(network.far(), VICTIM, 53, network.port(), 17))
    assert detect(network) == {}


def test_own_thresholds_hold_instead_of_the_usual_ones(network: Network) -> None:
    network.send(BEGIN, END, 30_000, spoofed(network, 17, 0, 100))
    limit = Threshold(10_000.0, "packets", "udp", networks=("198.18.4.0/24",), group="web")
    finding = one(detect(network, thresholds=(limit,)))
    why = finding.evidence["why"]
    assert isinstance(why, dict)
    assert (why["by"], why["limit"]) == ("threshold", 10_000)
    assert "group web" in why["threshold"]


SHOP = HostGroup("shop", ("198.18.1.0/26", "198.18.9.0/26"))
MUCH = 20_000


def spread(network: Network, hosts: int = 64) -> Callable[[], Packet]:
    """Return datagrams that nobody answers, to all hosts of the group, little to each."""

    def packet() -> Packet:
        third = network.random.choice([1, 9])
        victim = f"198.18.{third}.{network.random.randrange(hosts)}"
        return Packet(network.far(), victim, network.port(), 9000, 17, 0, 300)

    return packet


def test_a_group_is_judged_as_a_whole_by_its_threshold(network: Network) -> None:
    network.watched = Watched(groups=(SHOP,))
    # Below what is too much for each host and prefix.
    network.send(BEGIN, END, 3200, spread(network))
    limit = Threshold(2000.0, "packets", "udp", networks=SHOP.networks, group="shop", length=GROUP)
    finding = one(detect(network, thresholds=(limit,), watched=network.watched))
    assert finding.evidence["target"] == "group shop"
    assert finding.evidence["networks"] == list(SHOP.networks)
    assert finding.subject.device == "group shop"
    why = finding.evidence["why"]
    assert isinstance(why, dict)
    assert why["by"] == "threshold"
    assert "all of group shop" in why["threshold"]
    assert float(str(finding.evidence["peak_packets_per_second"])) > 2500


def test_a_group_has_a_baseline(network: Network) -> None:
    network.watched = Watched(groups=(SHOP,))
    network.send(BEGIN, END, 7000, spread(network))
    finding = one(detect(network, watched=network.watched, thresholds=(QUIET,)))
    assert finding.evidence["target"] == "group shop"
    why = finding.evidence["why"]
    assert isinstance(why, dict)
    assert why["by"] == "baseline"


def test_who_is_attacked_in_a_group_is_named_and_not_the_group(network: Network) -> None:
    network.watched = Watched(groups=(HostGroup("shop", ("198.18.4.0/24", "198.18.9.0/24")),))
    network.send(BEGIN, END, 40_000, spoofed(network, 17, 0, 100))
    finding = one(detect(network, watched=network.watched))
    assert finding.evidence["target"] == f"{VICTIM}/32"


def test_half_of_a_group_is_named_as_the_prefix_that_it_is(network: Network) -> None:
    network.watched = Watched(groups=(HostGroup("shop", ("198.18.7.0/24", "198.18.9.0/24")),))
    network.send(BEGIN, END, 80_000, reflected(network, 53, 1200, victims=256))
    finding = one(detect(network, watched=network.watched))
    assert finding.evidence["target"] == "198.18.7.0/24"


QUIET = Threshold(1e9, "packets")
"""Instead of the built-in thresholds."""


def test_a_service_has_a_threshold_of_its_own(network: Network) -> None:
    network.watched = Watched(services=numbered(("udp/9000", "tcp/80")))
    # Much of other traffic hides what one service is sent.
    network.send(0, END, MUCH, lambda: Packet(network.far(), VICTIM, network.port(), 7777, 17))
    network.send(0, END, MUCH, lambda: Packet(VICTIM, network.far(), 7777, network.port(), 17))
    network.send(
        BEGIN, END, 4000, lambda: Packet(network.far(), VICTIM, network.port(), 9000, 17, 0, 90)
    )
    limit = Threshold(2000.0, "packets", strict=True, service="udp/9000")
    finding = one(detect(network, thresholds=(limit, QUIET), watched=network.watched))
    assert finding.evidence["target"] == f"{VICTIM}/32"
    why = finding.evidence["why"]
    assert isinstance(why, dict)
    assert "to udp/9000" in why["threshold"]
    other = Threshold(2000.0, "packets", strict=True, service="tcp/80")
    assert detect(network, thresholds=(other, QUIET), watched=network.watched) == {}


def test_requests_to_a_service_count_where_they_are_asked_for_strictly(network: Network) -> None:
    network.watched = Watched(services=numbered(("tcp/80",)))

    def asks() -> Packet:
        flags, octets = network.random.choice([(2, 60), (16, 52), (16, 52), (24, 400)])
        return Packet(network.far(), VICTIM, network.port(), 80, 6, flags, octets)

    network.send(BEGIN, END, 6000, asks)
    network.send(
        BEGIN, END, 6000, lambda: Packet(VICTIM, network.far(), 80, network.port(), 6, 24, 900)
    )
    for strict, count in ((False, 0), (True, 1)):
        limit = Threshold(2000.0, "packets", strict=strict, service="tcp/80")
        found = detect(network, thresholds=(limit, QUIET), watched=network.watched)
        assert len(found) == count


def test_what_a_person_calls_no_attack_is_usual_from_then_on(network: Network) -> None:
    network.send(BEGIN, END + 60, 9000, reflected(network, 389, 1400))
    detector, known = Volumetric(), Knowledge(home=(network.home,))
    told: list[float] = []
    for window in network.windows():
        for finding in detector.inspect(window, known):
            told.append((window.end - EPOCH) / 1e9)
            if len(told) == 3:
                detector.accept(finding.key)
                detector.accept("in/nothing")
    # It is told until then, and not again, though it goes on for longer than it is waited.
    assert len(told) == 3
    # Another flood, twelve times as much, is told.
    more = Network(seed=2)
    more.send(0, 5, 110_000, reflected(more, 389, 1400))
    last = round(END + 62)
    shifted = [(time + last, packet) for time, packet in more.packets]
    more.packets = shifted
    assert any(list(detector.inspect(window, known)) for window in more.windows())


def test_who_is_spared_is_not_judged(network: Network) -> None:
    network.send(BEGIN, END, 60_000, spoofed(network, 17, 0, 100))
    spared = ((bytes(10) + b"\xff\xff" + bytes((198, 18, 0, 0)), 96 + 20),)
    assert detect(network, spared=spared) == {}


def test_filters_spare_earlier_traffic(network: Network) -> None:
    network.send(BEGIN, END, 60_000, reflected(network, 123, 468))
    finding = one(detect(network))
    suggested = finding.evidence["suggested"]
    assert isinstance(suggested, list)
    assert [each["source_ports"] for each in suggested] == [[[123, 123]]]
    assert [each["lengths"] for each in suggested] == [[[468, 468]]]
    assert finding.evidence["suggested_cover"] == 1.0
    assert finding.evidence["suggested_collateral"] == 0.0


def test_rows_of_any_octets_do_no_harm() -> None:
    random = np.random.default_rng(7)
    detector = Volumetric()
    for number in range(20):
        end = EPOCH + number * SLOT
        rows = np.frombuffer(random.bytes(40 * VOLUME.itemsize), VOLUME).copy()
        traffic = np.frombuffer(random.bytes(200 * TRAFFIC.itemsize), TRAFFIC).copy()
        rows["time"] = traffic["time"] = end
        rows["length"] %= 129
        # The core hands on numbers; only their size is anybody's.
        rows["sources"] = random.random(40) * 1e9
        if number % 2:
            rows["address"] = rows["address"][0]
            traffic["dst"] = rows["address"][0]
            rows["packets"] %= 1_000_000
        window = Window(end - SLOT, end, volumes=rows, traffic=traffic)
        for finding in detector.inspect(window, Knowledge()):
            check_finding(detector, finding)
            json.dumps(dict(finding.evidence), allow_nan=False)
