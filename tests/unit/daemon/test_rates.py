"""What interfaces carry is told to InfluxDB and to Prometheus."""

from __future__ import annotations

import numpy as np

from phage.clock import FixedClock
from phage.daemon.rates import InfluxSink, by_interface, count_interfaces
from phage.records import Window
from phage.records.columns import REQUEST
from phage.telemetry.metrics import Registry
from phage.testing.records import EPOCH


class _Collector:
    def __init__(self, interface: str, **counters: int) -> None:
        self.interface = interface
        self.values = counters

    def counters(self) -> dict[str, int]:
        return self.values


def test_rates_of_interfaces_and_who_asks_most() -> None:
    eth0 = [_Collector("eth0", packets=5, octets=500, requests=1), _Collector("eth0", packets=5)]
    lines: list[str] = []
    clock = FixedClock(EPOCH)
    sink = InfluxSink(eth0, lines.extend, clock, 10.0, {"host": "h"})
    rows = np.zeros(1, dtype=REQUEST)
    rows[0] = (EPOCH, 40, 2400, bytes(10) + b"\xff\xff" + bytes([203, 0, 113, 9]))
    sink.window(Window(EPOCH, EPOCH))
    sink.window(Window(EPOCH, EPOCH, requests=rows))
    assert lines == []
    eth0[0].values = {"packets": 105, "octets": 1500, "requests": 41}
    clock.nanoseconds += 10_000_000_000
    sink.window(Window(EPOCH, EPOCH))
    told = [each.rpartition(" ")[0] for each in lines]
    assert told == [
        "throughput,host=h,interface=eth0 value=800.0",
        "packets,host=h,interface=eth0 value=10.0",
        "requests,host=h,interface=eth0 value=4.0",
        "source_requests,host=h,source=203.0.113.9 value=4.0",
    ]
    sink.close()


def test_prometheus_has_a_series_for_each_interface() -> None:
    registry = Registry()
    collectors = [_Collector("eth0", packets=5), _Collector("udp [::]:2055", packets=7, records=2)]
    count_interfaces(registry, collectors)
    text = registry.exposition()
    assert 'phage_collect_packets_total{interface="eth0"} 5' in text
    assert 'phage_collect_records_total{interface="udp [::]:2055"} 2' in text
    assert by_interface(collectors)["eth0"]["packets"] == 5
