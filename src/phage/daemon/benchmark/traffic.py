"""Synthetic traffic in capture files: a busy network, a flood of spoofed sources, and both.

Written column by column with NumPy, so that a million frames take a second or two. The same seed
gives the same bytes.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from phage.frozen import frozen

if TYPE_CHECKING:
    from pathlib import Path

PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
START = 1_700_000_000_000_000_000
# The lengths of a mixed load, about 450 octets at the mean: acknowledgements, requests, full
# segments.
LENGTHS = np.array([60, 66, 90, 200, 576, 1200, 1514, 60, 66, 60, 1514, 66], dtype=np.int64)
# A home at 100 Mbit/s: downloads and streams in full segments, their acknowledgements, little else.
HOME_LENGTHS = np.array([1514, 66, 1514, 66, 1514, 66, 1514, 1514, 300, 90], dtype=np.int64)
GATEWAY = 0x02_00_00_00_00_FE
SERVICES = np.array([443, 443, 443, 80, 22, 8883, 3478, 123], dtype=np.uint16)


@frozen
class Frames:
    """Columns of frames: times in nanoseconds, addresses as numbers, lengths in octets."""

    time: npt.NDArray[np.int64]
    src_mac: npt.NDArray[np.uint64]
    dst_mac: npt.NDArray[np.uint64]
    src: npt.NDArray[np.uint32]
    dst: npt.NDArray[np.uint32]
    src_port: npt.NDArray[np.uint16]
    dst_port: npt.NDArray[np.uint16]
    protocol: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint8]
    length: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many frames there are."""
        return len(self.time)


def home_network(count: int) -> Frames:
    """Make the traffic of a home: 254 devices, 2,000 conversations at a time, large packets."""
    return busy_network(count, clients=254, most=2000, lengths=HOME_LENGTHS)


def busy_network(
    count: int,
    seed: int = 1,
    seconds: float = 100.0,
    clients: int = 2000,
    most: int = 20_000,
    lengths: npt.NDArray[np.int64] = LENGTHS,
) -> Frames:
    """Make conversations of home hosts with remote ones, by Zipf's law, both ways."""
    rng = np.random.default_rng(seed)
    conversations = max(1, min(most, count // 20))
    client = 0x0A000001 + rng.integers(0, clients, conversations, dtype=np.uint32)
    server = 0x2D000000 + rng.integers(0, 5000, conversations, dtype=np.uint32) * np.uint32(977)
    service = rng.choice(SERVICES, conversations)
    port = rng.integers(32_768, 61_000, conversations, dtype=np.uint16)
    weight = 1.0 / np.arange(1, conversations + 1) ** 1.05
    pick = rng.choice(conversations, count, p=weight / weight.sum())
    reply = rng.random(count) < 0.5
    # A conversation takes up a new port now and then: about two sockets each.
    fresh = (rng.random(count) < 0.002).astype(np.uint16)
    jump = np.zeros(count, dtype=np.uint16)
    order = np.argsort(pick, kind="stable")
    jump[order] = np.cumsum(fresh[order], dtype=np.uint64).astype(np.uint16)
    client_port = (port[pick] + jump % 1000).astype(np.uint16)
    udp = np.isin(service[pick], (3478, 123))
    client_mac = np.uint64(0x02_00_00_00_00_00_00) + client[pick].astype(np.uint64)
    gateway = np.full(count, GATEWAY, dtype=np.uint64)
    return Frames(
        time=START + np.sort(rng.integers(0, int(seconds * 1e9), count)),
        src_mac=np.where(reply, gateway, client_mac),
        dst_mac=np.where(reply, client_mac, gateway),
        src=np.where(reply, server[pick], client[pick]),
        dst=np.where(reply, client[pick], server[pick]),
        src_port=np.where(reply, service[pick], client_port),
        dst_port=np.where(reply, client_port, service[pick]),
        protocol=np.where(udp, 17, 6).astype(np.uint8),
        flags=np.full(count, 0x10, dtype=np.uint8),
        length=rng.choice(lengths, count),
    )


def spoofed_flood(count: int, sources: int, seed: int = 1, seconds: float = 10.0) -> Frames:
    """Make a SYN flood from random sources against one home server."""
    rng = np.random.default_rng(seed + 1)
    # An odd multiplier walks the whole 32-bit space: as many distinct sources as are asked for.
    number = rng.permutation(count).astype(np.uint64) % np.uint64(sources)
    src = (number * np.uint64(2_654_435_761) % np.uint64(1 << 32)).astype(np.uint32)
    src = np.where(src >> 24 == 10, src ^ np.uint32(0x80000000), src)
    return Frames(
        time=START + np.sort(rng.integers(0, int(seconds * 1e9), count)),
        src_mac=np.full(count, GATEWAY, dtype=np.uint64),
        dst_mac=np.full(count, 0x02_00_0A_00_00_05, dtype=np.uint64),
        src=src,
        dst=np.full(count, 0x0A000005, dtype=np.uint32),
        src_port=rng.integers(1024, 65_535, count, dtype=np.uint16),
        dst_port=np.full(count, 80, dtype=np.uint16),
        protocol=np.full(count, 6, dtype=np.uint8),
        flags=np.full(count, 0x02, dtype=np.uint8),
        length=np.full(count, 60, dtype=np.int64),
    )


def mixed(first: Frames, second: Frames) -> Frames:
    """Put two runs of frames in one, by time."""
    order = np.argsort(np.concatenate([first.time, second.time]), kind="stable")
    return Frames(
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])[order]
            for name in Frames.__dataclass_fields__
        )
    )


