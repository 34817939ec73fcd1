"""A daemon that answers as one that watches the household would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phage.errors import StateError
from phage.testing.household import MEMBERS, SCANNERS, SECOND
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Mapping


def live_answer(now: int) -> dict[str, Any]:
    """Return what the daemon would answer to `live`."""
    return {
        "packets_a_second": 4212.0,
        "octets_a_second": 3_412_000.0,
        "learning": False,
        "rates": [[now // SECOND - 60 + second, 4000, 3_400_000] for second in range(60)],
        "sources": [
            {"ip": each.ip, "mac": each.mac, "device": True,
             "packets": int(each.share * 9000), "octets": int(each.share * 8e6)}
            for each in MEMBERS
        ],
        "destinations": [],
        "nearest": [
            {"target": f"{MEMBERS[11].ip}/32", "threshold": "20,000 packets/s to a host",
             "measure": "packets", "value": 26_000.0, "limit": 20_000.0},
            {"target": "192.168.1.0/24", "threshold": "1,000,000,000 bits/s to a /24",
             "measure": "bits", "value": 31e6, "limit": 1e9},
        ],
        "bans": [
            {"id": f"{number:026d}", "target": SCANNERS[number], "packets": 812 - 90 * number,
             "octets": 61_000 - 7000 * number, "reason": "", "rule": "", "by": "rule",
             "until": "", "start": "", "action": "ban", "direction": "both"}
            for number in range(3)
        ],
        "bans_total": 3,
        "drops": {"windows_dropped": 0, "store_dropped": 0, "streams.sockets.evictions": 12},
    }  # fmt: skip


def channels_answer() -> list[dict[str, Any]]:
    """Return what the daemon would answer of its channels."""
    counted = {"told": 7, "messages": 5, "repeated": 2, "left_out": 0, "failed": 0, "retries": 3}
    about = {"least": "medium", "always": True, "digest_seconds": 0.0, **counted}
    return [
        {"name": "phone", "type": "apprise", "fault": "", **about},
        {"name": "mail", "type": "email", "fault": "mail.example.com: refused", **about},
    ]


def status_answer() -> dict[str, Any]:
    """Return what the daemon would answer to `status`."""
    return {
        "enforce": True,
        "panic": False,
        "standing": 5,
        "in_force": 3,
        "budget": {"a_minute": 60, "in_all": 100_000, "spent": 4, "refused": 2},
        "responders": {"nftables": {"fault": "", "applied": 3}},
        "rules": {"count": 9, "fault": "", "generation": 4, "trial_until": ""},
        "allow_list": [{"value": "192.168.1.1/32", "why": "gateway"}],
    }


@dataclass
class FakeDaemon:
    """Answers as the daemon does, and notes what it was asked to change.

    Attributes:
        status: Its answer to `status`.
        refuses: Why it changes nothing; '' where it does.
        live: What it answers to `live`, beside or instead of what goes on in the household.
        asked: Verb, actor and values of each change.
        now: The time of its answers, in nanoseconds since the Unix epoch.
    """

    status: dict[str, Any] = field(default_factory=status_answer)
    refuses: str = ""
    live: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    now: int = EPOCH

    def __call__(self, verb: str, actor: str, /, **values: Any) -> Mapping[str, Any]:
        """Return the answer to a verb. Raises StateError where it refuses."""
        if verb == "status":
            return self.status
        if verb == "live":
            return live_answer(self.now) | self.live
        if verb == "channels.list":
            return {"channels": channels_answer()}
        self.asked.append((verb, actor, values))
        if self.refuses:
            raise StateError(self.refuses)
        made = {"target": values.get("target", "203.0.113.9"), "dry_run": False, "until": "later"}
        return {"decision": made, "decisions": [made], "panic": verb == "panic", "done": True,
                "there": True, "enforced": True}  # fmt: skip
