"""Attacks as they go on: opened, updated, and quiet for long enough to be over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from phage.detect.volumes.samples import entropy
from phage.detect.volumes.targets import network_of, prefixes_of
from phage.detect.volumes.tops import Tops
from phage.frozen import frozen
from phage.records.address import format_address

if TYPE_CHECKING:
    from phage.detect.volumes.flowspec import Cover
    from phage.detect.volumes.prefixes import Prefixes
    from phage.detect.volumes.targets import Target
    from phage.records import Columns

SHOWN = 10
_SECOND = 1_000_000_000
# An attack that has not been seen for so long is over where it was.
_PASSED = _SECOND // 2
_WANDERED = 2
# A pause of so long between two beats makes pulses of them.
_PAUSE = 2 * _SECOND


@frozen
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


@frozen
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
    filters: tuple[int, Cover] | None = None
    """What to filter, and when that was found."""
    votes: Tops[Target] = field(default_factory=lambda: Tops(32))
    is_whole: bool = False
    """It wanders: its target is the network around where it is."""

    def vote(self, target: Target) -> None:
        """Take who was attacked in a slot; who it was most often is the attack's target."""
        if self.is_whole:
            return
        self.votes.add(target, 1.0)
        if self.votes.counts[target] >= self.votes.counts.get(self.target, 0.0):
            self.target = target

    def join(self, other: Episode) -> None:
        """Take in another attack that is part of this one."""
        self.packets += other.packets
        self.octets += other.octets
        self.peak = max(self.peak, other.peak)
        self.peak_bits = max(self.peak_bits, other.peak_bits)
        self.sources = max(self.sources, other.sources)
        self.hosts = max(self.hosts, other.hosts)
        self.last = max(self.last, other.last)
        self.kinds |= other.kinds
        for name, packets in other.vectors.counts.items():
            self.vectors.add(name, packets)

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


@dataclass(slots=True)
class Ongoing:
    """The attacks that go on, by key.

    Attributes:
        most: So many are followed at a time.
        dropped: Attacks for which there was no room.
    """

    most: int
    dropped: int = 0
    _episodes: dict[str, Episode] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._episodes)

    def of(
        self, target: Target, kinds: frozenset[int], why: Why, since: int, time: int, *, sent: bool
    ) -> Episode | None:
        """Return the attack on a target in a slot; one that is new begins, None where it cannot.

        What the slot says of it is still to be added. `kinds` are the classes of its traffic,
        `since` and `time` when the slot began and ended.
        """
        episode = self._known(target, sent=sent) or self._wandering(target, kinds, time, sent=sent)
        if episode is None:
            if len(self._episodes) >= self.most:
                self.dropped += 1
                return None
            key = f"{'out' if sent else 'in'}/{target.text}"
            episode = self._episodes[key] = Episode(key, target, sent, since, time, why)
        return episode

    def _known(self, target: Target, *, sent: bool) -> Episode | None:
        """Return the attack that a target belongs to: the closest that is in it or around it."""
        best: Episode | None = None
        for episode in self._episodes.values():
            if episode.sent == sent and (
                episode.target.holds(target) or target.holds(episode.target)
            ):
                closer = abs(episode.target.narrowness - target.narrowness)
                if best is None or closer < abs(best.target.narrowness - target.narrowness):
                    best = episode
        if best is not None:
            best.vote(target)
        return best

    def _wandering(
        self, target: Target, kinds: frozenset[int], time: int, *, sent: bool
    ) -> Episode | None:
        """Return the attack that wanders through a network, and is at another part of it now.

        Of attacks of one kind in a network that follow one another, each over when the next begins,
        the first takes in the others: its target is the network from then on.
        """
        around = network_of(target)
        if around is None:
            return None
        over = [
            episode
            for episode in self._episodes.values()
            if episode.sent == sent
            and time - episode.last >= _PASSED
            and episode.kinds & kinds
            and around.holds(episode.target)
        ]
        # Two hosts may be attacked one after the other; a network that is has been chosen.
        is_part = not target.is_host and any(not episode.target.is_host for episode in over)
        if len(over) < (1 if is_part else _WANDERED):
            return None
        first = min(over, key=lambda episode: episode.first)
        for episode in over:
            if episode is not first:
                first.join(episode)
                del self._episodes[episode.key]
        first.target, first.is_whole = around, True
        return first

    def attacked(self) -> Prefixes[Target]:
        """Return all targets by their prefixes."""
        return prefixes_of(episode.target for episode in self._episodes.values())

    def concerns(self, group: Target) -> bool:
        """Tell whether a group is attacked, or what is in it or around it."""
        return any(
            group.holds(episode.target) or episode.target.holds(group)
            for episode in self._episodes.values()
        )

    def end(self, key: str) -> Episode | None:
        """Take out an attack; None where there is none of this key."""
        return self._episodes.pop(key, None)

    def forget(self, before: int) -> None:
        """Forget the attacks that have been quiet since then."""
        over = [key for key, episode in self._episodes.items() if episode.last < before]
        for key in over:
            del self._episodes[key]
