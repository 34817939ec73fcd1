"""Packets made in the kernel: a BPF program run over live frames (bpf(2), BPF_PROG_RUN).

Each frame gets a random source address of 10.0.0.0/16 and goes up an interface's stack as if it had
come in there; no sender is in the way of what is measured.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import time

from phage.errors import PhageError

_SYSCALL = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _PROG_RUN, _LINK_CREATE = 5, 10, 28
_TYPE_XDP, _ATTACH_XDP = 6, 37
_NATIVE_MODE = 4
_LIVE_FRAMES = 2
_GET_RANDOM = 7
_LICENSE = ctypes.create_string_buffer(b"Dual BSD/GPL")
DROP, PASS = 1, 2

SOURCES = 65_536
FRAME_OCTETS = 60


def _instruction(
    code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0
) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | target, offset, value)


def _program(verdict: int, frame: bytes) -> bytes:
    """Make a frame fresh: the stack changed it when it went up the last time.

    A random number goes into the source's last 16 bits, its complement into the IP id, so that the
    header's checksum stays right; the receiver's MAC, the TTL and the checksum are put back.
    """
    (mac_first,) = struct.unpack_from("<i", frame, 0)
    mac_last, ttl, checksum = (struct.unpack_from("<H", frame, at)[0] for at in (4, 22, 24))
    return b"".join(
        (
            _instruction(0xBF, 6, 1),  # r6 = context
            _instruction(0x85, value=_GET_RANDOM),
            _instruction(0x57, 0, value=0xFFFF),
            _instruction(0x61, 2, 6, 0),  # r2 = data
            _instruction(0x61, 3, 6, 4),  # r3 = end of data
            _instruction(0xBF, 4, 2),
            _instruction(0x07, 4, value=34),
            _instruction(0x2D, 4, 3, 7),  # out, if the header is beyond the end
            _instruction(0x62, 2, 0, 0, mac_first),
            _instruction(0x6A, 2, 0, 4, mac_last),
            _instruction(0x6A, 2, 0, 22, ttl),
            _instruction(0x6A, 2, 0, 24, checksum),
            _instruction(0x6B, 2, 0, 28),
            _instruction(0xA7, 0, value=0xFFFF),
            _instruction(0x6B, 2, 0, 18),
            _instruction(0xB7, 0, value=verdict),
            _instruction(0x95),
        )
    )


class LiveFrames:
    """Sends frames up the stack of an interface, which must be a veth, on this core."""

    def __init__(self, interface: int, destination: bytes, gateway_mac: bytes) -> None:
        """Prepare frames to an IPv4 address; needs CAP_BPF and CAP_NET_ADMIN (root)."""
        header = bytes.fromhex("4500002e00000000401100000a000000") + destination
        # The random number and its complement, once they are there, add up to nothing.
        checksum = 0xFFFF - _sum(header) % 0xFFFF
        header = header[:10] + checksum.to_bytes(2, "big") + header[12:]
        udp = bytes.fromhex("10002000001a0000")
        ethernet = gateway_mac + bytes.fromhex("0278ffffff010800")
        self._frame = (ethernet + header + udp).ljust(FRAME_OCTETS, b"\0")
        self._passing = _load(_program(PASS, self._frame))
        self._dropping = _load(_program(DROP, self._frame))
        self._interface = interface
        # A veth takes live frames only while it runs a program of its own.
        link = struct.pack("<IIII", self._passing, interface, _ATTACH_XDP, _NATIVE_MODE)
        self._link = _bpf(_LINK_CREATE, link.ljust(64, b"\0"), "attach a program")

    def nanoseconds(self, count: int) -> tuple[float, float]:
        """Send so many; return nanoseconds for each, and of these for making it alone.

        Of the processor's time that was spent for us: what else runs on the machine does not count,
        but for what it throws out of the caches.
        """
        return self._run(self._passing, count), self._run(self._dropping, count)

    def close(self) -> None:
        """Take the program off the interface."""
        for each in (self._link, self._passing, self._dropping):
            os.close(each)

    def _run(self, program: int, count: int) -> float:
        data = ctypes.create_string_buffer(self._frame, len(self._frame))
        context = ctypes.create_string_buffer(
            struct.pack("<IIIIII", 0, len(self._frame), 0, self._interface, 0, 0)
        )
        attributes = struct.pack(
            "<IIIIQQIIIIQQIII",
            program, 0, len(self._frame), 0, ctypes.addressof(data), 0,
            count, 0, 24, 0, ctypes.addressof(context), 0, _LIVE_FRAMES, 0, 0,
        )  # fmt: skip
        began = time.thread_time()
        _bpf(_PROG_RUN, attributes, "run over live frames")
        return (time.thread_time() - began) / count * 1e9


def _sum(header: bytes) -> int:
    return sum(struct.unpack(f">{len(header) // 2}H", header))


def _load(program: bytes) -> int:
    code = ctypes.create_string_buffer(program, len(program))
    count = len(program) // 8
    attributes = struct.pack(
        "<IIQQIIQII16sII",
        _TYPE_XDP, count, ctypes.addressof(code), ctypes.addressof(_LICENSE),
        0, 0, 0, 0, 0, b"phage_bench", 0, _ATTACH_XDP,
    )  # fmt: skip
    return _bpf(_PROG_LOAD, attributes.ljust(128, b"\0"), "load a BPF program")


def _bpf(command: int, attributes: bytes, what: str) -> int:
    number = _SYSCALL.get(platform.machine())
    if number is None:
        message = f"cannot {what} on {platform.machine()}"
        raise PhageError(message)
    libc = ctypes.CDLL(None, use_errno=True)
    packed = ctypes.create_string_buffer(attributes, len(attributes))
    result = int(libc.syscall(number, command, packed, len(attributes)))
    if result < 0:
        message = f"cannot {what}: {os.strerror(ctypes.get_errno())}"
        raise PhageError(message)
    return result
