"""Containers with a file in them, for tests and measurements of file scanning.

Made with Python where it can, else by hand after the formats' specifications, else with bsdtar, 7zz
and genisoimage.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import itertools
import lzma
import struct
import subprocess  # noqa: TID251  Archives are made with the tools that people use.
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PASSWORD = "infected"  # noqa: S105  Everybody knows it.
INNER = "c.com"
"""The name of the file in each container."""


def zipped(data: bytes, name: str = INNER, *, zip64: bool = False) -> bytes:
    """Return a zip; `zip64` with the headers of large files (APPNOTE 6.3.10, 4.5.3)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        about = zipfile.ZipInfo(name)
        about.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(about, "w", force_zip64=zip64) as member:
            member.write(data)
    return buffer.getvalue()


def nested(data: bytes, levels: int) -> bytes:
    """Return a zip in a zip in a zip."""
    name = INNER
    for level in range(levels):
        data, name = zipped(data, name), f"level{level}.zip"
    return data


def many(data: bytes, members: int) -> bytes:
    """Return a zip with many plain members and one other as the last."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number in range(members - 1):
            archive.writestr(f"{number}.txt", f"number {number}\n")
        archive.writestr(INNER, data)
    return buffer.getvalue()


def zeros_before(data: bytes, mebibytes: int) -> bytes:
    """Return a zip with a large member of zeros before another."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("zeros.bin", "w", force_zip64=True) as member:
            for _ in range(mebibytes):
                member.write(bytes(2**20))
        archive.writestr(INNER, data)
    return buffer.getvalue()


def bomb(gibibytes: int) -> bytes:
    """Return a zip in a zip that becomes so many GiB of zeros.

    The deflate stream of one MiB is repeated, so that it takes a moment to make.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    stream = first * (gibibytes * 1024) + packer.flush(zlib.Z_FINISH)
    size = gibibytes * 2**30
    extra = struct.pack("<HHQQ", 1, 16, size, len(stream))
    name = b"zeros.bin"
    common = (45, 0, 8, 0, 0x21, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra))
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *common) + name + extra
    central = struct.pack("<4sHHHHHHIIIHH", b"PK\x01\x02", 45, *common)
    central += struct.pack("<HHHII", 0, 0, 0, 0, 0) + name + extra
    end = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local) + len(stream), 0
    )
    return zipped(local + stream + central + end, "inner.zip")


def tarred(data: bytes, packing: str = "") -> bytes:
    """Return a tar, packed: "", "gz", "bz2" or "xz"."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        about = tarfile.TarInfo(f"folder/{INNER}")
        about.size = len(data)
        archive.addfile(about, io.BytesIO(data))
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    whole = buffer.getvalue()
    return packers[packing](whole) if packing else whole


def by_tool(data: bytes, suffix: str, command: Sequence[str]) -> bytes:
    """Return what a tool makes; `command` names the archive {out} and the file {in}."""
    with tempfile.TemporaryDirectory(prefix="phage-made-") as folder:
        source, target = Path(folder) / INNER, Path(folder) / f"made{suffix}"
        source.write_bytes(data)
        words = [word.replace("{out}", str(target)).replace("{in}", INNER) for word in command]
        subprocess.run(words, cwd=folder, check=True, capture_output=True)  # noqa: S603  Our words.
        return target.read_bytes()


def cabinet(data: bytes) -> bytes:
    """Return a cabinet with one file, stored ([MS-CAB])."""
    name = INNER.encode() + b"\0"
    files = 36 + 8
    start = files + 16 + len(name)
    block = struct.pack("<IHH", 0, len(data), len(data)) + data
    total = start + len(block)
    header = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, total, 0, files, 0, 3, 1, 1, 1, 0, 0, 0)
    folder = struct.pack("<IHH", start, 1, 0)
    file = struct.pack("<IIHHHH", len(data), 0, 0, 0x5A21, 0, 0x20) + name
    return header + folder + file + block


def rar(data: bytes) -> bytes:
    """Return a RAR 4 archive with one file, stored (RAR archive format, version 2.9)."""

    def block(body: bytes) -> bytes:
        return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body

    name = INNER.encode()
    archive = block(struct.pack("<BHHHI", 0x73, 0, 13, 0, 0))
    size = len(data)
    head = struct.pack(
        "<BHHIIBIIBBHI",
        0x74, 0x8000, 32 + len(name), size, size, 3, zlib.crc32(data), 0x5A210000, 20, 0x30,
        len(name), 0o100644,
    )  # fmt: skip
    end = block(struct.pack("<BHH", 0x7B, 0x4000, 7))
    return b"Rar!\x1a\x07\x00" + archive + block(head + name) + data + end


def mail(data: bytes) -> bytes:
    """Return a mail with a text and an attachment (RFC 5322, RFC 2045)."""
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return (
        b"From: a@example.org\r\nTo: b@example.org\r\nSubject: a file\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\nsee there\r\n"
        b"--x\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Disposition: attachment; filename=" + INNER.encode() + b"\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"\r\n--x--\r\n"
    )


