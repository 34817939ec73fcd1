"""What was, over a period: charts of traffic, findings and decisions from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records import Severity
from phage.web.charts import Chart, Series, filled

if TYPE_CHECKING:
    from phage.store.store import Store

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

PERIODS = {"1h": (HOUR, MINUTE), "24h": (24 * HOUR, 10 * MINUTE), "7d": (168 * HOUR, 2 * HOUR)}
"""How long each period is, and the step of its charts: some dozens to a hundred and some."""

BARS = {"1h": 2 * MINUTE, "24h": 30 * MINUTE, "7d": 4 * HOUR}
"""Steps of charts of bars, which are broader."""


@frozen
class Period:
    """A time that charts are about; times in nanoseconds since the Unix epoch.

    `until` is the end of the last whole step, `now` the time at which it is asked.
    """

    name: str
    since: int
    until: int
    now: int
    step: int
    bar: int

    @property
    def steps(self) -> int:
        """Return how many steps it has."""
        return (self.until - self.since) // self.step

    @property
    def first_bar(self) -> int:
        """Return the time of the first bar; bars lie on multiples of themselves."""
        return self.since - self.since % self.bar

    @property
    def bars(self) -> int:
        """Return how many bars it has, the one that runs included."""
        return (self.now - self.first_bar) // self.bar + 1


def period_of(name: str, now: int) -> Period:
    """Return a period by name, up to the step that runs: what is half counted looks like a fall."""
    length, step = PERIODS[name]
    until = now - now % step
    return Period(name, until - length, until, now, step, BARS[name])


def traffic_chart(store: Store, period: Period) -> Chart:
    """Return the traffic of a period as a rate, in bits."""
    values = [each * 8 for each in _rates(store, "octets", period)]
    return Chart(
        "Traffic", "bit/s", period.since, period.step, [Series("traffic", "accent", values)]
    )


def packets_chart(store: Store, period: Period) -> Chart:
    """Return the packets of a period as a rate."""
    values = _rates(store, "packets", period)
    return Chart(
        "Packets", "packets/s", period.since, period.step, [Series("packets", "second", values)]
    )


def _rates(store: Store, counter: str, period: Period) -> list[float]:
    sums = store.counters.sums(counter, period.since, period.until, period.step)
    seconds = period.step / SECOND
    return [value / seconds for value in filled(sums, period.since, period.step, period.steps)]


def findings_chart(store: Store, period: Period) -> Chart:
    """Return how many findings began, by severity, the worst on top."""
    begin, steps = period.first_bar, period.bars
    counted: dict[Severity, dict[int, float]] = {each: {} for each in Severity}
    for at, severity, count in store.findings.over_time(begin, period.now + 1, period.bar):
        counted[severity][at] = count
    series = [
        Series(str(each), str(each), filled(counted[each], begin, period.bar, steps))
        for each in Severity
        if counted[each] or each in {Severity.MEDIUM, Severity.HIGH}
    ]
    return Chart("Findings", "", begin, period.bar, series, "bars")


def decisions_chart(store: Store, period: Period) -> Chart:
    """Return how many decisions began: carried out, and only recorded."""
    begin, steps = period.first_bar, period.bars
    counted: dict[bool, dict[int, float]] = {False: {}, True: {}}
    for at, dry_run, count in store.decisions.over_time(begin, period.now + 1, period.bar):
        counted[dry_run][at] = count
    series = [
        Series("blocked", "accent", filled(counted[False], begin, period.bar, steps)),
        Series("would have blocked", "second", filled(counted[True], begin, period.bar, steps)),
    ]
    return Chart("Decisions", "", begin, period.bar, series, "bars")
