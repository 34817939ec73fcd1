"""Routers are learned early or late, never in the middle of an attack."""

from __future__ import annotations

from phage.detect.routers import Routers
from phage.records import Window
from phage.records.columns import HOST, HostMark
from phage.testing.windows import EPOCH, ROUTER, SECOND, columns, device, make_host

HOUR = 3600 * SECOND
IMPOSTOR = device(66)
MARKS = HostMark.HOME | HostMark.DEVICE | HostMark.ROUTER


def window(hours: float, *macs: int, learning: bool = False) -> Window:
    hosts = [make_host(ROUTER, mac=mac, marks=MARKS) for mac in macs]
    end = EPOCH + round(hours * HOUR)
    return Window(end - SECOND, end, hosts=columns(hosts, HOST), learning=learning)


def test_what_is_marked_while_learning_is_a_router() -> None:
    routers = Routers()
    routers.take(window(0, ROUTER.mac_number, learning=True))
    routers.take(window(1))
    assert routers.known == {ROUTER.mac}


def test_the_first_is_believed_when_none_is_known() -> None:
    routers = Routers()
    routers.take(window(0, ROUTER.mac_number))
    assert routers.known == {ROUTER.mac}


def test_another_is_believed_after_a_day() -> None:
    routers = Routers()
    for hours in range(24):
        routers.take(window(hours, ROUTER.mac_number, IMPOSTOR.mac_number, learning=False))
        routers.take(window(hours, ROUTER.mac_number))
    assert routers.known >= {ROUTER.mac}
    late = Routers()
    late.take(window(0, ROUTER.mac_number))
    for hours in range(1, 30):
        late.take(window(hours, IMPOSTOR.mac_number))
        assert (IMPOSTOR.mac in late.known) == (hours >= 25)


def test_one_that_a_finding_names_begins_anew() -> None:
    routers = Routers()
    routers.take(window(0, ROUTER.mac_number))
    for hours in range(1, 48):
        suspects = {IMPOSTOR.mac} if hours == 20 else set[str]()
        routers.take(window(hours, IMPOSTOR.mac_number), suspects)
        assert (IMPOSTOR.mac in routers.known) == (hours >= 45)
    # A known router is a party of many findings, and stays.
    routers.take(window(50, ROUTER.mac_number), {ROUTER.mac})
    assert ROUTER.mac in routers.known


def test_what_is_not_seen_for_long_is_forgotten_and_the_number_is_bounded() -> None:
    routers = Routers(most=8)
    for number in range(100):
        routers.take(window(number, 0x02_00_00_00_00_00 + number, learning=True))
        assert len(routers.known) <= 8
    assert routers.dropped == 92
    routers.take(window(2000, ROUTER.mac_number))
    assert routers.known == {ROUTER.mac}
