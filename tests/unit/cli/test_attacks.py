"""`phage attacks list` and `show`: what an attack tells on a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock
from phage.records import Finding, Severity, Subject
from phage.store.store import StoreLocation, open_store
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Phage = Callable[..., Any]

FLOOD = Finding(
    detector="volumetric",
    key="in 198.51.100.0/24",
    severity=Severity.HIGH,
    score=4.0,
    subject=Subject(device="198.51.100.0/24"),
    summary="198.51.100.0/24 is flooded.",
    first_seen=EPOCH,
    last_seen=EPOCH + 9_000_000_000,
    packets=9_000_000,
    evidence={
        "kind": "ntp-amplification",
        "target": "198.51.100.0/24",
        "direction": "incoming",
        "vectors": [{"name": "ntp-amplification", "share": 1.0}],
        "why": {
            "by": "signature", "measure": "packets", "value": 80_000, "limit": 2000,
            "usual": 1.0, "window_s": 1, "samples": 800, "confidence": 0.95, "threshold": "",
        },
        "peak_packets_per_second": 81_000,
        "peak_bits_per_second": 300_000_000,
        "pulses": 2,
        "sources": 812,
        "top_sources": [["192.0.2.7", 0.1]],
        "top_systems": [[64_500, 0.4]],
        "entropy_bits": {"peers": 9.5, "src_ports": 0.0},
        "suggested": [
            {"protocol": 17, "source_ports": [[123, 123]], "covers": 0.99, "collateral": 0.01}
        ],
        "suggested_cover": 0.99,
        "suggested_collateral": 0.01,
        "suggestions_refused": 1,
        "sample": ["192.0.2.7 123 > 198.51.100.9 4711 udp 468"],
    },
)  # fmt: skip


@pytest.fixture(autouse=True)
def stored(tmp_path: Path) -> str:
    location = StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")
    with open_store(location, FixedClock(EPOCH)) as store:
        store.findings.save([FLOOD])
        return store.findings.list()[0].id


def test_attacks_are_listed(phage: Phage) -> None:
    answer = phage("attacks", "list")
    assert answer.code == 0, answer.err
    for text in ("198.51.100.0/24", "ntp-amplification", "81000", "812"):
        assert text in answer.out
    (shape,) = json.loads(phage("attacks", "list", "--output", "json").out)
    assert (shape["seconds"], shape["direction"]) == (9.0, "incoming")
    assert phage("attacks", "list", "--state", "closed").out.strip() in {"", "no attacks"}


def test_an_attack_is_shown_with_all_behind_it(phage: Phage, stored: str) -> None:
    answer = phage("attacks", "show", stored[:10])
    assert answer.code == 0, answer.err
    for text in (
        "by signature over 1 s, 800 packets seen",
        "pulses     2",
        "100.0%  ntp-amplification",
        "sources: 192.0.2.7 10%",
        "systems: 64500 40%",
        "entropy: peers 9.5 bits, src ports 0.0 bits",
        "source ports [[123, 123]]",
        "1 more would have hit too much",
        "192.0.2.7 123 > 198.51.100.9 4711 udp 468",
    ):
        assert text in answer.out


def test_what_is_no_attack_is_told(phage: Phage) -> None:
    answer = phage("attacks", "show", "zzzz")
    assert answer.code == 1
    assert "no attack 'zzzz'" in answer.err
