from __future__ import annotations

import pytest

from phage.devices.vulnerabilities.blocklist import ProductError, devices_with, parse_product
from phage.devices.vulnerabilities.software import distribution_of, software_of
from phage.records.device import Attribute, Device, Trait

DEVICE = Device(
    "aa",
    traits=(
        Trait(
            Attribute.SOFTWARE,
            "cpe:2.3:a:openbsd:openssh:6.7:p1:*:*:*:*:*:*",
            0.9,
            "banner",
            "SSH-2.0-OpenSSH_6.7p1 Debian-5+deb8u1",
        ),
        Trait(Attribute.VENDOR, "Acme", 0.9, "oui"),
    ),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("openssh", True),
        ("openbsd:openssh", True),
        ("other:openssh", False),
        ("openssh < 7.4", True),
        ("openssh<=6.6", False),
        ("openssh >= 6.7", True),
        ("cpe:2.3:a:openbsd:openssh", True),
        ("cpe:2.3:a:openbsd:*", True),
        ("cpe:2.3:a:openbsd:openssh:6.8", False),
        ("cpe:/a:openbsd:openssh", True),
        ("openssh = 6.7", True),
    ],
)
def test_products(text: str, expected: bool) -> None:
    assert bool(devices_with(parse_product(text), [DEVICE])) is expected


@pytest.mark.parametrize("text", ["", "open ssh", "cpe:2.3:x:y", "a:b:c:d"])
def test_what_is_no_product(text: str) -> None:
    with pytest.raises(ProductError):
        parse_product(text)


def test_software_of_a_device() -> None:
    (software,) = software_of(DEVICE)
    assert software.distribution == "Debian"
    assert distribution_of("nginx/1.4.6 (Ubuntu)") == "Ubuntu"
    assert distribution_of("nginx/1.4.6") == ""
