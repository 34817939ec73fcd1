"""Pages: what each shows, full and empty; that nothing in them is a script; what changes do."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute

from phage.api.rulefiles import rule_id
from phage.collect.joined import JoinedCollector
from phage.records import Subject
from phage.records.device import Attribute, Device, Guess, Seen
from phage.records.indicator import IndicatorKind, Mention
from phage.testing.household import EICAR, MEMBERS, SCAN, SCANNERS, eicar_verdict, scan_network
from phage.testing.pages import DECISION, FINDING, OPEN, PAGES
from phage.testing.records import EPOCH, make_decision, make_finding
from phage.web.dashboard import Dashboard
from phage.web.pages.rules import moved

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from phage.testing.apilab import ApiLab
    from phage.testing.fakedaemon import FakeDaemon

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e"


class Parsed(HTMLParser):
    """Collects what could run or load from a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)


def form(client: TestClient, **fields: Any) -> dict[str, Any]:
    return {"csrf_token": client.headers["X-CSRF-Token"], **fields}


def only_own(text: str) -> None:
    """Fail where a page has a script or style in it, or loads from elsewhere."""
    page = Parsed(text)
    assert page.inline == []
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", (tag, value)
            if name in {"src", "href", "action", "formaction"} and tag != "a":
                assert (value or "").startswith(("/", "#")), (tag, name, value)
                assert not (value or "").startswith("//")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("kind", ["lab", "empty"])
