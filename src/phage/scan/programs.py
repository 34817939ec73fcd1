"""Small programs for self-tests: the least that is a program of its kind, and does nothing."""

from __future__ import annotations

import struct


def tiny_elf() -> bytes:
    """Return a 64-bit ELF program for Linux that exits (System V ABI, chapter 4)."""
    code = b"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"  # exit(0)
    start = 0x400000
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = 120 + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000)
    return header + segment + code


def tiny_pe() -> bytes:
    """Return a 32-bit PE program that returns (Microsoft PE and COFF specification)."""
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x14C, 1, 0, 0, 0, 224, 0x0102)
    optional = struct.pack(
        "<HBBIIIIIIIIIHHHHHHIIIIHHIIIIII",
        0x10B, 8, 0, 512, 0, 0, 0x1000, 0x1000, 0x2000, 0x400000, 0x1000, 512,
        4, 0, 0, 0, 4, 0, 0, 0x3000, 512, 0, 3, 0, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16,
    ) + bytes(128)  # fmt: skip
    section = b".text\0\0\0" + struct.pack(
        "<IIIIIIHHI", 16, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020
    )
    return (dos + coff + optional + section).ljust(512, b"\0") + b"\xc3".ljust(512, b"\0")
