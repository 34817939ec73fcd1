"""Profiles and fences, as they are answered and printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phage.devices.fence import Blocked
    from phage.devices.proposal import Proposal
    from phage.records.profile import KeyOrder, KeyUse, Profile, ProfileKey

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")

LEAST_TOLD = 0.5
"""Share of cases from which it is told what comes before."""


def profile_shape(profile: Profile) -> dict[str, Any]:
    """Return what is normal for a device."""
    return {
        "device": profile.device,
        "phase": str(profile.phase),
        "since": rfc3339(profile.since),
        "until": rfc3339(profile.until),
        "keys": _uses(profile.keys),
        "waiting": _uses(profile.waiting),
        "rates": dict(profile.rates),
        "names": dict(profile.names),
        "claims": dict(profile.claims),
        "dropped": profile.dropped,
        "renewed": rfc3339(profile.renewed) if profile.renewed else "",
    }


def proposal_shape(proposal: Proposal) -> dict[str, Any]:
    """Return a fence that nobody has put up yet."""
    return {
        "device": proposal.device.id,
        "phase": str(proposal.profile.phase),
        "objection": proposal.objection,
        "rules": proposal.rules,
        "would_have_blocked": [blocked_shape(each) for each in proposal.blocked],
        "acceptance": proposal.acceptance,
        "days": proposal.days,
    }


def blocked_shape(blocked: Blocked) -> dict[str, Any]:
    """Return flows that a fence would have blocked."""
    return {
        **_key(blocked.key),
        "address": blocked.peer,
        "flows": blocked.flows,
        "last": rfc3339(blocked.last),
    }


def _uses(keys: Mapping[ProfileKey, KeyUse]) -> list[dict[str, Any]]:
    return [
        {
            **_key(key),
            "flows": use.flows, "sent": use.sent, "received": use.received, "days": use.days,
            "first": rfc3339(use.first), "last": rfc3339(use.last), "period_s": use.period,
            "jitter": use.jitter, "most_a_minute": use.most, "failed": use.failed,
            "usual_octets": round(2**use.volume) if use.volume else 0, "after": _after(use.order),
            "hours": hours_of(use.hours),
        }
        for key, use in sorted(keys.items(), key=lambda item: -item[1].flows)
    ]  # fmt: skip


def hours_of(bits: int) -> list[int]:
    """Return the hours of the week that bits stand for, Monday 00-01 first."""
    return [hour for hour in range(168) if bits >> hour & 1]


def hours_text(hours: Iterable[int]) -> str:
    """Return hours of the week in few words: "any", "Mo-Fr 08-18", "Mo 03-04 Th 22-24"."""
    by_day: dict[int, list[int]] = {}
    for hour in sorted(hours):
        by_day.setdefault(hour // 24, []).append(hour % 24)
    if sum(map(len, by_day.values())) == 24 * len(_DAYS):
        return "any"
    said: list[tuple[int, int, str]] = []
    for day, its in by_day.items():
        text = _spans(its)
        if said and said[-1][1] == day - 1 and said[-1][2] == text:
            said[-1] = said[-1][0], day, text
        else:
            said.append((day, day, text))
    return " ".join(f"{_days(first, last)} {text}" for first, last, text in said)


def _days(first: int, last: int) -> str:
    return _DAYS[first] if first == last else f"{_DAYS[first]}-{_DAYS[last]}"


def _spans(hours: list[int]) -> str:
    """Return hours of a day as spans, each to the beginning of the hour after it."""
    spans: list[list[int]] = []
    for hour in hours:
        if spans and spans[-1][1] == hour:
            spans[-1][1] = hour + 1
        else:
            spans.append([hour, hour + 1])
    return ",".join(f"{first:02}-{last:02}" for first, last in spans)


def _after(order: KeyOrder) -> list[dict[str, Any]]:
    """Return what a key usually comes after, the most usual first."""
    shares = sorted(order.after.items(), key=lambda item: -item[1])
    return [{**_key(key), "share": share} for key, share in shares if share >= LEAST_TOLD]


def _key(key: ProfileKey) -> dict[str, Any]:
    return {
        "way": str(key.way),
        "protocol": key.protocol,
        "port": key.port,
        "peer": key.peer,
    }
