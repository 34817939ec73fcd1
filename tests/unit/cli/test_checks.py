"""What `phage doctor` checks."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phage.cli import checks
from phage.cli.settings import Chosen
from phage.clock import FixedClock, SystemClock
from phage.config.settings import Settings

Phage = Callable[..., Any]


def test_doctor_says_what_to_do(phage: Phage) -> None:
    answer = phage("doctor", "--output", "json")
    found = {check["name"]: check for check in json.loads(answer.out)["checks"]}
    assert set(found) == {
        "settings", "python", "core", "cpu", "kernel", "capability", "interfaces", "clock",
        "state folder", "store", "model", "enforcing",
    }  # fmt: skip
    assert all(check["state"] in {"ok", "warn", "fail"} for check in found.values())
    assert all(check["advice"] for check in found.values() if check["state"] == "fail")
    assert answer.code == int(any(check["state"] == "fail" for check in found.values()))
    table = phage("doctor")
    assert table.code == answer.code
    assert "state folder" in table.out


def test_wrong_settings_fail_and_the_rest_is_checked(phage: Phage, tmp_path: Path) -> None:
    (tmp_path / "phage.yaml").write_text("zzz: 1\n")
    answer = phage("doctor", "--output", "json")
    assert answer.code == 1
    found = {check["name"]: check for check in json.loads(answer.out)["checks"]}
    assert found["settings"]["state"] == "fail"
    assert "zzz" in found["settings"]["says"]
    assert found["python"]["state"] == "ok"


@pytest.mark.parametrize(
    ("policy", "places", "state", "says"),
    [
        ({}, (), "ok", "off"),
        ({"enforce": True}, (), "fail", "no nft"),
        ({"enforce": True}, (__file__,), "ok", "by nftables"),
    ],
)
def test_what_responders_need_is_looked_for(
    policy: dict[str, object],
    places: tuple[str, ...],
    state: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("phage.respond.nft.program.PLACES", tuple(map(Path, places)))
    found = checks.check_enforcing(Settings.model_validate({"policy": policy}))
    assert (found.state, says in found.says) == (state, True)


@pytest.mark.parametrize(
    ("mask", "state"),
    [("0000000000002000", "ok"), ("000001ffffffffff", "ok"), ("0000000000000000", "warn")],
)
def test_the_capability_is_read_from_the_effective_set(
    tmp_path: Path, mask: str, state: str
) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t{mask}\n")
    check = checks.check_capability(status)
    assert check.state == state
    assert ("setcap cap_net_raw" in check.advice) == (state != "ok")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("flags\t\t: fpu sse2 avx2 avx512f", "AVX-512"),
        ("flags\t\t: fpu sse2 avx2", "AVX2"),
        ("flags\t\t: fpu sse2", "SSE2"),
        ("Features\t: fp asimd", "NEON"),
    ],
)
def test_vector_instructions(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\n{line}\n")
    check = checks.check_cpu(file)
    assert (check.state, check.says.partition(",")[0]) == ("ok", says)
    assert checks.check_cpu(tmp_path / "none").state == "warn"


def test_interfaces_that_are_missing_or_down(tmp_path: Path) -> None:
    for name, operstate in (("eth0", "up"), ("eth1", "down"), ("lo", "unknown")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "operstate").write_text(f"{operstate}\n")

    def check(*names: str) -> checks.Check:
        return checks.check_interfaces(Settings(interfaces=names), tmp_path)

    assert check("eth0", "lo").state == "ok"
    assert check("eth1").state == "warn"
    assert "ip link set eth1 up" in check("eth0", "eth1").advice
    missing = check("eth9")
    assert missing.state == "fail"
    assert "eth0, eth1, lo" in missing.advice


def test_a_clock_that_shows_the_past_fails() -> None:
    assert checks.check_clock(FixedClock(0)).state == "fail"
    assert checks.check_clock(SystemClock()).state == "ok"


def test_a_state_folder_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.check_state_folder(tmp_path / "a" / "b").state == "ok"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    check = checks.check_state_folder(tmp_path / "a")
    assert check.state == "fail"
    assert "--state-dir" in check.advice


def test_a_damaged_store_fails(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite3").write_bytes(b"x" * 10_000)
    settings = Settings(state_dir=tmp_path)
    results = {
        check.name: check
        for check in checks.check_all(Chosen(None, tmp_path), FixedClock(checks.EARLIEST * 2))
    }
    assert results["store"].state == "fail"
    (tmp_path / "store.sqlite3").unlink()
    assert checks.check_store(Chosen(None, tmp_path), settings).state == "ok"
    sqlite3.connect(tmp_path / "store.sqlite3").close()


def test_the_age_of_the_model(tmp_path: Path) -> None:
    clock = FixedClock(2_000_000_000 * 10**9)
    assert "none yet" in checks.check_model(tmp_path / "none", clock).says
    file = tmp_path / "x.model"
    file.write_bytes(b"")
    os.utime(file, ns=(clock.now(), clock.now()))
    assert checks.check_model(tmp_path, clock).state == "ok"
    clock.nanoseconds += 15 * 86_400 * 10**9
    assert checks.check_model(tmp_path, clock).state == "warn"
