"""How chat services want to be told: one function a service, from a notice to a JSON object.

Names that a hostile host chose can stand in a notice. Each service has its own marks by which a
text calls everybody, links or formats; they are made harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.clock import rfc3339
from phage.records import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phage.notify.notice import Notice

_COLOURS = {
    Severity.INFO: 0x6C757D,
    Severity.LOW: 0x0D6EFD,
    Severity.MEDIUM: 0xFFC107,
    Severity.HIGH: 0xFD7E14,
    Severity.CRITICAL: 0xDC3545,
}
_MOST_FIELDS = 10
# Between the marks that would be a call or a link; nothing is seen of it.
_JOINER = "\u2060"


def generic(notice: Notice) -> Mapping[str, object]:
    """Return the whole notice, for programs."""
    return notice.document()


def slack(notice: Notice) -> Mapping[str, object]:
    """Return a message of Slack's incoming webhooks (escapes as its "Formatting text" says)."""
    fields = [
        {"type": "mrkdwn", "text": f"*{_slack(name)}*\n{_slack(value)}"}
        for name, value in _fields(notice)
    ]
    blocks: list[Mapping[str, object]] = [
        {"type": "header", "text": {"type": "plain_text", "text": notice.title[:150]}},
        {"type": "section", "text": {"type": "plain_text", "text": notice.text[:3000] or " "}},
    ]
    if fields:
        blocks.append({"type": "section", "fields": fields})
    return {"text": _slack(f"{notice.title}: {notice.text}"), "blocks": blocks}


def discord(notice: Notice) -> Mapping[str, object]:
    """Return a message of Discord's webhooks; it calls nobody."""
    return {
        "allowed_mentions": {"parse": []},
        "embeds": [
            {
                "title": _plain(notice.title)[:256],
                "description": _plain(notice.text)[:4000],
                "color": _COLOURS[notice.severity],
                "timestamp": rfc3339(notice.time),
                "fields": [
                    {"name": _plain(name), "value": _plain(value)[:1000] or "-", "inline": True}
                    for name, value in _fields(notice)
                ],
            }
        ],
    }


def mattermost(notice: Notice) -> Mapping[str, object]:
    """Return a message of Mattermost's incoming webhooks, as an attachment."""
    return {
        "attachments": [
            {
                "fallback": _plain(f"{notice.title}: {notice.text}"),
                "color": f"#{_COLOURS[notice.severity]:06X}",
                "title": _plain(notice.title),
                "text": _plain(notice.text),
                "fields": [
                    {"short": True, "title": _plain(name), "value": _plain(value)}
                    for name, value in _fields(notice)
                ],
            }
        ]
    }


def teams(notice: Notice) -> Mapping[str, object]:
    """Return an adaptive card for a workflow of Microsoft Teams."""
    facts = [{"title": _plain(name), "value": _plain(value)} for name, value in _fields(notice)]
    colour = {Severity.HIGH: "attention", Severity.CRITICAL: "attention"}.get(
        notice.severity, "default"
    )
    body: list[Mapping[str, object]] = [
        {
            "type": "TextBlock",
            "text": _plain(notice.title),
            "weight": "bolder",
            "color": colour,
            "wrap": True,
        },
        {"type": "TextBlock", "text": _plain(notice.text), "wrap": True},
    ]
    if facts:
        body.append({"type": "FactSet", "facts": facts})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


STYLES: Mapping[str, Callable[[Notice], Mapping[str, object]]] = {
    "json": generic,
    "slack": slack,
    "discord": discord,
    "mattermost": mattermost,
    "teams": teams,
}


def _fields(notice: Notice) -> list[tuple[str, str]]:
    named = [(name.replace("_", " "), str(value)) for name, value in notice.fields.items()]
    return [(name, value) for name, value in named if value][:_MOST_FIELDS]


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    """Return Markdown that shows the text as it is, calls nobody and links nowhere."""
    marked = "".join(f"\\{mark}" if mark in "\\`*_~|[]()<>#" else mark for mark in text)
    return marked.replace("@", f"@{_JOINER}").replace("://", f":{_JOINER}//")
