"""Metrics: counters and gauges with bounded sets of labels, and their text for Prometheus.

A small implementation of its own: the Prometheus client brings an HTTP server, process collectors
and multiprocess files along (some 5 MB of memory), of which phage needs none.
"""

from __future__ import annotations

import math
import re
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MAX_SERIES = 1000
"""Series of one metric: a label taken from the network must not fill the memory here and in
Prometheus."""

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_VALUE_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})

Labels = tuple[str, ...]


class Metric:
    """One metric with its series, one for each set of label values.

    When a metric has MAX_SERIES series, further label values are counted in the series whose labels
    are all "other".
    """

    kind = "untyped"

    def __init__(self, name: str, meaning: str, labels: Iterable[str] = ()) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = tuple(labels)
        if not _METRIC_NAME.fullmatch(name):
            message = f"not a metric name: {name!r}"
            raise ValueError(message)
        if bad := [label for label in self.labels if not _LABEL_NAME.fullmatch(label)]:
            message = f"not a label name: {bad[0]!r}"
            raise ValueError(message)
        self._series: dict[Labels, float] = {}
        self._lock = threading.Lock()
        if not self.labels:
            self._series[()] = 0.0

    def value(self, *labels: str) -> float:
        """Return the value of a series; 0 where there is none."""
        return self._series.get(labels, 0.0)

    def _place(self, labels: Labels) -> Labels:
        """Return the series to write to; the lock is held."""
        if len(labels) != len(self.labels):
            message = f"{self.name} has the labels {self.labels}, not {labels}"
            raise ValueError(message)
        if labels in self._series or len(self._series) < MAX_SERIES:
            return labels
        return ("other",) * len(labels)

    def samples(self) -> list[tuple[Labels, float]]:
        """Return a copy of all series, sorted by label values."""
        with self._lock:
            return sorted(self._series.items())


class Counter(Metric):
    """Counts what happened; only grows."""

    kind = "counter"

    def add(self, amount: float = 1.0, *labels: str) -> None:
        """Add to a series. Raises ValueError when the amount is negative."""
        if not amount >= 0:
            message = f"{self.name}: a counter only grows, not by {amount}"
            raise ValueError(message)
        with self._lock:
            place = self._place(labels)
            self._series[place] = self._series.get(place, 0.0) + amount

    def reach(self, total: float, *labels: str) -> None:
        """Set a series to a total that is counted elsewhere.

        A smaller total than before is left out.
        """
        with self._lock:
            place = self._place(labels)
            self._series[place] = max(self._series.get(place, 0.0), total)


class Gauge(Metric):
    """Tells how much there is now."""

    kind = "gauge"

    def set(self, value: float, *labels: str) -> None:
        """Set a series."""
        with self._lock:
            self._series[self._place(labels)] = float(value)

    def remove(self, *labels: str) -> None:
        """Forget a series, when what it told of is gone."""
        with self._lock:
            self._series.pop(labels, None)


M = TypeVar("M", bound=Metric)


class Registry:
    """All metrics of a process, by name; handed to whoever counts."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._refreshers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def counter(self, name: str, meaning: str, labels: Iterable[str] = ()) -> Counter:
        """Return the counter of this name, made at the first call."""
        return self._get(Counter, name, meaning, labels)

    def gauge(self, name: str, meaning: str, labels: Iterable[str] = ()) -> Gauge:
        """Return the gauge of this name, made at the first call."""
        return self._get(Gauge, name, meaning, labels)

    def on_read(self, refresh: Callable[[], None]) -> None:
        """Call a function before metrics are read, to set what is costly to keep up to date."""
        with self._lock:
            self._refreshers.append(refresh)

    def _get(self, kind: type[M], name: str, meaning: str, labels: Iterable[str]) -> M:
        wanted = tuple(labels)
        with self._lock:
            metric = self._metrics.get(name)
            if metric is None:
                metric = self._metrics[name] = kind(name, meaning, wanted)
            if not isinstance(metric, kind) or metric.labels != wanted:
                message = f"{name} is a {metric.kind} with the labels {metric.labels} already"
                raise ValueError(message)
            return metric

    def metrics(self) -> list[Metric]:
        """Return all metrics by name, as of now."""
        with self._lock:
            refreshers, metrics = list(self._refreshers), sorted(self._metrics.items())
        for refresh in refreshers:
            refresh()
        return [metric for _, metric in metrics]

    def exposition(self) -> str:
        """Return all metrics in Prometheus's text format 0.0.4."""
        return "".join(line for metric in self.metrics() for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    samples = metric.samples()
    if not samples:
        return
    yield f"# HELP {metric.name} {metric.meaning.translate(_HELP_ESCAPES)}\n"
    yield f"# TYPE {metric.name} {metric.kind}\n"
    for values, number in samples:
        pairs = ",".join(
            f'{name}="{_clean(value)}"' for name, value in zip(metric.labels, values, strict=True)
        )
        yield (
            f"{metric.name}{{{pairs}}} {_number(number)}\n"
            if pairs
            else f"{metric.name} {_number(number)}\n"
        )


def _clean(value: str) -> str:
    """Escape a label value.

    What is no Unicode (lone surrogates) is replaced, since the text is UTF-8.
    """
    return value.encode("utf-8", "replace").decode("utf-8").translate(_VALUE_ESCAPES)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
