"""What counters of what was dropped or failed mean, for people."""

from __future__ import annotations

_PACKETS = "the kernel's ring was full: packets were not seen"
_LEARNING = "left out of learning and scoring"
_PROFILE = "left out of profiles"

MEANINGS = {
    "source.dropped": _PACKETS,
    "source.link_losses": "an interface went down",
    "windows_dropped": "detection was behind: what was counted meanwhile was not judged",
    "bus": "what sensors count did not arrive",
    "flows.ended.lack_of_resources": "connections ended early in the table, for others to fit",
    "flows.omitted": "connections not listed one by one; they are in all sums",
    "flows.omitted_packets": "packets of those",
    "uses.dropped": f"more peers and services at once than fit: {_PROFILE}, as in a scan",
    "streams.dropped": "pieces of TCP streams that waited too long for those before them",
    "streams.evicted": "TCP streams not read further, for others to fit",
    "streams.channels": f"pairs of hosts that made room: {_LEARNING}",
    "streams.sockets": f"connections that made room: {_LEARNING}",
    "streams.sources": f"hosts that made room: {_LEARNING}",
    "model.dropped": f"samples {_LEARNING}, of a device that was noisy, or for want of time",
    "observations_omitted": "more that tells who devices are than a window holds",
    "matches_omitted": "more that threat feeds list than a window holds",
    "requests_omitted": "hosts left out of the counts of requests",
    "volumes": "hosts or services beyond what is measured each for itself",
    "hosts_left_out": "hosts beyond those that the pages and `phage top` count",
    "detectors_failures": "a detector failed: a fault of phage's, told in its log",
    "detectors_dropped": "what detectors had no room to remember",
    "devices_failures": "what a device said could not be read: a fault of phage's, told in its log",
    "devices_dropped": "devices, or what was seen of them, beyond the room for them",
    "evidence_failed": "packets of a finding that could not be kept",
    "carved": "files seen in traffic that were not scanned",
    "store_dropped": "the store was behind or away: not kept",
    "eve_dropped": "lines not written to the EVE file",
    "feeds_failing": "threat feeds that cannot be fetched",
    "ledger_lost": "decisions that could not be written down",
    "receipts_dropped": "proofs of responders that could not be written down",
    "rates_dropped": "hits of rules that were not counted",
}
"""By name of the counter, or by how the names of several begin."""


def meaning(counter: str) -> str:
    """Return what a counter says, in a few words; "" for one that speaks for itself."""
    known = [name for name in MEANINGS if counter.startswith(name)]
    return MEANINGS[max(known, key=len)] if known else ""
