from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from phage.daemon import trafficsink
from phage.daemon.trafficsink import TrafficSink
from phage.records.columns import Event, TcpState
from phage.store.repositories.traffic import Traffic, TrafficKind
from phage.testing.windows import WindowBuilder, at, device, remote

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from phage.store.writer import Writer

LAPTOP, CAMERA, WEB = device(5), device(6), remote(9)


class FakeWriter:
    def __init__(self) -> None:
        self.rows: list[Traffic] = []

    def traffic(self, traffic: Iterable[Traffic]) -> None:
        self.rows += traffic

    def of(self, kind: TrafficKind) -> dict[tuple[str, str], Traffic]:
        return {(each.name, each.peer): each for each in self.rows if each.kind is kind}


def fed(*windows: WindowBuilder) -> FakeWriter:
    writer = FakeWriter()
    sink = TrafficSink(cast("Writer", writer))
    for window in windows:
        sink.window(window.build())
    sink.close()
    return writer


def flowing(seconds: float, *, ended: bool, **values: Any) -> WindowBuilder:
    event = Event.ENDED if ended else Event.UPDATED
    return WindowBuilder(start=at(seconds)).flow(
        LAPTOP, WEB, 443, state=TcpState.CLOSED, sent=3, received=4, event=event, **values
    )


def test_hosts_are_counted_as_they_send() -> None:
    first = WindowBuilder(start=at(0)).host(LAPTOP, packets=(3, 4), octets=(30, 40))
    second = WindowBuilder(start=at(1)).host(LAPTOP, packets=(1, 1), octets=(10, 10))
    second.host(WEB, packets=(5, 5), octets=(50, 50))
    hosts = fed(first, second).of(TrafficKind.HOST)
    assert hosts[LAPTOP.mac, ""].octets == (40, 50)
    assert hosts[LAPTOP.mac, ""].packets == (4, 5)
    assert hosts[WEB.ip, ""].octets == (50, 50)


def test_services_and_pairs_are_counted_when_flows_end() -> None:
    writer = fed(flowing(0, ended=False), flowing(1, ended=True), flowing(2, ended=True))
    (service,) = writer.of(TrafficKind.SERVICE).values()
    assert (service.name, service.flows, service.packets) == ("tcp/443", 2, (6, 8))
    (pair,) = writer.of(TrafficKind.PAIR)
    assert pair == (LAPTOP.mac, WEB.ip)


def test_each_minute_is_handed_over_by_itself() -> None:
    writer = fed(flowing(0, ended=True), flowing(70, ended=True))
    minutes = [each.at for each in writer.rows if each.kind is TrafficKind.PAIR]
    assert len(minutes) == 2
    assert minutes[1] - minutes[0] == 60 * 10**9


def test_of_too_many_names_the_first_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trafficsink, "MAX_COUNTED", 2)
    builder = WindowBuilder(start=at(0))
    for number in range(5):
        builder.host(remote(number), packets=(1, 0), octets=(1, 0))
    writer = FakeWriter()
    sink = TrafficSink(cast("Writer", writer))
    sink.window(builder.build())
    assert sink.left_out == 3
