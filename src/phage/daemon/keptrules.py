"""The rules that were confirmed last, kept beside the state for a start that cannot use others.

They are swapped as a whole: a process that is killed at any moment leaves the rules of before or
those of after, never some of them. A note in the same folder says that other rules are on trial;
the swap takes it away.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.ruleset import RuleSet, load, rule_paths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.policy.rule import RuleFile


@frozen
class KeptRules:
    """Keeps rule files in a folder of its own. Every method may raise OSError."""

    folder: Path

    @property
    def is_trial(self) -> bool:
        """Tell whether rules were applied on trial, and nobody confirmed them."""
        self._mend()
        return self._note.exists()

    def begin_trial(self) -> None:
        """Note that rules are applied on trial."""
        self._mend()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._note.touch(mode=0o600)

    def end_trial(self) -> None:
        """Take the note away."""
        self._note.unlink(missing_ok=True)

    def load(self) -> RuleSet | None:
        """Return the rules that were confirmed last; None when there are none. Raises RuleError."""
        self._mend()
        if not self.folder.is_dir() or not rule_paths([self.folder]):
            return None
        return load([self.folder])

    def save(self, files: Iterable[RuleFile]) -> None:
        """Keep these files instead, as they were read, and end the trial."""
        self._mend()
        for left in (self._part, self._whole, self._old):
            shutil.rmtree(left, ignore_errors=True)
        self._part.mkdir(mode=0o700, parents=True)
        for number, file in enumerate(files):
            _write(self._part / f"{number:04d}-{Path(file.source).stem}.yaml", file.text)
        self._part.rename(self._whole)
        if self.folder.exists():
            self.folder.rename(self._old)
        self._whole.rename(self.folder)
        shutil.rmtree(self._old, ignore_errors=True)

    def _mend(self) -> None:
        """Finish a swap that was cut short between its two renames."""
        if self._whole.is_dir() and not self.folder.exists():
            self._whole.rename(self.folder)

    @property
    def _note(self) -> Path:
        return self.folder / "on-trial"

    @property
    def _part(self) -> Path:
        return self._beside("part")

    @property
    def _whole(self) -> Path:
        return self._beside("new")

    @property
    def _old(self) -> Path:
        return self._beside("old")

    def _beside(self, ending: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{ending}")


def _write(path: Path, text: str) -> None:
    """Write a file through to the disk: it may be needed after a loss of power."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
