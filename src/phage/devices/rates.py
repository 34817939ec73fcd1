"""What devices send, added up minute by minute: a single window is little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.devices.keyuse import MINUTE_NS
from phage.records.address import format_address, format_mac
from phage.records.columns import HostMark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phage.records.window import Columns, Window

    Part = tuple[Columns, Columns, Columns]
    """MAC addresses, addresses, and what was counted of each."""

SENT = ("arp_request", "flows", "syn", "udp", "unanswered", "echo")
COUNTS = ("dns_failures", "new_peers")
SPREAD = ("peers", "ports")
"""Distinct peers and ports of the last minute: the most of it counts, not the sum."""

UPLOAD = 10_000_000
"""Octets sent in a minute from which they are compared with what was received."""

_SUMMED = len(SENT) + len(COUNTS) + 2
"""Columns that are added up: these, and octets sent and received."""

PARTS = 16
"""Windows whose rows are kept apart, four seconds of them: a minute's would be megabytes."""


class RateMeter:
    """Gathers rows of hosts, and hands them on when the minute is over."""

    def __init__(self) -> None:
        self._gathered: list[Part] = []
        self._minute = 0

    def take(self, window: Window) -> Iterator[tuple[str, str, Mapping[str, float]]]:
        """Take in a window; yield MAC, address and counts of each device when a minute is over."""
        minute = window.end // MINUTE_NS
        if minute != self._minute:
            self._minute = minute
            gathered, self._gathered = self._gathered, []
            if gathered:
                yield from _told(_added_up(gathered))
        hosts = window.hosts
        rows = np.flatnonzero(((hosts["marks"] & HostMark.DEVICE) != 0) & (hosts["mac"] != 0))
        if len(rows):
            counts = [hosts[name][:, 0] for name in SENT] + [hosts[name] for name in COUNTS]
            counts += [hosts["octets"][:, way] for way in (0, 1)]
            counts += [hosts[name][:, 0] for name in SPREAD]
            table = np.empty((len(rows), len(counts)))
            for place, column in enumerate(counts):
                table[:, place] = column[rows]
            self._gathered.append((hosts["mac"][rows], hosts["address"][rows], table))
            if len(self._gathered) > PARTS:
                self._gathered = [_added_up(self._gathered)]


def _added_up(gathered: list[Part]) -> Part:
    """Return one row for each device."""
    macs, addresses, counts = (
        np.concatenate([part[index] for part in gathered]) for index in range(3)
    )
    distinct, first, place = np.unique(macs, return_index=True, return_inverse=True)
    sums = np.zeros((len(distinct), counts.shape[1]))
    np.add.at(sums[:, :_SUMMED], place, counts[:, :_SUMMED])
    np.maximum.at(sums[:, _SUMMED:], place, counts[:, _SUMMED:])
    return distinct, addresses[first], sums


def _told(sums: Part) -> Iterator[tuple[str, str, Mapping[str, float]]]:
    for number, address, values in zip(*(column.tolist() for column in sums), strict=True):
        *counts, sent, received, peers, ports = values
        rates = dict(zip((*SENT, *COUNTS), counts, strict=True))
        rates |= {"peers": peers, "ports": ports, "up_down": up_down(sent, received)}
        yield format_mac(number), format_address(address), rates


def up_down(sent: float, received: float) -> float:
    """Return how many times as much was sent as received, in octets; 0 where little was sent."""
    return sent / max(received, 1.0) if sent >= UPLOAD else 0.0
