"""Kinds of devices, learned from examples: which kind does what a device says and does look like?

A device is a set of words (`Device.words`). Words are weighed by how rare they are among the
examples; a softmax regression tells the kinds apart, and how far the words are those of the kind's
examples tells whether it is any of them: what is far from all is unknown. Kinds that examples
themselves confuse are twins, and reported as one class.

Fails where a device is seen long after it was set up, if the examples are of setting up; and where
a kind's firmware changes what it says.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from phage.errors import StateError
from phage.frozen import frozen
from phage.records.device import Attribute, Trait
from phage.records.distinct import distinct

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

Floats = npt.NDArray[np.float64]

STEPS, RATE, MOMENTUM, DECAY = 300, 8.0, 0.9, 1e-3
"""Gradient descent on vectors of unit length: some hundred steps are enough for any data."""

MISSED = 0.02
"""Share of known devices that may be called unknown: what the threshold of novelty is set by."""

FOLDS = 5
TWINS = 0.2
"""Kinds that are taken for each other more often than this are twins."""

NEAREST = 3
"""Examples of a kind that a device is compared with."""

MAX_VOCABULARY = 20_000

KINDS = "kinds"
"""The source of traits that follow from a kind."""

_MAGIC = b"phage kinds 1\n"
_DIGEST = 32


@frozen
class Verdict:
    """What a device looks like.

    Attributes:
        kinds: The kind and its twins, the likelier first; () where it is unknown.
        confidence: 0 to 1.
        novelty: 0 for a device like the examples, 1 for one that has nothing of theirs.
        why: The words that speak for it, the strongest first.
    """

    kinds: tuple[str, ...]
    confidence: float
    novelty: float
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class KindModel:
    """A model of kinds; made by `train`, read by `load`."""

    words: tuple[str, ...]
    rarity: Floats
    kinds: tuple[str, ...]
    weights: Floats
    offsets: Floats
    examples: Floats
    example_kinds: npt.NDArray[np.int64]
    threshold: float
    twins: tuple[tuple[int, ...], ...]
    """For each kind the numbers of its twins, itself among them."""
    told: Mapping[str, Mapping[str, str]]
    """What being of a kind tells, by kind and attribute: {"Hue": {"vendor": "Philips"}}."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {word: at for at, word in enumerate(self.words)})

    def judge(self, words: Collection[str]) -> Verdict:
        """Return what a device with these words looks like."""
        vector = self._vector(words)
        chances = _softmax(vector @ self.weights + self.offsets)[0]
        score, best = self._score(words, vector, chances)
        novelty = 1.0 - score
        if score < self.threshold:
            return Verdict((), 0.0, round(novelty, 4))
        group = sorted(self.twins[best], key=lambda kind: -chances[kind])
        confidence = float(chances[list(group)].sum()) * min(1.0, 0.5 + score)
        speaks = vector[0] * self.weights[:, best]
        why = [self.words[at] for at in np.argsort(-speaks)[:5] if speaks[at] > 0]
        return Verdict(
            tuple(self.kinds[kind] for kind in group),
            round(min(0.99, confidence), 4),
            round(novelty, 4),
            tuple(why),
        )

    def _score(self, words: Collection[str], vector: Floats, chances: Floats) -> tuple[float, int]:
        """Return how near a device is to the kind that it is taken for, and the kind."""
        groups = [float(chances[list(group)].sum()) for group in self.twins]
        best = int(np.argmax(chances))
        like = self.examples[np.isin(self.example_kinds, self.twins[best])] @ vector[0]
        near = float(np.sort(like)[-NEAREST:].mean())
        return near * math.sqrt(self._known(words)) * groups[best], best

    def _known(self, words: Collection[str]) -> float:
        """Return the share of a device's words that examples have, by their weight."""
        places = self._place_of
        known = sum(float(self.rarity[places[word]]) for word in words if word in places)
        strange = sum(1 for word in words if word not in places) * math.log(len(self.examples) + 1)
        return known / (known + strange) if known else 0.0

    def _vector(self, words: Collection[str]) -> Floats:
        return _vectors([words], self._place_of, self.rarity)

    @property
    def _place_of(self) -> Mapping[str, int]:
        places: Mapping[str, int] = self.__dict__["_places"]
        return places


