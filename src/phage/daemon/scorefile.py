"""The score of every packet, as CSV: `packet,score`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TextIO

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


class ScoreFile:
    """Writes a row for every packet: empty while learning, 0 for what cannot be decoded.

    Attributes:
        fault: Why nothing more was written from some packet on; '' while all is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fault = ""
        self._file: TextIO | None = None
        self._next = 0

    def open(self) -> None:
        """Open the file and write its heading. Raises OSError."""
        self._file = self.path.open("w", encoding="ascii", newline="\n")
        self._file.write("packet,score\n")

    def write(self, raw: bytes) -> None:
        """Write the rows of the next packets, given as 32-bit floats."""
        scores = np.frombuffer(raw, dtype="<f4").tolist()
        if not scores or self._file is None:
            return
        first = self._next
        rows = "".join(
            f"{number},\n" if score != score else f"{number},{score:.6g}\n"  # noqa: PLR0124  NaN
            for number, score in enumerate(scores, first)
        )
        try:
            self._file.write(rows)
        except OSError as error:
            self._stop(error)
        self._next = first + len(scores)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._stop(error)

    def _stop(self, error: OSError) -> None:
        """Write nothing more: the disk is full, as a rule."""
        self.fault = f"{self.path}: the scores are not complete: {error.strerror or error}"
        file, self._file = self._file, None
        if file is not None:
            # What is still in the buffer cannot be written either.
            with contextlib.suppress(OSError):
                file.close()
