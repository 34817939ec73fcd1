"""What feeds gave, in one file: got where there is a network, used where there is none.

The file is a tar archive: `parcel.json` names the feeds with their times and the SHA-256 of the two
members of each, networks as they are kept (`phage.intel.keep`) and indicators as JSON lines.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

from phage.errors import PhageError
from phage.intel import keep
from phage.intel.entries import MAX_ENTRIES, Entries
from phage.intel.feed import Harvest
from phage.intel.networks import empty
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from phage.records.indicator import Indicator
    from phage.store.repositories.indicators import IndicatorRepository

FORM = "phage feeds 1"
MAX_FEEDS = 256
MAX_MEMBER = 2**31
"""Octets of a member; a list of a hundred million networks."""


class ParcelError(PhageError):
    """A file of feeds is damaged or none; says what is wrong."""


def write_parcel(
    path: Path, feeds: Mapping[str, str], folder: Path, store: IndicatorRepository, now: int
) -> list[str]:
    """Write what feeds gave, by name and type; return the names of those that gave something.

    Raises OSError.
    """
    states = store.states()
    about: dict[str, Any] = {}
    with tarfile.open(path, "w") as archive:
        for name, kind in feeds.items():
            state = states.get(name)
            if state is None or not state.updated:
                continue
            networks = keep.packed(keep.load(folder, name) or empty())
            lines = b"".join(map(_line, store.of(name)))
            number = len(about)
            _add(archive, f"{number}.networks", networks)
            _add(archive, f"{number}.jsonl", lines)
            about[name] = {
                "type": kind,
                "updated": state.updated,
                "networks": hashlib.sha256(networks).hexdigest(),
                "indicators": hashlib.sha256(lines).hexdigest(),
            }
        contents = {"form": FORM, "made": now, "feeds": about}
        _add(archive, "parcel.json", json.dumps(contents, indent=1).encode())
    return list(about)


def _add(archive: tarfile.TarFile, name: str, body: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(body), 0o644
    archive.addfile(member, io.BytesIO(body))


def _line(indicator: Indicator) -> bytes:
    return json.dumps(asdict(indicator), separators=(",", ":")).encode() + b"\n"


def read_parcel(path: Path) -> Iterator[tuple[str, str, int, Harvest]]:
    """Yield name, type, time and contents of each feed. Raises ParcelError."""
    try:
        with tarfile.open(path, "r:") as archive:
            contents = json.loads(_member(archive, "parcel.json"))
            if contents.get("form") != FORM:
                message = f"{path}: is of another form than {FORM!r}"
                raise ParcelError(message)
            for number, (name, about) in enumerate(contents["feeds"].items()):
                if number >= MAX_FEEDS:
                    message = f"{path}: holds more than {MAX_FEEDS} feeds"
                    raise ParcelError(message)
                networks = _proved(archive, f"{number}.networks", about["networks"])
                lines = _proved(archive, f"{number}.jsonl", about["indicators"])
                yield (
                    str(name),
                    str(about["type"]),
                    int(about["updated"]),
                    _harvest(str(name), networks, lines),
                )
    except (OSError, tarfile.TarError, ValueError, OverflowError, RecursionError, KeyError,
            TypeError, AttributeError) as error:  # fmt: skip
        message = f"{path}: is no file of `phage feeds export`, or is damaged: {error}"
        raise ParcelError(message) from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.getmember(name)
    file: IO[bytes] | None = archive.extractfile(member)
    if file is None or member.size > MAX_MEMBER:
        message = f"{name} is no file, or too large"
        raise ParcelError(message)
    with file:
        return file.read()


def _proved(archive: tarfile.TarFile, name: str, digest: str) -> bytes:
    body = _member(archive, name)
    if hashlib.sha256(body).hexdigest() != digest:
        message = f"{name} is not as it was written: its SHA-256 is another"
        raise ParcelError(message)
    return body


def _harvest(name: str, networks: bytes, lines: bytes) -> Harvest:
    found = keep.unpacked(networks)
    if found is None:
        message = f"the networks of {name} are damaged"
        raise ParcelError(message)
    entries = Entries(name, 50)
    for fields in _objects(lines):
        entries.add(
            fields.get("value"),
            IndicatorKind(fields["kind"]),
            first=int(fields.get("first_seen") or 0) // 10**9,
            last=int(fields.get("last_seen") or 0) // 10**9,
            expires=int(fields.get("expires") or 0) // 10**9,
            confidence=fields.get("confidence"),
            tags=fields.get("tags") or (),
            description=fields.get("description"),
            tlp=fields.get("tlp") or "clear",
        )
    return Harvest(found, tuple(entries.found), entries.rejected)


def _objects(lines: bytes) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(lines.splitlines()):
        if number >= MAX_ENTRIES:
            return
        yield json.loads(line)
