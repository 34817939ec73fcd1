"""The journal of a script: for which decisions it was called, so that it is called at their end.

Lines of JSON are appended to a file, and the file is written anew when most of it is of the past.
What was appended survives the end of phage, however it came; a last line that is cut is dropped.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

End = tuple[tuple[str, ...], str]
"""The arguments and the document of a call that tells of a decision's end."""

_SLACK = 1000
"""Lines of the past that may stand in the file beside as many as are of use."""


@dataclass
class Journal:
    """Decisions that a script was called for, and what to tell it when each ends.

    Attributes:
        path: The file; '' to remember only while phage runs.
        calls: What to tell it, by decision.
        fault: Why the file could not be written the last time.
    """

    path: str
    calls: dict[str, End] = field(default_factory=dict)
    fault: str = ""
    _lines: int = 0
    _is_read: bool = False

    def read(self) -> str:
        """Read the file, once; return why it cannot be read, or ''."""
        if self._is_read:
            return ""
        try:
            if self.path and Path(self.path).exists():
                for line in Path(self.path).read_bytes().splitlines():
                    self._take(line)
                    self._lines += 1
        except OSError as error:
            return f"the journal {self.path} cannot be read: {error.strerror}"
        self._is_read = True
        return ""

    def begin(self, decision: str, arguments: tuple[str, ...], document: str) -> None:
        """Note that the script was called for a decision."""
        self.calls[decision] = (arguments, document)
        self._append({"id": decision, "arguments": arguments, "document": document})

    def end(self, decision: str) -> None:
        """Note that the script was told of the end."""
        if self.calls.pop(decision, None) is not None:
            self._append({"id": decision})

    def _take(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            decision = entry["id"]
            if "document" not in entry:
                self.calls.pop(decision, None)
                return
            self.calls[decision] = (tuple(map(str, entry["arguments"])), str(entry["document"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # Cut by a loss of power, or not ours: nothing can be told from it.

    def _append(self, entry: dict[str, object]) -> None:
        """Write an entry; what cannot be written is still remembered while phage runs."""
        if not self.path:
            return
        try:
            self._lines += 1
            if self._lines > 2 * len(self.calls) + _SLACK:
                self._rewrite()
            else:
                with open(self.path, "a", encoding="utf-8", opener=_private) as file:
                    file.write(json.dumps(entry) + "\n")
            self.fault = ""
        except OSError as error:
            self.fault = f"the journal {self.path} cannot be written: {error.strerror}"

    def _rewrite(self) -> None:
        fresh = Path(f"{self.path}.new")
        with open(fresh, "w", encoding="utf-8", opener=_private) as file:
            for decision, (arguments, document) in self.calls.items():
                entry = {"id": decision, "arguments": arguments, "document": document}
                file.write(json.dumps(entry) + "\n")
        fresh.replace(self.path)
        self._lines = len(self.calls)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
