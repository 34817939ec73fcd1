"""The contract of an engine: what scans a file.

To add one, add a file to `engines/`: a dataclass whose fields are its settings, derived from
`EngineDefaults`. `phage engines test` and the conformance suite find and test it.
"""

from __future__ import annotations

import enum
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from phage.errors import PhageError
from phage.frozen import frozen
from phage.plugin import Family
from phage.records.sample import Category, EngineKind, EngineVersion, Fact
from phage.scan.content import Content
from phage.scan.trials import BENIGN, GARBAGE, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Place(enum.StrEnum):
    """Where an engine's code runs."""

    SANDBOX = "sandbox"
    """In a process of its own for each sample, in the sandbox."""
    SERVICE = "service"
    """In the worker: it only asks another program (clamd, ICAP) or a list of hashes, and never
    looks into a file itself."""


@frozen
class Answer:
    """What an engine says of one file: its judgement, the name of what it found, and facts."""

    category: Category = Category.UNDETECTED
    label: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for something bad without a name."""
        named = self.category in {Category.MALICIOUS, Category.SUSPICIOUS}
        if named and not self.label:
            message = f"{self.category} without a label"
            raise ValueError(message)


@runtime_checkable
class Engine(Protocol):
    """Scans a file. It can be made without arguments and without input or output.

    In the sandbox it is made and prepared once, then the process is forked for each sample, so that
    no sample meets what another one left. It may raise anything on hostile input: that is a failure
    of this engine on this file, and counted.
    """

    name: ClassVar[str]
    """The engine's name: one word."""

    summary: ClassVar[str]
    """What it finds, in one line."""

    kind: ClassVar[EngineKind]
    """Whether it judges or tells facts."""

    place: ClassVar[Place]
    """Where it runs."""

    accepts: ClassVar[frozenset[str]]
    """Kinds of file (`phage.scan.kinds`) that it takes; empty for all."""

    by_default: ClassVar[bool]
    """Whether it is used unless the settings say otherwise."""

    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions make the engine's version."""

    instances: ClassVar[bool]
    """Whether there may be several with settings of their own, as NAME-WORD (`icap-gateway`)."""

    reuse: ClassVar[int]
    """Samples that one process may look at before it is replaced: 1, but for engines that take long
    to begin with a file and that never judge."""

    timeout: float
    """Seconds that one file may take; then its process is killed."""

    memory: int
    """Octets that it may take for one file."""

    largest: int
    """Octets of the largest file that it takes; larger ones are type-unsupported."""

    definitions: str
    """Folder of its definitions, '' where it has none."""

    def version(self) -> EngineVersion:
        """Return what answers now; cheap, and without loading the engine.

        Raises PluginUnavailableError when it cannot answer at all.
        """

    def reads(self) -> tuple[str, ...]:
        """Return files and folders that it must be able to read.

        Its sandbox shows these, phage's own, Python's and the system's programs, nothing else.
        """

    def prepare(self) -> None:
        """Load what takes long, once for many files. Raises PluginUnavailableError."""

    def warm(self) -> None:
        """Look at files of the self-test, after `prepare`.

        What the first file fills is then shared by all that follow. Not for engines that start
        programs, which forks cannot share.
        """

    def scan(self, content: Content) -> Answer:
        """Look at one file."""

    def trials(self) -> tuple[Trial, ...]:
        """Return the files of its self-test: something it finds, something good, garbage."""

    def take(self, source: Path, before: Path | None) -> None:
        """Make definitions of a file or folder, in the empty folder `definitions`.

        `before` are those in force, for engines that keep a part of them. Raises PhageError for
        what it cannot use.
        """

    def close(self) -> None:
        """Let go of what was prepared."""


ENGINES = Family("engines", Engine, "phage.scan.engines")


@dataclass(kw_only=True)
class EngineDefaults:
    """What most engines have in common; engines derive from it and say what is different."""

    timeout: float = 30.0
    """Seconds that one file may take."""
    memory: int = 512 * 2**20
    """Octets of memory that one file may take."""
    largest: int = 256 * 2**20
    """Octets of the largest file that it takes."""
    definitions: str = ""
    """Folder of its definitions; set by phage."""

    place: ClassVar[Place] = Place.SANDBOX
    accepts: ClassVar[frozenset[str]] = frozenset()
    by_default: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ()
    reuse: ClassVar[int] = 1
    instances: ClassVar[bool] = False

    def reads(self) -> tuple[str, ...]:
        """Return the folder of definitions."""
        return (self.definitions,) if self.definitions else ()

    def version(self) -> EngineVersion:
        """Return the versions of the packages behind the engine."""
        return EngineVersion("+".join(metadata.version(name) for name in self.packages) or "1")

    def prepare(self) -> None:
        """Load nothing."""

    def warm(self) -> None:
        """Look at each file of the self-test that it takes."""
        engine: Any = self
        for trial in engine.trials():
            with Content.of_bytes(trial.data, trial.name) as content:
                if not self.accepts or content.kind in self.accepts:
                    with suppress(Exception):  # The self-test tells what is wrong.
                        engine.scan(content)

    def trials(self) -> tuple[Trial, ...]:
        """Return something good and garbage: neither is evil."""
        return (BENIGN, GARBAGE)

    def take(self, source: Path, before: Path | None) -> None:
        """Refuse: the engine has no definitions."""
        del before
        message = f"{source}: this engine has no definitions to update"
        raise PhageError(message)

    def close(self) -> None:
        """Do nothing."""


def lacks(*modules: str) -> str:
    """Return why an engine is unavailable when one of its Python packages is missing; else ''."""
    from importlib.util import find_spec  # noqa: PLC0415  Only where it is needed.

    missing = [name for name in modules if find_spec(name) is None]
    return (
        f"needs the Python package {', '.join(missing)} (pip install 'phage[scan]')"
        if missing
        else ""
    )
