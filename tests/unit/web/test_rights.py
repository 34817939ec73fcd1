"""Who may not read a noun of the API finds nothing of it on any page either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.access.roles import PERMISSIONS
from phage.records import Subject
from phage.records.decision import Target, TargetKind
from phage.records.device import Device, Seen
from phage.records.indicator import Indicator, IndicatorKind
from phage.store.repositories.traffic import Traffic, TrafficKind
from phage.store.store import StoreLocation
from phage.testing.apilab import ApiLab, api_lab
from phage.testing.fakedaemon import FakeDaemon
from phage.testing.household import MEMBERS, eicar_verdict
from phage.testing.pages import FINDING, PAGES
from phage.testing.records import EPOCH, make_decision, make_finding, make_flow
from phage.testing.scandesk import FakeScanDesk
from phage.web.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARIES = {
    "devices": "Secretive camera",
    "findings": "secretive finding",
    "decisions": "secretive decision",
    "flows": "192.0.2.251",
    "indicators": "secretive-indicator",
    "samples": "secretive-sample",
    "engines": "secretive engine",
}
"""What of each noun may stand on no page of who may not read that noun."""


@pytest.fixture(scope="module")
def secretive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiLab]:
    folder = tmp_path_factory.mktemp("secretive")
    location = StoreLocation.of("", "", folder / "store.sqlite3")
    with api_lab(location, folder / "captures", Dashboard()) as made:
        store, mac = made.store, MEMBERS[5].mac
        seen = (Seen(MEMBERS[5].ip, EPOCH, EPOCH),)
        store.devices.save(
            [Device(mac, name=CANARIES["devices"], macs=(Seen(mac, EPOCH, EPOCH),),
                    addresses=seen, last_seen=EPOCH, present=True)]
        )  # fmt: skip
        subject = Subject(mac, MEMBERS[5].ip, mac)
        store.findings.save(
            [
                make_finding(number, id=f"{number:016d}", summary=CANARIES["findings"],
                             subject=subject, detector=detector, last_seen=EPOCH)
                for number, detector in enumerate(("portscan", "volumetric", "intelmatch"), 1)
            ]
        )  # fmt: skip
        target = Target(TargetKind.IP, MEMBERS[5].ip)
        store.decisions.save(
            [make_decision(0, reason=CANARIES["decisions"], target=target, finding=FINDING)]
        )
        store.flows.save([make_flow(1, last=EPOCH, src=MEMBERS[5].ip, dst=CANARIES["flows"])])
        store.traffic.save(
            Traffic(kind, name, peer, EPOCH - 10**9, (1, 1), (900, 900), 1)
            for kind, name, peer in (
                (TrafficKind.HOST, CANARIES["flows"], ""),
                (TrafficKind.PAIR, mac, CANARIES["flows"]),
            )
        )
        entry = Indicator(IndicatorKind.DOMAIN, "evil.example", "list",
                          description=CANARIES["indicators"])  # fmt: skip
        store.indicators.replace("list", [entry])
        host = {"ip": CANARIES["flows"], "mac": "", "device": "", "packets": 9, "octets": 99}
        daemon = FakeDaemon()
        daemon.live |= {"sources": [host], "destinations": [host]}
        store.samples.save(eicar_verdict(EPOCH, CANARIES["samples"]))
        desk = FakeScanDesk(store, folder / "samples", made.clock)
        desk.summary = CANARIES["engines"]
        yield made.having(steer=daemon, scanning=desk)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_shows_what_one_may_not_see(path: str, secretive: ApiLab) -> None:
    """Each noun by itself is taken from who may all else."""
    reads = [each for each in PERMISSIONS if each.endswith(":read")]
    for noun, canary in CANARIES.items():
        scopes = tuple(each for each in reads if each != f"{noun}:read")
        client = secretive.client("admin", scopes)
        answer = client.get(path, follow_redirects=False)
        assert answer.status_code in {200, 303, 403, 404}
        assert canary not in answer.text, noun
        assert answer.status_code != 303 or FINDING not in answer.headers["Location"]


def test_the_pages_above_would_show_it(secretive: ApiLab) -> None:
    client = secretive.client("admin", ("*",))
    text = "".join(client.get(path).text for path in PAGES)
    assert [noun for noun, canary in CANARIES.items() if canary not in text] == []
