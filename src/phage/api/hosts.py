"""By which names phage may be asked: none that others can point here (DNS rebinding)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def is_own_host(host: str, names: Collection[str] = ()) -> bool:
    """Tell whether a Host header is an address, localhost, or a name of ours."""
    if not host:
        return True  # HTTP/1.0 and plain tools; browsers always send one.
    name = (
        host.partition("]")[0].removeprefix("[")
        if host.startswith("[")
        else host.rpartition(":")[0] or host
    ).lower()
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
