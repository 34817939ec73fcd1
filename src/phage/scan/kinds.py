"""The type of a file, told from its first octets.

Engines and openers say which kinds they take; this table decides what they are shown, so it only
compares octets at fixed places and never parses. Sources: the formats' own specifications; RFC 1952
(gzip), RFC 8478 (zstd), APPNOTE 6.3.10 (zip), ECMA-119 (ISO 9660), POSIX pax (tar).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = 4096
"""Octets looked at."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "elf"),
    (b"%PDF-", "pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rt", "rtf"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x1f\x9d", "compress"),
    (b"LZIP", "lzip"),
    (b"MSCF", "cab"),
    (b"ISc(", "iscab"),
    (b"ITSF", "chm"),
    (b"\x60\xea", "arj"),
    (b"!<arch>\n", "ar"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"070701", "cpio"),
    (b"070702", "cpio"),
    (b"070707", "cpio"),
    (b"\xc7\x71", "cpio"),
    (b"xar!", "xar"),
    (b"MSWIM\0\0\0", "wim"),
    (b"hsqs", "squashfs"),
    (b"SZDD\x88\xf0\x27\x33", "szdd"),
    (b"\x78\x9f\x3e\x22", "tnef"),
    (b"\xfe\xed\xfa\xce", "macho"),
    (b"\xfe\xed\xfa\xcf", "macho"),
    (b"\xce\xfa\xed\xfe", "macho"),
    (b"\xcf\xfa\xed\xfe", "macho"),
    (b"dex\n0", "dex"),
    (b"\0asm", "wasm"),
    (b"L\0\0\0\x01\x14\x02\0", "lnk"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"FWS", "swf"),
    (b"CWS", "swf"),
    (b"SQLite format 3\0", "sqlite"),
    (b"#!", "script"),
    (b"From ", "mbox"),
)

_HEADER = re.compile(
    rb"(?im)^(?:return-path|received|message-id|from|to|subject|date|mime-version|delivered-to|"
    rb"content-type|content-transfer-encoding|x-[a-z-]+):[ \t]"
)
_HTML = re.compile(rb"(?i)<(?:!doctype\s+html|html|head|body|script)[\s>]")
_CONTROL = bytes(octet for octet in range(32) if octet not in b"\t\n\f\r\x1b")
_OFFICE = (b"[Content_Types].xml", b"_rels/.rels", b"word/", b"xl/", b"ppt/")

ARCHIVES = frozenset(
    [
        "zip",
        "jar",
        "apk",
        "odf",
        "ooxml",
        "7z",
        "rar",
        "tar",
        "gzip",
        "bzip2",
        "xz",
        "zstd",
        "lz4",
        "compress",
        "lzip",
        "cab",
        "chm",
        "arj",
        "ar",
        "rpm",
        "cpio",
        "xar",
        "wim",
        "squashfs",
        "szdd",
        "iso",
        "lha",
        "dmg",
    ]
)
"""Kinds that hold other files and that the extractor opens as archives."""

OFFICE = frozenset({"ole", "ooxml", "rtf"})
"""Documents of Microsoft Office."""

EXECUTABLES = frozenset({"pe", "elf", "macho"})
"""Programs."""


def kind_of(read_at: Callable[[int, int], bytes], size: int, name: str = "") -> str:
    """Return the kind of a file: a word such as "zip", "pe", "text" or "data".

    Args:
        read_at: Returns `count` octets at `offset`.
        size: Octets in all.
        name: The file's name; it decides only between kinds that look the same.
    """
    if size == 0:
        return "empty"
    head = read_at(0, HEAD)
    return (
        _by_magic(head, read_at)
        or _by_place(head, size, read_at)
        or ("pdf" if b"%PDF-" in head[:1024] else "")  # ISO 32000-1, annex H, 3.4.1.
        or _of_text(head, name)
        or "data"
    )


def _by_magic(head: bytes, read_at: Callable[[int, int], bytes]) -> str:
    if head[:2] in {b"MZ", b"ZM"}:
        return _program(head, read_at)
    if head[:4] in {b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"}:
        return _zipped(head)
    if head[:4] == b"\xca\xfe\xba\xbe":
        # A universal binary counts its architectures where a Java class has its version (45 and
        # up).
        return "macho" if int.from_bytes(head[4:8]) < 40 else "class"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")


def _program(head: bytes, read_at: Callable[[int, int], bytes]) -> str:
    offset = int.from_bytes(head[60:64], "little") if len(head) >= 64 else 0
    return "pe" if offset and read_at(offset, 4) == b"PE\0\0" else "dos"


def _zipped(head: bytes) -> str:
    if head[30:38] == b"mimetype" and b"opendocument" in head[:120]:
        return "odf"
    if any(name in head for name in _OFFICE):
        return "ooxml"
    if b"AndroidManifest.xml" in head or b"classes.dex" in head:
        return "apk"
    return "jar" if b"META-INF/" in head[:120] else "zip"


def _by_place(head: bytes, size: int, read_at: Callable[[int, int], bytes]) -> str:
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return "tar"
    if head[2:5] == b"-lh" and head[6:7] == b"-":
        return "lha"
    if size > 32_774 and read_at(32_769, 5) in {b"CD001", b"BEA01"}:
        return "iso"
    if size > 512 and read_at(size - 512, 4) == b"koly":
        return "dmg"
    return ""


def _is_old_tar(head: bytes) -> bool:
    """Tell whether this is a tar without magic: the first header's checksum is right."""
    if len(head) < 512:
        return False
    field = head[148:156].strip(b" \0")
    if not field.isdigit() or not head[0]:
        return False
    try:
        wanted = int(field, 8)
    except ValueError:
        return False
    return wanted == sum(head[:148]) + 8 * 32 + sum(head[156:512])


def _of_text(head: bytes, name: str) -> str:
    if b"\0" in head:
        return ""
    suffix = name.rpartition(".")[2].lower()
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if len(_HEADER.findall(head)) >= 2 or (suffix == "eml" and _HEADER.search(head)):
        return "eml"
    if _HTML.search(start[:1024]):
        return "html"
    if start.startswith((b"<?xml", b"<")):
        return "xml"
    control = len(head) - len(head.translate(None, _CONTROL))
    return "text" if control * 20 < len(head) else ""