def shifted(frames: Frames, nanoseconds: int) -> Frames:
    """Return the same frames, later."""
    return replace(frames, time=frames.time + nanoseconds)


def reported_prefixes(
    v4: int, v6: int, seed: int = 1
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Make prefixes as lists report them, most of them single addresses: octets, lengths, numbers.

    IPv4 lies outside the networks of `busy_network`, so that as good as every look-up misses: the
    longest search.
    """
    rng = np.random.default_rng(seed + 2)
    octets = rng.integers(0, 256, (v4 + v6, 16), dtype=np.uint8)
    octets[:v4, :12] = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)
    octets[:v4, 12] = rng.choice(np.array([5, 23, 45, 80, 91, 103, 185, 193], np.uint8), v4)
    octets[v4:, 0] = 0x20
    lengths = np.where(rng.random(v4 + v6) < 0.8, 128, 120).astype(np.uint8)
    lengths[v4:] = rng.choice(np.array([32, 48, 64, 128], np.uint8), v6)
    return octets, lengths, np.arange(v4 + v6, dtype=np.uint32)


def write_pcap(path: Path, frames: Frames, snap: int = 262_144) -> int:
    """Write frames as a nanosecond pcap file of Ethernet; return its octets."""
    lengths = np.maximum(frames.length, 60)
    captured = np.minimum(lengths, snap)
    starts = np.concatenate([[0], np.cumsum(captured + 16)])
    data = np.zeros(int(starts[-1]), dtype=np.uint8)
    at = starts[:-1]
    seconds, rest = np.divmod(frames.time, 1_000_000_000)
    _little(data, at, seconds, 4)
    _little(data, at + 4, rest, 4)
    _little(data, at + 8, captured, 4)
    _little(data, at + 12, lengths, 4)
    frame = at + 16
    _big(data, frame, frames.dst_mac, 6)
    _big(data, frame + 6, frames.src_mac, 6)
    data[frame + 12] = 0x08
    ip = frame + 14
    data[ip] = 0x45
    _big(data, ip + 2, lengths - 14, 2)
    data[ip + 8] = 64
    data[ip + 9] = frames.protocol
    _big(data, ip + 12, frames.src, 4)
    _big(data, ip + 16, frames.dst, 4)
    _big(data, ip + 20, frames.src_port, 2)
    _big(data, ip + 22, frames.dst_port, 2)
    tcp = frames.protocol == 6
    _big(data, ip[~tcp] + 24, lengths[~tcp] - 34, 2)
    data[ip[tcp] + 32] = 0x50
    data[ip[tcp] + 33] = frames.flags[tcp]
    with path.open("wb") as file:
        file.write(PCAP_HEADER)
        file.write(data.tobytes())
    return len(PCAP_HEADER) + len(data)


def _big(
    data: npt.NDArray[np.uint8],
    at: npt.NDArray[np.int64],
    values: npt.NDArray[np.generic],
    octets: int,
) -> None:
    wide = values.astype(np.uint64)
    for index in range(octets):
        data[at + index] = (wide >> np.uint64(8 * (octets - 1 - index))).astype(np.uint8)


def _little(
    data: npt.NDArray[np.uint8],
    at: npt.NDArray[np.int64],
    values: npt.NDArray[np.generic],
    octets: int,
) -> None:
    wide = values.astype(np.uint64)
    for index in range(octets):
        data[at + index] = (wide >> np.uint64(8 * index)).astype(np.uint8)
