"""Baselines: what each host and prefix usually receives and sends, learned while it goes on.

For each key and measure an exponentially weighted mean and variance, and a one-sided CUSUM of what
exceeds them (Page, "Continuous inspection schemes", Biometrika 41, 1954; residuals rather than raw
values as in Münz and Carle, "Application of forecasting techniques and control charts for traffic
anomaly detection", 2008). Prefixes besides have a mean for each hour of the week: what is busy
every Monday at eight is usual then. Nothing is learned of what is under suspicion, so that an
attack does not become usual. A key that is not told was below the floor of what is handed on, and
that is learned as nothing.

It fails where traffic changes for good by itself: the new level counts as unusual until it has
been judged benign for some minutes.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from phage.errors import StateError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

HOURS = 168
_HOUR = 3_600_000_000_000
# A week begins on the Monday before the epoch, which was a Thursday.
_THURSDAY = 3 * 24
_VERSION = 1


@frozen
class Learned:
    """What is usual for some keys: a row for each, a column for each measure.

    Attributes:
        mean: The mean a second.
        upper: What is seldom exceeded: three standard deviations above the mean, and the hour.
        gathered: The CUSUM, in standard deviations.
        age: Slots that each key was watched for.
    """

    mean: Floats
    upper: Floats
    gathered: Floats
    age: Numbers


class Baselines:
    """Baselines of a bounded number of keys; the one unused for longest gives way.

    Args:
        measures: How many numbers are learned of a key.
        seasonal: Which of them also by the hour of the week, for prefixes.
        capacity: Keys at most.
        slots_a_second: How often values come.
        memory_s: Time constant of the mean.
        young_s: A key that is watched for less takes values as they come.
    """

    def __init__(
        self,
        measures: int,
        seasonal: Sequence[int] = (),
        *,
        capacity: int = 8192,
        seasonal_capacity: int = 1024,
        slots_a_second: int = 2,
        memory_s: float = 600.0,
        young_s: float = 4.0,
    ) -> None:
        self.capacity = capacity
        self.measures = measures
        self.dropped = 0
        self.began = 0
        self.latest = 0
        self._seasonal = tuple(seasonal)
        self._seasonal_capacity = seasonal_capacity
        self._slots_a_second = slots_a_second
        self._alpha = 1.0 / (memory_s * slots_a_second)
        self._young = round(young_s * slots_a_second)
        self._places: dict[bytes, int] = {}
        self._hours: dict[bytes, Floats] = {}
        self._room = 0
        self._allocate(min(256, capacity))

    def __len__(self) -> int:
        """Return how many keys are known."""
        return len(self._places)

    def _allocate(self, room: int) -> None:
        def grown(old: npt.NDArray[Any] | None, shape: tuple[int, ...], kind: Any) -> Any:  # noqa: ANN401  Arrays of any kind.
            new = np.zeros(shape, dtype=kind)
            if old is not None:
                new[: len(old)] = old
            return new

        had = self._room > 0
        shape = (room, self.measures)
        self._mean: Floats = grown(self._mean if had else None, shape, np.float32)
        self._variance: Floats = grown(self._variance if had else None, shape, np.float32)
        self._gathered: Floats = grown(self._gathered if had else None, shape, np.float32)
        self._last: Numbers = grown(self._last if had else None, (room,), np.int64)
        self._age: Numbers = grown(self._age if had else None, (room,), np.int64)
        self._room = room

    def places(self, keys: Sequence[bytes], slot: int) -> Numbers:
        """Return the places of keys at a slot; new ones were below the floor until now."""
        if not self.began:
            self.began = slot
        self.latest = max(self.latest, slot)
        return np.fromiter((self._place(key, slot) for key in keys), np.int64, len(keys))

    def _place(self, key: bytes, slot: int) -> int:
        place = self._places.pop(key, None)
        if place is None:
            if len(self._places) >= self.capacity:
                oldest = next(iter(self._places))
                place = self._places.pop(oldest)
                self._hours.pop(oldest, None)
                self.dropped += 1
            else:
                place = len(self._places)
                if place >= self._room:
                    self._allocate(min(self._room * 2, self.capacity))
            for array in (self._mean, self._variance, self._gathered):
                array[place] = 0.0
            self._last[place] = slot - 1
            self._age[place] = slot - self.began
        self._places[key] = place
        return place

    def usual(self, keys: Sequence[bytes], places: Numbers, slot: int, time: int) -> Learned:
        """Return what is usual for keys, the slots in which they were not told included."""
        missed = np.maximum(slot - self._last[places] - 1, 0)
        if missed.any():
            fade = ((1.0 - self._alpha) ** missed).astype(np.float32)[:, None]
            self._mean[places] *= fade
            self._variance[places] *= fade
            self._gathered[places] *= (missed < self._slots_a_second)[:, None]
            self._age[places] += missed
            self._last[places] = np.maximum(self._last[places], slot - 1)
        mean = self._mean[places]
        upper = mean + 3.0 * np.sqrt(self._variance[places])
        rows = [row for row, key in enumerate(keys) if key in self._hours]
        if rows:
            hour = hour_of_week(time)
            hours = np.array([self._hours[keys[row]][hour] for row in rows])
            ratios = hours / np.maximum(mean[np.ix_(rows, self._seasonal)], 1.0)
            upper[rows] *= np.maximum(ratios.max(axis=1), 1.0)[:, None]
        return Learned(mean, upper.astype(np.float32), self._gathered[places], self._age[places])

    def gather(self, places: Numbers, values: Floats, floors: Floats) -> Floats:
        """Add what exceeds the mean by more than a standard deviation; return the CUSUM."""
        mean = self._mean[places]
        deviation = np.maximum(np.sqrt(self._variance[places]), np.maximum(mean / 4, floors / 3))
        excess = (values - mean) / deviation - 1.0
        gathered = np.clip(self._gathered[places] + np.minimum(excess, 4.0), 0.0, 100.0)
        self._gathered[places] = gathered
        return gathered

    def learn(
        self,
        keys: Sequence[bytes],
        places: Numbers,
        values: Floats,
        slot: int,
        time: int,
        frozen: npt.NDArray[np.bool_],
        floors: Floats,
    ) -> None:
        """Learn values of a slot, those of frozen keys left out.

        What is far above the usual counts as half again as much, or as the floor of its measure: a
        flood that grows slowly must not teach its own growth.
        """
        self._last[places] = slot
        self._age[places] += 1
        kept = places[~frozen]
        if not len(kept):
            return
        upper = self._mean[places] + 3.0 * np.sqrt(self._variance[places])
        young = (self._age[places] <= self._young)[:, None]
        values = np.where(young, values, np.minimum(values, np.maximum(1.5 * upper, floors)))
        # Young keys take the plain mean of what came.
        alpha = np.maximum(1.0 / np.maximum(self._age[kept], 1), self._alpha)
        alpha = alpha.astype(np.float32)[:, None]
        step = values[~frozen] - self._mean[kept]
        self._mean[kept] += alpha * step
        self._variance[kept] = (1.0 - alpha) * (self._variance[kept] + alpha * step**2)
        if self._seasonal:
            self._learn_hours(keys, values, time, frozen)

    def _learn_hours(
        self,
        keys: Sequence[bytes],
        values: Floats,
        time: int,
        frozen: npt.NDArray[np.bool_],
    ) -> None:
        hour = hour_of_week(time)
        columns = list(self._seasonal)
        for row, key in enumerate(keys):
            if frozen[row] or key[16] == 128:
                continue
            hours = self._hours.get(key)
            if hours is None:
                if len(self._hours) >= self._seasonal_capacity:
                    continue
                hours = np.zeros((HOURS, len(columns)), dtype=np.float32)
                self._hours[key] = hours
            # An hour's mean is that of its last few weeks: it moves by a hundredth a minute.
            pace = self._alpha * 5
            hours[hour] += pace * (values[row, columns] - hours[hour])

    def accept(self, places: Numbers, values: Floats) -> None:
        """Take values for what is usual of keys from now on: somebody who knows said so."""
        self._mean[places] = np.maximum(self._mean[places], values)
        self._variance[places] = np.maximum(self._variance[places], (values / 4) ** 2)
        self._gathered[places] = 0.0

    def forget(self, places: Numbers) -> None:
        """Let the CUSUM of keys begin anew: what it gathered was judged benign."""
        self._gathered[places] = 0.0

    def save(self) -> bytes:
        """Return the state."""
        keys = list(self._places)
        places = np.fromiter(self._places.values(), np.int64, len(keys))
        seasonal = [key for key in keys if key in self._hours]
        file = io.BytesIO()
        np.savez_compressed(
            file,
            version=np.array([_VERSION, self.measures, len(self._seasonal)]),
            span=np.array([self.began, self.latest]),
            keys=np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 17),
            mean=self._mean[places],
            variance=self._variance[places],
            last=self._last[places],
            age=self._age[places],
            seasonal=np.frombuffer(b"".join(seasonal), np.uint8).reshape(-1, 17),
            hours=np.array([self._hours[key] for key in seasonal], dtype=np.float32),
        )
        return file.getvalue()

    def load(self, state: bytes) -> None:
        """Take over a state. Raises StateError when it is damaged or of another version."""
        try:
            with np.load(io.BytesIO(state), allow_pickle=False) as saved:
                parts = {name: saved[name] for name in saved.files}
            self._take(parts)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            message = f"the baselines cannot be read: {error}"
            raise StateError(message) from error

    def _take(self, parts: dict[str, npt.NDArray[Any]]) -> None:
        count = len(parts["keys"])
        wanted = (_VERSION, self.measures, len(self._seasonal))
        shape = (count, self.measures)
        if tuple(parts["version"]) != wanted or count > self.capacity:
            message = "they are of another version"
            raise ValueError(message)
        if parts["mean"].shape != shape or parts["variance"].shape != shape:
            message = "their tables differ in size"
            raise ValueError(message)
        self._room = 0
        self._allocate(max(count, min(256, self.capacity)))
        for name in ("mean", "variance", "last", "age"):
            getattr(self, f"_{name}")[:count] = parts[name]
        self._mean[:count] = np.nan_to_num(self._mean[:count], posinf=0.0, neginf=0.0)
        self._variance[:count] = np.nan_to_num(self._variance[:count], posinf=0.0, neginf=0.0)
        self.began, self.latest = (int(number) for number in parts["span"])
        self._places = {row.tobytes(): place for place, row in enumerate(parts["keys"])}
        hours = parts["hours"].reshape(len(parts["seasonal"]), HOURS, len(self._seasonal))
        self._hours = {
            row.tobytes(): np.array(hours[place], dtype=np.float32)
            for place, row in enumerate(parts["seasonal"])
        }


def hour_of_week(time: int) -> int:
    """Return the hour of the week of a time (nanoseconds since the epoch, UTC), 0 to 167."""
    return (time // _HOUR + _THURSDAY) % HOURS
