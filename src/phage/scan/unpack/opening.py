"""Opening one level of one container, inside the sandbox.

Each opener yields entries, their octets, and faults for what it could not open. The outside counts,
keeps the limits and goes deeper; here nothing is trusted to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from phage.scan.kinds import ARCHIVES
from phage.scan.unpack import archives, mail, ole, pdf, rtf
from phage.scan.unpack.items import Item

if TYPE_CHECKING:
    from phage.scan.content import Content

Opener = Callable[["Content", tuple[str, ...]], Iterator[Item]]


def opens(kind: str) -> bool:
    """Tell whether files of a kind may hold others."""
    return kind in ARCHIVES or kind in _OTHERS


def open_one(content: Content, passwords: tuple[str, ...]) -> Iterator[Item]:
    """Yield what is in a container, one level of it."""
    return _opener(content.kind)(content, passwords)


def prepare() -> None:
    """Load what the openers need, before the process is locked in."""
    for module in (archives, ole, mail, pdf, rtf):
        module.prepare()


_OTHERS = frozenset({"ole", "eml", "mbox", "rtf", "pdf", "tnef", "iscab"})


def _opener(kind: str) -> Opener:
    openers: dict[str, Opener] = {
        "ole": ole.open_ole,
        "eml": mail.open_mail,
        "mbox": mail.open_mailbox,
        "rtf": rtf.open_rtf,
        "pdf": pdf.open_pdf,
    }
    return openers.get(kind, archives.open_archive)
