"""Copies of sensors' models: checked, by sensor, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.errors import StateError
from phage.learn import copies
from phage.learn.copies import MOST_MODELS, MOST_SENSORS, VERSIONS, SensorModels
from phage.learn.model import packed, unpacked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def models(tmp_path: Path) -> SensorModels:
    return SensorModels(tmp_path / "sensors", FixedClock(10**18))


def test_a_sensor_gets_its_own_last_state_back(models: SensorModels, tmp_path: Path) -> None:
    assert models.kept("edge", "ensemble-eth0-0") == b""
    for state in (b"one", b"two", b"three\n with lines"):
        models.keep("edge", "ensemble-eth0-0", packed(state, 1))
    models.keep("core", "ensemble-eth0-0", packed(b"another's", 1))
    assert unpacked(models.kept("edge", "ensemble-eth0-0"), "it") == b"three\n with lines"
    assert models.names("edge") == ["ensemble-eth0-0"]
    assert len(list((tmp_path / "sensors/edge").glob("*.model"))) == VERSIONS


@pytest.mark.parametrize("damage", [b"", b"x" * 100, packed(b"state", 1)[:-1], packed(b"s", 1)[1:]])
def test_a_damaged_state_is_refused(models: SensorModels, damage: bytes) -> None:
    models.keep("edge", "m", packed(b"sound", 1))
    with pytest.raises(StateError):
        models.keep("edge", "m", damage)
    assert unpacked(models.kept("edge", "m"), "it") == b"sound"


def test_a_state_damaged_on_disk_gives_way_to_the_one_before(
    models: SensorModels, tmp_path: Path
) -> None:
    models.keep("edge", "m", packed(b"one", 1))
    models.keep("edge", "m", packed(b"two", 1))
    (tmp_path / "sensors/edge/m.2.model").write_bytes(b"nonsense")
    assert unpacked(models.kept("edge", "m"), "it") == b"one"


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "..", "x" * 200, "a\nb"])
def test_a_name_leads_nowhere_else(models: SensorModels, name: str) -> None:
    for sensor, model in ((name, "m"), ("edge", name)):
        with pytest.raises(StateError):
            models.keep(sensor, model, packed(b"x", 1))
        with pytest.raises(StateError):
            models.kept(sensor, model)


def test_what_is_kept_is_bounded(models: SensorModels, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MOST_MODELS):
        models.keep("edge", f"m{number}", packed(b"x", 1))
    with pytest.raises(StateError, match="already"):
        models.keep("edge", "one-more", packed(b"x", 1))
    models.keep("edge", "m0", packed(b"y", 1))
    size = VERSIONS * len(packed(b"x" * 5000, 1))
    monkeypatch.setattr(copies, "MOST_OCTETS", size + (MOST_MODELS + 1) * len(packed(b"x", 1)))
    for _ in range(VERSIONS + 1):  # What it replaces does not count.
        models.keep("edge", "m1", packed(b"x" * 5000, 1))
    with pytest.raises(StateError, match="MiB"):
        models.keep("edge", "m2", packed(b"x" * 5000, 1))
    assert MOST_SENSORS > 3
    monkeypatch.setattr(copies, "MOST_SENSORS", 3)
    for name in ("a", "b", "c"):
        models.keep(name, "m", packed(b"x", 1))
    assert [bool(models.names(name)) for name in ("edge", "a", "b", "c")] == [
        False, True, True, True,
    ]  # fmt: skip
