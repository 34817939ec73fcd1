"""Capture files: pcap and pcapng, plain, gz or zst, also from standard input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.collect.packets import EngineSettings, PacketCollector
from phage.native import Engine
from phage.native import build as core_build

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["PcapFileCollector", "core_build"]


class PcapFileCollector(PacketCollector):
    """Reads capture files in a row, as fast as they can be read."""

    name = "pcapfile"
    summary = "capture files: pcap and pcapng, plain, gz or zst, - for standard input"

    def __init__(
        self, settings: EngineSettings, paths: Sequence[str], expression: str | None = None
    ) -> None:
        super().__init__(
            Engine(settings.to_json()),
            lambda engine: engine.open_files(list(paths), expression),
        )
