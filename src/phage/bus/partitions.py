"""Counters between sensors and detectors: the space of addresses in parts, each with one detector.

A sensor cuts the half-second counters of a window by the network of their address, /16 and /48, and
adds each cut to the stream of its part. Detectors share the parts among those who are alive by
rendezvous hashing (Thaler and Ravishankar, 1998): when one comes or goes only its own parts move.
A part is read by whoever holds its lease, from where the one before it stopped. What is no counter
(flows, hosts, messages) stays whole, in one part for each sensor.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from phage.bus.codec import MessageError, decode, encode
from phage.bus.sound import is_sound
from phage.records import Window
from phage.records.columns import TRAFFIC, VOLUME
from phage.records.distinct import distinct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis

    from phage.records import Columns

PARTS = 64
"""Parts of the space: enough to spread over a dozen detectors."""

ALIVE_MS = 2000
"""Who was not heard for so long is gone: with a beat twice a second it is noticed within 2.5 s."""

BEAT_SECONDS = 0.5

KEPT = 256
"""Windows of a part that Redis keeps: a minute of one sensor's."""

FIELD = b"w"

MOST_WAITING = 64
"""Half-seconds that wait for other sensors; of more, as where clocks differ, the oldest go on."""

_MULTIPLIERS = np.array(
    [0x9E37_79B9_7F4A_7C15 * (2 * number + 1) & 0xFFFF_FFFF_FFFF_FFFF for number in range(16)],
    dtype=np.uint64,
)
_MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", dtype=np.uint8)

# Only the holder renews or gives up a lease: it may have been taken by another meanwhile.
_RENEW = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then "
    "return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end"
)
_RELEASE = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) "
    "else return 0 end"
)


def parts_of(addresses: Columns) -> Columns:
    """Return the part of each address (16 octets): that of its /16, or /48."""
    octets = np.frombuffer(np.ascontiguousarray(addresses).tobytes(), np.uint8).reshape(-1, 16)
    is_v4 = (octets[:, :12] == _MAPPED).all(axis=1)
    masked = octets.astype(np.uint64)
    masked[is_v4, 14:] = 0
    masked[~is_v4, 6:] = 0
    with np.errstate(over="ignore"):
        mixed = (masked * _MULTIPLIERS).sum(axis=1, dtype=np.uint64)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58_476D_1CE4_E5B9)
    parts: Columns = (mixed >> np.uint64(40)) % np.uint64(PARTS)
    return parts


def split(window: Window, sensor: str) -> dict[int, Window]:
    """Return the cuts of a window by their part."""
    cuts: dict[int, dict[str, Columns]] = {}
    for name, addresses in (
        ("volumes", window.volumes["address"]),
        # Traffic goes with its end at home, the one that is sent to first.
        (
            "traffic",
            np.where(
                (window.traffic["home"] & 2 != 0) | (window.traffic["home"] == 0),
                window.traffic["dst"],
                window.traffic["src"],
            ),
        ),
    ):
        rows = getattr(window, name)
        if len(rows):
            parts = parts_of(addresses)
            for part in distinct(parts).tolist():
                cuts.setdefault(int(part), {})[name] = rows[parts == part]
    empty = Window(window.start, window.end, from_exports=window.from_exports)
    found = {
        part: replace(
            empty,
            volumes=columns.get("volumes", empty.volumes),
            traffic=columns.get("traffic", empty.traffic),
        )
        for part, columns in cuts.items()
    }
    rest = replace(window, volumes=window.volumes[:0], traffic=window.traffic[:0])
    if _carries(rest):
        own = rendezvous(sensor, [str(part) for part in range(PARTS)])
        cut = found.get(int(own))
        if cut is not None:
            rest = replace(rest, volumes=cut.volumes, traffic=cut.traffic)
        found[int(own)] = rest
    return found


def _carries(window: Window) -> bool:
    """Tell whether a window has anything besides counters of half-seconds."""
    names = ("flows", "uses", "hosts", "scores", "matches", "requests", "observations", "events")
    return bool(window.packets) or any(len(getattr(window, name)) for name in names)


def rendezvous(thing: str, members: Sequence[str]) -> str:
    """Return the member that a thing falls to: the one with the highest hash of both."""

    def weight(member: str) -> bytes:
        return hashlib.blake2b(f"{member}/{thing}".encode(), digest_size=8).digest()

    return max(members, key=lambda member: (weight(member), member))


