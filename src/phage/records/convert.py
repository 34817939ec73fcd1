"""From the core's raw windows to records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.records.address import format_address, format_mac
from phage.records.columns import FLOW, HOST, MATCH, REQUEST, SCORE, TRAFFIC, USE, VOLUME
from phage.records.observation import Observation
from phage.records.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage._native import RawObservation, RawWindow  # noqa: TID251  Types, not code.


def observation_from_raw(raw: RawObservation) -> Observation:
    """Make an observation of the core's tuple."""
    kind, time, packet, src, dst, src_mac, dst_mac, src_port, dst_port, vlan, protocol = raw[:11]
    return Observation(
        kind=kind,
        time=time,
        packet=packet,
        src=format_address(src),
        dst=format_address(dst),
        src_port=src_port,
        dst_port=dst_port,
        src_mac=format_mac(src_mac),
        dst_mac=format_mac(dst_mac),
        vlan=vlan,
        protocol=protocol,
        device=raw[11],
        flow=raw[12],
        fields=dict(raw[13]),
    )


def window_from_raw(
    raw: RawWindow,
    counters: Mapping[str, int],
    volumes: tuple[bytes, bytes] = (b"", b""),
    requests: bytes = b"",
    uses: bytes = b"",
    *,
    from_exports: bool = False,
    collector: int = 0,
    interface: str = "",
) -> Window:
    """Make a window of the core's tuple; the columns share its memory and cannot be written."""
    start, end, packets, octets, flows, hosts, scores, matches = raw[:8]
    observations, learning = raw[8:]
    return Window(
        start=start,
        end=end,
        packets=packets,
        octets=octets,
        flows=np.frombuffer(flows, dtype=FLOW),
        uses=np.frombuffer(uses, dtype=USE),
        hosts=np.frombuffer(hosts, dtype=HOST),
        scores=np.frombuffer(scores, dtype=SCORE),
        matches=np.frombuffer(matches, dtype=MATCH),
        volumes=np.frombuffer(volumes[0], dtype=VOLUME),
        traffic=np.frombuffer(volumes[1], dtype=TRAFFIC),
        requests=np.frombuffer(requests, dtype=REQUEST),
        observations=tuple(map(observation_from_raw, observations)),
        counters=counters,
        learning=learning,
        from_exports=from_exports,
        collector=collector,
        interface=interface,
    )
