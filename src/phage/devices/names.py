"""Host names: those that say nothing about which device it is, and how they are written."""

from __future__ import annotations

import re

_COMMON = re.compile(
    r"(?:an?droid(?:[-_ ]?dhcp)?(?:[-_ ]?\d{1,2})?|iphone|ipad|ipod(?:[-_ ]touch)?|watch|"
    r"apple-?watch|macbook(?:[-_ ]?(?:pro|air))?|mac(?:-?mini)?|imac|"
    r"galaxy(?:[-_ ][a-z]\d+\w*)?|samsung|pixel(?:[-_ ]\d\w*)?|huawei\w*|redmi\w*|oneplus\w*|"
    r"localhost|unknown|esp(?:ressif|[-_]?\w{0,6})?|raspberrypi|raspberry|openwrt|ubuntu|debian|"
    r"linux|camera|ipcam(?:era)?|printer|desktop|laptop|pc|phone|tablet|host|device|wlan\d*|"
    r"lwip\d*|udhcpc?|none|null|\*)?",
    re.IGNORECASE,
)


def is_common(name: str) -> bool:
    """Tell whether a name is one that many units have from their maker."""
    return _COMMON.fullmatch(name.strip()) is not None


def bare(name: str) -> str:
    """Return a host name without its domain, in lower case: `Printer.local` is "printer"."""
    return name.strip().rstrip(".").partition(".")[0].casefold()