def document(data: bytes) -> bytes:
    """Return a Word document with an embedded file (ECMA-376)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        )
        archive.writestr("word/document.xml", "<document/>")
        archive.writestr("word/embeddings/oleObject1.bin", data)
    return buffer.getvalue()


def pdf(data: bytes) -> bytes:
    """Return a PDF with an embedded file (ISO 32000-1, 7.11.4)."""
    packed = zlib.compress(data)
    return (
        b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n2 0 obj\n<< /Type /EmbeddedFile "
        b"/Filter /FlateDecode /Length " + str(len(packed)).encode() + b" >>\nstream\n" + packed
        + b"\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
    )  # fmt: skip


def rtf(data: bytes) -> bytes:
    """Return an RTF document with a packaged file ([MS-OLEDS], 2.2)."""

    def text(value: bytes) -> bytes:
        return struct.pack("<I", len(value) + 1) + value + b"\0"

    name = INNER.encode()
    native = struct.pack("<H", 2) + name + b"\0" + b"C:\\" + name + b"\0" + struct.pack("<HH", 0, 3)
    native += struct.pack("<I", len(name) + 4) + b"C:\\" + name + b"\0"
    native += struct.pack("<I", len(data)) + data
    whole = struct.pack("<II", 0x501, 2) + text(b"Package") + struct.pack("<II", 0, 0)
    whole += struct.pack("<I", len(native)) + native
    return b"{\\rtf1{\\object\\objemb{\\*\\objdata " + whole.hex().encode() + b"}}}"


def message(data: bytes) -> bytes:
    """Return an Outlook message with an attachment ([MS-OXMSG], [MS-CFB])."""
    attachment = "__attach_version1.0_#00000000"
    return compound(
        {
            "__properties_version1.0": bytes(32),
            f"{attachment}/__substg1.0_37010102": data,
            f"{attachment}/__substg1.0_3707001F": INNER.encode("utf-16-le"),
        }
    )


def compound(streams: dict[str, bytes]) -> bytes:
    """Return a compound file, version 3, with streams in at most one folder each.

    Each stream takes whole sectors; short ones are lengthened to 4096 octets by zeros, which is
    where streams of ordinary sectors begin.
    """
    sector, none, end = 512, 0xFFFFFFFF, 0xFFFFFFFE
    bodies = {name: data.ljust(4096, b"\0") for name, data in streams.items()}
    folders = list(dict.fromkeys(name.partition("/")[0] for name in bodies if "/" in name))
    entries: list[tuple[str, int, list[int], int, int]] = [("Root Entry", 5, [], end, 0)]
    numbers: dict[str, int] = {}
    for folder in folders:
        numbers[folder] = len(entries)
        entries.append((folder, 1, [], 0, 0))
        entries[0][2].append(numbers[folder])
    chain: list[int] = []
    content = b""
    for name, body in bodies.items():
        folder, slash, leaf = name.partition("/")
        start = len(content) // sector
        count = -(-len(body) // sector)
        chain += [*range(start + 1, start + count), end]
        content += body.ljust(count * sector, b"\0")
        entries[numbers[folder] if slash else 0][2].append(len(entries))
        entries.append((leaf if slash else name, 2, [], start, len(body)))
    directory = _directory(entries, none)
    first = len(content) // sector
    directory_sectors = len(directory) // sector
    chain += [*range(first + 1, first + directory_sectors), end]
    content += directory
    fat_at = len(content) // sector
    chain += [0xFFFFFFFD]
    fat = struct.pack(f"<{len(chain)}I", *chain).ljust(sector, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6xIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, first, 0, 4096, end, 0,
                          end, 0, fat_at)  # fmt: skip
    return header.ljust(sector, b"\xff") + content + fat


def _directory(entries: list[tuple[str, int, list[int], int, int]], none: int) -> bytes:
    """Return the directory: the children of each folder linked to the right, in order."""
    right: dict[int, int] = {}
    child: dict[int, int] = {}
    for number, (_, _, children, _, _) in enumerate(entries):
        ordered = sorted(
            children, key=lambda each: (len(entries[each][0]), entries[each][0].upper())
        )
        if ordered:
            child[number] = ordered[0]
        right.update(itertools.pairwise(ordered))
    directory = b""
    for number, (name, kind, _, start, size) in enumerate(entries):
        encoded = name.encode("utf-16-le") + b"\0\0"
        directory += encoded.ljust(64, b"\0") + struct.pack(
            "<HBBIII16xI16xIQ", len(encoded), kind, 1, none, right.get(number, none),
            child.get(number, none), 0, start, size,
        )  # fmt: skip
    return directory.ljust(-(-len(directory) // 512) * 512, b"\0")


SEVENZIP = ("7zz", "a", "-y")
CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "a.zip": zipped,
    "zip64.zip": lambda data: zipped(data, zip64=True),
    "aes.zip": lambda data: by_tool(
        data, ".zip", (*SEVENZIP, "-tzip", "-mem=AES256", f"-p{PASSWORD}", "{out}", "{in}")
    ),
    "crypto.zip": lambda data: by_tool(
        data, ".zip", (*SEVENZIP, "-tzip", "-mem=ZipCrypto", f"-p{PASSWORD}", "{out}", "{in}")
    ),
    "a.7z": lambda data: by_tool(data, ".7z", (*SEVENZIP, "{out}", "{in}")),
    "locked.7z": lambda data: by_tool(
        data, ".7z", (*SEVENZIP, "-mhe=on", f"-p{PASSWORD}", "{out}", "{in}")
    ),
    "a.rar": rar,
    "a.tar": tarred,
    "a.tar.gz": lambda data: tarred(data, "gz"),
    "a.tar.bz2": lambda data: tarred(data, "bz2"),
    "a.tar.xz": lambda data: tarred(data, "xz"),
    "a.tar.zst": lambda data: by_tool(
        data, ".tar.zst", ("bsdtar", "--zstd", "-cf", "{out}", "{in}")
    ),
    "a.com.gz": lambda data: zlib.compress(data, wbits=31),
    "a.iso": lambda data: by_tool(data, ".iso", ("genisoimage", "-quiet", "-o", "{out}", "{in}")),
    "a.cab": cabinet,
    "a.eml": mail,
    "a.msg": message,
    "a.docx": document,
    "a.rtf": rtf,
    "a.pdf": pdf,
}
"""A container of each kind, by name, each made around a file."""