class Roster:
    """Who of a role is alive: each beats, and is gone when it does not.

    Times are the server's: clocks of machines may differ.
    """

    def __init__(self, client: Redis, prefix: str, role: str, name: str) -> None:
        self._client = client
        self._key = f"{prefix}:members:{role}"
        self._name = name
        self.alive: tuple[str, ...] = ()
        self.lost: tuple[str, ...] = ()
        """Who was alive at the beat before, and is not any more."""

    def beat(self) -> None:
        """Say that this one is alive, and see who else is. Raises RedisError."""
        self._refresh(beats=True)

    def look(self) -> None:
        """See who is alive, without being one of them. Raises RedisError."""
        self._refresh(beats=False)

    def _refresh(self, *, beats: bool) -> None:
        moment: Any = self._client.time()
        seconds, micros = moment
        now = int(seconds) * 1000 + int(micros) // 1000
        with self._client.pipeline() as steps:
            if beats:
                steps.zadd(self._key, {self._name: now})
            steps.zremrangebyscore(self._key, "-inf", now - 60 * ALIVE_MS)
            steps.zrangebyscore(self._key, now - ALIVE_MS, "+inf")
            members = steps.execute()[-1]
        before = self.alive
        self.alive = tuple(sorted(member.decode() for member in members))
        self.lost = tuple(name for name in before if name not in self.alive)

    def leave(self) -> None:
        """Be gone at once."""
        self._client.zrem(self._key, self._name)


class Lease:
    """Something that one of many may do at a time."""

    def __init__(self, client: Redis, key: str, owner: str) -> None:
        self._client = client
        self._key = key
        self._owner = owner

    def hold(self) -> bool:
        """Take the lease, or renew it; tell whether it is held now. Raises RedisError."""
        if self._client.set(self._key, self._owner, nx=True, px=ALIVE_MS):
            return True
        return bool(self._client.eval(_RENEW, 1, self._key, self._owner, str(ALIVE_MS)))

    def release(self) -> None:
        """Give it up, if it is held."""
        self._client.eval(_RELEASE, 1, self._key, self._owner)


@dataclass
class Share:
    """The parts of one detector, and the windows that come in them.

    Attributes:
        client: The connection to Redis.
        prefix: Begins every key.
        name: Of this detector; no other has it.
        dropped: Messages that were no windows.
    """

    client: Redis
    prefix: str
    name: str
    dropped: int = 0
    _leases: dict[int, Lease] = field(default_factory=dict)
    _positions: dict[int, bytes] = field(default_factory=dict)
    _roster: Roster = field(init=False)

    def __post_init__(self) -> None:
        """Make the roster."""
        self._roster = Roster(self.client, self.prefix, "detector", self.name)

    @property
    def parts(self) -> tuple[int, ...]:
        """The parts that are held."""
        return tuple(sorted(self._positions))

    @property
    def members(self) -> tuple[str, ...]:
        """The detectors that are alive."""
        return self._roster.alive

    def beat(self) -> None:
        """Say that this one is alive; take up, keep and give up parts. Raises RedisError."""
        self._roster.beat()
        alive = self._roster.alive
        for part in range(PARTS):
            lease = self._leases.get(part)
            if rendezvous(str(part), alive) != self.name:
                if lease is not None:
                    self._give_up(part, lease)
                continue
            lease = lease or Lease(self.client, f"{self.prefix}:lease:{part}", self.name)
            if not lease.hold():
                self._leases.pop(part, None)
                self._positions.pop(part, None)
            elif part not in self._leases:
                self._leases[part] = lease
                self._positions[part] = self._begin(part)
        self._save()

    def _begin(self, part: int) -> bytes:
        """Return where the one before stopped; else the end of the stream."""
        saved: Any = self.client.hget(f"{self.prefix}:positions", str(part))
        if saved is not None:
            return bytes(saved)
        last: Any = self.client.xrevrange(f"{self.prefix}:part:{part}", count=1)
        return bytes(last[0][0]) if last else b"0-0"

    def _save(self) -> None:
        if self._positions:
            places = {str(part): place for part, place in self._positions.items()}
            self.client.hset(f"{self.prefix}:positions", mapping=places)  # type: ignore[arg-type]

    def _give_up(self, part: int, lease: Lease) -> None:
        self._save()
        lease.release()
        self._leases.pop(part, None)
        self._positions.pop(part, None)

    def read(self, seconds: float) -> Iterator[Window]:
        """Yield the windows that are there; wait for the first one. Raises RedisError."""
        if not self._positions:
            return
        streams = {f"{self.prefix}:part:{part}": at for part, at in self._positions.items()}
        answer: Any = self.client.xread(streams, 64, max(1, int(seconds * 1000)))  # type: ignore[arg-type]
        for key, entries in answer or ():
            part = int(key.rpartition(b":")[2])
            for position, values in entries:
                self._positions[part] = position
                try:
                    window: Any = decode(values.get(FIELD, b""))
                except MessageError:
                    self.dropped += 1
                    continue
                if is_sound(window):
                    yield window
                else:
                    self.dropped += 1

    def leave(self) -> None:
        """Give everything up: others take it over at their next beat."""
        for part, lease in list(self._leases.items()):
            self._give_up(part, lease)
        self._roster.leave()


