"""The packets around a finding: taken out of the core's ring and kept as a pcap file beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phage.collect.collector import FrameSelection
from phage.records.address import parse_address, parse_mac

if TYPE_CHECKING:
    from pathlib import Path

    from phage.collect.collector import Collector
    from phage.records import Finding

# Enough to see how an attack began; the newest frames of the ring that fit.
FRAMES_A_FINDING = 1000
# What happened just before is part of the story.
LEAD_NS = 10 * 1_000_000_000
# A disk is not filled by findings: beyond this the oldest captures go.
LARGEST_FOLDER = 256 << 20
# Addresses whose frames are wanted: the subject and the first peers.
PEERS = 8


class EvidenceFolder:
    """Keeps the frames of findings, one pcap file each, under a limit of octets."""

    def __init__(self, folder: Path, largest: int = LARGEST_FOLDER) -> None:
        self.folder = folder
        self.largest = largest
        self.failed = 0

    def keep(self, finding: Finding, collector: Collector) -> str:
        """Write the frames around a finding; return the file's name, '' where there is none.

        A disk that is full or read-only is counted in `failed`, never raised: detection goes on.
        """
        frames = collector.frames(selection_of(finding))
        if not frames:
            return ""
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", finding.id) + ".pcap"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(frames)
            self._shrink()
        except OSError:
            self.failed += 1
            return ""
        return name

    def _shrink(self) -> None:
        files = [(path.stat(), path) for path in self.folder.glob("*.pcap")]
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda item: item[0].st_mtime_ns):
            if total <= self.largest:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size


def selection_of(finding: Finding) -> FrameSelection:
    """Return which frames belong to a finding: those of its subject, else of its first peers."""
    addresses = [finding.subject.ip] if finding.subject.ip else []
    macs = [finding.subject.mac] if finding.subject.mac else []
    if not addresses and not macs:
        addresses = [peer.ip for peer in finding.peers[:PEERS] if peer.ip]
        macs = [peer.mac for peer in finding.peers[:PEERS] if peer.mac]
    return FrameSelection(
        since=finding.first_seen - LEAD_NS,
        until=finding.last_seen,
        addresses=tuple(parse_address(text) for text in addresses),
        macs=tuple(parse_mac(text) for text in macs),
        limit=FRAMES_A_FINDING,
    )
