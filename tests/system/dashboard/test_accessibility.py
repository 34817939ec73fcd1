"""Every page in a real browser: no serious fault of accessibility, and no script of a stranger."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from tests.system.dashboard.conftest import visitor

from phage.api.events import EventHub
from phage.notify.browsers import message
from phage.notify.notice import notice_of_finding
from phage.records import Severity, Subject
from phage.records.device import Attribute, Device, Guess, Seen
from phage.scan.trials import EICAR as EICAR_FILE
from phage.store.store import StoreLocation
from phage.testing.apilab import PASSWORD, api_lab, quick_passwords
from phage.testing.desks import FakeRuleDesk, FakeSettingsDesk
from phage.testing.fakedaemon import FakeDaemon
from phage.testing.household import MEMBERS, furnish
from phage.testing.pages import FINDING, OPEN, PAGES
from phage.testing.records import EPOCH, make_decision, make_finding
from phage.testing.scandesk import FakeScanDesk
from phage.testing.waiting import until
from phage.web.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page
    from tests.system.dashboard.conftest import Chromium

    from phage.testing.apilab import ApiLab

pytestmark = pytest.mark.system

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>'\"`</textarea>${alert(3)}"


@dataclass
class Served:
    """The dashboard of a household at a port of its own."""

    lab: ApiLab
    place: str


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with quick_passwords(), api_lab(location, tmp_path, Dashboard(), EPOCH) as made:
        furnish(made.store, EPOCH)
        lab = made.having(
            steer=FakeDaemon(),
            rules=FakeRuleDesk(),
            settings=FakeSettingsDesk(),
            events=EventHub(),
        )
        config = uvicorn.Config(lab.app, port=0, log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        until("the server", lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(lab, f"http://127.0.0.1:{port}")
        server.should_exit = server.force_exit = True
        thread.join(60)


def log_in(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", level=1).wait_for()


def serious(page: Page) -> list[str]:
    """Return the faults of a page that axe-core holds to be serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="lacks axe").Axe()
    page.wait_for_load_state("load")
    found: dict[str, Any] = axe.run(page, options={"resultTypes": ["violations"]}).response
    return [
        f"{page.url}: {each['id']}: {each['help']}: {node['html'][:160]} {node.get('any')}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"][:4]
    ]


