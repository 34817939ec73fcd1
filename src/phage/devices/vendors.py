"""Names of makers: the same one under its names, and those who only make a part."""

from __future__ import annotations

import re
from functools import lru_cache

from phage.devices.clouds import MAKERS

_FORMS = frozenset({
    "ab", "ag", "as", "asa", "bv", "co", "company", "corp", "corporate", "corporation", "electric",
    "electronic", "electronics", "enterprise", "enterprises", "foundation", "gmbh", "group",
    "hk", "hong", "holding", "holdings", "inc", "incorporated", "industrial", "industries",
    "international", "kg", "kong", "labs", "lighting", "limited", "llc", "ltd", "manufacturing",
    "mobile", "networks", "nv", "oy", "oyj", "plc", "products", "pte", "pty", "pvt", "sa", "sas",
    "sdn", "bhd", "shenzhen", "china", "beijing", "shanghai", "hangzhou", "guangdong", "zhejiang",
    "spa", "sro", "srl", "systems", "systemes", "taiwan", "tech", "technologies", "technology",
    "telecom", "trading", "trade", "usa", "us", "kk", "zrt", "and", "communication",
    "communications", "computer", "digital", "intelligent", "information", "smart", "the",
})  # fmt: skip
"""Words of names that tell the form or place of a company, not which one it is."""

_SAME = {
    "aeroqual": "aeroqual",
    "alphabet": "google",
    "amazon": "amazon",
    "apple": "apple",
    "asustek": "asus",
    "asus": "asus",
    "avm": "avm",
    "belkin": "belkin",
    "wemo": "belkin",
    "bosch": "bosch",
    "dlink": "d-link",
    "d link": "d-link",
    "assmann": "ednet",
    "ednet": "ednet",
    "eq3": "eq-3",
    "eq 3": "eq-3",
    "homematic": "eq-3",
    "facebook": "meta",
    "oculus": "meta",
    "fitbit": "fitbit",
    "fritz": "avm",
    "google": "google",
    "nest": "google",
    "hangzhou hikvision": "hikvision",
    "hewlett packard": "hp",
    "hp": "hp",
    "ikea of sweden": "ikea",
    "lge": "lg",
    "lg innotek": "lg",
    "lumi united": "aqara",
    "aqara": "aqara",
    "lutron": "lutron",
    "microsoft": "microsoft",
    "xbox": "microsoft",
    "netatmo": "netatmo",
    "nintendo": "nintendo",
    "osram": "osram",
    "philips": "philips",
    "signify": "philips",
    "raspberry pi": "raspberry pi",
    "ring": "amazon",
    "blink": "amazon",
    "roku": "roku",
    "samsung": "samsung",
    "smartthings": "samsung",
    "seiko epson": "epson",
    "sony interactive": "sony",
    "sonos": "sonos",
    "tp link": "tp-link",
    "tplink": "tp-link",
    "kasa": "tp-link",
    "tapo": "tp-link",
    "ubiquiti": "ubiquiti",
    "western": "western digital",
    "withings": "withings",
    "xiaomi": "xiaomi",
    "beijing xiaomi": "xiaomi",
    "yeelight": "xiaomi",
}
"""Names under which one maker is met, as they are after the forms are taken off."""

_PARTS = frozenset({
    "ai link", "ampak", "azurewave", "broadcom", "chicony", "cloud network",
    "compal", "bouffalo", "delta",
    "espressif", "fn-link", "fnlink", "foxconn", "gainspan", "giga byte", "hi-flying", "hi flying",
    "high flying", "hon hai precision", "hon hai precision ind", "ieee registration authority",
    "intel", "liteon", "lite on", "marvell", "marvell semiconductor", "mediatek", "microchip",
    "murata", "pegatron", "qualcomm", "quanta", "quectel", "ralink", "realtek",
    "redpine signals", "roving", "sichuan ai link", "silicon", "simcom", "texas instruments",
    "tuya", "universal global scientific", "usi", "wistron", "wistron neweb", "private",
    "bilian", "panda wireless", "edup", "mxchip", "winbond", "telit", "u blox",
})  # fmt: skip
"""Makers of parts: the address of a module says little about who made the thing around it."""

_WORDS = re.compile(r"[0-9a-z]+")


@lru_cache(maxsize=8192)
def canonical(vendor: str) -> str:
    """Return a maker's name in the form in which names are compared: "D-Link Corp." is "d-link"."""
    plain = vendor.casefold().replace("&", " and ").replace("'", "").replace(".", "")
    words = _WORDS.findall(plain)
    kept = [word for word in words if word not in _FORMS] or words
    for length in (3, 2, 1):
        beginning = " ".join(kept[:length])
        if beginning in _SAME:
            return _SAME[beginning]
    return " ".join(kept)


@lru_cache(maxsize=8192)
def makes_parts(vendor: str) -> bool:
    """Tell whether a maker sells modules and boards that others build in."""
    name = canonical(vendor)
    words = name.split()
    return any(" ".join(words[:length]) in _PARTS for length in range(1, len(words) + 1))


@lru_cache(maxsize=8192)
def shown(vendor: str) -> str:
    """Return a maker's name as people write it: without its legal form."""
    words = vendor.replace(",", " ").split()
    while len(words) > 1 and words[-1].strip(".").casefold().replace(".", "") in _FORMS:
        words.pop()
    return " ".join(words).strip(" .,") or vendor


def maker_in(label: str) -> str:
    """Return the maker whose name a label begins with ("EdimaxPlug" is "Edimax"'s); ''."""
    wanted = _letters(label)
    found = [
        (len(_letters(name)), maker)
        for name, maker in _known_makers()
        if len(_letters(name)) > 3 and wanted.startswith(_letters(name))
    ]
    return max(found)[1] if found else ""


def _known_makers() -> list[tuple[str, str]]:
    return [*((name, name) for name in MAKERS), *((name, made) for name, made in _SAME.items())]


def _letters(text: str) -> str:
    return "".join(_WORDS.findall(text.casefold()))
