"""What of the machine the static rules depend on: VLAN interfaces, settings of its kernel."""

from __future__ import annotations

import re
from pathlib import Path

from phage.respond.nft.names import RuleSetError

VLANS = Path("/proc/thread-self/net/vlan/config")
LOOSE = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_loose")
SYN_COOKIES = Path("/proc/sys/net/ipv4/tcp_syncookies")

_VLAN = re.compile(r"^(\S+)\s*\|\s*(\d+)\s*\|", re.MULTILINE)


def vlan_interfaces(path: Path = VLANS) -> dict[int, tuple[str, ...]]:
    """Return the interfaces that carry each VLAN; none where the kernel has no VLANs.

    A packet of a VLAN reaches the IP layer by the interface of that VLAN only, its tag removed.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found: dict[int, tuple[str, ...]] = {}
    for name, number in _VLAN.findall(text):
        found[int(number)] = (*found.get(int(number), ()), name)
    return found


def make_strict(loose: Path = LOOSE, cookies: Path = SYN_COOKIES) -> str:
    """Set the kernel up for the SYN proxy; return how it was, for `make_loose`.

    Connection tracking must not take up a connection in its middle, or the proxy's client would
    pass for established. That holds for all of the machine's connections.

    Raises RuleSetError when it may not be set.
    """
    try:
        before = loose.read_text(encoding="ascii").strip()
        loose.write_text("0", encoding="ascii")
        if cookies.read_text(encoding="ascii").strip() == "0":
            cookies.write_text("1", encoding="ascii")
    except OSError as error:
        message = (
            f"the SYN proxy needs net.netfilter.nf_conntrack_tcp_loose=0 and "
            f"net.ipv4.tcp_syncookies=1, which may not be set here ({error.strerror}); set them "
            f"by sysctl"
        )
        raise RuleSetError(message) from error
    return before


def make_loose(before: str, loose: Path = LOOSE) -> None:
    """Undo `make_strict`, as far as that is allowed."""
    try:
        loose.write_text(before, encoding="ascii")
    except OSError:
        return
