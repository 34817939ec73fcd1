"""A person at the dashboard of a real phage, while a host in the laboratory is attacked."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.system.conftest import Program, phage_command
from tests.system.dashboard.conftest import visitor

from phage.scan.trials import EICAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from tests.system.conftest import Host, Lab, Phage
    from tests.system.dashboard.conftest import Chromium

pytestmark = pytest.mark.system

PLACE = "http://127.0.0.1:8080"
WORDS = "a sentence that nobody guesses"
SETTINGS = {
    "policy": {"enforce": True, "allow": ["10.77.0.3"]},
    "respond": {"responders": ["dryrun"]},
    "home": ["10.77.0.0/24"],
    # As root with capabilities: where no account may enter the checkout, phage's own has none.
    "scan": {"own_worker": False},
}
WORKER_PATIENCE = 120_000.0
"""Milliseconds that the first file may take, its worker included, on a machine under load."""
RULES = """rules:
  - name: No telnet to the server
    match: {destination: 10.77.0.3, service: telnet}
    action: drop
    mode: dry-run
"""


def come_in(page: Page, phage: Phage) -> None:
    """Log in by the link that phage said at its start."""
    link = re.findall(r"(/welcome\?link=\S+)", phage.expect("first login"))[0]
    page.goto(link)
    page.get_by_label("Password").fill(WORDS)
    page.get_by_label("Once more").fill(WORDS)
    page.get_by_role("button", name="Set password and log in").click()
    page.wait_for_url(f"{PLACE}/")


def find_device(page: Page, host: Host) -> None:
    """Find a device by its address, with the keyboard alone, and give it a name."""
    page.keyboard.press("/")
    page.keyboard.type(host.address)
    page.keyboard.press("Enter")
    page.get_by_label("Call it").fill("Attic box")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("heading", level=1, name="Attic box").wait_for()


def see_finding(page: Page, attacker: Host, target: Host) -> float:
    """Attack while the overview is open; return the seconds until it shows the finding."""
    page.goto("/")
    page.wait_for_function("performance.getEntriesByType('resource').length > 3")
    page.wait_for_timeout(500)  # The stream of events is open.
    began = time.monotonic()
    attack = attacker.start("nmap", "-n", "-Pn", "-sS", "-p", "1-1000", target.address)
    page.locator("#needs").get_by_text(re.compile("ports")).first.wait_for()
    seen = time.monotonic() - began
    attack.wait()
    return seen


def block_and_undo(page: Page, attacker: Host) -> None:
    """Open the finding, block its subject, see it among the blocked, and undo it."""
    page.locator("#needs a").first.click()
    page.get_by_text("What was unusual").wait_for()
    page.locator("#block").click()
    page.get_by_role("dialog").get_by_role("button", name="Go on").click()
    undo = page.get_by_role("button", name=f"Undo: free {attacker.address}")
    undo.wait_for()
    page.goto("/decisions")
    page.locator("#list").get_by_role("link", name=attacker.address).wait_for()
    page.go_back()
    undo.click()
    page.locator("#block").wait_for()
    page.goto("/decisions")
    page.get_by_text("Nobody is blocked").wait_for()


def label_and_undo(page: Page) -> None:
    """Say that the finding is no attack, and take it back."""
    page.goto("/findings")
    page.locator("#list tbody a").first.click()
    page.get_by_role("button", name="Not an attack").click()
    page.get_by_role("button", name="Take it back").click()
    page.get_by_role("button", name="Not an attack").wait_for()


def edit_rules(page: Page) -> None:
    """Write a rule: with a fault, then without; see its dry run; put it on trial and confirm."""
    page.goto("/rules/mine.yaml")
    page.get_by_label("Rules as YAML").fill(RULES.replace("drop", "fly"))
    page.get_by_role("button", name="Check").click()
    page.locator("#judgement").get_by_text("line 4").wait_for()
    page.get_by_label("Rules as YAML").fill(RULES)
    page.get_by_role("button", name="Test against the last day").click()
    page.locator("#forecast").get_by_role("rowheader", name="No telnet to the server").wait_for()
    page.get_by_role("button", name=re.compile("Save and apply on trial")).click()
    page.get_by_text("Rules are on trial").first.wait_for()
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Confirmed").first.wait_for()
    page.get_by_role("link", name="No telnet to the server").wait_for()


def scan_file(page: Page) -> None:
    """Hand the EICAR test file over, follow the engines, read the verdict, see it in the list."""
    page.goto("/files")
    page.get_by_text("No file was scanned yet").wait_for()
    page.get_by_label("Scan a file").set_input_files(
        {"name": "c.com", "mimeType": "application/octet-stream", "buffer": EICAR}
    )
    page.get_by_role("button", name="Scan", exact=True).click()
    page.get_by_role("heading", level=1, name="c.com").wait_for()
    page.get_by_text("engines that judge found something").wait_for(timeout=WORKER_PATIENCE)
    page.get_by_text("yara: Eicar", exact=False).first.wait_for()
    page.goto("/files?outcome=infected")
    page.locator("#list").get_by_role("link", name="c.com").wait_for()


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_journey(
    size: str,
    lab: Lab,
    chromium: Chromium,
    needs: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs("nmap", "ping")
    attacker, target = lab.add("attacker", 2), lab.add("target", 3)
    phage = lab.phage(settings=SETTINGS)
    lab.started.append(
        Program(lab.switch, *phage_command("worker", "--state-dir", str(phage.state)))
    )
    target.run("ping", "-q", "-c", "3", "-i", "0.2", attacker.address)
    with visitor(chromium.start(lab.switch), PLACE, size) as page:
        come_in(page, phage)
        seen = see_finding(page, attacker, target)
        with capsys.disabled():
            sys.stdout.write(
                f"\n{size}: the finding was seen {seen:.2f} s after the attack began\n"
            )
        block_and_undo(page, attacker)
        label_and_undo(page)
        edit_rules(page)
        phage.until_devices(2)
        find_device(page, target)
        scan_file(page)
        page.goto("/audit?check=yes")
        page.get_by_text("unbroken").wait_for()
    assert "Traceback" not in phage.transcript()


def test_pages_work_without_script(lab: Lab, chromium: Chromium) -> None:
    lab.add("one", 2)
    phage = lab.phage(settings=SETTINGS)
    browser = chromium.start(lab.switch)
    with visitor(browser, PLACE, "desktop", java_script_enabled=False) as page:
        come_in(page, phage)
        page.goto("/decisions")
        page.get_by_label("Who").fill("203.0.113.9")
        page.get_by_role("button", name="Block", exact=True).click()
        page.get_by_text("203.0.113.9 is blocked").wait_for()
        page.get_by_role("button", name="Undo 203.0.113.9").click()
        page.get_by_text("203.0.113.9 is free again").wait_for()
        page.get_by_text("Nobody is blocked").wait_for()
