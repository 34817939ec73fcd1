"""Active content of PDF documents, by words and structure."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.records.sample import Category, EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.content import Content

WORDS = (
    "JS", "JavaScript", "OpenAction", "AA", "Launch", "EmbeddedFile", "RichMedia", "XFA",
    "AcroForm",
    "ObjStm", "JBIG2Decode", "Encrypt", "URI", "SubmitForm", "GoToE", "GoToR", "Colors",
)  # fmt: skip
"""Names that a reader of analyses wants to know of."""

_NAME = re.compile(rb"/((?:[A-Za-z0-9_.+-]|#[0-9A-Fa-f]{2}){1,60})")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb"(?<!end)stream\r?\n(.*?)endstream", re.DOTALL)
_LAUNCHES = re.compile(
    rb"/Launch\b.{0,300}?(?:cmd|powershell|\.exe|\.bat|\.vbs|mshta)", re.DOTALL | re.IGNORECASE
)
_SHADY = re.compile(
    rb"\beval\s*\(|unescape\s*\(|String\.fromCharCode|%u[0-9a-f]{4}%u|app\.setTimeOut|"
    rb"util\.printf\s*\(|Collab\.(?:getIcon|collectEmailInfo)|media\.newPlayer|spell\.customDictionaryOpen",
    re.IGNORECASE,
)
INFLATED = 16 * 2**20
"""Octets of packed streams that are looked into, all together."""
PART = 1024 * 1024
MOST_STREAMS = 2000


@dataclass(kw_only=True)
class PdfEngine(EngineDefaults):
    """Counts what makes a PDF active, also in packed streams and behind escaped names.

    Suspicious: a program is launched; a script runs by itself and hides or uses what exploits use;
    names of actions are escaped, which no honest program does. It does not run scripts, and sees
    nothing in an encrypted document.
    """

    name: ClassVar[str] = "pdf"
    summary: ClassVar[str] = (
        "Finds launch actions, hidden scripts and escaped names in PDF documents."
    )
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    accepts: ClassVar[frozenset[str]] = frozenset({"pdf"})

    largest: int = 64 * 2**20
    """Octets of the largest file that it takes."""

    def scan(self, content: Content) -> Answer:
        """Count and judge."""
        data = bytes(content.data)
        packed = b"\n".join(_inflated(data))
        counts, escaped = _names(data)
        inner, inner_escaped = _names(packed)
        counts += inner
        escaped |= inner_escaped
        words: dict[str, Fact] = {word: counts[word] for word in WORDS if counts[word]}
        facts: dict[str, Fact] = {
            "words": words,
            "escaped": [*sorted(escaped)],
            "objects": len(re.findall(rb"\bobj\b", data)),
            "ends": data.count(b"%%EOF"),
        }
        reason = _reason(data + packed, counts, escaped)
        if reason:
            return Answer(Category.SUSPICIOUS, reason, facts)
        return Answer(facts=facts, tags=("javascript",) if _has_script(counts) else ())


def _inflated(data: bytes) -> Iterator[bytes]:
    """Yield what packed streams hold, within bounds."""
    left = INFLATED
    for number, match in enumerate(_STREAM.finditer(data)):
        if left <= 0 or number >= MOST_STREAMS:
            return
        body = match[1]
        if body[:1] not in {b"\x78", b"H", b"h"}:
            continue
        try:
            text = zlib.decompressobj().decompress(body, min(left, PART))
        except zlib.error:
            continue
        left -= len(text)
        yield text


def _names(data: bytes) -> tuple[Counter[str], set[str]]:
    """Return how often each name occurs, and names of interest that were escaped."""
    counts: Counter[str] = Counter()
    escaped: set[str] = set()
    for match in _NAME.finditer(data):
        raw = match[1]
        name = raw
        if b"#" in raw:
            name = _ESCAPE.sub(lambda each: bytes([int(each[1], 16)]), raw)
        text = name.decode("latin-1")
        counts[text] += 1
        if name is not raw and text in WORDS:
            escaped.add(text)
    return counts, escaped


def _has_script(counts: Counter[str]) -> bool:
    return bool(counts["JS"] or counts["JavaScript"])


def _reason(text: bytes, counts: Counter[str], escaped: set[str]) -> str:
    if counts["Launch"] and _LAUNCHES.search(text):
        return "launches a program"
    if escaped:
        return f"hides the name {min(escaped)}"
    by_itself = counts["OpenAction"] or counts["AA"]
    if _has_script(counts) and by_itself and _SHADY.search(text):
        return "script that runs by itself and hides what it does"
    return ""