SQUEEZED = """() => [...document.querySelectorAll("main td, main th")].filter((cell) => {
  const style = getComputedStyle(cell), text = cell.innerText.trim();
  if (!text || !cell.offsetWidth || style.overflowX === "hidden") return false;
  const longest = Math.max(...text.split(/\\s+/).map((word) => word.length));
  const letters = cell.clientWidth / parseFloat(style.fontSize);
  return cell.scrollWidth > cell.clientWidth + 1 || (longest > 4 && letters < 2.5);
}).map((cell) => cell.innerText.slice(0, 60))"""
"""Cells whose text reaches over the next, or that are so narrow that words break into letters."""


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_no_page_has_a_serious_fault(
    size: str, scheme: str, served: Served, chromium: Chromium
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    options["bypass_csp"] = True  # For axe-core itself, which is put into the page.
    with visitor(chromium.start(), served.place, size, **options) as page:
        faults = []
        for path in OPEN:
            page.goto(path)
            faults += serious(page)
        log_in(page)
        for path in (*PAGES, "/nowhere"):
            page.goto(path)
            faults += serious(page)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                faults.append(f"{path}: is {wide} pixels wider than the screen")
            faults += [f"{path}: squeezed: {cell!r}" for cell in page.evaluate(SQUEEZED)]
    assert faults == [], "\n".join(faults)


def test_what_hostile_devices_say_never_runs(served: Served, chromium: Chromium) -> None:
    store, member = served.lab.store, MEMBERS[5]
    store.devices.save(
        [
            Device(
                member.mac,
                name=HOSTILE,
                labels=(HOSTILE,),
                macs=(Seen(member.mac, EPOCH, EPOCH),),
                addresses=(Seen(member.ip, EPOCH, EPOCH),),
                guesses={Attribute.VENDOR: Guess(HOSTILE, 0.5, (HOSTILE,), ())},
                last_seen=EPOCH,
            )
        ]
    )
    store.findings.save(
        [
            make_finding(
                1,
                id=FINDING,
                summary=HOSTILE,
                subject=Subject(member.mac, member.ip, member.mac),
                evidence={HOSTILE: HOSTILE},
            )
        ]
    )
    store.decisions.save([make_decision(0, reason=HOSTILE, rule=HOSTILE)])
    with visitor(chromium.start(), served.place, "desktop") as page:
        log_in(page)
        for path in PAGES:
            page.goto(path)
        # The same through the swap, which takes a page apart and puts it together.
        page.goto("/devices")
        page.get_by_label("Find", exact=True).fill("alert")
        page.locator("#list").get_by_text("onerror").first.wait_for()
        hub = served.lab.services.events
        assert hub is not None
        until("the stream of events", lambda: len(hub))
        hub.publish("finding", {"id": HOSTILE, "summary": HOSTILE})
        page.wait_for_timeout(500)
        assert page.locator("img").count() == 0


def test_the_chart_is_read_by_keyboard(served: Served, chromium: Chromium) -> None:
    with visitor(chromium.start(), served.place, "desktop") as page:
        log_in(page)
        plot = page.locator("#traffic .plot")
        plot.focus()
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        plot.get_by_text("traffic:").wait_for()
        page.keyboard.press("Escape")
        assert plot.locator(".read").is_hidden()


def test_the_theme_is_switched_and_kept(served: Served, chromium: Chromium) -> None:
    with visitor(chromium.start(), served.place, "desktop", color_scheme="light") as page:
        log_in(page)
        page.locator("#theme").click()
        page.locator("#theme").click()
        page.reload()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(13, 18, 17)"


def test_an_installed_dashboard_says_so_when_phage_is_away(
    served: Served, chromium: Chromium
) -> None:
    with visitor(chromium.start(), served.place, "phone") as page:
        log_in(page)
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.reload()
        page.context.set_offline(True)
        page.goto("/findings")
        page.get_by_role("heading", name="phage cannot be reached").wait_for()


DROP = """name => {
  const data = new DataTransfer();
  for (const each of [name, "b.txt"]) data.items.add(new File([each], each));
  const about = { dataTransfer: data, bubbles: true, cancelable: true };
  for (const type of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, about));
}"""


def test_files_are_dropped_and_followed(served: Served, chromium: Chromium) -> None:
    desk, hub = served.lab.services.scanning, served.lab.services.events
    assert isinstance(desk, FakeScanDesk)
    assert hub is not None
    with visitor(chromium.start(), served.place, "desktop") as page:
        log_in(page)
        page.goto("/files")
        page.evaluate(DROP, HOSTILE.replace("/", ""))
        page.locator("#sent").get_by_role("link", name="b.txt").wait_for()
        assert page.locator("#sent a").count() == 2
        assert page.locator("img").count() == 0
        page.locator("#list").get_by_role("link", name="b.txt").wait_for()
        desk.slow = True
        page.get_by_label("Scan a file").set_input_files(
            {"name": "c.com", "mimeType": "text/plain", "buffer": EICAR_FILE}
        )
        page.get_by_role("button", name="Scan", exact=True).press("Enter")
        page.get_by_text("is being scanned").wait_for()
        desk.finish(page.url.rpartition("/")[2])
        hub.publish("scan", {"state": "done"})
        page.get_by_text("1 of 1 engines that judge found something").wait_for()


def notifications(page: Page) -> list[list[str]]:
    """Return title, text and place of what the browser shows."""
    shown: list[list[str]] = page.evaluate(
        "navigator.serviceWorker.ready.then((worker) => worker.getNotifications())"
        ".then((all) => all.map((each) => [each.title, each.body, each.data]))"
    )
    return shown


def test_an_installed_dashboard_notifies_of_findings(served: Served, chromium: Chromium) -> None:
    assert served.lab.services.events is not None
    hub = served.lab.services.events
    with visitor(chromium.start(), served.place, "phone", permissions=["notifications"]) as page:
        manifest = page.request.get("/static/manifest.webmanifest").json()
        assert {"name", "start_url", "display", "icons"} <= manifest.keys()
        log_in(page)
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        finding = {"severity": "high", "state": "open", "summary": "Somebody tried 900 ports."}
        until("the stream of events", lambda: len(hub))
        with page.expect_request("**/*"):  # What is live on the page is renewed.
            hub.publish("finding", {"id": "a" * 16, **finding})  # Not asked to tell.
        page.locator("#tell").click()
        page.get_by_text("You are told of new findings").wait_for()
        for _ in range(2):  # What is told twice is shown once.
            hub.publish("finding", {"id": "b" * 16, **finding})
        hub.publish("finding", {"id": "c" * 16, **finding, "state": "closed"})
        shown: list[list[str]] = []

        def is_shown() -> bool:
            shown[:] = notifications(page)
            return bool(shown)

        until("the notification", is_shown)
    assert shown == [["phage: high", finding["summary"], f"/findings/{'b' * 16}"]]


def test_a_push_is_shown_while_no_page_listens(served: Served, chromium: Chromium) -> None:
    finding = make_finding(7, severity=Severity.HIGH)
    with visitor(chromium.start(), served.place, "phone", permissions=["notifications"]) as page:
        log_in(page)
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        tools = page.context.new_cdp_session(page)
        with contextlib.ExitStack() as stack:
            stack.callback(tools.detach)
            known: list[dict[str, Any]] = []
            tools.on(
                "ServiceWorker.workerRegistrationUpdated",
                lambda event: known.extend(event["registrations"]),
            )
            tools.send("ServiceWorker.enable")
            until("the service worker", lambda: bool(page.evaluate("1") and known))
            tools.send(
                "ServiceWorker.deliverPushMessage",
                {
                    "origin": served.place,
                    "registrationId": known[0]["registrationId"],
                    "data": message(notice_of_finding(finding)).decode(),
                },
            )
            shown: list[list[str]] = []

            def is_shown() -> bool:
                shown[:] = notifications(page)
                return bool(shown)

            until("the notification", is_shown)
    assert [each[1:] for each in shown] == [[finding.summary, f"/findings/{finding.id}"]]


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_rules_are_put_in_order_by_pointer_and_by_keys(
    served: Served, chromium: Chromium, size: str
) -> None:
    assert served.lab.services.rules is not None
    before = [rule.name for rule in served.lab.services.rules.rules()]
    with visitor(chromium.start(), served.place, size) as page:
        log_in(page)
        page.goto("/rules")
        handles, names = page.locator(".handle"), page.locator("tbody th a")
        handles.nth(2).focus()
        page.keyboard.press("ArrowUp")
        assert names.all_inner_texts()[:3] == [before[0], before[2], before[1]]
        page.get_by_role("button", name="Undo").click()
        assert names.all_inner_texts() == before
        page.locator("#order").wait_for(state="hidden")
        handles.nth(0).scroll_into_view_if_needed()
        below = page.locator("tbody tr").nth(1).bounding_box()
        handle = handles.nth(0).bounding_box()
        assert handle is not None
        assert below is not None
        page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        page.mouse.down()
        page.mouse.move(below["x"] + 4, below["y"] + below["height"] - 4, steps=8)
        page.mouse.up()
        assert names.all_inner_texts()[:2] == before[1::-1]
        page.get_by_role("button", name="Apply on trial").first.click()
        page.get_by_text("In force for 60 s").wait_for()
        assert names.all_inner_texts()[:2] == before[1::-1]
    assert [rule.name for rule in served.lab.services.rules.rules()][:2] == before[1::-1]
