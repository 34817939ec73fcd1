"""Files of flow exports: captures of their datagrams, and datagrams as a recorder wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.collect.datagrams import is_capture, mapped
from phage.collect.exports import ExportCollector, ExportSettings, Listening
from phage.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phage.native import ExportEngine


class ExportFileCollector(ExportCollector):
    """Reads files of exports in a row, all captures or all files of datagrams.

    Args:
        settings: Settings of the engine.
        paths: The files.
        exporter: Who sent the datagrams of files that are no captures.
        expression: Filter of packets of captures.
    """

    name = "exportfile"
    summary = "flow exports in captures and in files of datagrams (.lp, .tlp)"

    def __init__(
        self,
        settings: ExportSettings,
        paths: Sequence[Path],
        exporter: str = "192.0.2.1",
        expression: str | None = None,
    ) -> None:
        super().__init__(settings, Listening())
        self._paths = list(paths)
        self._sender = exporter
        self._expression = expression

    def _listen(self, engine: ExportEngine) -> None:
        captures = [is_capture(path) for path in self._paths]
        names = [str(path) for path in self._paths]
        if all(captures):
            engine.read_captures(names, self._expression)
        elif any(captures):
            message = "give either captures or files of datagrams, not both at once"
            raise CaptureError(message)
        else:
            engine.read_files(names, mapped(self._sender))
