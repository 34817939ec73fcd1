"""A file that was taken out of traffic."""

from __future__ import annotations

from phage.frozen import frozen


@frozen
class CarvedFile:
    """A whole file that went from `src` to `dst` without encryption.

    Attributes:
        time: When it was complete, nanoseconds since the Unix epoch.
        src: The sender's address, 16 octets.
        dst: The receiver's address, 16 octets.
        src_mac: The sender's link-layer address as it was seen here; 0 for none.
        dst_mac: The receiver's.
        port: The service's port.
        protocol: How it travelled: http, ftp, smtp or smb.
        name: What it was called; '' where nobody said.
        data: Its octets; a packed body is packed.
    """

    time: int
    src: bytes
    dst: bytes
    src_mac: int
    dst_mac: int
    port: int
    protocol: str
    name: str
    data: bytes
