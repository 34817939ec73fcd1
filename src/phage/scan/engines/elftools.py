"""Programs of Unix: build id, libraries, symbols, by pyelftools."""

from __future__ import annotations

import hashlib
import importlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.records.sample import EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.programs import tiny_elf
from phage.scan.trials import BENIGN, GARBAGE, NOT_EVIL, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

MOST = 60
MOST_SYMBOLS = 20_000


@dataclass(kw_only=True)
class ElftoolsEngine(EngineDefaults):
    """Reads what tells families of ELF programs apart."""

    name: ClassVar[str] = "elftools"
    summary: ClassVar[str] = (
        "Tells build id, libraries and a hash of symbols of ELF programs (pyelftools)."
    )
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    accepts: ClassVar[frozenset[str]] = frozenset({"elf"})
    packages: ClassVar[tuple[str, ...]] = ("pyelftools",)

    largest: int = 64 * 2**20
    """Octets of the largest file that it takes."""
    _elffile: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("elftools")

    def prepare(self) -> None:
        """Load pyelftools."""
        self._elffile = importlib.import_module("elftools.elf.elffile")

    def scan(self, content: Content) -> Answer:
        """Read the program."""
        program = self._elffile.ELFFile(io.BytesIO(bytes(content.data)))
        facts: dict[str, Fact] = {
            "machine": str(program["e_machine"]),
            "type": str(program["e_type"]),
            "bits": int(program.elfclass),
            "entry": int(program["e_entry"]),
        }
        for segment in program.iter_segments():
            if segment["p_type"] == "PT_INTERP":
                facts["interpreter"] = str(segment.get_interp_name())
            elif segment["p_type"] == "PT_DYNAMIC":
                libraries = [tag.needed for tag in segment.iter_tags("DT_NEEDED")]
                facts["libraries"] = [str(name) for name in libraries[:MOST]]
            elif segment["p_type"] == "PT_NOTE":
                for note in segment.iter_notes():
                    if note["n_type"] == "NT_GNU_BUILD_ID":
                        facts["build_id"] = str(note["n_desc"])
        symbols = program.get_section_by_name(".dynsym")
        if symbols is not None:
            names = sorted(
                {
                    each.name
                    for _, each in zip(range(MOST_SYMBOLS), symbols.iter_symbols(), strict=False)
                }
            )
            facts["symbols"] = len(names)
            facts["symbols_sha256"] = hashlib.sha256("\n".join(names).encode()).hexdigest()
        facts["stripped"] = program.get_section_by_name(".symtab") is None
        return Answer(facts=facts)

    def trials(self) -> tuple[Trial, ...]:
        """Return a program, something good, garbage."""
        return (Trial("tiny.elf", tiny_elf(), NOT_EVIL, ("machine",)), BENIGN, GARBAGE)