def publish(client: Redis, prefix: str, window: Window, sensor: str) -> int:
    """Add a window to the streams of its parts; return how many. Raises RedisError."""
    cuts = split(window, sensor)
    with client.pipeline(transaction=False) as steps:
        for part, cut in cuts.items():
            steps.xadd(f"{prefix}:part:{part}", {FIELD: encode(cut)}, maxlen=KEPT)
        steps.execute()
    return len(cuts)


_KEY = ["time", "address", "length"]
_SUMS = [name for name in VOLUME.names or () if name not in _KEY]


def merge(volumes: Sequence[Columns]) -> Columns:
    """Add up the counters that several sensors have of the same half-second and prefix.

    Distinct sources are added too: exact where each sensor sees other sources, else too many.
    """
    rows = np.concatenate(volumes) if volumes else np.empty(0, VOLUME)
    keys = np.empty(len(rows), dtype="V25")
    packed = np.zeros((len(rows), 25), np.uint8)
    packed[:, :8] = rows["time"].astype(">i8").view(np.uint8).reshape(-1, 8)
    packed[:, 8:24] = np.frombuffer(
        np.ascontiguousarray(rows["address"]).tobytes(), np.uint8
    ).reshape(-1, 16)
    packed[:, 24] = rows["length"]
    keys = packed.view("V25").ravel()
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    merged = rows[first].copy()
    for name in _SUMS:
        sums = np.zeros(merged[name].shape, np.float64 if name == "sources" else np.uint64)
        np.add.at(sums, places, rows[name])
        kind = VOLUME[name].base
        most = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else np.finfo(kind).max
        merged[name] = np.minimum(sums, most)
    return merged


@dataclass
class Merger:
    """Joins windows of several sensors: counters of a half-second wait for those who come later.

    Attributes:
        wait: Nanoseconds that a half-second waits for other sensors.
    """

    wait: int = 1_000_000_000
    _volumes: dict[int, list[Columns]] = field(default_factory=dict)
    _traffic: dict[int, list[Columns]] = field(default_factory=dict)
    _since: dict[int, int] = field(default_factory=dict)

    def take(self, window: Window, now: int) -> Window | None:
        """Keep the counters of a window; return what of it need not wait."""
        for rows, kept in ((window.volumes, self._volumes), (window.traffic, self._traffic)):
            for time, part in _by_time(rows):
                kept.setdefault(time, []).append(part)
                self._since.setdefault(time, now)
        rest = replace(window, volumes=window.volumes[:0], traffic=window.traffic[:0])
        return rest if _carries(rest) else None

    def ready(self, now: int) -> Iterator[Window]:
        """Yield the half-seconds that have waited long enough, in order."""
        for time in sorted(self._since):
            if now - self._since[time] < self.wait and len(self._since) <= MOST_WAITING:
                break
            del self._since[time]
            traffic = self._traffic.pop(time, [])
            yield Window(
                time,
                time,
                volumes=merge(self._volumes.pop(time, [])),
                traffic=np.concatenate(traffic) if traffic else np.empty(0, TRAFFIC),
                from_exports=True,
            )


def _by_time(rows: Columns) -> Iterator[tuple[int, Columns]]:
    """Yield the rows of each time apart."""
    rows = rows[np.argsort(rows["time"], kind="stable")]
    times, first = np.unique(rows["time"], return_index=True)
    return zip(times.tolist(), np.split(rows, first[1:]), strict=False)
