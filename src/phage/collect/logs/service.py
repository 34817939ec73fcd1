"""The contract of a service: whose lines they are, and what they say."""

from __future__ import annotations

import enum
import importlib
import pkgutil
from functools import lru_cache
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records import LogKind

LONGEST_MESSAGE = 1000
"""Characters of a message that is believed. Daemons cut at 1024 (syslog(3) of old, OpenSSH) or
more: what was cut ends where its sender wished."""


class Form(enum.StrEnum):
    """How the lines of a service's own log are read."""

    STAMPED = "stamped"
    """A time stamp, in any known form, then the message."""
    ACCESS = "access"
    """A Web server's access log, in the common or the combined form."""


@frozen
class Line:
    """One kind of line.

    Attributes:
        kind: What it tells.
        pattern: The whole message, in the language of `phage.collect.logs.pattern`.
        once: Texts that stand in the message. When one stands there twice it is not believed:
            somebody put another into a part that he chooses.
        never: Texts for whose sake a message is not believed: it may be read in two ways.
        spoofable: Whether anyone can bring the line about under an address that is not his.
    """

    kind: LogKind
    pattern: str
    once: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    spoofable: bool = False


@frozen
class LogService:
    """What the lines of one service look like.

    Attributes:
        name: As events and settings carry it.
        lines: The kinds of line, the commonest first. A line is the first that it matches.
        programs: The names it goes by in syslog and the journal; () when it never writes there.
            One that ends in "/" stands for all that begin so.
        form: How the lines of its own log are read.
        path: Where Debian puts its own log; '' when it writes to syslog only.
    """

    name: str
    lines: tuple[Line, ...]
    programs: tuple[str, ...] = ()
    form: Form = Form.STAMPED
    path: str = ""


@lru_cache(maxsize=1)
def known_services() -> Mapping[str, LogService]:
    """Return every service whose lines are known, by name."""
    package = importlib.import_module("phage.collect.logs.services")
    found = {}
    for module_info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        for service in module.SERVICES:
            found[service.name] = service
    return found
