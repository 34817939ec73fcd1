"""Which finding is a part of which: two detectors saw the same, and one says less of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records import Finding

_SECOND = 1_000_000_000

_FOLDED: Mapping[str, tuple[str, ...]] = {
    "anomaly": ("*",),
    "deviation": ("*",),
    "beaconing": ("dnstunnel", "synflood", "volumetric", "bruteforce", "portscan"),
    "portscan": ("synflood",),
    "volumetric": ("synflood",),
}
"""Whose findings are folded into whose, where subject or peers and time agree. `*` stands for every
detector that names its attack; what strays from a profile says more than what is merely unusual."""

_RANK: Mapping[str, int] = {"anomaly": 0, "deviation": 1}
"""How much a detector says: only that it is unusual, that it is new, or (2) what it is."""


def parties(finding: Finding) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of a finding's subject, and those of its peers."""
    subject = finding.subject
    own = frozenset(name for name in (subject.mac, subject.ip, subject.device) if name)
    others = frozenset(name for peer in finding.peers for name in (peer.ip, peer.mac) if name)
    return own, others


def may_belong(finding: Finding) -> bool:
    """Tell whether findings of its detector may be parts of others."""
    return finding.detector in _FOLDED


def belongs(lesser: Finding, other: Finding, before_s: float, after_s: float) -> bool:
    """Tell whether a finding is a part of another.

    Args:
        lesser: The one that may be a part.
        other: What it may be a part of.
        before_s: Seconds that it may have opened before the other.
        after_s: Seconds that it may open after the other's last packet.
    """
    hosts = _FOLDED.get(lesser.detector, ())
    ranks = _RANK.get(lesser.detector, 2), _RANK.get(other.detector, 2)
    if other.detector == lesser.detector or ranks[1] <= ranks[0] < 2:
        return False
    if "*" not in hosts and other.detector not in hosts:
        return False
    earliest = other.first_seen - before_s * _SECOND
    latest = other.last_seen + after_s * _SECOND
    return earliest <= lesser.first_seen <= latest and _share_parties(lesser, other)


def _share_parties(lesser: Finding, other: Finding) -> bool:
    own, peers = parties(lesser)
    other_own, other_peers = parties(other)
    if lesser.detector in _RANK:
        return bool((own | peers) & (other_own | other_peers))
    if lesser.detector == "volumetric":
        # Of a flood each lists some of its sources only: it is the same by its target.
        return bool(own & (other_own | other_peers))
    # Between two that name their attack, both sides have to agree, in either direction.
    forth = own & other_own and peers & other_peers
    back = own & other_peers and peers & other_own
    return bool(forth or back)
