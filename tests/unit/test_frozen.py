"""phage.frozen: as a frozen dataclass with slots, in less memory."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import weakref

import pytest

from phage.frozen import frozen


@frozen
class Place:
    """A place."""

    name: str
    height: float = 0.0
    seen: list[str] = dataclasses.field(default_factory=list, compare=False, repr=False)


@frozen
class Summit(Place):
    """A place that is called a summit."""

    first: str = ""


@frozen
class Nothing:
    """Without fields."""


@frozen
class Named:
    """Compared by its own word."""

    name: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and self.name.lower() == other.name.lower()

    def __hash__(self) -> int:
        return hash(self.name.lower())

    def __repr__(self) -> str:
        return self.name


def test_that_it_cannot_be_changed() -> None:
    place = Place("here")
    with pytest.raises(dataclasses.FrozenInstanceError, match="'name'"):
        place.name = "there"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="'name'"):
        del place.name
    with pytest.raises(AttributeError):
        place.other = 1  # type: ignore[attr-defined]
    assert not hasattr(place, "__dict__")
    assert dataclasses.replace(place, name="there") == Place("there")


def test_that_the_fields_that_are_compared_tell_whether_two_are_equal() -> None:
    assert Place("here", 1.0, ["today"]) == Place("here", 1.0)
    assert hash(Place("here", 1.0, ["today"])) == hash(Place("here", 1.0))
    assert Place("here") != Place("here", 1.0)
    assert Place("here") != Summit("here")
    assert Summit("here", first="Ann") != Summit("here", first="Bob")
    word: object = "here"
    assert Place("here") != word
    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing(), Place("a"), Place("a"), Summit("a")}) == 3


def test_that_it_tells_its_fields() -> None:
    assert repr(Summit("here", 2.0, ["today"], "Ann")) == (
        "Summit(name='here', height=2.0, first='Ann')"
    )
    assert repr(Nothing()) == "Nothing()"


def test_that_what_a_class_says_itself_counts() -> None:
    assert Named("Here") == Named("here")
    assert hash(Named("Here")) == hash(Named("here"))
    assert repr(Named("Here")) == "Here"


def test_that_it_can_be_copied_matched_and_sent() -> None:
    place = Summit("here", 2.0, ["today"], "Ann")
    for made in (copy.deepcopy(place), pickle.loads(pickle.dumps(place))):  # noqa: S301  Our own.
        assert made == place
        assert made.seen == ["today"]
    match place:
        case Place(name, height):
            assert (name, height) == ("here", 2.0)
    assert dataclasses.asdict(Place("here")) == {"name": "here", "height": 0.0, "seen": []}


def test_that_the_class_without_slots_is_freed() -> None:
    class Plain:
        name: str

    gone = weakref.ref(Plain)
    made = frozen(Plain)
    del Plain
    gc.collect()
    assert gone() is None
    assert made.__name__ == "Plain"
