from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phage.daemon import banmeter
from phage.daemon.banmeter import BanMeter
from phage.daemon.live import MAX_TALKERS, Live, is_drop
from phage.detect.volumes.targets import target_of
from phage.detect.volumes.thresholds import Near
from phage.records.decision import Direction, Target, TargetKind
from phage.records.threshold import Threshold
from phage.testing.records import EPOCH, make_decision
from phage.testing.windows import SECOND, WindowBuilder, at, device, remote

if TYPE_CHECKING:
    from phage.records import Window
    from phage.records.decision import Decision
    from phage.testing.windows import Endpoint

LAPTOP, CAMERA, WEB = device(5), device(6), remote(9)


def window(seconds: float, *hosts: tuple[Endpoint, int, int]) -> Window:
    builder = WindowBuilder(start=at(seconds))
    for host, sent, received in hosts:
        builder.host(host, packets=(sent, received), octets=(sent * 100, received * 100))
    made = builder.build()
    return replace(made, packets=sum(sent for _, sent, _ in hosts), octets=1000)


def decided(kind: TargetKind, value: str, number: int = 0, **values: object) -> Decision:
    return make_decision(number, target=Target(kind, value), **values)


def counted(meter: BanMeter) -> dict[str, tuple[int, int]]:
    return {each.target.value: (packets, octets) for each, packets, octets in meter.counted()}


def test_the_last_minute_and_nothing_older_is_told() -> None:
    live = Live(list, dict)
    live.window(window(0, (CAMERA, 50, 0)))
    live.window(window(58, (LAPTOP, 10, 20)))
    live.window(window(62, (LAPTOP, 1, 2), (WEB, 22, 11)))

    told = live.snapshot(at(64), 10)

    assert [(row["ip"], row["packets"]) for row in told["sources"]] == [
        (WEB.ip, 22),
        (LAPTOP.ip, 11),
    ]
    assert [row["packets"] for row in told["destinations"]] == [22, 11]
    assert told["sources"][1]["mac"] == LAPTOP.mac
    assert told["sources"][1]["device"]
    assert not told["sources"][0]["device"]


def test_the_rate_is_that_of_the_last_whole_seconds() -> None:
    live = Live(list, dict)
    for second in range(10):
        live.window(window(second, (LAPTOP, 100, 0)))
    assert live.snapshot(at(10), 5)["packets_a_second"] == 100
    assert live.snapshot(at(30), 5)["packets_a_second"] == 0
    assert len(live.snapshot(at(10), 5)["rates"]) == 10


def test_no_flood_of_hosts_takes_more_than_its_room() -> None:
    live = Live(list, dict)
    for part in range(12):
        live.window(window(0.1, *((remote(part * 500 + n), 1, 0) for n in range(500))))
    told = live.snapshot(at(1), 200)
    assert told["drops"]["hosts_left_out"] == 6000 - MAX_TALKERS
    assert len(told["sources"]) == 200


def test_of_many_hosts_in_a_window_the_busiest_are_kept() -> None:
    live = Live(list, dict)
    hosts = [(remote(number), number, 0) for number in range(1, 2000)]
    live.window(window(0, *hosts))
    told = live.snapshot(at(1), 3)
    assert [row["packets"] for row in told["sources"]] == [1999, 1998, 1997]


def test_what_the_blocked_still_send_is_counted() -> None:
    ban = decided(TargetKind.IP, WEB.ip)
    live = Live(lambda: [ban], lambda: {"packets": 7, "store_dropped": 3})
    live.window(window(0, (WEB, 5, 2), (LAPTOP, 1, 1)))
    live.window(window(1, (WEB, 6, 0)))

    told = live.snapshot(at(2), 10)

    (row,) = told["bans"]
    assert (row["target"], row["packets"], row["octets"]) == (WEB.ip, 11, 1100)
    assert told["bans_total"] == 1
    assert told["drops"] == {"store_dropped": 3, "hosts_left_out": 0}


@pytest.mark.parametrize(
    ("kind", "value", "direction", "packets"),
    [
        (TargetKind.IP, LAPTOP.ip, Direction.FROM, 3),
        (TargetKind.IP, LAPTOP.ip, Direction.TO, 4),
        (TargetKind.IP, LAPTOP.ip, Direction.BOTH, 7),
        (TargetKind.PREFIX, "192.168.1.0/24", Direction.FROM, 13),
        (TargetKind.MAC, LAPTOP.mac, Direction.FROM, 3),
        (TargetKind.DEVICE, LAPTOP.mac, Direction.FROM, 3),
        (TargetKind.PREFIX, "2001:db8::/32", Direction.FROM, 0),
        (TargetKind.DOMAIN, "example.com", Direction.FROM, 0),
    ],
)
def test_a_ban_counts_its_target(
    kind: TargetKind, value: str, direction: Direction, packets: int
) -> None:
    meter = BanMeter()
    meter.watch([decided(kind, value, direction=direction)])
    meter.take(window(0, (LAPTOP, 3, 4), (CAMERA, 10, 0), (WEB, 99, 99)).hosts)
    assert counted(meter) == {value: (packets, packets * 100)}


def test_who_is_free_is_forgotten_and_the_others_go_on() -> None:
    first, second = decided(TargetKind.IP, LAPTOP.ip, 1), decided(TargetKind.IP, CAMERA.ip, 2)
    meter = BanMeter()
    meter.watch([first])
    meter.take(window(0, (LAPTOP, 3, 0)).hosts)
    meter.watch([first, second])
    meter.take(window(1, (LAPTOP, 3, 0), (CAMERA, 1, 0)).hosts)
    assert counted(meter) == {LAPTOP.ip: (6, 600), CAMERA.ip: (1, 100)}
    meter.watch([second])
    assert counted(meter) == {CAMERA.ip: (1, 100)}


def test_beyond_the_room_the_newest_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banmeter, "MAX_WATCHED", 1)
    meter = BanMeter()
    meter.watch([decided(TargetKind.IP, LAPTOP.ip, 1), decided(TargetKind.IP, CAMERA.ip, 2)])
    assert counted(meter).keys() == {CAMERA.ip}
    assert meter.unwatched == 1


def test_a_drop_is_told_by_its_name() -> None:
    assert is_drop("streams.socket.evictions")
    assert is_drop("matches_omitted")
    assert not is_drop("packets")
    assert at(0) % SECOND == 0


def test_who_is_near_to_a_threshold_is_told_while_it_is_so() -> None:
    host = target_of(bytes(10) + b"\xff\xff\xc0\x00\x02\x01\x80")
    near = Near(host, Threshold(200.0), 90.0, EPOCH)
    live = Live(list, dict, lambda: [near])
    (told,) = live.snapshot(EPOCH + SECOND, 5)["nearest"]
    assert told == {
        "target": "192.0.2.1/32",
        "threshold": "200 packets/s to a host",
        "measure": "packets",
        "value": 90.0,
        "limit": 200.0,
    }
    assert live.snapshot(EPOCH + 6 * SECOND, 5)["nearest"] == []