def test_every_page_shows(path: str, kind: str, request: pytest.FixtureRequest) -> None:
    lab: ApiLab = request.getfixturevalue(kind)
    answer = lab.browser().get(path, headers={"Accept": "text/html"})
    known = kind == "lab" or not any(each in path for each in (FINDING, DECISION, EICAR, SCAN))
    assert answer.status_code == (200 if known else 404), answer.text
    assert "<h1" in answer.text
    only_own(answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_for_who_is_logged_in(path: str, empty: ApiLab) -> None:
    answer = empty.nobody().get(path, headers={"Accept": "text/html"}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_and_is_offered_no_change(path: str, lab: ApiLab) -> None:
    answer = lab.browser("viewer").get(path, headers={"Accept": "text/html"})
    if path.startswith(("/audit", "/users", "/settings", "/channels")):
        assert answer.status_code == 403
        return
    assert answer.status_code == 200
    own = {"/logout", "/account", "/account/tokens"}
    page = Parsed(answer.text)
    assert {a["action"] for tag, a in page.tags if tag == "form" and a.get("method")} <= (
        own if path == "/account" else {"/logout", path.partition("?")[0]}
    )
    assert not any(tag == "button" and a.get("name") == "act" for tag, a in page.tags) or (
        path == "/account"
    )


def test_the_first_page_is_light(lab: ApiLab) -> None:
    client = lab.browser()
    page = client.get("/")
    loaded = {
        attributes.get("src") or attributes.get("href")
        for tag, attributes in Parsed(page.text).tags
        if tag in {"script", "link"}
    }
    sizes = [len(client.get(str(each)).content) for each in loaded]
    assert len(page.content) + sum(sizes) < 150_000


@pytest.mark.parametrize("path", PAGES)
def test_what_the_network_says_is_text(path: str, empty: ApiLab) -> None:
    store = empty.store
    store.devices.save(
        [
            Device(
                MEMBERS[5].mac,
                name=HOSTILE,
                labels=(HOSTILE,),
                macs=(Seen(MEMBERS[5].mac, EPOCH, EPOCH),),
                addresses=(Seen(MEMBERS[5].ip, EPOCH, EPOCH),),
                guesses={Attribute.VENDOR: Guess(HOSTILE, 0.5, (HOSTILE,), ((HOSTILE, 0.1),))},
                last_seen=EPOCH,
                present=True,
            )
        ]
    )
    store.findings.save(
        [
            make_finding(
                1,
                id=FINDING,
                summary=HOSTILE,
                subject=Subject(MEMBERS[5].mac, MEMBERS[5].ip, MEMBERS[5].mac),
                evidence={HOSTILE: HOSTILE, "more": {HOSTILE: [HOSTILE]}},
            )
        ]
    )
    store.decisions.save([make_decision(0, reason=HOSTILE, rule=HOSTILE, finding=FINDING)])
    store.samples.save(eicar_verdict(EPOCH, HOSTILE, HOSTILE))
    scan_network(store, EPOCH, HOSTILE)
    answer = empty.browser().get(path)
    assert answer.status_code == 200
    only_own(answer.text)
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert ">49" not in answer.text


def test_what_needs_one_now_comes_first(lab: ApiLab) -> None:
    text = lab.browser().get("/").text
    assert "2 things need you" in text
    assert f"{SCANNERS[0]} tried 1,412 ports of NAS" in text


def test_panic_and_trials_need_one_now(lab: ApiLab, daemon: FakeDaemon) -> None:
    daemon.status["panic"] = True
    daemon.status["rules"] = {"count": 1, "trial_until": "2026-01-01T00:00:00Z"}
    text = lab.browser().get("/").text
    assert "The panic switch is on" in text
    assert "Rules are on trial" in text


def test_a_phage_that_decides_nothing_shows_what_it_has(lab: ApiLab) -> None:
    answer = lab.having(steer=None).browser().get("/")
    assert answer.status_code == 200
    assert "not running" in answer.text


def test_a_finding_is_labelled_and_the_label_taken_back(lab: ApiLab) -> None:
    client = lab.browser("operator")
    path = f"/findings/{FINDING}/label"
    said = client.post(path, data=form(client, label="wrong", note="my own scan"))
    assert "Noted: not an attack" in said.text
    assert "my own scan" in said.text
    assert "1 thing needs you" in client.get("/").text
    assert "Taken back" in client.post(path, data=form(client, label="none")).text
    assert lab.store.labels.of([FINDING]) == {}


def test_somebody_is_blocked_from_a_finding(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    fields = form(client, target="203.0.113.9", seconds="60")
    said = client.post(f"/findings/{FINDING}/block", data=fields)
    assert "203.0.113.9 is blocked" in said.text
    ((verb, actor, values),) = daemon.asked
    assert (verb, actor) == ("decisions.add", "user:operator")
    assert (values["target"], values["seconds"]) == ("203.0.113.9", 60.0)


def test_a_decision_is_made_and_undone(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    fields = form(client, target="198.51.100.1", seconds="3600", action="ban", reason="why")
    assert "198.51.100.1 is blocked" in client.post("/decisions", data=fields).text
    undone = client.post(f"/decisions/{DECISION}/undo", data=form(client, to="/decisions"))
    assert "is free again" in undone.text
    assert [each[0] for each in daemon.asked] == ["decisions.add", "decisions.revoke"]


def test_the_budget_of_blocks_is_shown(lab: ApiLab, daemon: FakeDaemon) -> None:
    text = lab.browser("viewer").get("/decisions").text
    assert "4 of 60" in text
    assert "2 blocks not made since the start" in text
    del daemon.status["budget"]
    assert "Blocks in the last minute" not in lab.browser("viewer").get("/decisions").text


def test_rates_stand_against_their_thresholds(lab: ApiLab) -> None:
    text = lab.browser("viewer").get("/ddos").text
    section = text[text.index('id="nearest"') : text.index('id="receivers"')]
    assert "130 %" in section
    assert "20,000 packets/s to a host" in section
    assert ">NAS<" in section
    assert "192.168.1.0/24" in section


def test_a_channel_is_tested(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser()
    assert "mail.example.com: refused" in client.get("/channels").text
    said = client.post("/channels/phone/test", data=form(client))
    assert "phone was told" in said.text
    assert daemon.asked == [("channels.test", "user:admin", {"name": "phone"})]
    daemon.refuses = "phone: answered 401"
    assert "answered 401" in client.post("/channels/phone/test", data=form(client)).text


def test_a_refusal_is_told(lab: ApiLab, daemon: FakeDaemon) -> None:
    daemon.refuses = "192.168.1.1 is the gateway"
    client = lab.browser("operator")
    fields = form(client, target="192.168.1.1", seconds="60")
    for path in ("/decisions", f"/findings/{FINDING}/block"):
        said = client.post(path, data=fields)
        assert said.status_code == 200
        assert "192.168.1.1 is the gateway" in said.text


def test_the_panic_switch(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    assert "nothing is blocked" in client.post("/panic", data=form(client, on="yes")).text
    assert "in force again" in client.post("/panic", data=form(client, on="no")).text
    assert [each[0] for each in daemon.asked] == ["panic", "release"]


def test_a_device_is_renamed(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    path = f"/devices/{MEMBERS[5].mac}"
    client.post(path, data=form(client, act="rename", value="Front door"))
    client.post(path, data=form(client, act="tell", attribute="category", value="camera"))
    client.post(path, data=form(client, act="label", value="guest loud"))
    assert [each[2]["values"] for each in daemon.asked] == [
        ("Front door",),
        ("category=camera",),
        ("guest", "loud"),
    ]


def test_devices_are_merged_split_and_forgotten(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    path = f"/devices/{MEMBERS[5].mac}"
    client.post(path, data=form(client, act="merge", value=MEMBERS[6].mac))
    client.post(path, data=form(client, act="split", value=MEMBERS[6].mac))
    assert "Forgotten" in client.post(path, data=form(client, act="forget")).text
    assert [(each[2]["act"], each[2]["values"]) for each in daemon.asked] == [
        ("merge", (MEMBERS[6].mac,)),
        ("split", (MEMBERS[6].mac,)),
        ("forget", ()),
    ]


def test_a_profile_tells_when_how_often_and_after_what(lab: ApiLab) -> None:
    text = lab.browser().get(f"/devices/{MEMBERS[5].mac}/profile").text
    assert "reolink.com" in text
    assert "Tu 08-16" in text
    assert "router udp/53, 99 %" in text
    assert "dns failures" in text


def test_a_description_is_taken(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    place = f"/devices/{MEMBERS[5].mac}"
    described = client.get(f"/api/v1{place}/mud").text
    said = client.post(f"{place}/profile", data=form(client, act="take", text=described)).text
    assert "things are normal by it" in said
    assert daemon.asked[0][2]["act"] == "allow"
    said = client.post(f"{place}/profile", data=form(client, act="take", text="{}")).text
    assert "the description" in said
    assert (
        "tells no address" in client.post(f"{place}/profile", data=form(client, act="fetch")).text
    )
    assert len(daemon.asked) == 1


def test_a_scan_is_begun_watched_and_stopped(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    listed = client.get("/scans").text
    assert "tcp/22 new" in listed
    fields = form(client, act="start", targets="192.168.1.0/24, 10.0.0.9", ports="22,80")
    assert "It begins" in client.post("/scans", data={**fields, "credentials": "yes"}).text
    client.post("/scans", data=form(client, act="stop"))
    asked = [(verb, values) for verb, _, values in daemon.asked if verb != "devices.scan.status"]
    started = {
        "targets": ("192.168.1.0/24", "10.0.0.9"), "ports": "22,80", "fast": False,
        "outside": False, "credentials": True,
    }  # fmt: skip
    assert asked == [("devices.scan", started), ("devices.scan.stop", {})]
    shown = client.get(f"/scans/{SCAN}").text
    assert "a password that its maker ships works" in shown
    assert "OpenSSH 6.7p1" in shown
    assert client.get("/scans/0000nothere").status_code == 404
    assert 'name="act" value="start"' not in lab.browser("viewer").get("/scans").text


def test_vulnerabilities_of_all_devices_are_listed(lab: ApiLab) -> None:
    client = lab.browser()
    text = client.get("/vulnerabilities").text
    assert "CVE-2018-15473" in text
    assert "Debian" in text
    assert "None is known" in client.get("/vulnerabilities?exploited=yes").text
    assert "CVE-2018-15473" in client.get("/vulnerabilities?product=openssh+<+7").text
    assert "None is known" in client.get("/vulnerabilities?product=openssh+>+7").text
    assert "is no product" in client.get("/vulnerabilities?product=+<+<").text


def test_a_device_is_fenced_in_and_released(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    path = f"/devices/{MEMBERS[5].mac}/fence"
    assert "nothing else that it begins" in client.get(path).text
    shown = client.get(path).text
    assert "It may block what is listed above" in shown
    [accept] = re.findall(r'name="accept" value="([0-9a-f]+)"', shown)
    fields = form(client, act="enforce", grade="block", text="rules: []\r\n")
    assert "would have blocked" in client.post(path, data=fields).text
    assert not daemon.asked
    client.post(path, data={**fields, "accept": accept})
    client.post(path, data=form(client, act="release"))
    asked = [(verb, values["act"], values.get("rules")) for verb, _, values in daemon.asked]
    assert asked == [
        ("devices.fence", "enforce", "rules: []\n"),
        ("devices.fence", "release", None),
    ]


BAD_RULES = "rules:\n  - name: A\n    match: {service: telnet}\n    action: fly\n"
GOOD_RULES = "rules:\n  - name: A\n    match: {service: telnet}\n    action: drop\n"


def test_what_was_changed_is_listed_and_older_pages_follow(lab: ApiLab) -> None:
    for number in range(130):
        lab.access.audit.note("user:ada", f"did-{number}-it", "", "")
    client = lab.browser()
    newest = client.get("/audit").text
    assert "did-129-it" in newest
    assert "did-9-it" not in newest
    older = re.search(r'href="(/audit\?before=[^"]+)"', newest)
    assert older
    assert "did-9-it" in client.get(older[1]).text
    assert "did-129-it" not in client.get("/audit?actor=user:ben").text


def test_rules_are_judged_with_their_lines(lab: ApiLab) -> None:
    client = lab.browser("operator")
    fields = form(client, act="check", text=BAD_RULES)
    said = client.post("/rules/home.yaml", data=fields).text
    assert "It cannot be used yet" in said
    assert "line 4" in said
    assert 'data-faults="4"' in said
    assert "action: fly" in said
    fields = form(client, act="trial", text=BAD_RULES)
    assert "It cannot be used yet" in client.post("/rules/home.yaml", data=fields).text


def test_rules_are_tried_against_the_last_day(lab: ApiLab) -> None:
    client = lab.browser("operator")
    fields = form(client, act="forecast", text=GOOD_RULES)
    said = client.post("/rules/home.yaml", data=fields).text
    assert "Dry run over the last day" in said
    assert "203.0.113.9 tcp/23" in said


def test_rules_are_saved_and_applied_on_trial(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    fields = form(client, act="trial", text=GOOD_RULES.replace("\n", "\r\n"))
    assert "In force for 60 s" in client.post("/rules/mine.yaml", data=fields).text
    assert daemon.asked == [("rules.apply", "user:operator", {"confirm": 60.0})]
    assert lab.services.rules is not None
    assert {each.text for each in lab.services.rules.files()} >= {GOOD_RULES}
    daemon.status["rules"]["trial_until"] = "2026-01-01T00:00:00Z"
    assert "Rules are on trial" in client.get("/rules").text
    for act in ("confirm", "rollback"):
        client.post("/rules", data=form(client, act=act))
    assert [each[0] for each in daemon.asked[1:]] == ["rules.confirm", "rules.rollback"]


def test_rules_are_put_in_order_on_trial(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    assert lab.services.rules is not None
    ids = [rule_id(rule.name) for rule in lab.services.rules.rules()]
    fields = form(client) | {"rule": [ids[2], *ids[:2], *ids[3:]]}
    assert "In force for 60 s" in client.post("/rules/order", data=fields).text
    assert daemon.asked == [("rules.apply", "user:operator", {"confirm": 60.0})]
    assert [rule_id(rule.name) for rule in lab.services.rules.rules()] == fields["rule"]


def test_more_rules_than_fit_into_a_form_are_not_put_in_order(
    lab: ApiLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = lab.browser("operator")
    assert "/rules/order" in client.get("/rules").text
    monkeypatch.setattr("phage.web.pages.rules.MOST_ORDERED", 2)
    assert "/rules/order" not in client.get("/rules").text


def test_a_rule_goes_a_place_up_without_script(lab: ApiLab, daemon: FakeDaemon) -> None:
    client = lab.browser("operator")
    assert lab.services.rules is not None
    ids = [rule_id(rule.name) for rule in lab.services.rules.rules()]
    page = client.get("/rules").text
    assert f'value="{ids[1]}:up"' in page
    client.post("/rules/order", data=form(client) | {"rule": ids, "move": f"{ids[1]}:up"})
    assert [each[0] for each in daemon.asked] == ["rules.apply"]
    orders: list[dict[str, Any]] = [
        {"rule": ["0" * 12]}, {"rule": ids, "move": "x:up"}, {"rule": []},
    ]  # fmt: skip
    for wrong in orders:
        answer = client.post("/rules/order", data=form(client) | wrong)
        assert answer.status_code in {200, 422}
    assert len(daemon.asked) == 1
    assert "/rules/order" not in lab.browser("viewer").get("/rules").text


@pytest.mark.parametrize(
    ("which", "way", "expected"),
    [("b", "up", "bacd"), ("b", "down", "acbd"), ("a", "up", "abcd"), ("d", "down", "abcd"),
     ("x", "up", "abcd"), ("", "", "abcd")],
)  # fmt: skip
def test_moving_one_of_a_list(which: str, way: str, expected: str) -> None:
    assert moved(list("abcd"), which, way) == list(expected)


@pytest.mark.parametrize("name", ["..%2Fx.yaml", "x.sh", ".yaml", "a%00.yaml", "a b.yaml"])
def test_no_other_file_can_be_named(name: str, lab: ApiLab) -> None:
    assert lab.browser().get(f"/rules/{name}").status_code in {404, 422}


def test_settings_are_changed_and_comments_kept(lab: ApiLab) -> None:
    client = lab.browser()
    said = client.post("/settings", data=form(client, key="policy.enforce", value="true"))
    assert "used when phage is started next" in said.text
    assert lab.services.settings is not None
    assert lab.services.settings.file().text.startswith("# mine")
    for act in ("check", "save"):
        fields = form(client, act=act, text="wrong: 1")
        assert "It cannot be used" in client.post("/settings/file", data=fields).text


def test_a_user_is_added_by_a_link_and_removed(lab: ApiLab) -> None:
    client = lab.browser()
    said = client.post("/users", data=form(client, act="add", name="eve", role="viewer")).text
    link = re.search(r"/welcome\?link=([\w-]+)", said)
    assert link is not None
    assert "This link works once" in lab.nobody().get(f"/welcome?link={link[1]}").text
    client.post("/users", data=form(client, act="remove", name="eve"))
    assert "eve" not in {each.name for each in lab.access.users.list()}
    last = client.post("/users", data=form(client, act="role", name="admin", role="viewer"))
    assert "the only admin" in last.text


def test_ones_own_password_and_tokens(lab: ApiLab) -> None:
    client = lab.browser("viewer")
    words = "another long sentence"
    fields = form(client, act="password", old="wrong", new=words, again=words)
    assert "is wrong" in client.post("/account", data=fields).text
    made = client.post("/account/tokens", data=form(client, act="add", name="x", scope="*:read"))
    secret = re.search(r"phage_[\w-]+", made.text)
    assert secret is not None
    (token,) = lab.access.tokens.list("viewer")
    assert secret[0] not in client.get("/account").text
    client.post("/account/tokens", data=form(client, act="revoke", id=token.id))
    assert lab.access.tokens.get(token.id).revoked
    offer = client.post("/account", data=form(client, act="offer"))
    assert "Turn it on" in offer.text
    other = lab.access.tokens.create("admin", "x", ["*"])[0]
    refused = client.post("/account/tokens", data=form(client, act="revoke", id=other.id))
    assert refused.status_code == 403


def test_an_indicator_is_looked_up_in_all_feeds(lab: ApiLab) -> None:
    mention = Mention("spamhaus-drop", IndicatorKind.NETWORK, "203.0.113.0/24", 87)
    catalog = SimpleNamespace(
        check=lambda text: (mention,) if text == "203.0.113.9" else (), alone={}
    )
    client = lab.having(catalog=lambda: catalog).browser()
    said = client.get("/feeds?q=203.0.113.9").text
    assert "Listed by spamhaus-drop" in said
    assert "203.0.113.0/24" in said
    assert "No feed lists" in client.get("/feeds?q=192.0.2.1").text


CHANGES = [
    "/rules/home.yaml", "/rules", "/settings", "/settings/file", "/users", "/account",
    "/account/tokens",
    "/decisions", f"/decisions/{DECISION}/undo", "/panic", f"/findings/{FINDING}/label",
    f"/findings/{FINDING}/block", f"/devices/{MEMBERS[5].mac}", "/files", f"/files/{EICAR}",
    "/engines", f"/devices/{MEMBERS[5].mac}/fence",
]  # fmt: skip

FIELDS = {
    "target": "198.51.100.1", "seconds": "1", "label": "attack", "on": "yes", "act": "rename",
    "value": "x", "key": "home", "text": GOOD_RULES, "name": "x",
}  # fmt: skip


@pytest.mark.parametrize("path", CHANGES)
def test_no_change_without_the_token_of_the_session(
    path: str, lab: ApiLab, daemon: FakeDaemon
) -> None:
    client = lab.browser()
    del client.headers["X-CSRF-Token"]
    assert client.post(path, data=FIELDS).status_code == 403
    assert client.post(path, data={**FIELDS, "csrf_token": "0" * 64}).status_code == 403
    assert daemon.asked == []


@pytest.mark.parametrize("path", CHANGES)
def test_no_change_by_a_viewer(path: str, lab: ApiLab, daemon: FakeDaemon) -> None:
    if path.startswith("/account"):
        return  # One's own.
    client = lab.browser("viewer")
    assert client.post(path, data=form(client, **FIELDS)).status_code == 403
    assert daemon.asked == []


def test_the_search_leads_to_what_is_meant(lab: ApiLab) -> None:
    client = lab.browser()

    def led(query: str) -> str:
        answer = client.get("/search", params={"q": query}, follow_redirects=False)
        return str(answer.headers.get("Location", answer.status_code))

    mac = re.escape(MEMBERS[5].mac).replace(":", "%3A")
    assert re.fullmatch(f"/devices/{mac}", led("Garden camera"))
    assert re.fullmatch(f"/devices/{mac}", led(MEMBERS[5].ip))
    assert led(FINDING) == f"/findings/{FINDING}"
    assert led("") == "/devices"
    assert led("192.168.1") == "200"
    assert led("%_!") == "200"


def test_unknown_things_are_told_as_a_page(lab: ApiLab) -> None:
    client = lab.browser()
    for path in ("/findings/ffffffffffffffff", "/decisions/0123456789ABCDEF", "/nowhere"):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert "<h1>Not Found</h1>" in answer.text
    assert client.get("/nowhere", headers={"Accept": "application/json"}).json()["status"] == 404


def test_every_page_is_in_the_list_of_pages(lab: ApiLab) -> None:
    """What is not in it is not tested with hostile text, for each role, by axe-core."""
    others = {
        "/welcome", "/favicon.ico", "/sw.js", "/manifest.webmanifest", "/static/{name}",
        "/files/{sha256}/download", "/files/analyses/{id}",  # No page; only while a file waits.
    }  # fmt: skip
    asked = [each.partition("?")[0] for each in (*PAGES, *OPEN)]
    routes = [route for router in Dashboard().routers for route in router.routes]
    missing = {
        route.path
        for route in routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
        if not any(route.path_regex.match(each) for each in asked)
    }
    assert missing <= others


def test_a_feed_is_added_and_switched(lab: ApiLab) -> None:
    client = lab.browser("operator")
    fields = form(client, name="mine", kind="netset", key="url", value="https://example.org/l")
    assert "mine was added" in client.post("/feeds", data=fields).text
    assert "mine" in client.get("/feeds").text
    keyed = form(client, name="fox", kind="threatfox", secret="s3cret")
    assert "fox was added" in client.post("/feeds", data=keyed).text
    assert "s3cret" not in client.get("/feeds").text
    assert "mine is disabled" in client.post("/feeds/mine", data=form(client, act="disable")).text
    said = client.post("/feeds/drop", data=form(client, act="test")).text
    assert "3 entries would be used; left out: 1 public resolver" in said
    again = client.post("/feeds", data=form(client, name="drop", kind="netset")).text
    assert "there is a feed" in again


def test_a_sensor_is_invited_and_revoked(lab: ApiLab) -> None:
    client = lab.having(sensors=JoinedCollector(lab.clock), fingerprint="ab" * 32).browser()
    said = client.post("/sensors", data=form(client, name="edge")).text
    assert "phage sensor --join http://localhost:8080 phage_" in said
    assert "~" + "ab" * 32 in said
    assert "phage_" not in client.get("/sensors").text
    assert "there is a sensor" in client.post("/sensors", data=form(client, name="edge")).text
    done = client.post("/sensors/revoke", data=form(client, name="edge")).text
    assert "edge is revoked" in done
    assert (
        "there is no sensor edge"
        in client.post("/sensors/revoke", data=form(client, name="edge")).text
    )
