"""The shape of attacks: of either detector of floods."""

from __future__ import annotations

from phage.api.attacks import attack_shape
from phage.records import Finding, Severity, Subject


def finding(detector: str, **evidence: object) -> Finding:
    return Finding(
        detector=detector,
        key="k",
        severity=Severity.HIGH,
        score=1.0,
        subject=Subject(ip="198.51.100.7", device="198.51.100.7"),
        summary="A flood.",
        first_seen=0,
        last_seen=2_500_000_000,
        packets=9,
        peers_total=4,
        evidence=evidence,
    )


def test_a_volume_is_told_with_its_vectors() -> None:
    shape = attack_shape(
        finding(
            "volumetric",
            target="198.51.100.0/24",
            direction="outgoing",
            kind="udp-flood",
            vectors=[{"name": "udp-flood", "share": 1.0}],
            why={"by": "threshold"},
        )
    )
    assert (shape["target"], shape["direction"]) == ("198.51.100.0/24", "outgoing")
    assert shape["vectors"] == [{"name": "udp-flood", "share": 1.0}]
    assert shape["details"] == {"why": {"by": "threshold"}}
    assert shape["seconds"] == 2.5


def test_a_flood_of_connections_is_called_by_the_same_words() -> None:
    shape = attack_shape(
        finding("synflood", kind="syn", subject_is="victim", peak_per_second=700.0, sources=3)
    )
    assert (shape["kind"], shape["target"], shape["direction"]) == (
        "syn-flood", "198.51.100.7", "incoming",
    )  # fmt: skip
    assert (shape["peak_packets_per_second"], shape["sources"]) == (700.0, 3)
