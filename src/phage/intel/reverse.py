"""Reverse DNS: what the owner of an address calls it, believed only if the name leads back.

A name server is asked, and learns who is asked about: only where somebody wants it.
"""

from __future__ import annotations

import ipaddress
import socket
import threading

LONGEST = 253
"""Characters of a name (RFC 1035, section 2.3.4)."""


def name_of(address: str, seconds: float = 3.0) -> str:
    """Return the name of an address that leads back to it; '' for none, or none in time.

    Raises ValueError for what is no address.
    """
    wanted = ipaddress.ip_address(address)
    found: list[str] = []

    def ask() -> None:
        try:
            name = socket.gethostbyaddr(str(wanted))[0]
            back = {ipaddress.ip_address(each[4][0]) for each in socket.getaddrinfo(name, None)}
        except (OSError, ValueError, UnicodeError):
            return
        if wanted in back:
            found.append(name.rstrip(".").lower()[:LONGEST])

    # The resolver knows no time-out of ours; a thread that is left behind ends with its own.
    thread = threading.Thread(target=ask, name="phage-reverse", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else ""
