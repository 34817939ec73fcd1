"""Which interface to watch when none is named: that of the default route."""

from __future__ import annotations

from pathlib import Path

from phage.errors import CaptureError

_ROUTE_UP = 0x1


def default_interface(proc: Path = Path("/proc/net")) -> str:
    """Return the interface of the default route with the lowest metric, IPv4 before IPv6.

    Where there is none, the only interface that is not loopback. Raises CaptureError when that
    leaves a choice or nothing.
    """
    routes = [*_ipv4_defaults(proc / "route"), *_ipv6_defaults(proc / "ipv6_route")]
    if routes:
        return min(routes)[2]
    names = [name for name in _names(proc / "dev") if name != "lo"]
    if len(names) == 1:
        return names[0]
    choice = f"one of {', '.join(names)}" if names else "there is none but lo"
    message = f"there is no default route; name the interface to watch with -i ({choice})"
    raise CaptureError(message)


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except OSError:
        return []


def _ipv4_defaults(path: Path) -> list[tuple[int, int, str]]:
    return [
        (4, int(fields[6]), fields[0])
        for fields in _lines(path)[1:]
        if len(fields) >= 8
        and fields[1] == fields[7] == "00000000"
        and int(fields[3], 16) & _ROUTE_UP
    ]


def _ipv6_defaults(path: Path) -> list[tuple[int, int, str]]:
    return [
        (6, int(fields[5], 16), fields[9])
        for fields in _lines(path)
        if len(fields) >= 10 and fields[0] == "0" * 32 and fields[1] == "00" and fields[9] != "lo"
    ]


def _names(path: Path) -> list[str]:
    return [fields[0].partition(":")[0] for fields in _lines(path)[2:] if fields]
