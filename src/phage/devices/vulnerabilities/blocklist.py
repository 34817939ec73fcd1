"""Which devices run software that a rule names: "cpe:2.3:a:realtek:*", "openssh < 7.4"."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from phage.devices.vulnerabilities.applicability import Criterion, Truth
from phage.devices.vulnerabilities.cpe import Cpe, CpeError, literal, parse_cpe
from phage.devices.vulnerabilities.software import software_of
from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.vulnerability import MatchString

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.records.device import Device

_PRODUCT = re.compile(
    r"(?:(?P<vendor>[\w.+-]+):)?(?P<product>[\w.+-]+)\s*(?:(?P<sign><=|<|>=|>|=)\s*(?P<version>\S+))?"
)
_SIGNS = {
    "<": "end_excluding",
    "<=": "end_including",
    ">": "start_excluding",
    ">=": "start_including",
}


class ProductError(PhageError):
    """A text names no product; says how to write one."""


@frozen
class ProductPattern:
    """A product, of one version, a range of them, or all."""

    text: str
    criterion: Criterion

    def is_on(self, device: Device) -> bool:
        """Tell whether a device runs it, as far as its traits tell."""
        return self.is_among(each.cpe for each in software_of(device))

    def is_among(self, cpes: Iterable[str]) -> bool:
        """Tell whether it is one of these, given by CPE names."""
        for each in cpes:
            try:
                name = parse_cpe(each)
            except CpeError:
                continue
            if self.criterion.applies(name) is Truth.YES:
                return True
        return False


@lru_cache(maxsize=1024)
def parse_product(text: str) -> ProductPattern:
    """Return the product that a text names. Raises ProductError.

    A CPE name, cut off where one likes ("cpe:2.3:a:openbsd:openssh"), or PRODUCT, VENDOR:PRODUCT,
    with a bound behind ("dnsmasq < 2.78").
    """
    trimmed = text.strip()
    try:
        match = _match_string(trimmed)
        return ProductPattern(trimmed, Criterion.of(match))
    except CpeError as error:
        raise ProductError(str(error)) from error


def _match_string(text: str) -> MatchString:
    if text.lower().startswith("cpe:2.3:"):
        fields = len(re.findall(r"(?<!\\):", text)) + 1
        return MatchString(text + ":*" * (13 - fields))
    if text.lower().startswith("cpe:/"):
        return MatchString(text)
    found = _PRODUCT.fullmatch(text)
    if found is None:
        message = (
            f"{text[:80]!r} is no product: write its name, VENDOR:NAME or a CPE name, and a bound "
            "of its version if wanted (dnsmasq < 2.78)"
        )
        raise ProductError(message)
    name = Cpe("*", literal(found["vendor"] or ""), literal(found["product"]))
    if found["sign"] == "=":
        return MatchString(str(name._replace(version=literal(found["version"]))))
    if found["sign"]:
        bounds: dict[str, str] = {_SIGNS[found["sign"]]: found["version"]}
        return MatchString(str(name), True, **bounds)  # noqa: FBT003  Its second field.
    return MatchString(str(name))


def devices_with(pattern: ProductPattern, devices: Iterable[Device]) -> list[Device]:
    """Return the devices that run a product."""
    return [each for each in devices if pattern.is_on(each)]
