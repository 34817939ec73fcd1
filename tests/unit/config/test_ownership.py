from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from phage.config.ownership import hand_over

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")

USER, STRANGER = 54_321, 54_322


def owner(path: Path) -> int:
    return path.lstat().st_uid


def given(folder: Path) -> None:
    hand_over(folder, USER, USER, {0})


def test_files_and_folders_of_roots_are_given(tmp_path: Path) -> None:
    inner = tmp_path / "state" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").write_text("")
    given(tmp_path / "state")
    everything = [tmp_path / "state", tmp_path / "state" / "a", inner, inner / "file"]
    assert {owner(path) for path in everything} == {USER}
    assert owner(tmp_path) == 0


def test_what_is_elsewhere_or_anothers_is_not(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("")
    (outside / "linked").write_text("")
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, USER, USER)
    (state / "file").symlink_to(outside / "secret")
    (state / "folder").symlink_to(outside)
    (state / "hard").hardlink_to(outside / "linked")
    os.mkfifo(state / "pipe")
    (state / "foreign").write_text("")
    os.chown(state / "foreign", STRANGER, STRANGER)
    (state / "own").write_text("")
    given(state)
    assert owner(state / "own") == USER
    assert owner(state / "foreign") == STRANGER
    left = [outside, *outside.iterdir(), *(state / n for n in ("file", "folder", "hard", "pipe"))]
    assert {owner(path) for path in left} == {0}


def test_a_folder_that_is_swapped_meanwhile_gives_nothing_away(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("")
    state = tmp_path / "state"
    (state / "folder").mkdir(parents=True)
    (state / "folder" / "secret").write_text("")
    (state / "file").write_text("")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for name, target in (("folder", outside), ("file", outside / "secret")):
                with suppress(FileNotFoundError):
                    (state / name).rename(tmp_path / "aside")
                    (state / name).symlink_to(target)
                    (state / name).unlink()
                    (tmp_path / "aside").rename(state / name)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(300):
            with suppress(FileNotFoundError):
                given(state)
    finally:
        ended.set()
        swapping.join()
    assert owner(outside) == 0
    assert owner(outside / "secret") == 0
