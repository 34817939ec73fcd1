"""New firmware: versions that a device tells, and never told before."""

from __future__ import annotations

from phage.devices.firmware import renewal
from phage.records.device import Attribute, Trait

SSH = "cpe:2.3:a:openbsd:openssh:6.7:*:*:*:*:*:*:*"
NEWER = SSH.replace("6.7", "9.2")
WEB = "cpe:2.3:a:lighttpd:lighttpd:1.4.35:*:*:*:*:*:*:*"


def version(value: str, source: str = "mdns", seen: int = 1) -> Trait:
    return Trait(Attribute.VERSION, value, 0.8, source, "", seen)


def software(value: str, source: str = "banner") -> Trait:
    return Trait(Attribute.SOFTWARE, value, 0.9, source, "", 1)


def test_another_version_of_the_same_thing_is_new_firmware() -> None:
    known = [version("1.0"), version("1.1", seen=5), software(SSH), software(WEB)]
    assert renewal(known, [version("1.2")]) == "1.1 -> 1.2"
    assert renewal(known, [software(NEWER)]) == f"{SSH} -> {NEWER}"


def test_what_was_told_before_or_of_others_is_none() -> None:
    known = [version("1.0"), software(SSH)]
    assert renewal(known, [version("1.0"), software(SSH)]) == ""
    assert renewal(known, [software(WEB), version("2", source="ssdp")]) == ""
    assert renewal(known, [Trait(Attribute.NAME, "x", 0.9, "mdns", "", 1)]) == ""
    assert renewal([], [version("1.0")]) == ""
