"""Programs: sections, imports, signatures, by LIEF."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.records.sample import EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.kinds import EXECUTABLES
from phage.scan.programs import tiny_elf, tiny_pe
from phage.scan.trials import BENIGN, GARBAGE, NOT_EVIL, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

MOST = 60
"""Sections, libraries or signers that are told."""


@dataclass(kw_only=True)
class LiefEngine(EngineDefaults):
    """Reads PE, ELF and Mach-O: format, sections with entropy, libraries, Authenticode."""

    name: ClassVar[str] = "lief"
    summary: ClassVar[str] = "Reads PE, ELF and Mach-O: sections, libraries, signatures (LIEF)."
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    accepts: ClassVar[frozenset[str]] = EXECUTABLES
    packages: ClassVar[tuple[str, ...]] = ("lief",)

    largest: int = 128 * 2**20
    """Octets of the largest file that it takes."""
    _lief: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("lief")

    def prepare(self) -> None:
        """Load LIEF, silent."""
        self._lief = importlib.import_module("lief")
        self._lief.logging.disable()

    def scan(self, content: Content) -> Answer:
        """Read the program."""
        binary = self._lief.parse(bytes(content.data))
        if binary is None:
            message = "cannot be parsed"
            raise ValueError(message)
        facts: dict[str, Fact] = {
            "format": _word(binary.format),
            "entry": int(binary.entrypoint),
            "sections": [
                {
                    "name": _text(section.name),
                    "size": int(section.size),
                    "entropy": round(float(section.entropy), 3),
                }
                for section in list(binary.sections)[:MOST]
            ],
            "libraries": [_text(name) for name in list(binary.libraries)[:MOST]],
        }
        tags: tuple[str, ...] = ()
        if content.kind == "pe":
            signatures = list(binary.signatures)
            facts["machine"] = _word(binary.header.machine)
            facts["built"] = int(binary.header.time_date_stamps)
            facts["imphash"] = str(self._lief.PE.get_imphash(binary))
            facts["signed"] = bool(signatures)
            if signatures:
                facts["signature"] = _word(binary.verify_signature())
                signers: list[Fact] = [
                    _text(signer.issuer) for each in signatures[:4] for signer in each.signers
                ]
                facts["signers"] = signers[:MOST]
                tags = ("signed",)
        return Answer(facts=facts, tags=tags)

    def trials(self) -> tuple[Trial, ...]:
        """Return programs, something good, garbage."""
        return (
            Trial("tiny.elf", tiny_elf(), NOT_EVIL, ("format",)),
            Trial("tiny.exe", tiny_pe(), NOT_EVIL, ("format", "imphash")),
            BENIGN,
            GARBAGE,
        )


def _word(value: object) -> str:
    return str(value).rpartition(".")[2]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
