"""Receiver operating characteristics of scores against labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


def area_under_curve(scores: Scores, labels: Labels) -> float:
    """Return the probability that an attack scores above a benign packet, ties counted half.

    By ranks (Hanley and McNeil, 1982). NaN when one of the classes is empty.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2.0)[inverse]
    wins = ranks[labels].sum() - positives * (positives + 1) / 2.0
    return float(wins / (positives * negatives))


def true_positive_rate(scores: Scores, labels: Labels, false_positive_rate: float) -> float:
    """Return the share of attacks above the lowest threshold that keeps to a rate of false alarms.

    A threshold takes whole ties: benign packets at the threshold count as alarms.
    """
    benign = np.sort(scores[~labels])[::-1]
    allowed = int(false_positive_rate * len(benign))
    # With `allowed` false alarms, the next benign score is the first that must not alarm.
    threshold = benign[allowed] if allowed < len(benign) else -np.inf
    return float((scores[labels] > threshold).mean())


def average_precision(scores: Scores, labels: Labels) -> float:
    """Return the mean precision over the attacks, ranked by score; ties are one step."""
    order = np.argsort(-scores, kind="stable")
    hits = labels[order]
    ranked = scores[order]
    found = np.cumsum(hits)
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    precision = found[ends] / (ends + 1)
    gained = np.diff(np.concatenate([[0], found[ends]]))
    return float((precision * gained).sum() / max(1, labels.sum()))
