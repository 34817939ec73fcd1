"""A real browser: Debian's Chromium, driven by Playwright, in a namespace where one is wanted."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
PATIENCE = 60_000.0
"""Milliseconds that anything awaited in a page may take."""


@dataclass
class Witness:
    """Notes what a page must not do: fail, break its policy, ask somebody else, open a dialog."""

    place: str
    faults: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> Page:
        """Watch a page; return it."""
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", self._dialog)
        page.on("console", self._console)
        page.on("request", self._request)
        return page

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: Any) -> None:
        # A page may be answered with 4xx on purpose; a script or style that was refused may not.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.place, "data:", "blob:")):
            self.faults.append(f"asked elsewhere: {request.url}")


@dataclass
class Chromium:
    """Starts browsers."""

    playwright: Playwright
    folder: Path
    open: list[Browser] = field(default_factory=list)

    def start(self, namespace: str = "") -> Browser:
        """Start a browser, in a namespace if one is named."""
        program = shutil.which("chromium") or ""
        if namespace:
            script = self.folder / f"chromium-{namespace}"
            script.write_text(f'#!/bin/sh\nexec ip netns exec {namespace} {program} "$@"\n')
            script.chmod(0o755)
            program = str(script)
        browser = self.playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        self.open.append(browser)
        return browser


@contextmanager
def visitor(browser: Browser, place: str, size: str, **options: Any) -> Iterator[Page]:
    """Give a page of somebody with a screen of a size; fail for what no page may do."""
    width, height = SIZES[size]
    witness = Witness(place)
    context: BrowserContext = browser.new_context(
        base_url=place,
        viewport={"width": width, "height": height},
        has_touch=size == "phone",
        **options,
    )
    context.set_default_timeout(PATIENCE)
    try:
        yield witness.watch(context.new_page())
    finally:
        context.close()
    assert witness.faults == []


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    """Give browsers; skip where there is none."""
    if shutil.which("chromium") is None:
        pytest.skip("lacks chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="lacks playwright")
    with playwright.sync_playwright() as driver:
        made = Chromium(driver, tmp_path)
        try:
            yield made
        finally:
            for browser in made.open:
                browser.close()
