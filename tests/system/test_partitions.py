"""Sensors and detectors over a real Redis: parts are shared, counters added, the lost replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.bus.partitions import (
    PARTS,
    Lease,
    Merger,
    Roster,
    Share,
    merge,
    parts_of,
    publish,
    rendezvous,
    split,
)
from phage.records import Window
from phage.records.columns import FLOW, TRAFFIC, VOLUME
from phage.testing.records import EPOCH
from phage.testing.redis import redis_server
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

pytestmark = pytest.mark.system

SLOT = 500_000_000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as found:
            yield found
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def client(url: str) -> Iterator[Redis]:
    from redis import Redis

    client = Redis.from_url(url)
    client.flushdb()
    yield client
    client.close()


def mapped(*octets: int) -> bytes:
    return bytes(10) + b"\xff\xff" + bytes(octets)


def window(*hosts: bytes, packets: int = 10, slot: int = 0) -> Window:
    volumes = np.zeros(len(hosts), VOLUME)
    traffic = np.zeros(len(hosts), TRAFFIC)
    for rows in (volumes, traffic):
        rows["time"] = EPOCH + slot * SLOT
    for number, host in enumerate(hosts):
        volumes["address"][number] = host
        traffic["dst"][number] = host
    volumes["packets"][:, 0, 4] = packets
    volumes["octets"][:, 0] = packets * 100
    volumes["length"] = 128
    traffic["home"] = 2
    end = EPOCH + slot * SLOT
    return Window(end - SLOT, end, volumes=volumes, traffic=traffic, from_exports=True)


def test_a_network_stays_together_and_networks_are_spread() -> None:
    rows = np.zeros(600, VOLUME)["address"]
    for number in range(600):
        rows[number] = mapped(10, number % 200, number // 200, 1)
    parts = parts_of(rows)
    assert (parts[:200] == parts[200:400]).all()
    assert len(set(parts.tolist())) > PARTS // 2
    v6 = np.zeros(2, VOLUME)["address"]
    v6[0], v6[1] = (
        bytes.fromhex("20010db8000100000000000000000001"),
        bytes.fromhex("20010db80001ffff0000000000000001"),
    )
    assert len(set(parts_of(v6).tolist())) == 1


def test_nothing_is_lost_in_the_cuts() -> None:
    hosts = [mapped(10, number, 0, 1) for number in range(100)]
    flows = np.zeros(3, FLOW)
    whole = window(*hosts)
    whole = Window(whole.start, whole.end, 7, 8, flows=flows, volumes=whole.volumes,
                   traffic=whole.traffic)  # fmt: skip
    cuts = split(whole, "edge")
    assert sum(len(cut.volumes) for cut in cuts.values()) == 100
    assert sum(len(cut.traffic) for cut in cuts.values()) == 100
    assert sum(len(cut.flows) for cut in cuts.values()) == 3
    assert sum(cut.packets for cut in cuts.values()) == 7


def test_counters_of_the_same_prefix_are_added_up() -> None:
    one, two = window(mapped(10, 0, 0, 1), mapped(10, 0, 0, 2)), window(mapped(10, 0, 0, 2))
    rows = merge([one.volumes, two.volumes])
    assert sorted(rows["packets"][:, 0, 4].tolist()) == [10, 20]
    full = two.volumes.copy()
    full["packets"][:, 0, 4] = 2**32 - 5
    assert merge([full, two.volumes])["packets"][0, 0, 4] == 2**32 - 1


def test_sensors_are_joined_before_a_detector_looks() -> None:
    merger = Merger()
    assert merger.take(window(mapped(10, 0, 0, 1), slot=1), 0) is None
    merger.take(window(mapped(10, 0, 0, 1), slot=1), 400_000_000)
    merger.take(window(mapped(10, 0, 0, 1), slot=2), 500_000_000)
    assert not list(merger.ready(900_000_000))
    (joined,) = merger.ready(1_000_000_000)
    assert joined.volumes["packets"][0, 0, 4] == 20
    assert len(joined.traffic) == 2
    assert len(list(merger.ready(2_000_000_000))) == 1


def test_only_the_parts_of_who_left_move() -> None:
    before = {part: rendezvous(str(part), ["a", "b", "c"]) for part in range(PARTS)}
    after = {part: rendezvous(str(part), ["a", "b"]) for part in range(PARTS)}
    assert all(after[part] == owner for part, owner in before.items() if owner != "c")
    assert {before[part] for part in before} == {"a", "b", "c"}


def test_detectors_share_the_parts_and_replace_the_lost(client: Redis) -> None:
    first, second = Share(client, "t", "first"), Share(client, "t", "second")
    for share in (first, second, first, second):
        share.beat()
    assert set(first.parts) | set(second.parts) == set(range(PARTS))
    assert not set(first.parts) & set(second.parts)
    hosts = [mapped(10, number, 0, 1) for number in range(200)]
    publish(client, "t", window(*hosts), "edge")
    read = [sum(len(each.volumes) for each in share.read(0.1)) for share in (first, second)]
    assert sum(read) == 200
    assert min(read) > 20
    # The first one dies without a word: soon the second has all, and what came meanwhile.
    first.beat()
    publish(client, "t", window(*hosts, slot=1), "edge")
    seen: list[int] = []

    def has_all() -> bool:
        second.beat()
        seen.extend(len(each.volumes) for each in second.read(0.01))
        return len(second.parts) == PARTS

    until("all parts", has_all, pause=0.25)
    seen.extend(len(each.volumes) for each in second.read(0.1))
    assert sum(seen) == 200
    assert second.members == ("second",)


def test_who_leaves_is_replaced_at_once(client: Redis) -> None:
    first, second = Share(client, "t", "first"), Share(client, "t", "second")
    for share in (first, second, first, second):
        share.beat()
    first.leave()
    second.beat()
    assert second.parts == tuple(range(PARTS))


def test_a_lease_has_one_holder(client: Redis) -> None:
    one, two = Lease(client, "t:lease", "one"), Lease(client, "t:lease", "two")
    assert one.hold()
    assert one.hold()
    assert not two.hold()
    two.release()
    assert one.hold()
    one.release()
    assert two.hold()


def test_a_lost_sensor_is_noticed(client: Redis) -> None:
    here = Roster(client, "t", "sensor", "here")
    there = Roster(client, "t", "sensor", "there")
    there.beat()
    here.beat()
    assert here.alive == ("here", "there")

    def lost() -> tuple[str, ...]:
        here.beat()
        return here.lost

    until("a loss", lost, pause=0.2)
    assert here.lost == ("there",)


def test_forged_messages_are_counted(client: Redis) -> None:
    share = Share(client, "t", "only")
    share.beat()
    client.xadd("t:part:3", {"w": b"nonsense"})
    client.xadd("t:part:3", {"x": b""})
    assert list(share.read(0.1)) == []
    assert share.dropped == 2
