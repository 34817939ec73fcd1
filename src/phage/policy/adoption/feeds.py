"""Feeds as other programs' files name them, in the words of `intel.feeds`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from phage.policy.adoption.values import number
from phage.policy.importer import SettingChange

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "otx": "otx", "alienvault": "otx", "abuseipdb": "abuseipdb", "abuseip": "abuseipdb",
    "spamhaus": "spamhaus", "emergingthreats": "emergingthreats", "etopen": "emergingthreats",
    "firehol": "firehol", "feodo": "feodo", "urlhaus": "urlhaus", "threatfox": "threatfox",
    "sslbl": "sslbl", "blocklistde": "blocklistde", "dshield": "dshield", "cins": "cins",
    "ipsum": "ipsum",
}  # fmt: skip
"""Kinds of feeds by what is found in their names, written small and without signs."""

NEED_KEY = frozenset({"otx", "abuseipdb", "threatfox"})

LEAST_SECONDS, MOST_SECONDS = 60, 30 * 86_400


def feed_change(item: object, every: object, line: int) -> SettingChange | str:
    """Return the setting that a feed of another program becomes, or why it becomes none.

    A key is never taken over: it belongs in a file of its own. What needs one is switched off until
    it is there.

    Args:
        item: The name of a feed, or a mapping with `name`, `url`, `enabled`, `update_interval`.
        every: Seconds between two updates of feeds that say nothing themselves; None for none.
        line: Where it stands.
    """
    values: Mapping[Any, Any] = item if isinstance(item, dict) else {"name": item}
    name, url = str(values.get("name") or ""), str(values.get("url") or "")
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    kind = next((kind for part, kind in KINDS.items() if part in plain), "")
    settings: dict[str, object] = {}
    if not kind and url:
        kind, settings = "netset", {"url": url}
        if not _is_url(url):
            return "its url is none; write http://... or https://..."
    if not kind:
        return "phage knows no feed of that name; `phage plugins list feeds` names those it knows"
    called = kind if kind != "netset" else plain[:32] or "imported"
    own: dict[str, object] = {"type": kind, "enabled": values.get("enabled") is not False}
    seconds = number(values.get("update_interval", every))
    if seconds is not None:
        own["every"] = f"{min(max(seconds, LEAST_SECONDS), MOST_SECONDS)}s"
    note = ""
    if kind in NEED_KEY:
        settings["key_file"] = f"/etc/phage/{kind}.key"
        own["enabled"] = False
        note = f"write its key to {settings['key_file']}, then set enabled: true"
    elif kind == "netset":
        note = "read as a list of addresses and networks; for another shape change its type"
    if settings:
        own["settings"] = settings
    return SettingChange(("intel", "feeds", called), own, line, note)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
