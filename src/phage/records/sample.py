"""A sample: a file to scan; what engines said of it and of all that was in it; the verdict."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

Fact = None | bool | int | float | str | list["Fact"] | dict[str, "Fact"]
"""What an engine tells besides its judgement: what JSON can say, bounded in depth and size."""


class Category(enum.StrEnum):
    """What one engine said of one file; the words of VirusTotal's API, version 3."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    HARMLESS = "harmless"
    """Known to be good, as by a list of a distributor's files."""
    UNDETECTED = "undetected"
    TIMEOUT = "timeout"
    FAILURE = "failure"
    TYPE_UNSUPPORTED = "type-unsupported"

    @property
    def rank(self) -> int:
        """Return how much it weighs beside others: the malicious most."""
        return len(_BY_WEIGHT) - _BY_WEIGHT.index(self)

    @property
    def is_answer(self) -> bool:
        """Tell whether the engine has judged; else the verdict lacks its word."""
        return self not in {Category.TIMEOUT, Category.FAILURE}


_BY_WEIGHT = (
    Category.MALICIOUS,
    Category.SUSPICIOUS,
    Category.TIMEOUT,
    Category.FAILURE,
    Category.UNDETECTED,
    Category.HARMLESS,
    Category.TYPE_UNSUPPORTED,
)


class Outcome(enum.StrEnum):
    """What a sample is, all engines and all its parts considered."""

    INFECTED = "infected"
    SUSPICIOUS = "suspicious"
    INCOMPLETE = "incomplete"
    """Nothing bad was found, but not everything could be looked at: never the same as clean."""
    CLEAN = "clean"


class EngineKind(enum.StrEnum):
    """What an engine is for."""

    EVILNESS = "evilness"
    """It judges."""
    METADATA = "metadata"
    """It tells facts and never judges."""


@frozen
class EngineVersion:
    """What answered: the engine's version, its definitions', and their age.

    `definitions` is '' for an engine without any; `built` is when they were made, in nanoseconds
    since the Unix epoch, 0 where that is not known.
    """

    engine: str
    definitions: str = ""
    built: int = 0


@frozen
class EngineResult:
    """One engine's word on one file.

    `label` is the name of what was found, '' unless malicious or suspicious. `error` says why there
    is no answer. `seconds` is how long it took, 0 when the answer was known before.
    """

    engine: str
    kind: EngineKind
    category: Category
    label: str = ""
    version: EngineVersion = EngineVersion("")
    facts: Mapping[str, Fact] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0


@frozen
class Part:
    """The sample itself (an empty path), or something in it.

    `path` are the names from the outermost container inwards. `faults` say what of it could not be
    opened or looked at.
    """

    path: tuple[str, ...]
    sha256: str
    size: int
    kind: str
    results: tuple[EngineResult, ...] = ()
    faults: tuple[str, ...] = ()


@frozen
class Reason:
    """Why a verdict is not clean, in one sentence: "clamav Eicar in a.zip > b.7z > c.com"."""

    outcome: Outcome
    text: str
    engine: str = ""
    path: tuple[str, ...] = ()


@frozen
class Sample:
    """One file by its content.

    Names are those under which it came, the first first. Times are nanoseconds since the Unix
    epoch. `kind` is the type told from the content. `tags` are set by engines and by phage
    ("crashes-engine", "encrypted").
    """

    sha256: str
    sha1: str
    md5: str
    size: int
    kind: str
    names: tuple[str, ...] = ()
    first_seen: int = 0
    last_seen: int = 0
    submissions: int = 1
    tags: tuple[str, ...] = ()


@frozen
class Verdict:
    """What is said of a sample.

    `results` has one row an engine, the gravest over all parts. `parts` begins with the sample
    itself; of many parts the grave ones are kept, and `parts_total` counts all. `complete` is False
    when something could not be looked at, also where the outcome is graver than incomplete.
    `fingerprint` names engines, versions and options behind it. `isolation` is the weakest under
    which an engine ran.
    """

    id: str
    sample: Sample
    outcome: Outcome
    complete: bool
    time: int
    reasons: tuple[Reason, ...] = ()
    results: tuple[EngineResult, ...] = ()
    parts: tuple[Part, ...] = ()
    parts_total: int = 1
    fingerprint: str = ""
    isolation: str = ""
    seconds: float = 0.0

    @property
    def judged(self) -> int:
        """Return how many engines that judge have answered."""
        return sum(
            result.kind is EngineKind.EVILNESS
            and result.category.is_answer
            and result.category is not Category.TYPE_UNSUPPORTED
            for result in self.results
        )

    @property
    def positives(self) -> int:
        """Return how many of them found something."""
        return sum(
            result.category in {Category.MALICIOUS, Category.SUSPICIOUS} for result in self.results
        )
