"""One process of a worker: what it takes, asks and answers, and what it does when things fail."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import SystemClock
from phage.config.scan import ScanSettings
from phage.scan import seat as seat_module
from phage.scan.content import Content
from phage.scan.engineset import find_engines
from phage.scan.master import Claim, MasterError
from phage.scan.sandbox.isolation import Level
from phage.scan.seat import Seat, definition_stamps
from phage.scan.trials import EICAR
from phage.scan.vault import Vault
from phage.scan.work import WorkOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TASK = "0" * 32


@dataclass
class FakeMaster:
    """Has one task."""

    vault: Vault
    sha256: str
    answers: list[Mapping[str, Any]] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    faults: list[MasterError] = field(default_factory=list)
    engine: str = "hashlist"
    there: bool = True

    def claim(self, task: str, worker: str) -> Claim | None:
        if self.faults:
            raise self.faults.pop()
        if not self.there:
            return None
        return Claim(task, "1" * 32, self.engine, self.sha256, "a.com", len(EICAR))

    @contextmanager
    def sample(self, claim: Claim) -> Iterator[Any]:
        with self.vault.disguised(claim.sha256) as file:
            yield file

    def extend(self, claim: Claim) -> bool:
        return True

    def answer(self, claim: Claim, said: Mapping[str, Any]) -> bool:
        self.answers.append(said)
        return True

    def give_back(self, claim: Claim, error: str) -> bool:
        self.returned.append(error)
        return True

    def close(self) -> None:
        pass


@pytest.fixture
def master(tmp_path: Path) -> FakeMaster:
    vault = Vault(tmp_path / "vault")
    vault.folder.mkdir()
    with Content.of_bytes(EICAR, "a.com") as content:
        vault.put(content)
        return FakeMaster(vault, content.hashes.sha256)


@pytest.fixture
def seat(tmp_path: Path, master: FakeMaster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seat]:
    monkeypatch.setattr(seat_module, "PAUSES", (0.0, 0.0))
    settings, folder = ScanSettings(), tmp_path / "engines"
    made = Seat(
        "w",
        master,  # type: ignore[arg-type]
        lambda: find_engines(settings, folder, ["hashlist"]),
        folder,
        SystemClock(),
        WorkOptions(unpack=False, least_isolation=Level.NONE, bubblewrap=False),
    )
    yield made
    made.close()


def test_a_task_is_done(seat: Seat, master: FakeMaster) -> None:
    worked = seat.work(TASK)
    assert (worked.engine, worked.fault, worked.again) == ("hashlist", "", False)
    (said,) = master.answers
    assert said["engine"] == "hashlist"
    assert said["category"] == "malicious"
    assert said["options"]
    assert said["tags"] == []


def test_nothing_to_do(seat: Seat, master: FakeMaster) -> None:
    master.there = False
    assert seat.work(TASK).engine == ""
    assert master.answers == []


def test_a_master_that_is_away_is_asked_again(seat: Seat, master: FakeMaster) -> None:
    master.faults = [MasterError("away"), MasterError("away")]
    assert seat.work(TASK).engine == "hashlist"
    master.faults = [MasterError("away")] * 3
    worked = seat.work(TASK)
    assert (worked.fault, worked.again) == ("away", True)


def test_a_master_that_refuses_is_not(seat: Seat, master: FakeMaster) -> None:
    master.faults = [MasterError("no", refused=True)]
    assert not seat.work(TASK).again


def test_what_cannot_be_done_here_goes_back(seat: Seat, master: FakeMaster) -> None:
    master.engine = "clamav"
    assert seat.work(TASK).fault
    master.engine, good = "hashlist", master.sha256
    path = master.vault.folder / good[:2] / good[2:]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "damaged" in seat.work(TASK).fault
    master.sha256 = "f" * 64
    assert "not kept" in seat.work(TASK).fault
    assert len(master.returned) == 3
    assert master.answers == []


def test_definitions_in_force_are_told_by_their_names(tmp_path: Path) -> None:
    assert definition_stamps(tmp_path / "none") == {}
    for taking in ("one", "two"):
        (tmp_path / "yara" / taking).mkdir(parents=True)
    (tmp_path / "yara" / "current").symlink_to("one")
    (tmp_path / "clamav").mkdir()
    assert definition_stamps(tmp_path) == {"yara": "one"}
