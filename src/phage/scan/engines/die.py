"""Compilers, packers and protectors, by Detect-It-Easy."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.records.sample import EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.kinds import EXECUTABLES
from phage.scan.programs import tiny_elf
from phage.scan.trials import BENIGN, GARBAGE, NOT_EVIL, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

MOST = 50


@dataclass(kw_only=True)
class DieEngine(EngineDefaults):
    """Tells what made a program and what it is packed with."""

    name: ClassVar[str] = "die"
    summary: ClassVar[str] = "Tells compilers, packers and protectors of programs (Detect-It-Easy)."
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    accepts: ClassVar[frozenset[str]] = EXECUTABLES | {"dos", "apk", "dex"}
    packages: ClassVar[tuple[str, ...]] = ("die-python",)

    largest: int = 64 * 2**20
    """Octets of the largest file that it takes."""
    _die: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("die")

    def prepare(self) -> None:
        """Load the library and its database."""
        self._die = importlib.import_module("die")
        self._die.load_database(str(self._die.database_path / "db"))

    def scan(self, content: Content) -> Answer:
        """Ask the database."""
        flags = self._die.ScanFlags.DEEP_SCAN | self._die.ScanFlags.RESULT_AS_JSON
        with content.as_file() as path:
            said = self._die.scan_file(path, flags)
        found = json.loads(said) if said else {}
        told: list[Fact] = [
            {key: str(value.get(key, "")) for key in ("type", "name", "version")}
            for detect in list(found.get("detects", []))[:MOST]
            for value in list(detect.get("values", []))[:MOST]
        ]
        packed = any(
            isinstance(each, dict) and str(each["type"]).lower() in {"packer", "protector"}
            for each in told
        )
        return Answer(facts={"detects": told}, tags=("packed",) if packed else ())

    def trials(self) -> tuple[Trial, ...]:
        """Return a program, something good, garbage."""
        return (Trial("tiny.elf", tiny_elf(), NOT_EVIL, ("detects",)), BENIGN, GARBAGE)
