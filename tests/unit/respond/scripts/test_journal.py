"""What the journal of a script remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from phage.respond.scripts.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.booleans()), max_size=30))
def test_it_remembers_what_began_and_did_not_end(steps: list[tuple[str, bool]]) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "journal"))
        journal, model = Journal(path), {}
        for decision, begins in steps:
            if begins:
                journal.begin(decision, ("ban",), "{}\n")
                model[decision] = (("ban",), "{}\n")
            else:
                journal.end(decision)
                model.pop(decision, None)
        again = Journal(path)
        assert again.read() == ""
        assert again.calls == journal.calls == model


def test_its_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"))
    journal.begin("kept", (), "{}")
    for _ in range(3000):
        journal.begin("A", (), "{}")
        journal.end("A")
    assert len((tmp_path / "journal").read_text().splitlines()) < 1100
    again = Journal(journal.path)
    again.read()
    assert set(again.calls) == {"kept"}


def test_a_file_that_cannot_be_read_or_written_is_told_of(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    assert "cannot be read" in journal.read()
    missing = Journal(str(tmp_path / "none" / "journal"))
    assert missing.read() == ""
    missing.begin("A", (), "{}")
    assert "cannot be written" in missing.fault
    assert set(missing.calls) == {"A"}


def test_without_a_file_it_remembers_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    journal = Journal("")
    journal.begin("A", (), "{}")
    assert set(journal.calls) == {"A"}
    assert not list(tmp_path.iterdir())
