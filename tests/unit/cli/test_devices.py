"""`phage devices` and `phage import oui` without a daemon: what people change is in the store."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

import pytest

from phage.cli.main import invoke
from phage.clock import FixedClock
from phage.devices.discovery import rtnetlink
from phage.intel.fetch import Fetcher
from phage.records.device import Attribute, Device, Guess, Mark, MarkKind, Seen, Trait
from phage.records.flow import Flow
from phage.records.profile import KeyUse, Phase, Profile, ProfileKey, Way
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AT = 1_700_000_000_000_000_000
MAC, OTHER = "00:17:88:00:00:01", "02:00:00:00:00:02"
DEVICES = (
    Device(
        MAC, macs=(Seen(MAC, AT, AT),), addresses=(Seen("192.168.1.5", AT, AT),),
        first_seen=AT, last_seen=AT, guesses={Attribute.CATEGORY: Guess("camera", 0.9)},
        marks=(Mark(MarkKind.HOSTNAME, "cam"),),
    ),
    Device(
        OTHER, macs=(Seen(OTHER, AT, AT),), first_seen=AT, last_seen=AT,
        traits=(Trait(Attribute.MUD, "http://10.0.0.1/mud.json", 0.9, "lldp", "", AT),),
    ),
)  # fmt: skip
KEYS = {ProfileKey(Way.OUT, 6, 443, "name:maker.com"): KeyUse(AT, AT, 7, 100)}


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    monkeypatch.setenv("PHAGE_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("PHAGE_CONFIG", raising=False)
    place = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with open_store(place, FixedClock(AT)) as store:
        store.devices.save(DEVICES)
        profile = Profile(MAC, AT, AT, Phase.PROPOSE, KEYS, names={"52.1.2.3": "eu.maker.com"})
        store.profiles.save([profile])
        store.flows.save(
            Flow(number, AT - number, AT, "192.168.1.5", address, 4000, 443, 6, MAC,
                 "00:00:00:00:00:fe", packets=(3, 3))
            for number, address in enumerate(("52.1.2.3", "203.0.113.9"))
        )  # fmt: skip

    def call(*arguments: str, code: int = 0) -> Any:
        assert invoke(arguments) == code, capsys.readouterr().err
        said = capsys.readouterr()
        if code:
            return said.err
        return json.loads(said.out) if "json" in arguments else said.out + said.err

    return call


def listed(run: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in run("devices", "list", "--output", "json")}


def test_what_people_say_is_kept(run: Callable[..., Any]) -> None:
    run("devices", "rename", MAC, "Hall")
    run("devices", "label", "Hall", "outside", "cloud", "--remove", "cloud")
    run("devices", "identify", "Hall", "--category", "doorbell", "--vendor", "Acme")
    device = listed(run)[MAC]
    assert (device["name"], device["labels"]) == ("Hall", ["outside"])
    assert (device["category"], device["vendor"]) == ("doorbell", "Acme")
    whole = run("devices", "show", "hall", "--output", "json")
    assert whole["guesses"]["category"]["why"] == ["a person said so"]
    assert {event["what"] for event in whole["history"]} == {"renamed", "labelled", "told"}


def test_devices_are_merged_split_and_forgotten(run: Callable[..., Any]) -> None:
    run("devices", "merge", MAC, OTHER)
    assert listed(run)[MAC]["macs"] == [MAC, OTHER]
    run("devices", "split", MAC, OTHER)
    assert set(listed(run)) == {MAC, OTHER}
    run("devices", "forget", MAC)
    assert set(listed(run)) == {OTHER}
    run("devices", "profile", MAC, code=1)


def test_who_is_not_there_is_told(run: Callable[..., Any]) -> None:
    assert "no device is 'nobody'" in run("devices", "rename", "nobody", "x", code=1)


def test_a_fence_is_proposed_enforced_and_taken_away(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    proposed = run("devices", "propose", MAC, "--output", "json")
    assert proposed["objection"] == ""
    assert [each["address"] for each in proposed["would_have_blocked"]] == ["203.0.113.9"]
    asked = run("devices", "enforce", MAC, code=1)
    assert "would have blocked 1 flows" in asked
    assert "203.0.113.9" in asked
    assert "--yes says that it may" in asked
    assert not list((tmp_path / "fences").glob("*"))
    assert "would have blocked 1 flows" in run("devices", "enforce", MAC, "--yes")
    fence = tmp_path / "fences" / "fence-001788000001.yaml"
    assert "maker.com" in fence.read_text()
    assert run("devices", "profile", MAC, "--output", "json")["phase"] == "enforce"
    run("devices", "release", MAC)
    assert not fence.exists()
    assert "nothing is known yet" in run("devices", "enforce", OTHER, code=1)


def test_a_router_of_this_machine_is_never_fenced_in(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = ipaddress.ip_address("192.168.1.5")
    monkeypatch.setattr(rtnetlink, "gateways", lambda: [gateway])
    monkeypatch.setattr(rtnetlink, "neighbours", lambda: {str(gateway): MAC})
    refused = run("devices", "enforce", MAC, "--force", "--yes", code=1)
    assert "is a router of this machine" in refused
    assert not list((tmp_path / "fences").iterdir())


def test_mud_goes_out_and_comes_in(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "mud.json"
    file.write_text(run("devices", "mud", MAC))
    run("devices", "mud", OTHER, "--import", str(file))
    keys = run("devices", "profile", OTHER, "--output", "json")["keys"]
    assert [key["peer"] for key in keys] == ["name:maker.com"]


def test_descriptions_are_got_by_https_from_where_the_device_says(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = str(run("devices", "mud", MAC)).encode()
    asked = []

    def get(fetcher: Fetcher, url: str, **_options: object) -> bytes:
        asked.append((url, fetcher.public, fetcher.limits.octets))
        return whole

    monkeypatch.setattr(Fetcher, "get", get)
    assert "by https only" in run("devices", "mud", OTHER, "--fetch", code=1)
    assert "tells no address" in run("devices", "mud", MAC, "--fetch", code=1)
    run("devices", "mud", OTHER, "--import", "https://maker.example/x.json")
    assert asked == [("https://maker.example/x.json", False, 1 << 20)]
    run("devices", "mud", MAC, "--import", "x", "--fetch", code=2)
    assert "cannot be read" in run("devices", "mud", MAC, "--import", "/nowhere.json", code=1)


def test_registries_are_imported_and_damaged_ones_leave_the_old(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    lines = ["Registry,Assignment,Organization Name,Organization Address"]
    lines += [f"MA-L,{number:06X},Maker {number},x" for number in range(100)]
    file = tmp_path / "oui.csv"
    file.write_text("\n".join(lines) + "\n")
    answer = run("import", "oui", str(file), "--output", "json")
    assert answer == {"assignments": 100, "registries": {"MA-L": 100}}
    file.write_text("\n".join(lines[:40]) + "\n")
    assert "was cut off" in run("import", "oui", str(file), code=1)
    file.write_text("\n".join(lines)[:-3])
    assert "ends within a record" in run("import", "oui", str(file), code=1)


def test_findings_are_counted_per_device_and_week(run: Callable[..., Any]) -> None:
    counted = run("devices", "alerts", "--output", "json")
    assert (counted["alerts"], counted["devices"], counted["per_device_and_week"]) == (0, 2, 0.0)
    assert "0 findings of 2 devices in 7 days: 0 per device and week" in run("devices", "alerts")


def test_changes_are_told_as_json(run: Callable[..., Any]) -> None:
    said = run("devices", "rename", MAC, "Hall", "--output", "json")
    assert said == {"device": MAC, "act": "rename", "values": ["Hall"], "removed": []}
    said = run("devices", "label", MAC, "outside", "--remove", "cloud", "--output", "json")
    assert (said["values"], said["removed"]) == (["outside"], ["cloud"])
    assert run("devices", "forget", OTHER, "--output", "json")["act"] == "forget"
    said = run("devices", "enforce", MAC, "--grade", "notify", "--output", "json")
    assert (said["act"], said["grade"], said["runs"]) == ("enforce", "notify", False)
    assert [each["flows"] for each in said["would_have_blocked"]] == [1]
    assert run("devices", "release", MAC, "--output", "json")["there"] is True
