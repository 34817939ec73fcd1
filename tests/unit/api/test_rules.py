"""Rules and settings over the API: changed in their files, whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phage.api.desks import Judgement, Remark
from phage.errors import PhageError, RuleError, StateError
from phage.policy.reading.reader import read_rules
from phage.policy.writing.edit import replaced_rule, with_priority, with_rule, without_rule
from phage.testing.apilab import FakeDaemon
from phage.testing.desks import FakeRuleDesk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.testing.apilab import ApiLab

RULES = "/api/v1/rules"

FILE = """\
# Rules of the house.
version: 1
rules:
  # First of all.
  - name: Scanners out
    priority: 10   # early
    match: {finding: portscan}
    action: ban
    for: 1h

  - name: "No telnet"
    match:
      service: telnet   # and nothing else
    action: drop

# The end.
"""

NEW = {"name": "No ftp", "match": {"service": "ftp"}, "action": "drop"}


def names(text: str) -> list[str]:
    return [rule.name for rule in read_rules(text, "x.yaml").rules]


def test_a_rule_is_added_and_all_else_stays() -> None:
    text = with_rule(FILE, "x.yaml", NEW)
    assert names(text) == ["Scanners out", "No telnet", "No ftp"]
    for line in FILE.splitlines():
        assert line in text.splitlines()


@pytest.mark.parametrize("text", ["", "version: 1\n", "version: 1\nrules: []\n", "rules:\n"])
def test_a_rule_is_added_where_there_is_none(text: str) -> None:
    assert names(with_rule(text, "x.yaml", NEW)) == ["No ftp"]


def test_a_rule_is_replaced_and_comments_of_others_stay() -> None:
    text = replaced_rule(FILE, "x.yaml", "Scanners out", NEW)
    assert names(text) == ["No ftp", "No telnet"]
    assert "# and nothing else" in text
    assert "# First of all." in text
    assert "# The end." in text


def test_rules_are_taken_out_until_none_is_left() -> None:
    text = without_rule(FILE, "x.yaml", "Scanners out")
    assert names(text) == ["No telnet"]
    assert names(without_rule(text, "x.yaml", "No telnet")) == []
    with pytest.raises(RuleError, match="there is no rule 'other'"):
        without_rule(FILE, "x.yaml", "other")


def test_a_priority_is_changed_in_its_place() -> None:
    text = with_priority(FILE, "x.yaml", "Scanners out", 70)
    assert "priority: 70   # early" in text
    text = with_priority(text, "x.yaml", "No telnet", 5)
    assert [(rule.name, rule.priority) for rule in read_rules(text, "x.yaml").rules] == [
        ("Scanners out", 70),
        ("No telnet", 5),
    ]


def test_what_is_written_in_one_line_is_left_alone() -> None:
    flow = "rules: [{name: One, match: everything, action: log}]\n"
    with pytest.raises(RuleError, match="in the text"):
        without_rule(flow, "x.yaml", "One")
    with pytest.raises(RuleError, match="in the text"):
        with_priority(flow, "x.yaml", "One", 5)
    with pytest.raises(RuleError, match="in the text"):
        with_rule(flow, "x.yaml", NEW)


def desk_of(lab: ApiLab) -> FakeRuleDesk:
    desk = lab.services.rules
    assert isinstance(desk, FakeRuleDesk)
    desk.texts.clear()
    desk.texts["house.yaml"] = FILE
    return desk


def test_rules_are_added_changed_ordered_and_removed(lab: ApiLab) -> None:
    desk, client = desk_of(lab), lab.client("operator")
    made = client.post(RULES, json={"rule": NEW, "file": "house.yaml"})
    assert made.status_code == 201, made.text
    rule = made.json()["rule"]
    assert (rule["name"], rule["mode"], rule["file"]) == ("No ftp", "dry-run", "house.yaml")
    place = f"{RULES}/{rule['id']}"
    etag = client.get(place).headers["etag"]
    changed = {"rule": NEW | {"priority": 5}}
    assert client.put(place, json=changed, headers={"If-Match": '"old"'}).status_code == 412
    assert client.put(place, json=changed, headers={"If-Match": etag}).status_code == 200
    assert client.get(place).json()["priority"] == 5
    ids = [each["id"] for each in client.get(RULES).json()]
    ordered = client.put(f"{RULES}/order", json={"ids": ids[::-1]}).json()
    assert [each["id"] for each in ordered] == ids[::-1]
    assert client.delete(place).status_code == 200
    assert client.get(place).status_code == 404
    assert names(desk.texts["house.yaml"]) == ["Scanners out", "No telnet"]


OTHER = FILE.replace("Scanners out", "Others out").replace("No telnet", "No rsh")


def test_an_order_that_is_refused_leaves_every_file_as_it_was(
    lab: ApiLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, client = desk_of(lab), lab.client("operator")
    desk.texts["other.yaml"] = OTHER
    before, judge = dict(desk.texts), desk.judge
    body = {"ids": [each["id"] for each in client.get(RULES).json()][::-1]}

    def strict(name: str, text: str) -> Judgement:
        failed = [Remark(1, 1, "error", "a test fails")] if name == "other.yaml" else []
        return replace(judge(name, text), failed=failed)

    with monkeypatch.context() as patched:
        patched.setattr(desk, "judge", strict)
        assert client.put(f"{RULES}/order", json=body).status_code == 422
    assert desk.texts == before

    def refuse(verb: str, actor: str, /, **values: object) -> Mapping[str, Any]:
        message = "the kernel refuses them"
        raise StateError(message)

    refusing = lab.having(steer=refuse).client("operator")
    assert refusing.put(f"{RULES}/order", json=body).status_code == 409
    assert desk.texts == before
    assert client.put(f"{RULES}/order", json=body).status_code == 200
    assert all(desk.texts[name] != text for name, text in before.items())


def test_phantomfirewalls_rules_are_taken(lab: ApiLab) -> None:
    desk_of(lab)
    body = {"name": "Block Range", "priority": 1, "action": "DROP", "source_ip": "192.0.2.0/24"}
    made = lab.client("operator").post(RULES, json=body)
    assert made.status_code == 201, made.text
    rule = made.json()["rule"]
    assert (rule["name"], rule["priority"], rule["mode"]) == ("Block Range", 1, "dry-run")
    assert rule["rule"]["match"] == {"source": "192.0.2.0/24"}
    wrong = body | {"action": "EXPLODE"}
    assert lab.client("operator").post(RULES, json=wrong).status_code == 422


def test_a_rule_that_is_wrong_changes_nothing(lab: ApiLab) -> None:
    desk, client = desk_of(lab), lab.client("operator")
    for wrong in ({}, {"name": "x"}, NEW | {"action": "explode"}, NEW | {"name": "No telnet"}):
        answer = client.post(RULES, json={"rule": wrong, "file": "house.yaml"})
        assert answer.status_code == 422, answer.text
    assert desk.texts == {"house.yaml": FILE}


def test_what_cannot_be_brought_into_force_is_taken_back(lab: ApiLab) -> None:
    class Refusing(FakeDaemon):
        def __call__(self, verb: str, actor: str, /, **values: object) -> Mapping[str, Any]:
            message = "that would lock you out"
            raise PhageError(message)

    desk = desk_of(lab)
    answer = lab.having(steer=Refusing()).client("operator").post(RULES, json={"rule": NEW})
    assert (answer.status_code, answer.json()["detail"]) == (422, "that would lock you out")
    assert desk.texts == {"house.yaml": FILE}


def test_files_are_written_with_their_etag(lab: ApiLab) -> None:
    desk_of(lab)
    client, place = lab.client("operator"), f"{RULES}/files/house.yaml"
    etag = client.get(place).headers["etag"]
    text = FILE.replace("1h", "2h")
    old = {"If-Match": '"old"'}
    assert client.put(place, json={"text": text}, headers=old).status_code == 412
    written = client.put(place, json={"text": text}, headers={"If-Match": etag})
    assert written.json()["text"] == text
    assert client.put(place, json={"text": "rules: ["}).status_code == 422
    assert client.put(f"{RULES}/files/..%2Fevil.yaml", json={"text": text}).status_code == 404
    assert client.put(f"{RULES}/files/evil.txt", json={"text": text}).status_code == 422
    assert client.delete(place).status_code == 204


def test_texts_are_judged_and_planned_and_nothing_changes(lab: ApiLab) -> None:
    desk, client = desk_of(lab), lab.client("viewer")
    judged = client.post(f"{RULES}/check", json={"text": "rules: [{}]"}).json()
    assert judged["usable"] is False
    assert judged["remarks"]
    assert client.post(f"{RULES}/check", json={"text": FILE}).json()["usable"] is True
    assert client.post(f"{RULES}/plan", json={"text": FILE}).json()["rules"]
    assert client.post(f"{RULES}/test").json()[0]["usable"] is True
    assert client.post(f"{RULES}/apply", json={}).status_code == 403
    assert desk.texts == {"house.yaml": FILE}


def test_settings_are_shown_checked_and_changed_but_not_what_phage_runs(lab: ApiLab) -> None:
    client, place = lab.client(), "/api/v1/config"
    shown = client.get(place)
    assert {each["key"] for each in shown.json()["settings"]} >= {"policy.enforce", "api.token"}
    assert client.post(f"{place}/check", json={"text": "wrong"}).json()["usable"] is False
    key = f"{place}/keys/policy.enforce"
    old = {"If-Match": '"old"'}
    assert client.put(key, json={"value": True}, headers=old).status_code == 412
    etag = {"If-Match": shown.headers["etag"]}
    assert client.put(key, json={"value": True}, headers=etag).status_code == 200
    for local in ("respond.scripts", "respond.scripts.x", "api.token_file", "api.private_key",
                  "outputs.eve.path", "state_dir", "store.url"):  # fmt: skip
        answer = client.put(f"{place}/keys/{local}", json={"value": "/etc/x"})
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "local")
    assert lab.client("operator").get(place).status_code == 403


def test_files_of_other_programs_are_imported(lab: ApiLab) -> None:
    desk, client = desk_of(lab), lab.client()
    rule = "{name: T, priority: 1, action: DROP, port: 23, protocol: TCP}"
    text = f"phantom:\n  log_level: DEBUG\n  rules:\n    - {rule}\n"
    body = {"text": text}
    tried = client.post("/api/v1/config/import", json=body).json()
    assert (tried["program"], tried["written"]) == ("PhantomFirewall", False)
    assert "dry-run" in tried["rules"]
    assert list(desk.texts) == ["house.yaml"]
    done = client.post("/api/v1/config/import", json=body | {"dry_run": False}).json()
    assert done["written"] is True
    assert "phantomfirewall.yaml" in desk.texts
