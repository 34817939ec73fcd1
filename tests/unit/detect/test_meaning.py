"""What unusual values mean: only what an attack does, only above the normal range."""

from __future__ import annotations

import math

import pytest

from phage.detect.detector import CatalogEntry
from phage.detect.meaning import AMOUNTS, FAILURES, PEER, SERVICE, phrases, read
from phage.detect.rows import Score, rows_of
from phage.records import Window
from phage.records.address import parse_address
from phage.records.catalog import feature_catalog
from phage.records.columns import SCORE
from phage.testing.windows import columns, device, make_score, remote

CATALOG = tuple(CatalogEntry(*entry) for entry in feature_catalog())
PLACES = {entry.name: number for number, entry in enumerate(CATALOG)}


def row(*features: tuple[str, float, float], **values: object) -> Score:
    """Make a score row with features (name, value, upper end of the normal range)."""
    made = make_score(
        device(20),
        device(21),
        4.0,
        features=[PLACES[name] for name, _, _ in features],
        values=[value for _, value, _ in features],
        high=[high for _, _, high in features],
        weights=[0.3] * len(features),
        **values,
    )
    return rows_of(Window(0, 1, scores=columns([made], SCORE))).scores[0]


def test_every_feature_that_counts_is_in_the_catalog() -> None:
    assert {*AMOUNTS, *FAILURES, SERVICE, PEER} <= set(PLACES)


@pytest.mark.parametrize("name", ["length", "sent_share", "device_novelty", "dns_entropy"])
def test_what_is_only_unlikely_means_nothing(name: str) -> None:
    assert read(row((name, 1000.0, 1.0)), CATALOG).size == 0.0


@pytest.mark.parametrize("value", [0.0, 3.9, math.nan, math.inf, -math.inf])
def test_a_value_below_or_within_the_range_means_nothing(value: float) -> None:
    reading = read(row(("peers_out", value, 4.0), ("octets_out_rate", 0.0, 1e6)), CATALOG)
    assert reading.size == 0.0
    assert reading.order == ()


def test_size_is_how_many_times_the_range_is_reached() -> None:
    assert read(row(("peers_out", 11.0, 4.0)), CATALOG).size == pytest.approx(1.0)
    assert read(row(("peers_out", 25.0, 4.0)), CATALOG).size == pytest.approx(2.0)
    # Three peers more are nothing on any network.
    assert read(row(("peers_out", 3.0, 0.0)), CATALOG).size == pytest.approx(1.0)
    assert read(row(("peers_out", 2.0, 0.0)), CATALOG).size == 0.0
    assert read(row(("octets_out_rate", 1e12, 0.0)), CATALOG).size == 6.0


def test_what_comes_in_counts_half() -> None:
    sent = read(row(("octets_out_rate", 1e6, 1e3)), CATALOG).size
    received = read(row(("octets_in_rate", 1e6, 1e3)), CATALOG).size
    assert received == pytest.approx(min(math.log2(1_002_000 / 3000), 12.0) / 2)
    assert sent == 6.0


def test_the_acknowledgements_of_a_download_are_no_sending() -> None:
    received, answered = ("octets_in_rate", 2e5, 500.0), ("packets_out_rate", 80.0, 0.5)
    download = row(received, answered, ("octets_out_rate", 9e3, 50.0))
    reading = read(download, CATALOG)
    assert reading.inbound
    assert phrases(download, CATALOG, reading) == ["receives 200 kB/s (normal up to 500 bytes/s)"]
    assert not read(row(answered), CATALOG).inbound
    assert not read(row(received, answered, ("octets_out_rate", 9e4, 50.0)), CATALOG).inbound
    assert not read(row(received, answered, ("new_peers", 40.0, 1.0)), CATALOG).inbound


def test_a_first_contact_by_a_new_service_says_more_than_both_alone() -> None:
    service, peer = ("service_novelty", 1.0, 0.1), ("peer_novelty", 1.0, 0.1)
    alone = read(row(service), CATALOG).size + read(row(peer), CATALOG).size
    both = read(row(service, peer), CATALOG)
    assert both.size > alone
    assert both.first_contact
    # A stranger needs no new service, and somebody who is always new none at all.
    assert read(row(peer), CATALOG, stranger=True).size > read(row(peer), CATALOG).size
    assert read(row(service, peer, mature=0), CATALOG, stranger=True).size == 0.0


def test_an_echo_request_is_no_contact() -> None:
    echo = row(("service_novelty", 1.0, 0.1), ("peer_novelty", 1.0, 0.1), protocol=1)
    reading = read(echo, CATALOG, stranger=True)
    assert 0.0 < reading.size < 1.0
    assert not reading.first_contact


def test_failures_alone_are_an_outage() -> None:
    assert read(row(("failed_share", 1.0, 0.0)), CATALOG).size == 0.0
    scan = read(row(("failed_share", 1.0, 0.0), ("new_peers", 40.0, 1.0)), CATALOG)
    assert len(scan.order) == 2


def test_words_are_short_and_in_units_that_people_read() -> None:
    loud = row(("packets_out_rate", 690.2, 15.6), ("octets_out_rate", 1.04e6, 11_600.0))
    assert phrases(loud, CATALOG, read(loud, CATALOG)) == [
        "sends 1 MB/s (normal up to 12 kB/s)",
        "sends 690 packets/s (normal up to 16)",
    ]
    contact = row(
        ("service_novelty", 1.0, 0.1), ("peer_novelty", 1.0, 0.1), ("ports_in", 9.0, 0.2),
        src_port=40_000, dst_port=502,
    )  # fmt: skip
    first, second = phrases(contact, CATALOG, read(contact, CATALOG))
    peer = device(21).ip
    assert {first, second} == {
        f"has its first contact with {peer} by tcp/502",
        "is contacted at 9 of its ports a minute (normal up to 0.2)",
    }
    failing = row(("new_peers", 40.0, 1.0), ("failed_share", 0.9, 0.05))
    assert phrases(failing, CATALOG, read(failing, CATALOG))[1] == (
        "fails in 90 % of its connections (normal up to 5 %)"
    )


def test_the_peer_is_the_other_end() -> None:
    inbound = row(
        ("peer_novelty", 1.0, 0.1),
        device_address=parse_address(remote(1).ip),
        device_mac=device(21).mac_number,
    )
    assert phrases(inbound, CATALOG, read(inbound, CATALOG)) == [
        f"has its first contact with {device(20).ip}"
    ]
