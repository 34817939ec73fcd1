"""The type of a file, told by libmagic."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.errors import PluginUnavailableError
from phage.records.sample import EngineKind
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.trials import BENIGN, GARBAGE, NOT_EVIL, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

LOOKED_AT = 2**20
"""Octets from the beginning; libmagic looks at no more by default."""

TEXTS = ("ASCII text", "Unicode text, UTF-8", "ISO-8859 text")
"""What a description begins with where no pattern matched: the second look, as long as the first,
could only say text/plain."""

PNG = Trial("dot.png", b"\x89PNG\r\n\x1a\n" + bytes(32), NOT_EVIL, ("type", "mime"))


@dataclass(kw_only=True)
class LibmagicEngine(EngineDefaults):
    """Tells the type of a file as file(1) does.

    In a fresh process its database costs 7 ms of page faults, so one serves some samples. What a
    hostile file could win there is to have wrong types told, inside the sandbox.
    """

    name: ClassVar[str] = "libmagic"
    summary: ClassVar[str] = "Tells the type of a file as file(1) does (libmagic)."
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    packages: ClassVar[tuple[str, ...]] = ("python-magic",)
    reuse: ClassVar[int] = 50

    _type: Any = field(default=None, init=False, repr=False)
    _mime: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        if missing := lacks("magic"):
            return missing
        from ctypes.util import find_library  # noqa: PLC0415  Only where it is needed.

        return "" if find_library("magic") else "lacks the library libmagic (apt install libmagic1)"

    def prepare(self) -> None:
        """Load the database."""
        try:
            magic = importlib.import_module("magic")
            self._type, self._mime = magic.Magic(), magic.Magic(mime=True)
        except Exception as error:
            raise PluginUnavailableError(str(error)) from error

    def scan(self, content: Content) -> Answer:
        """Tell the type."""
        head = content.read_at(0, LOOKED_AT)
        told = str(self._type.from_buffer(head))
        mime = "text/plain" if told.startswith(TEXTS) else str(self._mime.from_buffer(head))
        return Answer(facts={"type": told, "mime": mime})

    def trials(self) -> tuple[Trial, ...]:
        """Return something to tell, something good, garbage."""
        return (PNG, BENIGN, GARBAGE)