def kind_traits(model: KindModel, words: Collection[str], at: int) -> tuple[Trait, ...]:
    """Return what follows from the kind that a device looks like; () where it is unknown.

    Twins tell together only what is the same of all.
    """
    verdict = model.judge(words)
    if not verdict.kinds:
        return ()
    evidence = f"looks like it: {', '.join(verdict.why)}"
    traits = [
        Trait(Attribute.KIND, " / ".join(verdict.kinds), verdict.confidence, KINDS, evidence, at)
    ]
    tells = [set(model.told.get(kind, {}).items()) for kind in verdict.kinds]
    for name, value in sorted(set.intersection(*tells)):
        evidence = f"looks like {verdict.kinds[0]}"
        traits.append(Trait(Attribute(name), value, verdict.confidence, KINDS, evidence, at))
    return tuple(traits)


def train(
    examples: Sequence[Collection[str]],
    kinds: Sequence[str],
    told: Mapping[str, Mapping[str, str]] | None = None,
) -> KindModel:
    """Learn kinds from examples: sets of words, and the kind of each.

    Raises ValueError for less than two kinds. Threshold and twins are found by training on parts of
    the examples and judging the rest.
    """
    names = tuple(sorted(set(kinds)))
    if len(names) < 2:
        message = "kinds are told apart: examples of two at least are needed"
        raise ValueError(message)
    numbers = np.array([names.index(kind) for kind in kinds])
    alone = tuple((number,) for number in range(len(names)))
    taken, scores = np.zeros(len(examples), np.int64), np.zeros(len(examples))
    folds = _folds(numbers)
    for fold in range(FOLDS):
        kept = np.flatnonzero(folds != fold).tolist()
        left = np.flatnonzero(folds == fold).tolist()
        if not kept or not left:
            continue
        part = _fit([examples[at] for at in kept], numbers[kept], names, alone, 0.0, {})
        for at in left:
            vector = part._vector(examples[at])  # noqa: SLF001  Its own module.
            chances = _softmax(vector @ part.weights + part.offsets)[0]
            scores[at], taken[at] = part._score(examples[at], vector, chances)  # noqa: SLF001
    twins = _twins(numbers, taken, len(names))
    right = np.array([taken[at] in twins[numbers[at]] for at in range(len(examples))])
    sure = scores[right] if right.any() else scores
    threshold = float(np.quantile(sure, MISSED)) * 0.98
    return _fit(examples, numbers, names, twins, threshold, told or {})


def _fit(
    examples: Sequence[Collection[str]],
    numbers: npt.NDArray[np.int64],
    names: tuple[str, ...],
    twins: tuple[tuple[int, ...], ...],
    threshold: float,
    told: Mapping[str, Mapping[str, str]],
) -> KindModel:
    counts = Counter(word for example in examples for word in set(example))
    common = [word for word, count in counts.most_common(MAX_VOCABULARY) if count > 1]
    words = tuple(sorted(common))
    total = len(examples)
    rarity = np.array([math.log((total + 1) / (counts[word] + 0.5)) for word in words])
    places = {word: at for at, word in enumerate(words)}
    vectors = _vectors(examples, places, rarity)
    wanted = np.zeros((total, len(names)))
    wanted[np.arange(total), numbers] = 1.0
    sizes = np.maximum(wanted.sum(axis=0), 1.0)
    shares = (wanted / sizes).sum(axis=1, keepdims=True)
    shares /= shares.mean()
    weights, offsets = _descend(vectors, wanted, shares)
    return KindModel(
        words, rarity, names, weights, offsets, vectors, numbers, threshold, twins, told
    )


