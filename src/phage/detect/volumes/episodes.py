"""Attacks as they go on: opened, updated, and quiet for long enough to be over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from phage.detect.volumes.samples import entropy
from phage.detect.volumes.tops import Tops
from phage.records.address import format_address

if TYPE_CHECKING:
    from phage.detect.volumes.targets import Target
    from phage.records import Columns

SHOWN = 10
_SECOND = 1_000_000_000
# A pause of so long between two beats makes pulses of them.
_PAUSE = 2 * _SECOND


@dataclass(frozen=True, slots=True)
class Why:
    """What an attack was found by.

    Attributes:
        by: "threshold", "baseline", "signature" or "slow".
        measure: What was measured: "reply packets", "bits".
        value: How much a second.
        limit: What it exceeds.
        usual: What is usual; 0 where nothing was ever seen.
        seconds: Over how long.
        samples: Packets really seen in that time.
        text: The threshold, or other words.
    """

    by: str
    measure: str
    value: float
    limit: float
    usual: float
    seconds: int
    samples: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """What one slot says of an attack.

    Attributes:
        time: End of the slot.
        packets: Packets of the attack in the slot.
        octets: Octets of the attack in the slot.
        rate: Packets a second.
        bits: Bits a second.
        vectors: Packets by vector.
        sources: Distinct sources, or destinations of what is sent.
        hosts: Hosts of the target that moved.
        rows: Traffic of the attack, as far as it was shown.
        kinds: Classes of its traffic.
        why: What it exceeds.
    """

    time: int
    packets: float
    octets: float
    rate: float
    bits: float
    vectors: dict[str, float]
    sources: float
    hosts: int
    rows: Columns
    kinds: frozenset[int]
    why: Why


@dataclass(slots=True)
class Episode:
    """One attack.

    Attributes:
        key: Its name among the attacks of the detector, whatever becomes of its target.
        target: Who is attacked, or who attacks.
        sent: Whether the target sends the flood.
        first: Its first slot began.
        last: Its last slot ended.
    """

    key: str
    target: Target
    sent: bool
    first: int
    last: int
    why: Why
    packets: float = 0.0
    octets: float = 0.0
    rate: float = 0.0
    peak: float = 0.0
    peak_bits: float = 0.0
    pulses: int = 1
    sources: float = 0.0
    hosts: int = 0
    told: int = 0
    vectors: Tops[str] = field(default_factory=lambda: Tops(64))
    peers: Tops[str] = field(default_factory=lambda: Tops(256))
    systems: Tops[int] = field(default_factory=lambda: Tops(128))
    src_ports: Tops[int] = field(default_factory=lambda: Tops(256))
    dst_ports: Tops[int] = field(default_factory=lambda: Tops(256))
    lengths: Tops[int] = field(default_factory=lambda: Tops(128))
    flags: Tops[int] = field(default_factory=lambda: Tops(64))
    protocols: Tops[int] = field(default_factory=lambda: Tops(64))
    sample: Columns | None = None
    kinds: set[int] = field(default_factory=set)
    votes: Tops[Target] = field(default_factory=lambda: Tops(32))

    def vote(self, target: Target) -> None:
        """Take who was attacked in a slot; who it was most often is the attack's target."""
        self.votes.add(target, 1.0)
        if self.votes.counts[target] >= self.votes.counts.get(self.target, 0.0):
            self.target = target

    def take(self, beat: Beat) -> None:
        """Add a slot."""
        if beat.time - self.last > _PAUSE:
            self.pulses += 1
        self.last = max(self.last, beat.time)
        self.packets += beat.packets
        self.octets += beat.octets
        self.rate = beat.rate
        if beat.rate >= self.peak:
            self.why = beat.why
            self.sample = beat.rows[: 4 * SHOWN]
        self.peak = max(self.peak, beat.rate)
        self.peak_bits = max(self.peak_bits, beat.bits)
        self.sources = max(self.sources, beat.sources)
        self.hosts = max(self.hosts, beat.hosts)
        for name, packets in beat.vectors.items():
            self.vectors.add(name, packets)
        self.kinds |= beat.kinds
        self._look_at(beat.rows)

    def _look_at(self, rows: Columns) -> None:
        if not len(rows):
            return
        far = "dst" if self.sent else "src"
        weights = rows["packets"].tolist()
        for address, system, sport, dport, length, flag, protocol, weight in zip(
            map(bytes, rows[far]),
            rows[f"{far}_as"].tolist(),
            rows["src_port"].tolist(),
            rows["dst_port"].tolist(),
            rows["length"].tolist(),
            rows["flags"].tolist(),
            rows["protocol"].tolist(),
            weights,
            strict=True,
        ):
            self.peers.add(format_address(address), weight)
            self.src_ports.add(sport, weight)
            self.dst_ports.add(dport, weight)
            self.lengths.add(length, weight)
            self.protocols.add(protocol, weight)
            if protocol == 6:
                self.flags.add(flag, weight)
            if system:
                self.systems.add(system, weight)

    def entropies(self) -> dict[str, float]:
        """Return the entropies of what varies, in bits."""
        return {
            name: round(entropy(np.array(list(tops.counts.values()))), 2)
            for name, tops in (
                ("peers", self.peers),
                ("src_ports", self.src_ports),
                ("dst_ports", self.dst_ports),
            )
        }
