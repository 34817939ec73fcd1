"""Fences: whom they are put up for, and that what stands stays where something fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phage.daemon.fences import Fences
from phage.daemon.requests import FenceDevice
from phage.devices.fence import FenceError
from phage.errors import PhageError
from phage.records.device import PERSONAL, Attribute, Device, Guess, Seen
from phage.records.profile import KeyUse, Phase, Profile, ProfileKey, Way

if TYPE_CHECKING:
    from pathlib import Path

MAC = "00:17:88:00:00:01"
DEVICE = Device(MAC, macs=(Seen(MAC, 0, 1), Seen("00:17:88:00:00:02", 0, 1)))
KEY = ProfileKey(Way.OUT, 6, 443, "name:maker.com")
PROFILE = Profile(MAC, 0, 1, Phase.PROPOSE, {KEY: KeyUse(0, 1)})
ENFORCE = FenceDevice(act="enforce", device=MAC)
FORCED = FenceDevice(act="enforce", device=MAC, force=True)
RELEASE = FenceDevice(act="release", device=MAC)


def fences(folder: Path, lifeline: str = "") -> Fences:
    return Fences(folder / "fences", lambda: {MAC: lifeline} if lifeline else {})


def test_a_fence_is_put_up_and_taken_down(tmp_path: Path) -> None:
    made = fences(tmp_path)
    assert not made.change(ENFORCE, DEVICE, PROFILE)
    assert "maker.com" in made.path(MAC).read_text()
    assert made.change(ENFORCE, DEVICE, PROFILE)
    assert made.change(RELEASE, DEVICE, None)
    assert not made.change(RELEASE, DEVICE, None)
    assert list(made.folder.iterdir()) == []


@pytest.mark.parametrize("category", sorted(PERSONAL))
def test_phones_and_pcs_are_never_fenced_in(tmp_path: Path, category: str) -> None:
    personal = replace(DEVICE, guesses={Attribute.CATEGORY: Guess(category, 0.9)})
    for request in (ENFORCE, FORCED):
        with pytest.raises(FenceError, match="up to people"):
            fences(tmp_path).change(request, personal, PROFILE)
    assert not (tmp_path / "fences").exists()


def test_this_machine_is_never_fenced_in(tmp_path: Path) -> None:
    with pytest.raises(FenceError, match="is this machine"):
        fences(tmp_path, "this machine").change(FORCED, DEVICE, PROFILE)


def test_what_still_learns_is_fenced_in_by_force_only(tmp_path: Path) -> None:
    young = replace(PROFILE, phase=Phase.OBSERVE)
    with pytest.raises(FenceError, match="--force"):
        fences(tmp_path).change(ENFORCE, DEVICE, young)
    fences(tmp_path).change(FORCED, DEVICE, young)
    with pytest.raises(FenceError, match="nothing is known"):
        fences(tmp_path).change(FORCED, DEVICE, None)


def test_rules_that_make_no_sense_change_nothing(tmp_path: Path) -> None:
    made = fences(tmp_path)
    made.change(ENFORCE, DEVICE, PROFILE)
    before = made.path(MAC).read_text()
    with pytest.raises(PhageError):
        made.change(ENFORCE.model_copy(update={"rules": "rules: 7"}), DEVICE, PROFILE)
    assert made.path(MAC).read_text() == before


def change_in_vain(made: Fences, request: FenceDevice) -> None:
    with made.unless_it_fails(DEVICE):
        made.change(request, DEVICE, PROFILE)
        raise KeyError


def test_a_fence_stays_as_it_was_where_what_follows_fails(tmp_path: Path) -> None:
    made = fences(tmp_path)
    with pytest.raises(KeyError):
        change_in_vain(made, ENFORCE)
    assert not made.path(MAC).exists()
    made.change(ENFORCE, DEVICE, PROFILE)
    with pytest.raises(KeyError):
        change_in_vain(made, RELEASE)
    assert made.path(MAC).exists()
