"""Registries of MAC addresses: published forms, the longest prefix, damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.devices import registry
from phage.devices.ouifile import OuiFileError, read_assignments
from phage.devices.registry import Assignment, registry_of
from phage.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

CSV = (
    b"Registry,Assignment,Organization Name,Organization Address\r\n"
    b'MA-L,70B3D5,IEEE Registration Authority,"445 Hoes Lane, Piscataway"\r\n'
    b'MA-S,70B3D5123,"Small, Inc.",Somewhere\r\n'
    b"MA-M,0055DA1,Medium GmbH,\r\n"
    b"MA-L,080030,First,x\r\n"
    b"MA-L,080030,Second,x\r\n"
)
TEXT = (
    b"OUI/MA-L  Organization\r\n\r\n"
    b"00-17-88   (hex)\t\tPhilips Lighting BV\r\n"
    b"001788     (base 16)\t\tPhilips Lighting BV\r\n"
    b"\t\t\t\tHigh Tech Campus 45\r\n\r\n"
    b"00-55-DA   (hex)\t\tMedium GmbH\r\n"
    b"100000-1FFFFF     (base 16)\t\tMedium GmbH\r\n\r\n"
    b"00-50-C2   (hex)\t\tBlock AG\r\n"
    b"7D5000-7D5FFF     (base 16)\t\tBlock AG\r\n"
)
MANUF = b"# comment\n00:17:88\tPhilips\tPhilips Lighting BV\n70:B3:D5:12:30:00/36\tSmall\n"


def test_the_longest_prefix_counts() -> None:
    found = registry_of(read_assignments("oui.csv", CSV))
    assert found.vendor_of("70:b3:d5:12:3f:ff") == "Small, Inc."
    assert found.vendor_of("70:b3:d5:12:40:00") == "IEEE Registration Authority"
    assert found.vendor_of("00:55:da:1f:00:00") == "Medium GmbH"
    assert found.vendor_of("00:55:da:2f:00:00") == ""
    assert found.vendor_of("no mac") == ""
    assert found.vendor_of("08:00:30:00:00:00") == "First"


def test_text_files_are_read() -> None:
    assert read_assignments("oui.txt", TEXT) == [
        Assignment(0x001788, 24, "Philips Lighting BV", "MA-L"),
        Assignment(0x0055DA1, 28, "Medium GmbH", "MA-M"),
        Assignment(0x0050C27D5, 36, "Block AG", "IAB"),
    ]


def test_wireshark_s_file_is_read() -> None:
    found = registry_of(read_assignments("manuf", MANUF))
    assert found.vendor_of("00:17:88:01:02:03") == "Philips Lighting BV"
    assert found.vendor_of("70:b3:d5:12:30:01") == "Small"


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("a.csv", CSV[:-10], "ends within a record"),
        ("a.csv", CSV + b"MA-L,08\r\n", "a.csv:7: record 7 is damaged"),
        ("a.csv", CSV + b"MA-L,ZZZZZZ,x,y\r\n", "'ZZZZZZ' is no hexadecimal number"),
        ("a.csv", CSV + b'MA-L,080031,"x,y\r\n', "a.csv:"),
        ("a.txt", TEXT[:-4], "ends within a record"),
        ("a.txt", TEXT + b"00-00-01   (hex)\t\tX\r\n", "the record of 000001 is damaged"),
        ("a.html", b"<html>no</html>", "is none of the IEEE's registries"),
        ("a.csv", CSV[:59] + b"\n", "holds no assignment"),
        ("a", b"\0" * 100, "is none of"),
    ],
)
def test_what_is_damaged_is_refused_with_its_place(name: str, raw: bytes, message: str) -> None:
    with pytest.raises(OuiFileError, match=message):
        read_assignments(name, raw)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "devices" / "oui"
    made = registry_of(read_assignments("oui.csv", CSV))
    registry.save(path, made)
    loaded = registry.load(path)
    assert list(loaded.assignments()) == list(made.assignments())
    assert loaded.counts() == {"MA-L": 2, "MA-M": 1, "MA-S": 1}


def test_one_file_replaces_its_own_registries_only() -> None:
    first = registry_of(read_assignments("oui.csv", CSV))
    later = first.with_registries([Assignment(0x0055DA2, 28, "Other", "MA-M")])
    assert later.vendor_of("00:55:da:1f:00:00") == ""
    assert later.vendor_of("70:b3:d5:12:3f:ff") == "Small, Inc."


def test_a_damaged_state_is_told(tmp_path: Path) -> None:
    path = tmp_path / "oui"
    assert len(registry.load(path)) == 0
    registry.save(path, registry_of(read_assignments("oui.csv", CSV)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateError, match="is damaged"):
        registry.load(path)
