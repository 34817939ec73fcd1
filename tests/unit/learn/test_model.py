"""States of models: kept by version, checked when read, set aside when damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.errors import StateError
from phage.learn.model import VERSIONS_KEPT, StateFolder, read_state

if TYPE_CHECKING:
    from pathlib import Path


class Remembering:
    """A model that remembers what it was given, and refuses what begins with `bad`."""

    name = "remembering"
    summary = "for tests"

    def __init__(self) -> None:
        self.state = b""

    def save(self) -> bytes:
        """Return the state."""
        return self.state

    def load(self, state: bytes) -> None:
        """Take over a state."""
        if state.startswith(b"bad"):
            message = "of another version"
            raise StateError(message)
        self.state = state


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "models", "remembering", FixedClock(10**18))


def test_the_newest_state_is_loaded(folder: StateFolder) -> None:
    folder.save(b"one")
    folder.save(b"two")
    model = Remembering()
    saved, problems = folder.load(model)
    assert model.state == b"two"
    assert saved is not None
    assert saved.version == 2
    assert problems == []


def test_nothing_to_load_is_no_error(folder: StateFolder) -> None:
    assert folder.load(Remembering()) == (None, [])


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty", "refused"])
def test_a_damaged_state_is_set_aside_and_the_one_before_is_used(
    folder: StateFolder, damage: str
) -> None:
    folder.save(b"good")
    path = folder.save(b"bad" if damage == "refused" else b"newer state")
    content = path.read_bytes()
    changed = {
        "cut": content[:-3],
        "flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "foreign": b"something else",
        "empty": b"",
        "refused": content,
    }
    path.write_bytes(changed[damage])
    model = Remembering()
    saved, problems = folder.load(model)
    assert model.state == b"good"
    assert saved is not None
    assert saved.version == 1
    assert len(problems) == 1
    assert "set aside" in problems[0]
    assert not path.exists()
    assert path.with_suffix(".damaged").exists()


def test_only_the_latest_versions_are_kept(folder: StateFolder) -> None:
    for number in range(VERSIONS_KEPT + 5):
        folder.save(b"%d" % number)
    versions = [saved.version for saved in folder.versions()]
    assert versions == list(range(VERSIONS_KEPT + 5, 5, -1))


def test_going_back_withdraws_the_newest(folder: StateFolder) -> None:
    folder.save(b"one")
    assert folder.roll_back() is None
    folder.save(b"two")
    before = folder.roll_back()
    assert before is not None
    assert read_state(before.path) == b"one"
    model = Remembering()
    folder.load(model)
    assert model.state == b"one"


def test_a_folder_that_cannot_be_written_is_a_state_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StateError, match="cannot save"):
        StateFolder(blocked, "remembering", FixedClock(0)).save(b"x")
