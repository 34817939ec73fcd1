"""Make the pictures of the dashboard in docs/assets, and the icons of the installed app.

    python tools/screenshots.py

Needs Chromium and the extras of `dev`. The household in the pictures is made up
(`phage.testing.household`).
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from playwright.sync_api import sync_playwright

from phage.api.events import EventHub
from phage.api.services import Vitals
from phage.store.store import StoreLocation
from phage.testing.apilab import PASSWORD, api_lab, quick_passwords
from phage.testing.desks import FakeRuleDesk, FakeSettingsDesk
from phage.testing.household import FakeDaemon, furnish
from phage.web.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "docs" / "assets"
STATIC = ROOT / "src" / "phage" / "web" / "static"
HOUR = 3600 * 10**9

PICTURES = {
    "overview-dark": ("/", (1280, 860), "dark"),
    "finding-light": ("/findings/0000000000000001", (1280, 760), "light"),
    "device-light": ("/devices/192.168.1.6", (1280, 860), "light"),
    "floods-light": ("/ddos", (1280, 760), "light"),
    "phone-dark": ("/", (390, 844), "dark"),
}
"""Name of the file: which page, what size of screen, light or dark."""

MOST = 200_000
"""Octets of a picture."""


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """Serve the dashboard of a household; give its address."""
    now = time.time_ns()
    with tempfile.TemporaryDirectory(prefix="phage-pictures-") as folder, quick_passwords():
        location = StoreLocation.of("", "", Path(folder) / "store.sqlite3")
        with api_lab(location, Path(folder), Dashboard(), now) as made:
            furnish(made.store, now)
            lab = made.having(
                steer=FakeDaemon(now=now),
                rules=FakeRuleDesk(),
                settings=FakeSettingsDesk(),
                events=EventHub(),
                vitals=lambda: Vitals(started=now - 93 * HOUR),
            )
            config = uvicorn.Config(lab.app, port=0, log_level="error", lifespan="off", ws="none")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            while not server.started:
                time.sleep(0.05)
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            server.should_exit = server.force_exit = True
            thread.join(10)


def take(browser: Browser, place: str) -> None:
    """Take all pictures."""
    for name, (path, (width, height), scheme) in PICTURES.items():
        page = browser.new_page(
            base_url=place,
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page.goto("/login")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.goto(path)
        page.wait_for_timeout(400)
        file = ASSETS / f"{name}.png"
        page.screenshot(path=file)
        page.close()
        size = file.stat().st_size
        print(f"{file.relative_to(ROOT)}: {size} octets")
        if size > MOST:
            sys.exit(f"{file} is larger than {MOST} octets")


def draw_icons(browser: Browser) -> None:
    """Draw the icons: the large one without corners, which phones cut as they like."""
    picture = (STATIC / "icon.svg").read_text(encoding="utf-8")
    for size in (192, 512):
        page = browser.new_page(viewport={"width": size, "height": size})
        drawn = picture.replace('rx="112"', 'rx="0"') if size == 512 else picture
        style = f"*{{margin:0}}svg{{width:{size}px;height:{size}px;display:block}}"
        page.set_content(f"<style>{style}</style>{drawn}")
        page.screenshot(path=STATIC / f"icon-{size}.png", omit_background=True)
        page.close()


def main() -> None:
    """Make everything."""
    ASSETS.mkdir(exist_ok=True)
    with serve() as place, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        take(browser, place)
        draw_icons(browser)
        browser.close()


if __name__ == "__main__":
    main()
