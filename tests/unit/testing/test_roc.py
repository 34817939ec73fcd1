"""Figures of known rankings, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from phage.testing.roc import area_under_curve, average_precision, true_positive_rate


def test_area_of_a_perfect_a_reversed_and_a_tied_ranking() -> None:
    labels = np.array([False, False, True, True])
    assert area_under_curve(np.array([1.0, 2.0, 3.0, 4.0]), labels) == 1.0
    assert area_under_curve(np.array([4.0, 3.0, 2.0, 1.0]), labels) == 0.0
    assert area_under_curve(np.zeros(4), labels) == 0.5
    assert area_under_curve(np.array([1.0, 3.0, 2.0, 4.0]), labels) == 0.75


def test_true_positive_rate_allows_the_given_share_of_false_alarms() -> None:
    scores = np.array([*range(1000), 500.5, 2000.0], dtype=float)
    labels = np.array([False] * 1000 + [True, True])
    assert true_positive_rate(scores, labels, 0.001) == 0.5
    assert true_positive_rate(scores, labels, 0.5) == 1.0


def test_a_tie_with_benign_packets_is_no_detection() -> None:
    scores = np.ones(100)
    labels = np.array([True] + [False] * 99)
    assert true_positive_rate(scores, labels, 0.01) == 0.0


def test_average_precision_is_the_mean_of_the_precisions_at_each_hit() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    labels = np.array([True, False, True, False])
    assert average_precision(scores, labels) == pytest.approx((1 / 1 + 2 / 3) / 2)
