"""Macros and objects of Office documents, by oletools."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.records.sample import Category, EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks

if TYPE_CHECKING:
    from phage.scan.content import Content

MOST_KEYWORDS = 100
LINKED = (b"OLE2LINK", b"HTMLFILE", b"SCRIPT:", b"EQUATION.3", b"\x02\xce\x02\x00\x00\x00\x00\x00")
"""Classes of objects that run or fetch something without macros; the last is Equation's number."""


@dataclass(kw_only=True)
class OfficeEngine(EngineDefaults):
    """Reads macros (olevba, mraptor) and objects (rtfobj) of Office documents.

    Suspicious: a macro that runs by itself and writes or executes; an object that is known from
    exploits. It fails to tell a company's own automation from an attack: hence never malicious.
    """

    name: ClassVar[str] = "office"
    summary: ClassVar[str] = (
        "Finds macros that run by themselves and objects of exploits (oletools)."
    )
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    accepts: ClassVar[frozenset[str]] = frozenset({"ole", "ooxml", "rtf"})
    packages: ClassVar[tuple[str, ...]] = ("oletools",)

    largest: int = 64 * 2**20
    """Octets of the largest file that it takes."""
    _olevba: Any = field(default=None, init=False, repr=False)
    _mraptor: Any = field(default=None, init=False, repr=False)
    _rtfobj: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("oletools")

    def prepare(self) -> None:
        """Load oletools."""
        self._olevba = importlib.import_module("oletools.olevba")
        self._mraptor = importlib.import_module("oletools.mraptor")
        self._rtfobj = importlib.import_module("oletools.rtfobj")

    def scan(self, content: Content) -> Answer:
        """Look for macros and objects."""
        data = bytes(content.data)
        if content.kind == "rtf":
            return self._objects(data)
        return self._macros(content.name or "document", data)

    def _objects(self, data: bytes) -> Answer:
        parser = self._rtfobj.RtfObjParser(data)
        parser.parse()
        told: list[Fact] = []
        bad = ""
        for each in parser.objects[:MOST_KEYWORDS]:
            name = (each.class_name or b"").decode("latin-1", "replace")
            told.append({"class": name, "size": int(each.oledata_size or 0)})
            raw = (each.rawdata or b"")[:4096].upper()
            if any(mark in raw or mark in name.upper().encode() for mark in LINKED):
                bad = bad or f"object {name or 'that is known from exploits'}"
        facts: dict[str, Fact] = {"objects": told}
        if bad:
            return Answer(Category.SUSPICIOUS, bad, facts, ("exploit-object",))
        return Answer(facts=facts if told else {})

    def _macros(self, name: str, data: bytes) -> Answer:
        try:
            parser = self._olevba.VBA_Parser(name, data=data)
        except self._olevba.FileOpenError:
            return Answer(facts={"macros": False})
        try:
            if not parser.detect_vba_macros():
                return Answer(facts={"macros": False, "type": str(parser.type)})
            found = parser.analyze_macros() or []
            code = "\n".join(part[3] for part in parser.extract_macros() if part[3])
        finally:
            parser.close()
        raptor = self._mraptor.MacroRaptor(code)
        raptor.scan()
        keywords: list[Fact] = [
            {"type": str(kind), "keyword": str(word)[:200], "meaning": str(meaning)[:200]}
            for kind, word, meaning in found[:MOST_KEYWORDS]
        ]
        facts: dict[str, Fact] = {
            "macros": True,
            "flags": raptor.get_flags(),
            "keywords": keywords,
        }
        if raptor.suspicious:
            return Answer(Category.SUSPICIOUS, f"macro {raptor.get_flags()}", facts, ("macros",))
        return Answer(facts=facts, tags=("macros",))
