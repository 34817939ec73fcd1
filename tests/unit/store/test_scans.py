"""Scans, their differences and vulnerabilities, in both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records.cveimport import ImportMark, SaveCount
from phage.records.scan import Change, Scan, ScanDiff, ScanHost, ScanState, Service
from phage.records.vulnerability import Exploited, Likelihood, MatchString, Node, Vulnerability
from phage.store.repositories import scans as repository
from phage.store.repositories.scans import DiffFilter
from phage.store.repositories.vulnerabilities import ANY_PRODUCT, CveFilter
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    import pytest

    from phage.store.store import Store

SERVICE = Service("tcp", 22, "ssh", "SSH-2.0-x\\x1b", "x 1", certain=False)
SCAN = Scan(
    "001a1fcf53d7a",
    ("10.0.0.0/24", "fd00::/64"),
    "22",
    fast=True,
    by="user:anna",
    state=ScanState.DONE,
    started=EPOCH,
    ended=EPOCH + 5,
    hosts=(
        ScanHost("10.0.0.1", "02:00:00:00:00:01", "eth0", ("arp", "nd"), (SERVICE,),
                 {"upnp": {"friendly_name": "Box\0"}}),
    ),
    covered=((22, 22),),
    sent=7,
    dropped={"hosts": 1},
)  # fmt: skip


def test_a_scan_comes_back_as_it_was(store: Store) -> None:
    store.scans.save(SCAN)
    found = store.scans.get("001a")
    assert found is not None
    assert found.hosts[0].services == (SERVICE,)
    assert (found.targets, found.covered, found.fast) == (SCAN.targets, SCAN.covered, True)
    assert store.scans.get("last") == found
    assert store.scans.get("zzzz") is None


def test_the_oldest_scans_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "KEPT_SCANS", 3)
    for number in range(6):
        store.scans.save(Scan(f"{number:013x}", started=EPOCH + number))
    assert [each.started - EPOCH for each in store.scans.latest()] == [5, 4, 3]
    assert store.scans.end_running(EPOCH + 9) == 3
    assert store.scans.latest(1)[0].state is ScanState.STOPPED


def test_differences_and_memory(store: Store) -> None:
    diff = ScanDiff("s", EPOCH, Change.ADD, "10.0.0.1", "", "tcp/23", "", "telnet")
    quiet = ScanDiff("s", EPOCH, Change.REMOVE, "10.0.0.1", "", "tcp/80", notice=False)
    store.scans.save_diffs([diff, quiet], {"scans": 1})
    store.scans.save_diffs([diff], {"scans": 2})
    assert store.scans.memory() == {"scans": 2}
    assert set(store.scans.diffs()) == {diff, quiet}
    assert store.scans.diffs(DiffFilter(notices=True)) == [diff]
    assert store.scans.diffs(DiffFilter(host="10.0.0.2")) == []


def vulnerability(number: int, source: str = "nvd", modified: str = "1") -> Vulnerability:
    match = MatchString("cpe:2.3:a:v:p:*:*:*:*:*:*:*:*", end_excluding="2")
    return Vulnerability(
        f"CVE-2020-{number}", source, modified, description="Text\0", cvss=7.5,
        weaknesses=("CWE-1", "CWE-2"),
        configurations=(Node("AND", True, (), (Node(matches=(match,)),)),),
    )  # fmt: skip


def test_vulnerabilities(store: Store) -> None:
    own = store.vulnerabilities
    pairs = [(vulnerability(number), frozenset({("v", "p")})) for number in range(1000, 1600)]
    assert own.save(pairs, ImportMark("file", "digest", 600)) == SaveCount(new=600)
    assert own.marks("file").done == 600
    assert own.save(pairs) == SaveCount(unchanged=600)
    newer = vulnerability(1000, modified="2"), frozenset({("v", "q")})
    assert own.save([newer]) == SaveCount(changed=1)
    assert own.save(pairs[:1]) == SaveCount(unchanged=1)
    assert len(own.of_product("v", "p")) == 599
    assert [each.id for each in own.of_product("v", "q")] == ["CVE-2020-1000"]
    found = own.get("CVE-2020-1001")
    assert found is not None
    assert found.configurations == vulnerability(1001).configurations
    assert found.weaknesses == ("CWE-1", "CWE-2")


def test_a_pattern_of_products_is_always_asked(store: Store) -> None:
    store.vulnerabilities.save([(vulnerability(1000), frozenset({ANY_PRODUCT}))])
    assert len(store.vulnerabilities.of_product("any", "thing")) == 1


def test_lists_are_replaced_whole(store: Store) -> None:
    own = store.vulnerabilities
    own.save([(vulnerability(1000), frozenset({("v", "p")}))])
    for numbers in ((1000, 1001), (1000,)):
        own.replace_exploited([Exploited(f"CVE-2020-{n}") for n in numbers], ImportMark("kev"))
        scores = [Likelihood(f"CVE-2020-{n}", 0.5, 0.9) for n in numbers]
        own.replace_likelihoods([*scores, *scores], ImportMark("epss"))
    both = ["CVE-2020-1000", "CVE-2020-1001"]
    assert list(own.exploited(both)) == list(own.likelihoods(both)) == both[:1]
    assert [each.id for each in own.list(CveFilter(exploited=True))] == both[:1]
    assert own.counts() == {"records": 1, "exploited": 1, "likelihoods": 1}
