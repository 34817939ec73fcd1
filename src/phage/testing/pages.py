"""Addresses of every page of a dashboard over the household (`phage.testing.household`).

A new page is a line here: whether it shows, is for whom it may be for, is reached without a mouse
and keeps hostile text harmless is then tested with no other edit.
"""

from __future__ import annotations

from phage.testing.household import EICAR, MEMBERS, SCAN
from phage.web.render import MENU

FINDING = "0000000000000001"
DECISION = f"{0:026d}"

PAGES: tuple[str, ...] = (
    *(place.path for _, places in MENU for place in places),
    f"/files/{EICAR}", "/engines", "/workers", "/files?q=eicar&outcome=infected", "/map",
    "/flows", "/account",
    "/rules/home.yaml?line=12", "/rules/new.yaml", "/settings?q=enf", "/settings/file",
    "/findings?state=open&severity=high&detector=portscan&host=203.0.113.9",
    f"/findings/{FINDING}", "/decisions?show=recorded", "/decisions?show=ended",
    f"/decisions/{DECISION}", "/devices?q=camera&category=camera&here=yes",
    f"/devices/{MEMBERS[5].mac}", f"/devices/{MEMBERS[5].mac}/fence", "/devices/8.8.8.8",
    f"/devices/{MEMBERS[5].mac}/profile", "/devices/8.8.8.8/profile", "/scans", f"/scans/{SCAN}",
    "/vulnerabilities?product=openssh", "/vulnerabilities?product=&exploited=yes",
    "/devices/8.8.8.8/fence?grade=limit", "/?period=1h", "/?period=7d",
    "/traffic?period=7d", "/search?q=192.168.1", "/audit?check=yes", "/feeds?q=evil",
)  # fmt: skip
"""Each is there for who is logged in as admin."""

OPEN = ("/login", "/offline")
"""Pages for everybody."""
