"""The contract of a collector: where windows come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.records import Window


@frozen
class FrameSelection:
    """Which of the kept frames are wanted: those with one of these addresses or MACs."""

    since: int
    until: int
    addresses: tuple[bytes, ...] = ()
    macs: tuple[int, ...] = ()
    limit: int = 1000


@runtime_checkable
class Collector(Protocol):
    """Turns an interface, a file or an exporter into windows.

    `windows` is used by one thread; the other methods are called by the same thread between two
    windows. A collector that has no frames, scores or model answers with nothing.
    """

    name: str
    """The collector's name, as settings and counters carry it."""

    summary: str
    """What it reads, in one line."""

    def windows(self) -> Iterator[Window]:
        """Yield windows until the source ends or the collector is stopped."""

    def counters(self) -> Mapping[str, int]:
        """Return cumulative counters: packets, octets, drops, faults by kind, table sizes."""

    def faults(self) -> Sequence[str]:
        """Return what was wrong with the source itself, a line each."""

    def frames(self, selection: FrameSelection) -> bytes:
        """Return the frames that are still kept and selected, as a pcap file; b'' for none."""

    def scores(self) -> bytes:
        """Return the scores (f32) of the packets since the last call; NaN while learning."""

    def save_model(self) -> bytes:
        """Return the state of the model; b'' when there is none."""

    def load_model(self, state: bytes) -> None:
        """Take over a saved state. Raises StateError when it cannot be used."""

    def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Take a device's behaviour in a time range as normal."""

    def distrust(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Learn nothing of a device's traffic in a time range; it may lie in the future."""

    def stop(self) -> None:
        """Make `windows` end soon; may be called from a signal handler or another thread."""

    def close(self) -> None:
        """Give the source back."""


class WithoutPackets:
    """The part of the contract that is empty where no packets come: no frames, scores, model."""

    def frames(self, selection: FrameSelection) -> bytes:
        """Return none."""
        del selection
        return b""

    def scores(self) -> bytes:
        """Return none."""
        return b""

    def save_model(self) -> bytes:
        """Return none."""
        return b""

    def load_model(self, state: bytes) -> None:
        """Take nothing over."""

    def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Learn nothing."""

    def distrust(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Learn nothing."""
