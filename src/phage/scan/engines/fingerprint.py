"""Fuzzy hashes and entropy: what is like what."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from phage.records.sample import EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.trials import GARBAGE, NOT_EVIL, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

CHUNK = 2**20
LOOKED_AT = 4 * 2**20
"""Octets from the beginning; TLSH takes 5 ms a megabyte."""

TEXT = Trial(
    "words.txt",
    b" ".join(f"word{number}".encode() for number in range(200)),
    NOT_EVIL,
    ("entropy", "tlsh"),
)


@dataclass(kw_only=True)
class FingerprintEngine(EngineDefaults):
    """Tells TLSH and entropy.

    TLSH (Oliver, Cheng, Chen: TLSH - A Locality Sensitive Hash, 2013) is near for files that are
    alike; Shannon's entropy is near 8 for what is packed or encrypted. TLSH needs 50 octets with
    some variety.
    """

    name: ClassVar[str] = "fingerprint"
    summary: ClassVar[str] = (
        "Tells TLSH, entropy and hashes, by which files that are alike are found."
    )
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    packages: ClassVar[tuple[str, ...]] = ("py-tlsh",)

    _tlsh: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("tlsh")

    def prepare(self) -> None:
        """Load TLSH."""
        self._tlsh = importlib.import_module("tlsh")

    def scan(self, content: Content) -> Answer:
        """Compute."""
        data = content.read_at(0, LOOKED_AT)
        facts: dict[str, Fact] = {"entropy": round(entropy(data), 3)}
        digest = self._tlsh.hash(data) if len(data) >= 50 else "TNULL"
        if digest != "TNULL":
            facts["tlsh"] = str(digest)
        if content.size > LOOKED_AT:
            facts["looked_at"] = LOOKED_AT
        return Answer(facts=facts)

    def trials(self) -> tuple[Trial, ...]:
        """Return a text, garbage."""
        return (TEXT, GARBAGE)


def entropy(data: bytes) -> float:
    """Return Shannon's entropy in bits an octet, 0 to 8."""
    if not data:
        return 0.0
    counts = np.zeros(256, np.int64)
    for start in range(0, len(data), CHUNK):  # bincount makes 8 octets of each.
        part = np.frombuffer(data[start : start + CHUNK], np.uint8)
        counts += np.bincount(part, minlength=256)
    # 256 numbers: numpy's own logarithm costs a fresh process more in page faults than it saves.
    total = math.log2(len(data))
    return max(0.0, total - sum(n * math.log2(n) for n in counts.tolist() if n) / len(data))
