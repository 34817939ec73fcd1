"""OLE compound files ([MS-CFB]).

Attachments of .msg mails ([MS-OXMSG]), embedded objects and packages ([MS-OLEDS]) of Office
documents, and encrypted documents ([MS-OFFCRYPTO]).
"""

from __future__ import annotations

import importlib
import io
import struct
from typing import TYPE_CHECKING, Any

from phage.scan.unpack.items import ENCRYPTED, Entry, Fault, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.content import Content

MOST_STREAMS = 2000
ATTACHMENT = "__attach_version1.0_#"
DATA, LONG_NAME, NAME = "__substg1.0_3701", "__substg1.0_3707", "__substg1.0_3704"
BODIES = ("__substg1.0_1000", "__substg1.0_1009", "__substg1.0_1013")
OBJECTS = ("Package", "CONTENTS", "Contents")
DEFAULT_PASSWORD = "VelvetSweatshop"  # noqa: S105  Everybody knows it.

_olefile: Any = None
_crypto: Any = None


def prepare() -> None:
    """Load the libraries, if they are there."""
    global _olefile, _crypto  # noqa: PLW0603  Loaded once, before the process is forked.
    _olefile = _maybe("olefile")
    _crypto = _maybe("msoffcrypto")


def _maybe(name: str) -> Any:  # noqa: ANN401  A library's own type.
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def open_ole(content: Content, passwords: tuple[str, ...]) -> Iterator[Item]:
    """Yield attachments, embedded objects, and the document that an encrypted one hides."""
    if _olefile is None:
        yield Fault("", "needs the Python package olefile (pip install 'phage[scan]')")
        return
    with _olefile.OleFileIO(io.BytesIO(content.data)) as ole:
        streams = [tuple(path) for path in ole.listdir()][: MOST_STREAMS + 1]
        if ("EncryptedPackage",) in streams:
            yield from _decrypted(content, passwords)
            return
        if len(streams) > MOST_STREAMS:
            yield Fault("", f"has more than {MOST_STREAMS} streams")
        for path in streams[:MOST_STREAMS]:
            yield from _stream(ole, path)


def _stream(ole: Any, path: tuple[str, ...]) -> Iterator[Item]:  # noqa: ANN401  A library's own type.
    last = path[-1]
    inside_mail = len(path) >= 2 and path[-2].startswith(ATTACHMENT)
    if inside_mail and last.startswith(DATA):
        yield Entry(_attachment_name(ole, path[:-1]))
        yield _read(ole, path)
    elif last.startswith(BODIES) or last in OBJECTS:
        yield Entry("/".join(path))
        yield _read(ole, path)
    elif last == "\x01Ole10Native":
        yield from _native(_read(ole, path), "/".join(path[:-1]) or "Ole10Native")


def _read(ole: Any, path: tuple[str, ...]) -> bytes:  # noqa: ANN401  A library's own type.
    return bytes(ole.openstream(list(path)).read())


def _attachment_name(ole: Any, folder: tuple[str, ...]) -> str:  # noqa: ANN401  A library's own type.
    for name in (LONG_NAME, NAME):
        for suffix, encoding in (("001F", "utf-16-le"), ("001E", "latin-1")):
            path = [*folder, f"{name}{suffix}"]
            if ole.exists(path):
                text = _read(ole, tuple(path)).decode(encoding, "replace").strip("\0")
                if text:
                    return text
    return folder[-1].removeprefix("__")


def _native(data: bytes, name: str) -> Iterator[Item]:
    """Yield the file of a packager object: size, flags, three texts, size, octets."""
    try:
        place = 6
        label, place = _text(data, place)
        _path, place = _text(data, place)
        place += 8 + struct.unpack_from("<I", data, place + 4)[0]
        (size,) = struct.unpack_from("<I", data, place)
    except (struct.error, ValueError):
        yield Entry(name)
        yield data[4:]
        return
    yield Entry(label or name)
    yield data[place + 4 : place + 4 + size]


def _text(data: bytes, place: int) -> tuple[str, int]:
    end = data.index(b"\0", place)
    return data[place:end].decode("latin-1"), end + 1


def _decrypted(content: Content, passwords: tuple[str, ...]) -> Iterator[Item]:
    if _crypto is None:
        yield Fault("", f"{ENCRYPTED}: needs the Python package msoffcrypto-tool")
        return
    for password in (DEFAULT_PASSWORD, *passwords):
        plain = io.BytesIO()
        try:
            document = _crypto.OfficeFile(io.BytesIO(content.data))
            document.load_key(password=password)
            document.decrypt(plain)
        except Exception:  # noqa: BLE001, S112  Hostile input makes libraries raise anything.
            continue
        yield Entry("document", encrypted=True)
        yield plain.getvalue()
        return
    yield Fault("", f"{ENCRYPTED}: no password fits")
