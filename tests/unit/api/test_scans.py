"""Scans, their differences, services and vulnerabilities over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records.cveimport import ImportMark
from phage.records.device import Attribute, Device, Trait
from phage.records.scan import Change, Scan, ScanDiff, ScanHost, ScanState, Service
from phage.records.vulnerability import Exploited, MatchString, Node, Vulnerability
from phage.testing.apilab import FakeDaemon
from phage.testing.household import MEMBERS, furnish
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab

SSH = Service("tcp", 22, "ssh", "SSH-2.0-OpenSSH_6.7p1", "OpenSSH 6.7p1")


def scan(number: int) -> Scan:
    hosts = tuple(
        ScanHost(f"10.0.0.{n}", f"02:00:00:00:00:{n:02x}", services=(SSH,)) for n in range(1, 8)
    )
    return Scan(f"{number:013x}", ("10.0.0.0/24",), "top100", started=EPOCH + number,
                ended=EPOCH + number + 10**9, state=ScanState.DONE, hosts=hosts)  # fmt: skip


def test_scans_are_listed_and_shown(lab: ApiLab) -> None:
    for number in range(9):
        lab.store.scans.save(scan(number))
    client, seen, cursor = lab.client("viewer"), [], ""
    while True:
        page = client.get("/api/v1/scans", params={"limit": 4, "cursor": cursor}).json()
        seen += [each["id"] for each in page["items"]]
        if not (cursor := page["next"]):
            break
    assert seen == [f"{number:013x}" for number in reversed(range(9))]
    last = client.get("/api/v1/scans/last").json()
    assert last["id"] == seen[0]
    assert last["hosts"][0]["services"][0]["software"] == "OpenSSH 6.7p1"
    assert client.get("/api/v1/scans/none").status_code == 404


def test_services_of_the_last_scan(lab: ApiLab) -> None:
    lab.store.scans.save(scan(1))
    client = lab.client("viewer")
    first = client.get("/api/v1/services", params={"limit": 5}).json()
    assert len(first["items"]) == 5
    rest = client.get("/api/v1/services", params={"limit": 5, "cursor": first["next"]}).json()
    assert [each["address"] for each in rest["items"]] == ["10.0.0.6", "10.0.0.7"]
    one = client.get("/api/v1/services", params={"host": "10.0.0.3", "name": "ssh"}).json()
    assert [each["id"] for each in one["items"]] == ["10.0.0.3 tcp/22"]


def test_differences(lab: ApiLab) -> None:
    diffs = [
        ScanDiff("s", EPOCH, Change.ADD, f"10.0.0.{n}", "", "tcp/23", "", "telnet", notice=n > 2)
        for n in range(1, 6)
    ]
    lab.store.scans.save_diffs(diffs, {})
    client = lab.client("viewer")
    first = client.get("/api/v1/scan_diffs", params={"limit": 3}).json()
    rest = client.get("/api/v1/scan_diffs", params={"limit": 3, "cursor": first["next"]}).json()
    hosts = [each["host"] for each in (*first["items"], *rest["items"])]
    assert hosts == [f"10.0.0.{n}" for n in (5, 4, 3, 2, 1)]
    noticed = client.get("/api/v1/scan_diffs", params={"notices": "true"}).json()["items"]
    assert len(noticed) == 3


def test_a_scan_is_begun_followed_and_stopped(lab: ApiLab) -> None:
    daemon = FakeDaemon()
    lab = lab.having(steer=daemon)
    body = {"targets": ["10.0.0.0/24"], "ports": "22"}
    assert lab.client("viewer").post("/api/v1/scans", json=body).status_code == 403
    operator = lab.client("operator")
    assert operator.post("/api/v1/scans", json=body).json() == {"scan": "001a1fcf53d7a"}
    assert operator.get("/api/v1/scans/running").json()["done"] == 250
    assert operator.delete("/api/v1/scans/running").json() == {"scan": "001a1fcf53d7a"}


def test_vulnerabilities(lab: ApiLab) -> None:
    product = frozenset({("openbsd", "openssh")})
    match = MatchString("cpe:2.3:a:openbsd:openssh:*:*:*:*:*:*:*:*", end_excluding="7.0")
    for number in (1000, 1001, 1002):
        record = Vulnerability(
            f"CVE-2016-{number}", "nvd", description="A fault", cvss=5.0,
            configurations=(Node(matches=(match,)),),
        )  # fmt: skip
        lab.store.vulnerabilities.save([(record, product)])
    mark = ImportMark("kev")
    lab.store.vulnerabilities.replace_exploited([Exploited("CVE-2016-1001", added="2022")], mark)
    cpe = "cpe:2.3:a:openbsd:openssh:6.7p1:*:*:*:*:*:*:*"
    trait = Trait(Attribute.SOFTWARE, cpe, 0.9, "banner", "SSH-2.0-OpenSSH_6.7p1 Debian-5")
    lab.store.devices.save([Device("02:00:00:00:00:01", traits=(trait,))])
    client = lab.client("viewer")
    first = client.get("/api/v1/cves", params={"limit": 2}).json()
    rest = client.get("/api/v1/cves", params={"limit": 2, "cursor": first["next"]}).json()
    assert [e["cve"][-4:] for e in (*first["items"], *rest["items"])] == ["1002", "1001", "1000"]
    known = client.get("/api/v1/cves", params={"exploited": "true", "product": "openssh"}).json()
    assert [each["exploited"] for each in known["items"]] == ["2022"]
    assert client.get("/api/v1/cves/CVE-2016-1000").json()["cvss"] == 5.0
    assert client.get("/api/v1/cves/CVE-2016-9999").status_code == 404
    own = client.get("/api/v1/devices/02:00:00:00:00:01/cves").json()["items"]
    assert [each["cve"][-4:] for each in own] == ["1001", "1002", "1000"]
    assert "Debian" in own[0]["caveat"]


def test_vulnerabilities_of_all_devices(lab: ApiLab) -> None:
    furnish(lab.store, EPOCH)
    client = lab.client("viewer")

    def listed(**wanted: str) -> list[tuple[str, str]]:
        items = client.get("/api/v1/vulnerabilities", params=wanted).json()["items"]
        return [(each["device"], each["cve"]) for each in items]

    found = [(MEMBERS[5].mac, "CVE-2018-15473")]
    assert listed() == listed(device=MEMBERS[5].ip) == listed(product="openssh < 7") == found
    assert not listed(exploited="true")
    assert not listed(device=MEMBERS[6].mac)
    assert client.get("/api/v1/vulnerabilities", params={"product": "<"}).status_code == 422
