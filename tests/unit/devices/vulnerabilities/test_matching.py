from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from phage.devices.vulnerabilities.matching import Matcher
from phage.records.vulnerability import (
    Exploited,
    Likelihood,
    MatchString,
    Node,
    Software,
    Vulnerability,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass
class Known:
    """A catalog in memory."""

    records: Sequence[Vulnerability]
    kev: Mapping[str, Exploited] = field(default_factory=dict)
    epss: Mapping[str, Likelihood] = field(default_factory=dict)

    def of_product(self, vendor: str, product: str) -> Sequence[Vulnerability]:
        return self.records

    def exploited(self, cves: Iterable[str]) -> Mapping[str, Exploited]:
        return self.kev

    def likelihoods(self, cves: Iterable[str]) -> Mapping[str, Likelihood]:
        return self.epss


def cpe(product: str, version: str = "*", part: str = "a", rest: str = "*:*:*:*:*:*:*") -> str:
    return f"cpe:2.3:{part}:v:{product}:{version}:{rest}"


def answer(nodes: Sequence[Node], *names: str) -> str:
    """Return "yes", "maybe" or "no"."""
    matcher = Matcher(Known([Vulnerability("CVE-2020-1000", "nvd", configurations=tuple(nodes))]))
    found = matcher.affected([Software(name) for name in names])
    return "no" if not found else "yes" if found[0].certain else "maybe"


def one(*matches: MatchString) -> list[Node]:
    return [Node("OR", False, matches)]


@pytest.mark.parametrize(
    ("match", "version", "expected"),
    [
        (MatchString(cpe("p"), end_excluding="2.0"), "1.9", "yes"),
        (MatchString(cpe("p"), end_excluding="2.0"), "2.0", "no"),
        (MatchString(cpe("p"), end_excluding="2.0"), "2.0.0", "no"),
        (MatchString(cpe("p"), end_excluding="2.0"), "2.0-rc1", "yes"),
        (MatchString(cpe("p"), end_including="2.0"), "2.0", "yes"),
        (MatchString(cpe("p"), start_including="1.0", end_including="2.0"), "0.9", "no"),
        (MatchString(cpe("p"), start_including="1.0", end_including="2.0"), "1.0", "yes"),
        (MatchString(cpe("p"), start_excluding="1.0"), "1.0", "no"),
        (MatchString(cpe("p"), start_excluding="1.0"), "1.0.1", "yes"),
        (MatchString(cpe("p"), end_excluding="jimmy-al00ac00b135"), "jimmy-al00ac00b100", "yes"),
        (MatchString(cpe("p"), end_excluding="r21.6"), "r21.5", "yes"),
        (MatchString(cpe("p"), start_including="master", end_excluding="1.39"), "1.38", "yes"),
        (MatchString(cpe("p"), start_including="3.3", end_excluding="3.3.0-beta2"), "3.3.0-beta1",
         "yes"),
        (MatchString(cpe("p"), end_excluding="2.0"), "*", "maybe"),
        (MatchString(cpe("p"), end_excluding="2.0"), "-", "no"),
        (MatchString(cpe("p", "1.2")), "1.2", "yes"),
        (MatchString(cpe("p", "1.2")), "1.20", "no"),
        (MatchString(cpe("p", "1.*")), "1.20", "yes"),
        (MatchString(cpe("p", "15.1\\(2\\)t")), "15.1\\(2\\)t", "yes"),
        (MatchString(cpe("p")), "1", "yes"),
        (MatchString(cpe("p", "-")), "1", "no"),
        (MatchString(cpe("p"), vulnerable=False), "1", "no"),
    ],
)  # fmt: skip
def test_versions(match: MatchString, version: str, expected: str) -> None:
    assert answer(one(match), cpe("p", version)) == expected


def test_an_update_belongs_to_the_version_where_the_bound_has_one() -> None:
    before = MatchString(cpe("p"), end_excluding="8.0p2")
    assert answer(one(before), cpe("p", "8.0", rest="p1:*:*:*:*:*:*")) == "yes"
    assert answer(one(before), cpe("p", "8.0", rest="p2:*:*:*:*:*:*")) == "no"
    final = MatchString(cpe("p"), end_excluding="8.0")
    assert answer(one(final), cpe("p", "8.0", rest="rc1:*:*:*:*:*:*")) == "yes"
    assert answer(one(final), cpe("p", "8.0", rest="p1:*:*:*:*:*:*")) == "no"


def test_a_banner_joins_what_a_name_keeps_apart() -> None:
    named = MatchString(cpe("p", "6.7", rest="p1:*:*:*:*:*:*"))
    assert answer(one(named), cpe("p", "6.7p1")) == "yes"
    assert answer(one(named), cpe("p", "6.7")) == "maybe"
    assert answer(one(named), cpe("p", "6.7p2")) == "no"


def test_what_is_not_known_of_a_device_is_no_answer() -> None:
    for_python = MatchString(cpe("p", rest="*:*:*:*:python:*:*"), end_excluding="2")
    assert answer(one(for_python), cpe("p", "1")) == "maybe"
    assert answer(one(for_python), cpe("p", "1", rest="*:*:*:*:python:*:*")) == "yes"
    assert answer(one(for_python), cpe("p", "1", rest="*:*:*:*:node.js:*:*")) == "no"


FIRMWARE = Node("OR", False, (MatchString(cpe("m_firmware", part="o"), end_excluding="2"),))
HARDWARE = Node("OR", False, (MatchString(cpe("m", "-", "h"), vulnerable=False),))
OTHER = Node("OR", False, (MatchString(cpe("other", "-", "h"), vulnerable=False),))


def test_all_of_several() -> None:
    both = [Node("AND", False, (), (FIRMWARE, HARDWARE))]
    old, new = cpe("m_firmware", "1", "o"), cpe("m_firmware", "2", "o")
    assert answer(both, old, cpe("m", part="h")) == "yes"
    assert answer(both, new, cpe("m", part="h")) == "no"
    assert answer(both, cpe("m", part="h")) == "no"
    assert answer(both, old) == "maybe"  # The firmware runs on nothing else.
    assert answer([Node("AND", False, (), (FIRMWARE, OTHER))], old) == "no"


def test_negation() -> None:
    without = Node("AND", False, (), (FIRMWARE, Node("OR", True, HARDWARE.matches)))
    old = cpe("m_firmware", "1", "o")
    assert answer([without], old, cpe("m", part="h")) == "no"
    never = Node("AND", False, (), (FIRMWARE, Node("OR", True, OTHER.matches)))
    assert answer([never], old) == "yes"


def test_one_configuration_of_several_is_enough() -> None:
    assert answer([OTHER, FIRMWARE], cpe("m_firmware", "1", "o")) == "yes"


def test_a_marker_that_nothing_is_affected() -> None:
    nobody = MatchString("cpe:2.3:a:null:null:*:*:*:*:*:*:*:*", vulnerable=False)
    assert answer(one(nobody), "cpe:2.3:a:null:null:1:*:*:*:*:*:*:*") == "no"


def test_names_that_are_none_are_counted() -> None:
    matcher = Matcher(Known([]))
    assert matcher.affected([Software("nonsense")]) == []
    assert matcher.unreadable == 1
    assert answer(one(MatchString("cpe:2.3:nonsense"), MatchString(cpe("p"))), cpe("p")) == "yes"


def test_the_most_urgent_first() -> None:
    def known(number: int, cvss: float | None) -> Vulnerability:
        nodes = tuple(one(MatchString(cpe("p"))))
        return Vulnerability(f"CVE-2020-{number}", "nvd", cvss=cvss, configurations=nodes)

    matcher = Matcher(
        Known(
            [known(1001, 9.8), known(1002, 5.0), known(1003, 2.0), known(1004, None)],
            {"CVE-2020-1003": Exploited("CVE-2020-1003")},
            {"CVE-2020-1002": Likelihood("CVE-2020-1002", 0.9)},
        )
    )
    found = matcher.affected([Software(cpe("p", "1"), "p/1 Debian", "Debian")])
    assert [each.vulnerability.id[-4:] for each in found] == ["1003", "1002", "1001", "1004"]
    assert found[0].exploited is not None
    assert "Debian" in found[0].caveat
