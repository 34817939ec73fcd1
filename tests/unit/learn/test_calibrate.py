"""Levels keep the budget on tails that are known."""

from __future__ import annotations

import math
import random

import pytest

from phage.learn.calibrate import HOUR, AlarmBudget, tail_level


def test_the_level_is_conservative_before_anything_is_known() -> None:
    assert AlarmBudget().level("a", 1.0) == AlarmBudget().start


@pytest.mark.parametrize("budget", [0.25, 1.0, 4.0])
def test_the_fitted_level_is_near_the_true_quantile(budget: float) -> None:
    rng = random.Random(1)
    probability = budget / 168
    maxima = [5 + rng.expovariate(0.5) for _ in range(336)]
    truth = 5 + 2 * math.log(1 / probability)
    assert truth * 0.8 <= tail_level(maxima, probability, 4.0) <= truth * 1.4


def test_the_budget_is_kept_over_a_year() -> None:
    rng = random.Random(2)
    budget = AlarmBudget()
    alarms = 0
    for hour in range(24 * 365):
        value = rng.expovariate(0.7)
        alarms += hour > 48 and value > budget.level("a", 1.0)
        budget.observe("a", hour * HOUR, min(value, budget.level("a", 1.0)))
    assert alarms <= 52


def test_a_young_device_is_judged_by_all() -> None:
    budget = AlarmBudget()
    rng = random.Random(3)
    for hour in range(30):
        for name in "abcd":
            budget.observe(name, hour * HOUR, rng.expovariate(1.0))
    # A probability of 1 in 168 is ln(168) = 5.1 for this distribution.
    assert 5.0 <= budget.level("new", 1.0) <= 9.0


def test_an_alarm_that_nothing_confirmed_raises_the_level_and_time_lowers_it() -> None:
    budget = AlarmBudget()
    week = 168 * HOUR
    budget.observe("a", 0, 3.0)
    before = budget.level("a", 1.0, 0)
    budget.spend("a", HOUR, 1000.0)
    after = budget.level("a", 1.0, HOUR)
    later = budget.level("a", 1.0, HOUR + week // 2)
    at_last = budget.level("a", 1.0, HOUR + week)
    assert before * 2 < after <= before * 3.1
    assert after > later > at_last >= before
    # Others share in what was learned, not in what was spent.
    assert before <= budget.level("b", 1.0, HOUR) < after


def test_a_larger_budget_pays_for_more_alarms() -> None:
    budget = AlarmBudget()
    budget.observe("a", 0, 3.0)
    budget.spend("a", 0, 5.0)
    assert budget.level("a", 2.0, 0) < budget.level("a", 1.0, 0)


def test_many_alarms_do_not_make_a_device_deaf() -> None:
    budget = AlarmBudget()
    budget.observe("a", 0, 3.0)
    for number in range(100):
        budget.spend("a", number * HOUR, 1e9)
    assert budget.level("a", 1.0, 100 * HOUR) <= budget.most * 2**budget.most_spent
    budget.spend("nobody", 0, 3.0)
    budget.spend("a", 100 * HOUR, math.nan)


@pytest.mark.parametrize("seed", range(5))
def test_spending_holds_the_budget_on_a_tail_heavier_than_any_fit(seed: int) -> None:
    rng = random.Random(seed)
    budget = AlarmBudget()
    alarms = 0
    weeks = 26
    for hour in range(168 * weeks):
        # Pareto with an exponent of 1: no mean, let alone an exponential tail.
        value = rng.random() ** -1.0
        level = budget.level("a", 1.0, hour * HOUR)
        budget.observe("a", hour * HOUR, min(value, level))
        if value >= level:
            alarms += 1
            budget.spend("a", hour * HOUR, value)
    # Of such values 3.5 a week lie above the highest level that a fit may give.
    assert alarms <= 1.25 * weeks


def test_a_lower_budget_means_a_higher_level() -> None:
    rng = random.Random(4)
    maxima = [rng.expovariate(0.5) for _ in range(200)]
    levels = [tail_level(maxima, budget / 168, 0.0) for budget in (4.0, 1.0, 0.1, 0.01)]
    assert levels == sorted(levels)


def test_what_is_no_number_is_ignored_and_devices_are_bounded() -> None:
    budget = AlarmBudget(most_devices=10)
    for number in range(100):
        budget.observe(f"device {number}", 0, math.nan)
        budget.observe(f"device {number}", HOUR * number, math.inf)
        budget.observe(f"device {number}", HOUR * number, 1.0)
    assert budget.dropped == 90
    assert budget.level("device 99", math.nan) == budget.start
    assert tail_level([math.nan], 0.1, 4.0) == 4.0
