"""The published method of Kitsune (Mirsky et al., NDSS 2018) in Python and NumPy, as a peer.

This is our own writing from the paper and from the behaviour of the released code, faults
included: every relation of a packet's source is updated at every packet, nothing is evicted,
inputs are scaled by their smallest and largest value and not clipped. It is here so that `phage
bench` can measure the method's speed in the same run, and so that tests can compare results; phage
itself never runs it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from phage.frozen import frozen

DECAYS = (5.0, 3.0, 1.0, 0.1, 0.01)
Row = npt.NDArray[np.float64]


@frozen
class PacketFields:
    """What the method looks at: time in seconds, octets, and the addresses and ports as text."""

    time: float
    length: int
    src_mac: str
    dst_mac: str
    src: str
    dst: str
    src_port: str
    dst_port: str


class Stream:
    """A damped incremental statistic with the relations it takes part in."""

    __slots__ = ("last", "linear", "relations", "squares", "weight")

    def __init__(self, time: float) -> None:
        self.linear = 0.0
        self.squares = 0.0
        self.weight = 1e-20
        self.last = time
        self.relations: list[Relation] = []

    def decay(self, time: float, rate: float) -> None:
        """Let what is old count less."""
        passed = time - self.last
        if passed > 0:
            factor = 2.0 ** (-rate * passed)
            self.linear *= factor
            self.squares *= factor
            self.weight *= factor
            self.last = time

    def insert(self, value: float, time: float, rate: float) -> None:
        """Add a value, and update every relation of this stream."""
        self.decay(time, rate)
        self.linear += value
        self.squares += value * value
        self.weight += 1
        for relation in self.relations:
            relation.update(self, value, time, rate)

    @property
    def mean(self) -> float:
        """Return the damped mean."""
        return self.linear / self.weight

    @property
    def variance(self) -> float:
        """Return the damped variance."""
        return abs(self.squares / self.weight - self.mean**2)


class Relation:
    """The damped covariance of two streams."""

    __slots__ = ("last", "products", "residuals", "streams", "weight")

    def __init__(self, first: Stream, second: Stream, time: float) -> None:
        self.streams = (first, second)
        self.products = 0.0
        self.weight = 1e-20
        self.residuals = [0.0, 0.0]
        self.last = time

    def update(self, stream: Stream, value: float, time: float, rate: float) -> None:
        """Add a value of one of the streams."""
        side = 0 if stream is self.streams[0] else 1
        self.streams[1 - side].decay(time, rate)
        passed = time - self.last
        if passed > 0:
            factor = 2.0 ** (-rate * passed)
            self.products *= factor
            self.weight *= factor
            self.residuals[side] *= factor
            self.last = time
        residual = value - stream.mean
        self.products += residual * self.residuals[1 - side]
        self.weight += 1
        self.residuals[side] = residual

    def features(self) -> tuple[float, float, float, float]:
        """Return radius, magnitude, covariance and correlation."""
        first, second = self.streams
        variances = first.variance, second.variance
        covariance = self.products / self.weight
        spread = math.sqrt(variances[0]) * math.sqrt(variances[1])
        return (
            math.sqrt(variances[0] ** 2 + variances[1] ** 2),
            math.sqrt(first.mean**2 + second.mean**2),
            covariance,
            covariance / spread if spread else 0.0,
        )


@dataclass(slots=True)
class Features:
    """The 100 features of the released code."""

    streams: dict[tuple[str, int], Stream] = field(default_factory=dict)
    relations: dict[tuple[str, str, int], Relation] = field(default_factory=dict)
    arrivals: dict[tuple[str, int], float] = field(default_factory=dict)

    def extract(self, packet: PacketFields) -> Row:
        """Return the features of a packet, after adding it."""
        row: list[float] = []
        pair = packet.src + packet.dst
        for rate in range(len(DECAYS)):
            row += self._single("mac" + packet.src_mac + packet.src, packet, rate)
        for rate in range(len(DECAYS)):
            row += self._related("host" + packet.src, "host" + packet.dst, packet, rate)
        for rate in range(len(DECAYS)):
            gap = max(0.0, packet.time - self.arrivals.get((pair, rate), packet.time))
            self.arrivals[pair, rate] = packet.time
            row += self._single("gap" + pair, packet, rate, gap)
        for rate in range(len(DECAYS)):
            first, second = packet.src + packet.src_port, packet.dst + packet.dst_port
            row += self._related("end" + first, "end" + second, packet, rate)
        return np.array(row)

    def _stream(self, key: str, time: float, rate: int) -> Stream:
        stream = self.streams.get((key, rate))
        if stream is None:
            stream = self.streams[key, rate] = Stream(time)
        return stream

    def _single(
        self, key: str, packet: PacketFields, rate: int, value: float | None = None
    ) -> list[float]:
        stream = self._stream(key, packet.time, rate)
        stream.insert(packet.length if value is None else value, packet.time, DECAYS[rate])
        return [stream.weight, stream.mean, stream.variance]

    def _related(self, src: str, dst: str, packet: PacketFields, rate: int) -> list[float]:
        row = self._single(src, packet, rate)
        source = self._stream(src, packet.time, rate)
        relation = self.relations.get((src, dst, rate)) or self.relations.get((dst, src, rate))
        if relation is None:
            other = self._stream(dst, packet.time, rate)
            relation = self.relations[src, dst, rate] = Relation(source, other, packet.time)
            source.relations.append(relation)
            other.relations.append(relation)
        relation.update(source, packet.length, packet.time, DECAYS[rate])
        return [*row, *relation.features()]


class Autoencoder:
    """One hidden layer, tied weights, logistic; one step of gradient descent a row."""

    def __init__(self, inputs: int) -> None:
        hidden = math.ceil(0.75 * inputs)
        rng = np.random.RandomState(1234)
        self.weights = rng.uniform(-1 / inputs, 1 / inputs, (inputs, hidden))
        self.hidden_bias = np.zeros(hidden)
        self.visible_bias = np.zeros(inputs)
        self.low = np.full(inputs, np.inf)
        self.high = np.full(inputs, -np.inf)

    def train(self, row: Row) -> float:
        """Learn a row and return its error before the step."""
        self.low = np.minimum(self.low, row)
        self.high = np.maximum(self.high, row)
        scaled = self._scale(row)
        hidden, error = self._pass(scaled)
        inner = (error @ self.weights) * hidden * (1 - hidden)
        self.weights += 0.1 * (np.outer(scaled, inner) + np.outer(error, hidden))
        self.hidden_bias += 0.1 * inner
        self.visible_bias += 0.1 * error
        return float(np.sqrt((error**2).mean()))

    def execute(self, row: Row) -> float:
        """Return the error of a row."""
        return float(np.sqrt((self._pass(self._scale(row))[1] ** 2).mean()))

    def _scale(self, row: Row) -> Row:
        scaled: Row = (row - self.low) / (self.high - self.low + 1e-16)
        return scaled

    def _pass(self, scaled: Row) -> tuple[Row, Row]:
        hidden = 1 / (1 + np.exp(-(scaled @ self.weights + self.hidden_bias)))
        output = 1 / (1 + np.exp(-(hidden @ self.weights.T + self.visible_bias)))
        return hidden, scaled - output


class Ensemble:
    """Autoencoders of at most ten neighbouring features and one over their errors.

    The released code groups features by correlation; for a measure of speed the grouping does not
    matter, so neighbours are taken.
    """

    def __init__(self, features: int, largest: int = 10) -> None:
        self.groups = [
            np.arange(start, min(start + largest, features))
            for start in range(0, features, largest)
        ]
        self.layers = [Autoencoder(len(group)) for group in self.groups]
        self.output = Autoencoder(len(self.groups))

    def train(self, row: Row) -> float:
        """Learn a row and return its score."""
        errors = [
            layer.train(row[group]) for layer, group in zip(self.layers, self.groups, strict=True)
        ]
        return self.output.train(np.array(errors))

    def execute(self, row: Row) -> float:
        """Return the score of a row."""
        errors = [
            layer.execute(row[group]) for layer, group in zip(self.layers, self.groups, strict=True)
        ]
        return self.output.execute(np.array(errors))
