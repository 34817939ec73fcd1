"""The alarm budget: from the evidence that benign operation gathers to the level at which to alarm.

The owner says how many false alarms a device may cause in a week. The highest evidence of each hour
is a block maximum; of many benign hours the tail of these maxima is fitted and extended to the hour
that is to be exceeded once in 168 / budget (Coles, An introduction to statistical modeling of
extreme values, 2001, chapters 3 and 4, with an exponential tail: two numbers are all that some days
of data can bear).

A fit is a guess, so the budget is also held by what is spent (alpha-investing; Javanmard and
Montanari, Online rules for control of false discovery rate, Annals of Statistics 46(2), 2018). An
alarm that nothing confirmed is taken as false: it becomes one of the device's maxima, and costs
wealth that comes back within a week. Without wealth a device's level is twice as high for each
alarm beyond the budget. So the rate of false alarms falls to the budget whatever the tail, and what
is clearly worse than before is still reported.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR = 3_600_000_000_000
BLOCKS_A_WEEK = 168.0


@dataclass(slots=True)
class _History:
    """The maxima of one device's past hours, and of the one that runs."""

    block: int
    highest: float = 0.0
    maxima: deque[float] = field(default_factory=lambda: deque(maxlen=336))
    level: float = 0.0
    fitted: int = -1
    spent: float = 0.0
    spent_at: int = 0


@dataclass(slots=True)
class AlarmBudget:
    """Levels for all devices, learned from what they gather while nothing is wrong.

    A young device is judged by the maxima of all devices together. Values above a device's level
    count as the level: an attack that lasts does not raise it, a real change does so slowly.

    Fails where the benign tail is heavier than exponential: the budget is then exceeded until the
    hours in question are among the maxima, which the level never lies below.
    """

    start: float = 5.0
    """Level before anything is known."""
    floor: float = 4.0
    """No level lies below: one in ten thousand, after the number of packets was allowed for."""
    most: float = 48.0
    """No level lies above, what is spent left aside: an attack must not make its device deaf."""
    most_spent: float = 3.0
    """Alarms beyond the budget that are counted at most: a factor of eight."""
    own: int = 48
    """Hours after which a device is judged by itself: with a quarter of them in the tail, twelve
    values."""
    pooled: int = 24
    """Hours of all devices together from which levels are fitted."""
    refit: int = 6
    """Hours after which a level is fitted anew."""
    most_devices: int = 4096
    """Devices with a history, at most 3 kB each."""
    dropped: int = field(default=0, init=False)

    _devices: OrderedDict[str, _History] = field(default_factory=OrderedDict, init=False)
    _pool: deque[float] = field(default_factory=lambda: deque(maxlen=2048), init=False)
    _pool_level: tuple[int, float, float] = field(default=(-1, 0.0, 0.0), init=False)
    _added: int = field(default=0, init=False)

    def observe(self, device: str, time: int, value: float) -> None:
        """Take in what a device has gathered by a time; what is not finite is ignored."""
        if not math.isfinite(value):
            return
        block = time // HOUR
        history = self._devices.get(device)
        if history is None:
            history = self._devices[device] = _History(block)
            if len(self._devices) > self.most_devices:
                self._devices.popitem(last=False)
                self.dropped += 1
        elif block > history.block:
            self._turn(history, block)
        history.highest = max(history.highest, value)

    def _turn(self, history: _History, block: int) -> None:
        # An hour without a packet gathers nothing; it says little of the tail and is left out.
        history.maxima.append(history.highest)
        self._pool.append(history.highest)
        self._added += 1
        history.block = block
        history.highest = 0.0

    def level(self, device: str, budget: float, time: int | None = None) -> float:
        """Return the level at which a device's evidence is an alarm.

        Args:
            device: The device's stable name.
            budget: False alarms accepted per device and week; held between 0.01 and 100.
            time: Now: what was spent comes back over a week. None leaves it aside.
        """
        budget = min(max(budget, 0.01), 100.0) if math.isfinite(budget) else 1.0
        history = self._devices.get(device)
        level = min(self._fitted(history, budget), self.most)
        if history is None or time is None:
            return level
        beyond = self._spent(history, time) + 1.0 - max(budget, 1.0)
        return level * math.exp2(min(max(beyond, 0.0), self.most_spent))

    def spend(self, device: str, time: int, peak: float) -> None:
        """Take in an alarm that nothing confirmed: how high it was, and that it was one.

        A peak counts as half more than the level at most, so that a level rises by steps.
        """
        history = self._devices.get(device)
        if history is None or not math.isfinite(peak):
            return
        history.spent = self._spent(history, time) + 1.0
        history.spent_at = time
        most = 1.5 * max(history.level, self.start, max(history.maxima, default=0.0))
        history.highest = max(history.highest, min(peak, most, self.most))
        # Counts from now on, not from the end of the hour.
        self._turn(history, max(history.block, time // HOUR))
        history.fitted = -1

    @staticmethod
    def _spent(history: _History, time: int) -> float:
        passed = max(0, time - history.spent_at) / HOUR
        return max(0.0, history.spent - passed / BLOCKS_A_WEEK) if history.spent else 0.0

    def _fitted(self, history: _History | None, budget: float) -> float:
        if history is None or len(history.maxima) < self.own:
            pooled = self._level_of_all(budget)
            highest = max(history.maxima, default=0.0) if history is not None else 0.0
            return max(pooled, highest)
        age = len(history.maxima) if len(history.maxima) < 336 else self._added
        if history.fitted < 0 or age - history.fitted >= self.refit:
            history.level = tail_level(history.maxima, budget / BLOCKS_A_WEEK, self.floor)
            history.fitted = age
        return history.level

    def _level_of_all(self, budget: float) -> float:
        if len(self._pool) < self.pooled:
            return self.start
        added, known_budget, level = self._pool_level
        if added < 0 or self._added - added >= self.refit or known_budget != budget:
            level = tail_level(self._pool, budget / BLOCKS_A_WEEK, self.floor)
            self._pool_level = (self._added, budget, level)
        return level


def tail_level(maxima: Iterable[float], probability: float, floor: float) -> float:
    """Return the value that a block's maximum exceeds with this probability.

    The tail begins at the upper quartile; the mean excess over it is the scale, raised by 1.28 of
    its standard errors, so that nine fits in ten lie on the safe side. Never below the highest
    value given.
    """
    values = sorted(value for value in maxima if math.isfinite(value))
    if not values:
        return floor
    threshold = values[(3 * len(values)) // 4]
    excesses = [value - threshold for value in values if value > threshold]
    level = values[-1]
    if excesses:
        share = len(excesses) / len(values)
        scale = sum(excesses) / len(excesses) * (1.0 + 1.28 / math.sqrt(len(excesses)))
        level = max(level, threshold + scale * math.log(max(share / probability, 1.0)))
    return max(level, floor)
