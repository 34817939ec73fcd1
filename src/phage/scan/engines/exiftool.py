"""Metadata of documents, images and programs, by ExifTool."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess  # noqa: TID251  It runs in the sandbox, killed with its process group.
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.records.sample import EngineKind, EngineVersion, Fact
from phage.scan.engine import Answer, EngineDefaults
from phage.scan.trials import BENIGN, GARBAGE, NOT_EVIL, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

READY = b"{ready}\n"
LARGEST_ANSWER = 4 * 2**20
HIDDEN = frozenset(
    {"SourceFile", "Directory", "FileName", "FilePermissions", "FileModifyDate", "FileAccessDate",
     "FileInodeChangeDate", "ExifToolVersion"}
)  # fmt: skip
"""What is about the descriptor, not about the file."""

GIF = Trial(
    "dot.gif",
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
    NOT_EVIL,
    ("FileType",),
)


@dataclass(kw_only=True)
class ExiftoolEngine(EngineDefaults):
    """Reads what files say of themselves: authors, programs, cameras, places, dates.

    ExifTool takes 80 ms to start, so one that runs serves some samples, in the sandbox.
    """

    name: ClassVar[str] = "exiftool"
    summary: ClassVar[str] = "Reads metadata of documents, images and programs (ExifTool)."
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    accepts: ClassVar[frozenset[str]] = frozenset(
        {
            "image",
            "pdf",
            "ole",
            "ooxml",
            "odf",
            "rtf",
            "pe",
            "elf",
            "macho",
            "swf",
            "html",
            "lnk",
            "data",
        }
    )
    reuse: ClassVar[int] = 200

    largest: int = 48 * 2**20
    """Octets of the largest file that it takes."""
    timeout: float = 20.0
    """Seconds that one file may take."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        found = shutil.which("exiftool")
        return "" if found else "needs the program exiftool (apt install libimage-exiftool-perl)"

    def version(self) -> EngineVersion:
        """Return ExifTool's version, as its module says it."""
        return EngineVersion(_version())

    def warm(self) -> None:
        """Do nothing: each child starts the program by itself."""

    def scan(self, content: Content) -> Answer:
        """Ask the running ExifTool; one that failed would give its rest to the next file."""
        process = self._process or self._begin()
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            message = "has no pipes"
            raise RuntimeError(message)
        try:
            with content.as_file() as path:
                stdin.write(f"-json\n-G0\n-n\n-fast2\n{path}\n-execute\n".encode())
                stdin.flush()
                return Answer(facts=_facts(_answer(stdout.fileno())))
        except Exception:
            self.close()
            raise

    def trials(self) -> tuple[Trial, ...]:
        """Return an image, something good, garbage."""
        return (GIF, BENIGN, GARBAGE)

    def close(self) -> None:
        """End ExifTool."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError):  # What was not written yet has nowhere to go.
                process.communicate()

    def _begin(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            ["exiftool", "-stay_open", "True", "-@", "-"],  # noqa: S607  The system's.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._process


def _answer(descriptor: int) -> bytes:
    """Read until ExifTool is ready for the next file; the time is watched from outside."""
    told = bytearray()
    while not told.endswith(READY):
        piece = os.read(descriptor, 65_536)
        if not piece:
            message = "ExifTool has ended"
            raise RuntimeError(message)
        told += piece
        if len(told) > LARGEST_ANSWER:
            message = "ExifTool says too much"
            raise RuntimeError(message)
    return bytes(told[: -len(READY)])


def _facts(told: bytes) -> dict[str, Fact]:
    found = json.loads(told)[0] if told.strip() else {}
    return {
        name.partition(":")[2] or name: value if isinstance(value, int | float) else str(value)
        for name, value in found.items()
        if (name.partition(":")[2] or name) not in HIDDEN
    }


@functools.cache
def _version() -> str:
    """Return the version that ExifTool's module says; the program takes 80 ms to tell it."""
    for folder in ("/usr/share/perl5", "/usr/local/share/perl5", "/usr/share/perl5/vendor_perl"):
        module = Path(folder) / "Image" / "ExifTool.pm"
        if module.exists():
            match = re.search(r"VERSION\s*=\s*'([\d.]+)'", module.read_text("latin-1"))
            if match:
                return match[1]
    done = subprocess.run(
        ["exiftool", "-ver"],  # noqa: S607  The system's.
        capture_output=True,
        timeout=20,
        check=False,
    )
    return done.stdout.decode("ascii", "replace").strip() or "unknown"
