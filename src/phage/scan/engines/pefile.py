"""Windows programs: hashes of imports and of the Rich header, versions, resources, overlay."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.records.sample import EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.programs import tiny_pe
from phage.scan.trials import BENIGN, GARBAGE, NOT_EVIL, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

MOST = 60
NEEDED = (
    "IMAGE_DIRECTORY_ENTRY_IMPORT",
    "IMAGE_DIRECTORY_ENTRY_EXPORT",
    "IMAGE_DIRECTORY_ENTRY_RESOURCE",
)


@dataclass(kw_only=True)
class PefileEngine(EngineDefaults):
    """Reads what tells families of Windows programs apart."""

    name: ClassVar[str] = "pefile"
    summary: ClassVar[str] = (
        "Tells import and Rich hashes, versions and overlays of PE programs (pefile)."
    )
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    accepts: ClassVar[frozenset[str]] = frozenset({"pe"})
    packages: ClassVar[tuple[str, ...]] = ("pefile",)

    largest: int = 64 * 2**20
    """Octets of the largest file that it takes."""
    _pefile: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("pefile")

    def prepare(self) -> None:
        """Load pefile."""
        self._pefile = importlib.import_module("pefile")

    def scan(self, content: Content) -> Answer:
        """Read the program."""
        program = self._pefile.PE(data=bytes(content.data), fast_load=True)
        directories = [self._pefile.DIRECTORY_ENTRY[name] for name in NEEDED]
        program.parse_data_directories(directories=directories)
        overlay = program.get_overlay_data_start_offset()
        imports = getattr(program, "DIRECTORY_ENTRY_IMPORT", [])
        exports = getattr(program, "DIRECTORY_ENTRY_EXPORT", None)
        facts: dict[str, Fact] = {
            "imphash": program.get_imphash(),
            "richhash": program.get_rich_header_hash(),
            "subsystem": int(program.OPTIONAL_HEADER.Subsystem),
            "checksum": bool(program.verify_checksum()),
            "overlay": content.size - overlay if overlay is not None else 0,
            "imports": [(each.dll or b"").decode("latin-1", "replace") for each in imports[:MOST]],
            "exports": len(exports.symbols) if exports is not None else 0,
            "version": _version(program),
            "warnings": [str(each)[:200] for each in program.get_warnings()[:10]],
        }
        return Answer(facts=facts, tags=("overlay",) if overlay is not None else ())

    def trials(self) -> tuple[Trial, ...]:
        """Return a program, something good, garbage."""
        return (Trial("tiny.exe", tiny_pe(), NOT_EVIL, ("subsystem",)), BENIGN, GARBAGE)


def _version(program: Any) -> dict[str, Fact]:  # noqa: ANN401  A library's own type.
    """Return the texts of the version resource."""
    found: dict[str, Fact] = {}
    for block in getattr(program, "FileInfo", None) or []:
        for entry in block:
            for table in getattr(entry, "StringTable", []):
                for name, value in list(table.entries.items())[:MOST]:
                    found[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
    return found
