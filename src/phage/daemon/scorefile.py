"""The score of every packet, as CSV: `packet,score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


class ScoreFile:
    """Writes a row for every packet: empty while learning, 0 for what cannot be decoded."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
        self._file.write(
            "".join(
                f"{number},\n" if score != score else f"{number},{score:.6g}\n"  # noqa: PLR0124  NaN
                for number, score in enumerate(scores, first)
            )
        )
        self._next = first + len(scores)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
