"""The messages between controller and enforcer: what may be asked, and nothing else.

A frame is a length of four octets in network order and as much JSON. A request is
`{"ask": NAME, FIELD: ...}` with exactly the fields of the request's record; an answer is
`{"answer": ...}` or `{"error": TEXT}`.
"""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import json
import struct
import typing
from typing import Any, ClassVar

from phage.frozen import frozen
from phage.records.decision import Decision  # noqa: TC001  The decoder reads it.
from phage.records.packetrule import PacketRules  # noqa: TC001  The same.
from phage.respond.bans.plain import PlainBans  # noqa: TC001  The same.
from phage.respond.wire.codec import MessageError, decode, encode

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_FRAME = 64 << 20
"""Octets: a million plain bans, or a list of eleven million IPv4 addresses."""
LENGTH = struct.Struct(">I")


@frozen
class Apply:
    """Bring decisions into force, and plain bans, which come in columns.

    Answered by what became of them in this order: [how many after each other, state, detail] each.
    """

    ask: ClassVar[str] = "apply"
    decisions: tuple[Decision, ...]
    bans: tuple[PlainBans, ...] = ()


@frozen
class Revoke:
    """Take decisions out of force. Answered as `Apply` is."""

    ask: ClassVar[str] = "revoke"
    decisions: tuple[Decision, ...]
    bans: tuple[PlainBans, ...] = ()


@frozen
class Replace:
    """Bring exactly these decisions into force. Answered as `Apply` is."""

    ask: ClassVar[str] = "replace"
    decisions: tuple[Decision, ...]
    bans: tuple[PlainBans, ...] = ()


@frozen
class IsDisturbed:
    """Ask whether somebody else changed what is in force. Answered by true or false."""

    ask: ClassVar[str] = "is_disturbed"


@frozen
class Protect:
    """Set the allow-list."""

    ask: ClassVar[str] = "protect"
    networks: tuple[Network, ...]


@frozen
class LoadList:
    """Load or replace a bulk list. Answered by the number of elements it takes.

    Attributes:
        name: Its name.
        keys: (IP version, prefix length, addresses after each other in network order).
        source: Drop packets from its addresses.
        destination: Drop packets to its addresses.
    """

    ask: ClassVar[str] = "load_list"
    name: str
    keys: tuple[tuple[int, int, bytes], ...]
    source: bool
    destination: bool


@frozen
class DropList:
    """Take a bulk list out."""

    ask: ClassVar[str] = "drop_list"
    name: str


@frozen
class Lists:
    """Ask which bulk lists stand. Answered by [name, elements] each; 0 where nobody counted."""

    ask: ClassVar[str] = "lists"


@frozen
class Counters:
    """Read the counters of the bans. Answered by [name, packets, octets] each."""

    ask: ClassVar[str] = "counters"


@frozen
class ApplyRules:
    """Bring a static rule set into force; for `confirm` seconds only unless confirmed."""

    ask: ClassVar[str] = "apply_rules"
    rules: PacketRules
    confirm: float


@frozen
class ConfirmRules:
    """Let the rule set on trial stand."""

    ask: ClassVar[str] = "confirm_rules"


@frozen
class RollBackRules:
    """Return to the rule set before."""

    ask: ClassVar[str] = "roll_back_rules"


@frozen
class RuleHits:
    """Read the counters of static rules. Answered by [rule, packets, last hit] each."""

    ask: ClassVar[str] = "rule_hits"


@frozen
class Trial:
    """Ask until when a rule set is on trial: ns since the Unix epoch, 0 for none."""

    ask: ClassVar[str] = "trial"


@frozen
class Panic:
    """Take all blocks out: bans, lists and static rules."""

    ask: ClassVar[str] = "panic"


class Work(enum.StrEnum):
    """What a responder is asked to do with decisions."""

    APPLY = "apply"
    REVOKE = "revoke"
    REPLACE = "replace"


@frozen
class Ipset:
    """Have the responder `ipset` carry decisions out. Answered as `Apply` is.

    Attributes:
        work: What to do with them.
        install_rules: Have iptables ask the sets.
        cut_connections: Cut the connections of what is banned.
        decisions: Decisions.
        bans: Plain bans, which come in columns.
    """

    ask: ClassVar[str] = "ipset"
    work: Work
    install_rules: bool
    cut_connections: bool
    decisions: tuple[Decision, ...]
    bans: tuple[PlainBans, ...] = ()


@frozen
class IpsetIsDisturbed:
    """Ask whether somebody else changed the sets of ipset's. Answered by true or false."""

    ask: ClassVar[str] = "ipset_is_disturbed"


Request = (
    Apply
    | Revoke
    | Replace
    | IsDisturbed
    | Protect
    | LoadList
    | DropList
    | Lists
    | Counters
    | ApplyRules
    | ConfirmRules
    | RollBackRules
    | RuleHits
    | Trial
    | Panic
    | Ipset
    | IpsetIsDisturbed
)

REQUESTS: dict[str, type[Any]] = {each.ask: each for each in typing.get_args(Request)}


def bare(decision: Decision) -> Decision:
    """Return a decision without what the kernel does not need: who, why and by what rule."""
    return dataclasses.replace(
        decision, reason="", rule="", finding="", by="", ended_by="", responders=()
    )


def frame(document: object) -> bytes:
    """Return a document as a frame. Raises MessageError when it is too long."""
    body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(body) > LONGEST_FRAME:
        message = f"a message has at most {LONGEST_FRAME:,} octets, not {len(body):,}"
        raise MessageError(message)
    return LENGTH.pack(len(body)) + body


def request_frame(request: Request) -> bytes:
    """Return a request as a frame."""
    document: dict[str, object] = {"ask": request.ask}
    for each in dataclasses.fields(request):
        document[each.name] = encode(getattr(request, each.name))
    return frame(document)


def read_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a frame. Raises MessageError for anything else."""
    try:
        document = json.loads(body, object_pairs_hook=_without_doubles, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        message = f"not JSON as it must be: {error}"
        raise MessageError(message) from error
    if not isinstance(document, dict):
        message = "a message is a JSON object"
        raise MessageError(message)
    return document


def read_request(body: bytes) -> Request:
    """Return the request in a frame. Raises MessageError."""
    document = read_document(body)
    ask = document.pop("ask", None)
    kind = REQUESTS.get(ask) if isinstance(ask, str) else None
    if kind is None:
        message = f"nothing that can be asked: {str(ask)[:60]!r}"
        raise MessageError(message)
    names = [each.name for each in dataclasses.fields(kind)]
    if unknown := sorted(document.keys() - set(names)):
        message = f"{kind.ask}: no field {unknown[0][:60]!r}"
        raise MessageError(message)
    if missing := [name for name in names if name not in document]:
        message = f"{kind.ask}: lacks the field {missing[0]!r}"
        raise MessageError(message)
    request: Request = decode(kind, [document[name] for name in names], kind.ask)
    return request


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        message = "a field stands twice"
        raise ValueError(message)
    return document


def _no_constant(name: str) -> float:
    message = f"{name} is no number"
    raise ValueError(message)
