"""Peers, measured on the same file in the same run."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from phage.daemon.benchmark.kitsune import Ensemble, Features, PacketFields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRUCT = "struct.unpack in Python"
KITSUNE = "Kitsune's method in Python and NumPy"

DECODED_PACKETS = 100_000
# The method slows down with every packet of a flood; this many are timed after as many untimed.
KITSUNE_PACKETS = 2000


def _frames(path: Path, limit: int) -> Iterator[tuple[float, int, bytes]]:
    """Yield time, length and bytes of the first frames of a nanosecond pcap file."""
    with path.open("rb") as file:
        file.seek(24)
        for _ in range(limit):
            header = file.read(16)
            if len(header) < 16:
                return
            seconds, rest, captured, length = struct.unpack("<IIII", header)
            yield seconds + rest * 1e-9, length, file.read(captured)


def _fields(time_s: float, length: int, frame: bytes) -> PacketFields:
    src, dst, src_port, dst_port = struct.unpack_from("!4s4sHH", frame, 26)
    return PacketFields(
        time=time_s,
        length=length,
        src_mac=frame[6:12].hex(":"),
        dst_mac=frame[:6].hex(":"),
        src=".".join(map(str, src)),
        dst=".".join(map(str, dst)),
        src_port=str(src_port),
        dst_port=str(dst_port),
    )


def decode_rate(path: Path) -> float:
    """Return packets a second for reading and unpacking the plain IPv4 fields in Python."""
    began = time.thread_time()
    count = 0
    for frame in _frames(path, DECODED_PACKETS):
        _fields(*frame)
        count += 1
    return count / (time.thread_time() - began)


def kitsune_rate(path: Path, *, train: bool, skip: int = 0) -> float:
    """Return packets a second for features and ensemble, after a run-up of as many packets.

    With `skip` the frames before are left out, so that a flood that comes later is met.
    """
    features, ensemble = Features(), Ensemble(100)
    began = 0.0
    for number, frame in enumerate(_frames(path, skip + 2 * KITSUNE_PACKETS)):
        if number < skip:
            continue
        if number == skip + KITSUNE_PACKETS:
            began = time.thread_time()
        row = features.extract(_fields(*frame))
        if train or number < skip + KITSUNE_PACKETS:
            ensemble.train(row)
        else:
            ensemble.execute(row)
    return KITSUNE_PACKETS / (time.thread_time() - began)
