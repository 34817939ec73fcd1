"""Evidence is weighed: it adds up, contends, ages, and leaves the unknown unknown."""

from __future__ import annotations

import pytest

from phage.devices.vendors import canonical, maker_in, makes_parts, shown
from phage.devices.weigh import HALF_LIFE_NS, conclude
from phage.records.device import Attribute, Guess, Trait

NOW = 10**18


def category(value: str, weight: float, source: str = "a", seen: int = NOW) -> Trait:
    return Trait(Attribute.CATEGORY, value, weight, source, f"says {value}", seen)


def concluded(*traits: Trait) -> Guess:
    return conclude(traits, {}, NOW).get(Attribute.CATEGORY, Guess())


def test_one_piece_of_evidence_is_as_sure_as_its_weight() -> None:
    guess = concluded(category("camera", 0.8))
    assert guess.value == "camera"
    assert guess.confidence == pytest.approx(0.8, abs=1e-3)
    assert guess.why == ("a: says camera",)


def test_evidence_of_different_sources_adds_up_and_of_one_does_not() -> None:
    assert concluded(category("tv", 0.6), category("tv", 0.6, "b")).confidence > 0.8
    assert concluded(category("tv", 0.6), category("tv", 0.5)).confidence == pytest.approx(0.6)


def test_contradictions_weaken_each_other() -> None:
    guess = concluded(category("tv", 0.9), category("phone", 0.7, "b"))
    assert guess.value == "tv"
    assert guess.confidence < 0.8
    assert guess.rivals[0][0] == "phone"
    assert not concluded(category("tv", 0.8), category("phone", 0.8, "b")).value


def test_weak_evidence_leaves_it_unknown() -> None:
    guess = concluded(category("tv", 0.3))
    assert guess.value == ""
    assert guess.rivals == (("tv", 0.3),)


def test_evidence_ages_unless_it_is_of_no_time() -> None:
    old = NOW - 3 * HALF_LIFE_NS
    assert not concluded(category("tv", 0.9, seen=old)).value
    assert concluded(category("tv", 0.9, seen=0)).value == "tv"


def test_one_maker_under_his_names_is_one() -> None:
    for names in (
        ("D-Link International", "D-LINK Corporation", "dlink"),
        ("Philips Lighting BV", "Signify B.V.", "Philips"),
        ("TP-LINK TECHNOLOGIES CO.,LTD.", "TP-Link"),
        ("Belkin International Inc.", "WeMo"),
    ):
        assert len(set(map(canonical, names))) == 1, names
    assert canonical("Acme Inc.") != canonical("Apex Inc.")


def test_makers_of_modules_are_known() -> None:
    assert makes_parts("Espressif Inc.")
    assert makes_parts("AzureWave Technology Inc.")
    assert not makes_parts("Philips Lighting BV")


def test_names_are_shown_without_their_form() -> None:
    assert shown("Belkin International Inc.") == "Belkin"
    assert shown("Co.") == "Co"


def test_a_label_tells_its_maker() -> None:
    assert canonical(maker_in("EdimaxPlug1101W")) == "edimax"
    assert canonical(maker_in("TP-LinkPlugHS100")) == "tp-link"
    assert maker_in("Unheard-of Lamp") == ""