def _descend(vectors: Floats, wanted: Floats, shares: Floats) -> tuple[Floats, Floats]:
    total = len(vectors)
    weights = np.zeros((vectors.shape[1], wanted.shape[1]))
    offsets = np.zeros(wanted.shape[1])
    speed, drift = np.zeros_like(weights), np.zeros_like(offsets)
    for _ in range(STEPS):
        error = (_softmax(vectors @ weights + offsets) - wanted) * shares
        speed = MOMENTUM * speed + vectors.T @ error / total + DECAY * weights
        drift = MOMENTUM * drift + error.mean(axis=0)
        weights -= RATE * speed
        offsets -= RATE / 4 * drift
    return weights, offsets


def _vectors(
    examples: Sequence[Collection[str]], places: Mapping[str, int], rarity: Floats
) -> Floats:
    vectors = np.zeros((len(examples), len(rarity)))
    for row, words in enumerate(examples):
        for word in words:
            place = places.get(word)
            if place is not None:
                vectors[row, place] = rarity[place]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = vectors / np.maximum(lengths, 1e-9)
    return scaled


def _softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    result: Floats = powers / powers.sum(axis=1, keepdims=True)
    return result


def _folds(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Deal the examples of each kind out to the folds in turn."""
    folds = np.zeros(len(numbers), np.int64)
    for number in distinct(numbers):
        places = np.flatnonzero(numbers == number)
        folds[places] = (np.arange(len(places)) + number) % FOLDS
    return folds


def _twins(
    numbers: npt.NDArray[np.int64], taken: npt.NDArray[np.int64], count: int
) -> tuple[tuple[int, ...], ...]:
    wrong: defaultdict[tuple[int, int], int] = defaultdict(int)
    for right, said in zip(numbers.tolist(), taken.tolist(), strict=True):
        if right != said:
            wrong[min(right, said), max(right, said)] += 1
    group = list(range(count))
    for (one, other), mistakes in wrong.items():
        size = int(np.isin(numbers, (one, other)).sum())
        if mistakes > TWINS * size:
            joined, kept = group[other], group[one]
            group = [kept if each == joined else each for each in group]
    return tuple(
        tuple(other for other in range(count) if group[other] == group[kind])
        for kind in range(count)
    )


def save(path: Path, model: KindModel) -> None:
    """Write a model, whole or not at all. Raises OSError."""
    told = [
        (kind, name, value) for kind, tells in model.told.items() for name, value in tells.items()
    ]
    content = io.BytesIO()
    np.savez_compressed(
        content,
        words=np.array(model.words),
        rarity=model.rarity,
        kinds=np.array(model.kinds),
        weights=model.weights.astype(np.float32),
        offsets=model.offsets,
        examples=model.examples.astype(np.float32),
        example_kinds=model.example_kinds,
        threshold=np.array(model.threshold),
        twins=np.array([min(group) for group in model.twins]),
        told=np.array(told or np.zeros((0, 3), "U1")),
    )
    body = content.getvalue()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(_MAGIC + hashlib.sha256(body).digest() + body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load(path: Path) -> KindModel | None:
    """Read a model; None where there is none. Raises StateError where it is damaged."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise StateError(message) from error
    head = len(_MAGIC) + _DIGEST
    body = raw[head:]
    if not raw.startswith(_MAGIC) or hashlib.sha256(body).digest() != raw[len(_MAGIC) : head]:
        message = f"{path}: is damaged; `phage devices train` makes it anew"
        raise StateError(message)
    with np.load(io.BytesIO(body), allow_pickle=False) as stored:
        each: dict[str, Any] = dict(stored)
    groups = each["twins"].tolist()
    told: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for kind, name, value in each["told"].tolist():
        told[kind][name] = value
    return KindModel(
        tuple(each["words"].tolist()),
        each["rarity"],
        tuple(each["kinds"].tolist()),
        each["weights"].astype(np.float64),
        each["offsets"],
        each["examples"].astype(np.float64),
        each["example_kinds"],
        float(each["threshold"]),
        tuple(tuple(other for other, group in enumerate(groups) if group == own) for own in groups),
        dict(told),
    )
