"""Kinds learned from examples: told apart, twins joined, strangers unknown."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from phage.devices import kinds
from phage.devices.kinds import KINDS, kind_traits, train
from phage.errors import StateError
from phage.records.device import Attribute

if TYPE_CHECKING:
    from pathlib import Path


def examples(seed: int = 1) -> tuple[list[set[str]], list[str]]:
    """Three kinds with words of their own, two twins, and noise that all share."""
    own = {"cam": "camera", "plug": "plug", "hub": "hub", "twin a": "twin", "twin b": "twin"}
    source = random.Random(seed)
    said, names = [], []
    for kind, stem in own.items():
        for _ in range(12):
            words = {f"{stem}:{number}" for number in range(12) if source.random() < 0.8}
            words |= {f"common:{number}" for number in range(8) if source.random() < 0.5}
            said.append(words)
            names.append(kind)
    return said, names


def test_kinds_are_told_apart_and_twins_are_one() -> None:
    model = train(*examples())
    for words, kind in zip(*examples(seed=2), strict=True):
        assert kind in model.judge(words).kinds
    verdict = model.judge(examples(seed=3)[0][-1])
    assert set(verdict.kinds) == {"twin a", "twin b"}
    assert verdict.confidence > 0.7
    assert any(word.startswith("twin:") for word in verdict.why)


def test_a_stranger_is_unknown() -> None:
    model = train(*examples())
    strange = {f"lamp:{number}" for number in range(10)} | {"common:1", "common:2"}
    assert model.judge(strange).kinds == ()
    assert model.judge(()).kinds == ()
    assert model.judge({"common:1"}).kinds == ()


def test_being_of_a_kind_tells_what_is_the_same_of_all_twins() -> None:
    told = {
        "twin a": {"vendor": "Acme", "product": "A"},
        "twin b": {"vendor": "Acme", "product": "B"},
    }
    model = train(*examples(), told)
    traits = kind_traits(model, examples(seed=3)[0][-1], 7)
    assert {(trait.attribute, trait.value) for trait in traits if trait.source == KINDS} >= {
        (Attribute.VENDOR, "Acme")
    }
    assert Attribute.PRODUCT not in {trait.attribute for trait in traits}


def test_what_is_saved_judges_the_same(tmp_path: Path) -> None:
    path = tmp_path / "kinds.model"
    assert kinds.load(path) is None
    model = train(*examples(), {"cam": {"category": "camera"}})
    kinds.save(path, model)
    loaded = kinds.load(path)
    assert loaded is not None
    assert loaded.told == {"cam": {"category": "camera"}}
    for words in examples(seed=4)[0]:
        assert loaded.judge(words).kinds == model.judge(words).kinds
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateError, match="damaged"):
        kinds.load(path)


def test_one_kind_is_told_from_nothing() -> None:
    with pytest.raises(ValueError, match="two at least"):
        train([{"a"}], ["one"])
