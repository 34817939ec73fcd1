"""The folder of state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phage.config.statedir import StateDirectory, default_state_dir
from phage.errors import StateError


def test_the_default_follows_the_platforms_convention() -> None:
    home = Path("/home/ada")
    assert default_state_dir({}, home, 0) == Path("/var/lib/phage")
    assert default_state_dir({}, home, 1000) == Path("/home/ada/.local/state/phage")
    assert default_state_dir({"XDG_STATE_HOME": "/x"}, home, 1000) == Path("/x/phage")
    # "All paths must be absolute. If a relative path is encountered, it should be ignored."
    assert default_state_dir({"XDG_STATE_HOME": "x"}, home, 1000) == home / ".local/state/phage"


def test_it_is_made_for_the_owner_only(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "a" / "state")
    state.create()
    state.create()
    assert state.path.stat().st_mode & 0o777 == 0o700
    assert state.models.is_dir()
    assert state.captures.is_dir()


def test_one_process_holds_it(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    with (
        state.lock(),
        pytest.raises(StateError, match=f"in use by process {os.getpid()}"),
        state.lock(),
    ):
        pytest.fail("locked twice")
    with state.lock():
        pass


def test_a_place_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="--state-dir"):
        StateDirectory(tmp_path / "file" / "state").create()
