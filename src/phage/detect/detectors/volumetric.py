"""Finds floods of all kinds by how much hosts and prefixes receive and send."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from phage.detect.detector import Exports
from phage.detect.volumes.accepted import Accepted, rows_of
from phage.detect.volumes.beats import beat_of
from phage.detect.volumes.episodes import Ongoing
from phage.detect.volumes.excess import Limits, TooMuch, too_much
from phage.detect.volumes.flowspec import Cover, cover
from phage.detect.volumes.measures import (
    FLOWS,
    MEASURES,
    PACKETS,
    SLOT,
    SLOTS_A_SECOND,
    Rates,
    Slot,
    Watching,
    octets_column,
    packets_column,
    split_slots,
)
from phage.detect.volumes.plausible import Case, Shares, excuse
from phage.detect.volumes.prefixes import Prefixes
from phage.detect.volumes.report import finding_of
from phage.detect.volumes.samples import Bools, Samples, within
from phage.detect.volumes.slow import Slow, low_and_slow
from phage.detect.volumes.streaks import Streaks
from phage.detect.volumes.suspects import (
    Suspect,
    excess_of,
    one_name,
    suspects_of,
)
from phage.detect.volumes.targets import (
    Target,
    beyond,
    outermost,
    parts_of,
    prefixes_of,
    weights_of,
    who,
)
from phage.detect.volumes.thresholds import DEFAULT, Near, nearest
from phage.learn.baseline import Baselines
from phage.records.columns import TrafficClass
from phage.records.watched import GROUP, HOST, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.detect.detector import Knowledge
    from phage.detect.volumes.episodes import Episode
    from phage.detect.volumes.measures import Floats
    from phage.learn.baseline import Learned, Numbers
    from phage.records import Columns, Finding, Window
    from phage.records.threshold import Threshold

_SECOND = 1_000_000_000
_SEASONAL = (
    *range(PACKETS, PACKETS + 3),
    FLOWS,
    FLOWS + 1,
)
"""Measures that hours of the week are learned of: octets of TCP, UDP and replies, and flows."""

_NEAREST = 50
"""Hosts and prefixes that are shown with how near they are to thresholds."""

_OCTETS_A_PACKET = 500.0

_HELD = 30 * SLOTS_A_SECOND
"""Slots for which what is unusual waits to be learned: with sampling it takes as long to judge."""


@dataclass(slots=True)
class Volumetric:
    """Finds floods by thresholds, by what is usual, and by what nobody asked for.

    Hosts and all prefixes around them are judged alike, so that an attack on many hosts, each of
    which receives little, is found on their prefix. Whatever is too much is then asked for an
    excuse (`phage.detect.volumes.plausible`): a transfer, a crowd that completes its handshakes,
    answers to questions. Pauses of up to `quiet_s` belong to the attack: pulses are one.

    Fails in the first seconds of a fresh installation for what only experience can tell, for floods
    below the floors of `Limits`, for floods of complete requests (they look like a crowd), and for
    one-way streams of few connections below thresholds, which are taken for media.
    """

    name: ClassVar[str] = "volumetric"
    of_exports: ClassVar[Exports] = Exports.ALL
    summary: ClassVar[str] = (
        "Floods on hosts and prefixes: amplification, SYN, UDP, carpets, pulses; and from inside."
    )

    sensitivity: float = 3.0
    """Times the upper end of what is usual from which on traffic is judged."""
    warm_s: float = 8.0
    """Seconds for which a host or prefix has to be watched before anything is usual for it."""
    least_samples: int = 30
    """Packets really seen that a judgement needs: with sampling, fewer mean nothing."""
    quiet_s: float = 60.0
    """An attack that rested for so long is over."""
    thresholds_first: bool = True
    """Apply the built-in thresholds (20,000 packets/s, 1 Gbit/s) where none are set."""
    most_attacks: int = 256
    """Attacks followed at a time."""

    baselines: Baselines = field(init=False, repr=False)
    _latest: tuple[Slot, Sequence[Threshold]] | None = field(init=False, default=None, repr=False)
    _rates: Rates = field(init=False, repr=False)
    _samples: Samples = field(init=False, repr=False)
    _limits: Limits = field(init=False, repr=False)
    _shares: Shares = field(init=False, repr=False)
    _slow: Slow = field(init=False, repr=False)
    _floors: Floats = field(init=False, repr=False)
    _marks: Streaks[tuple[bytes, bool, int]] = field(init=False, repr=False)
    _held: Streaks[bytes] = field(init=False, repr=False)
    _ongoing: Ongoing = field(init=False, repr=False)
    _accepted: Accepted = field(init=False, default_factory=Accepted, repr=False)
    _watched: Watched = field(init=False, default_factory=Watched, repr=False)
    _told_spared: tuple[tuple[bytes, int], ...] = field(init=False, default=(), repr=False)
    _spared: Prefixes[Target] = field(init=False, default_factory=Prefixes, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        self.baselines = Baselines(MEASURES, _SEASONAL, slots_a_second=SLOTS_A_SECOND)
        self._rates = Rates()
        self._samples = Samples()
        self._limits = Limits(
            ratio=self.sensitivity,
            warm=round(self.warm_s * SLOTS_A_SECOND),
            samples=self.least_samples,
        )
        self._shares = Shares()
        self._slow = Slow()
        self._floors = _floors(self._limits)
        self._marks = Streaks(gap=2)
        self._held = Streaks(gap=_HELD)
        self._ongoing = Ongoing(self.most_attacks)

    def accept(self, key: str) -> None:
        """Take the attack of a key for usual traffic: a person said so. From any thread."""
        self._accepted.tell(key)

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        tables = (
            self._rates, self.baselines, self._ongoing, self._marks, self._held, self._slow.lasting,
        )  # fmt: skip
        return sum(each.dropped for each in tables)

    @property
    def nearest(self) -> tuple[Near, ...]:
        """Who was nearest to a threshold a moment ago; to be asked from any thread."""
        latest = self._latest
        return nearest(*latest, _NEAREST) if latest is not None else ()

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        if not len(window.volumes) and not len(window.traffic):
            return
        if knowledge.watched != self._watched:
            self._watched = knowledge.watched
            self._rates.watched = Watching.of(self._watched)
        if knowledge.spared is not self._told_spared:
            self._told_spared = knowledge.spared
            self._spared = prefixes_of(Target(*network) for network in knowledge.spared)
        changed: dict[str, Episode] = {}
        for time, rows, traffic in split_slots(window.volumes, window.traffic):
            self._samples.add(traffic, time)
            if len(rows):
                self._look_at(self._rates.take(rows, time), knowledge, changed)
        for episode in changed.values():
            # Once a second is often enough, and what there are many of must not take all the time.
            if episode.last - episode.told >= _SECOND:
                episode.told = episode.last
                yield finding_of(episode, self._cover(episode), self.name, knowledge)

    def _look_at(self, slot: Slot, knowledge: Knowledge, changed: dict[str, Episode]) -> None:
        book = self.baselines
        places = book.places(slot.keys, slot.number)
        learned = book.usual(slot.keys, places, slot.number, slot.time)
        gathered = book.gather(places, slot.fast, self._floors)
        thresholds = knowledge.thresholds or (DEFAULT if self.thresholds_first else ())
        self._latest = slot, thresholds
        candidates = too_much(slot, learned, gathered, thresholds, self._limits)
        judged = self._judge(candidates, slot, learned)
        pending, slow = low_and_slow(slot, learned, self._samples, self._slow, self._limits)
        judged = one_name(judged, slow, pending)
        self._accept(places, slot)
        judged = self._accepted.without(judged, slot)
        confirmed = [each for each in judged if self._confirm(each, slot)]
        frozen = np.zeros(len(slot.keys), bool)
        frozen[[*pending, *(each.row for each in judged)]] = True
        self._hold(slot, learned, frozen)
        self._freeze_attacked(slot, frozen)
        for sent in (False, True):
            for targets, rooted, suspects in self._attacks(slot, learned, judged, confirmed, sent):
                for target in targets:
                    if self._is_spared(target):
                        continue
                    episode = self._episode(target, rooted, suspects, slot, learned, sent=sent)
                    if episode is not None:
                        changed[episode.key] = episode
        excused = places[~frozen]
        if len(excused):
            over = gathered[~frozen].max(axis=1) >= self._limits.gathered
            book.forget(excused[over])
        book.learn(slot.keys, places, slot.fast, slot.number, slot.time, frozen, self._floors)
        self._ongoing.forget(slot.time - round(self.quiet_s * _SECOND))

    def _accept(self, places: Numbers, slot: Slot) -> None:
        """Begin the baselines of what a person called no attack at how it is now."""
        for target in self._accepted.new(self._ongoing.end, slot.time):
            inside = rows_of(target, slot)
            self.baselines.accept(places[inside], slot.fast[inside])

    def _judge(self, candidates: Sequence[TooMuch], slot: Slot, learned: Learned) -> list[TooMuch]:
        """Return what has no excuse; hosts are asked first, and a prefix has those of its parts."""
        kept: list[TooMuch] = []
        judged = prefixes_of({slot.target(each.row) for each in candidates})
        harmless: dict[tuple[Target, TrafficClass, bool], float] = {}
        for each in sorted(candidates, key=lambda each: -slot.target(each.row).narrowness):
            target = slot.target(each.row)
            parts = harmless.get((target, each.kind, each.sent), 0.0)
            if parts and each.why.value - parts < each.why.limit:
                continue
            if not self._is_excused(each, slot, learned):
                kept.append(each)
            elif not (parts or target.is_group or slot.service(each.row)):
                excess = excess_of(slot, learned, (each,))
                for around in set(judged.around(*target.prefixes[0])):
                    key = (around, each.kind, each.sent)
                    harmless[key] = harmless.get(key, 0.0) + excess
        return kept

    def _shown(self, target: Target, time: int, *, sent: bool) -> Columns:
        """Return traffic of a target: of the last two seconds, if that is enough."""
        rows = self._samples.of(target, sent=sent)
        latest = rows[rows["time"] > time - 2 * _SECOND]
        return latest if len(latest) >= 64 else rows

    def _is_excused(self, each: TooMuch, slot: Slot, learned: Learned) -> bool:
        if each.strict:
            return False
        # Answers of a service are its host's.
        row = slot.host_row(each.row)
        rates = slot.slow[row] if each.slow else slot.fast[row]
        target = slot.target(row)
        excess = rates - learned.mean[row]
        column = packets_column(each.kind, sent=each.sent)
        # Where the most of it is usual, all of it is judged, not the noise above.
        most_is_new = float(excess[column]) > 0.5 * float(rates[column])
        is_warm = bool(learned.age[row] >= self._limits.warm)
        case = Case(
            kind=each.kind,
            sent=each.sent,
            excess=excess if most_is_new and is_warm else rates,
            rates=rates,
            shown=partial(self._shown, target, slot.time, sent=each.sent),
            is_host=target.is_host,
            by_threshold=each.why.by == "threshold",
        )
        return bool(excuse(case, self._shares))

    def _confirm(self, each: TooMuch, slot: Slot) -> bool:
        """Tell whether something was too much for long enough: the more, the sooner."""
        key = (slot.keys[each.row], each.sent, int(each.kind))
        count = self._marks.note(key, slot.number)
        if each.why.by == "threshold":
            return count >= 2 or each.ratio >= 1.5
        if each.why.by == "signature":
            return count >= 2 or each.ratio >= 3.0
        if each.why.by == "slow":
            return True  # It has lasted already.
        # A prefix has more that varies by itself than a host has.
        return count >= (3 if slot.target(each.row).is_host else 6) or each.ratio >= 6.0

    def _hold(self, slot: Slot, learned: Learned, frozen: Bools) -> None:
        """Learn nothing for a while of what is unusual, until there is enough to judge it by."""
        least = self._floors[:PACKETS] / 2
        # What is low and slow is far below the floors of floods.
        least[[TrafficClass.TCP, TrafficClass.SYN]] = self._slow.segments / 2
        usual = np.maximum(least, 1.5 * learned.upper[:, :PACKETS])
        unusual = (slot.fast[:, :PACKETS] > usual).any(axis=1)
        unusual &= learned.age >= self._limits.warm
        for row in np.flatnonzero(unusual & ~frozen):
            frozen[row] = self._held.note(slot.keys[row], slot.number) <= _HELD

    def _freeze_attacked(self, slot: Slot, frozen: Bools) -> None:
        """Learn nothing of who is under attack, in its pauses neither."""
        attacked = self._ongoing.attacked()
        if not attacked:
            return
        for row, key in enumerate(slot.keys):
            if key[16] == GROUP:
                frozen[row] |= self._ongoing.concerns(slot.target(row))
            else:
                frozen[row] |= any(attacked.around(int.from_bytes(key[:16]), min(key[16], HOST)))

    def _attacks(
        self,
        slot: Slot,
        learned: Learned,
        judged: Sequence[TooMuch],
        confirmed: Sequence[TooMuch],
        sent: bool,  # noqa: FBT001  A direction, as everywhere here.
    ) -> Iterator[tuple[list[Target], Target, dict[Target, Suspect]]]:
        """Yield who is attacked: targets, the prefix around them, and all suspects in it."""
        suspects = suspects_of(slot, learned, judged, sent=sent)
        certain = {slot.target(each.row) for each in confirmed if each.sent == sent}
        for rooted, parts in parts_of(outermost(certain), suspects).items():
            inside = {target: suspects[target] for target in parts}
            excess = {target: one.excess for target, one in inside.items()}
            weights = partial(self._weights, inside[rooted], slot, sent=sent)
            yield who(rooted, excess, weights), rooted, inside

    def _weights(self, suspect: Suspect, slot: Slot, *, sent: bool) -> dict[int, float]:
        """Return the excess by address within a prefix, as far as traffic was shown."""
        target = suspect.target
        if target.is_host:
            return {}
        kinds = [each.kind for each in suspect.kinds]
        latest = self._samples.of(target, sent=sent)
        now = weights_of(latest[np.isin(latest["class"], kinds)], sent=sent)
        since = round((self._samples.recent_s + 1) * _SECOND)
        before, seconds = self._samples.before(slot.time - since)
        mine = before[within(before, target, sent=sent)]
        earlier = weights_of(mine[np.isin(mine["class"], kinds)], sent=sent)
        scale = self._samples.recent_s / seconds if seconds else 0.0
        return beyond(now, earlier, scale)

    def _is_spared(self, target: Target) -> bool:
        """Tell whether a target is within networks that are never to be judged."""
        return bool(target.prefixes) and all(
            any(self._spared.around(*prefix)) for prefix in target.prefixes
        )

    def _episode(
        self,
        target: Target,
        rooted: Target,
        suspects: dict[Target, Suspect],
        slot: Slot,
        learned: Learned,
        *,
        sent: bool,
    ) -> Episode | None:
        """Add a slot to the attack on a target; one that is new begins."""
        around = [each for each in suspects if each.holds(target)]
        suspect = suspects[max(around, key=lambda each: each.narrowness, default=rooted)]
        begin, kinds, why = slot.time - SLOT, suspect.classes, suspect.why
        episode = self._ongoing.of(target, kinds, why, begin, slot.time, sent=sent)
        if episode is not None:
            shown = self._samples.of(target, sent=sent)
            episode.take(beat_of(suspect, shown, slot, learned, sent=sent))
        return episode

    def _cover(self, episode: Episode) -> Cover:
        """Return what to filter; anew every few seconds, since it takes some milliseconds."""
        known = episode.filters
        pause = (5 + len(self._ongoing) // 2) * _SECOND
        if known is not None and episode.last - known[0] < pause:
            return known[1]
        target = episode.target
        now = self._samples.of(target, sent=episode.sent)
        # A ramp begins before it is noticed: what was just before is no measure of the usual.
        before, _ = self._samples.before(episode.first - 15 * _SECOND)
        if not len(before):
            before, _ = self._samples.before(episode.first - _SECOND)
        mine = before[within(before, target, sent=episode.sent)]
        attack = now[(now["time"] >= episode.first) & np.isin(now["class"], list(episode.kinds))]
        found = cover(attack[:2048], mine[-4096:])
        episode.filters = (episode.last, found)
        return found


def _floors(limits: Limits) -> Floats:
    """Return for each measure what is little: the floors of packets, and what follows from them."""
    floors = np.full(MEASURES, 20.0, np.float32)
    for kind, packets in limits.floors.items():
        for sent in (False, True):
            floors[packets_column(kind, sent=sent)] = packets
            floors[octets_column(kind, sent=sent)] = packets * _OCTETS_A_PACKET
    floors[[FLOWS, FLOWS + 1]] = limits.floors[TrafficClass.SYN]
    return floors
