"""The products that were seen on a device, of its traits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phage.records.device import Attribute
from phage.records.vulnerability import Software

if TYPE_CHECKING:
    from phage.records.device import Device

_DISTRIBUTIONS = (
    ("Debian", r"debian|\+deb\d+u\d|~deb\d+"),
    ("Ubuntu", r"ubuntu"),
    ("Raspbian", r"raspbian|\+rpi\d|\+rpt\d"),
    ("Red Hat", r"red ?hat|rhel|\.el\d"),
    ("CentOS", r"centos"),
    ("Fedora", r"fedora|\.fc\d\d"),
    ("SUSE", r"suse"),
    ("Alpine", r"alpine"),
    ("FreeBSD", r"freebsd"),
    ("OpenWrt", r"openwrt"),
)
_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _DISTRIBUTIONS)


def software_of(device: Device) -> tuple[Software, ...]:
    """Return the products that a device's traits name, the surest first."""
    traits = [each for each in device.traits if each.attribute is Attribute.SOFTWARE]
    traits.sort(key=lambda each: (-each.weight, -each.seen))
    return tuple(
        Software(each.value, each.evidence, distribution_of(each.evidence)) for each in traits
    )


def distribution_of(evidence: str) -> str:
    """Return who packaged a program, as its banner tells; '' where it does not.

    Such a maintainer mends a fault and keeps the version: "OpenSSH_6.7p1 Debian-5+deb8u1".
    """
    return next((name for name, pattern in _PATTERNS if pattern.search(evidence)), "")
