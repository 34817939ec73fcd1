"""The contract of an identifier: the plug-in that reads observations of devices.

Observations come from the core (`phage.records.observation`) and, with the kinds below, from active
scans, the kernel and files. Their `src`, `src_mac` and `time` say whose they are and when.

| kind | fields |
|---|---|
| `address` | none: a MAC address is seen for the first time |
| `neighbour` | `source` ("kernel", "sweep", ...): the address answers at that MAC |
| `lease` | `hostname`, `client_id`, `server`: a DHCP server's file says so |
| `banner` | `service` ("ssh", "http", "ftp", "telnet", "snmp", ...), `port`, `text` |
| `upnp` | `friendly_name`, `manufacturer`, `model_name`, `model_number`, `serial`, `udn`, `type` |
| `snmp` | `description`, `object_id`, `name` |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from phage.plugin import Family
from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.records.device import Reading
    from phage.records.observation import Observation

MAX_TEXT = 120
"""Characters of a value or a piece of evidence: real names are shorter, hostile ones are not."""


class Reference(Protocol):
    """Reference data that people imported."""

    def vendor_of(self, mac: str) -> str:
        """Return to whom a MAC address was assigned; '' where nobody knows."""


@runtime_checkable
class Identifier(Protocol):
    """Reads observations of some kinds and says what they tell of a device.

    An identifier is a pure function: no input or output, no clock, no state. It can be made without
    arguments; its settings are fields with defaults. What a message says is hostile: it is cleaned
    with `cleaned` before it is passed on, and what is odd is left out, never raised.
    """

    name: ClassVar[str]
    """The identifier's name, as traits carry it."""

    summary: ClassVar[str]
    """What it reads, in one line."""

    reads: ClassVar[dict[str, tuple[str, ...]]]
    """The fields it reads, by kind of observation: where these are as before, nothing is new."""

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:
        """Read an observation of one of its kinds."""


IDENTIFIERS = Family("identifiers", Identifier, "phage.devices.identifiers")


class NoReference:
    """Reference data where nobody imported any."""

    def vendor_of(self, mac: str) -> str:  # noqa: ARG002  The contract's.
        """Return ''."""
        return ""


def cleaned(text: object, most: int = MAX_TEXT) -> str:
    """Return text from the network, bounded, on one line, with control characters escaped.

    '' for what is no text.
    """
    if not isinstance(text, str):
        return ""
    return escape(text[:most].strip())[:most]


def texts(value: object) -> tuple[str, ...]:
    """Return the texts of a field that is a list; () for anything else."""
    if not isinstance(value, tuple):
        return ()
    return tuple(each for each in value if isinstance(each, str))
