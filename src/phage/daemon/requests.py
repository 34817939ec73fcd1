"""What may be asked of a running daemon over its control socket, as strict models.

A request is one line of JSON with the name of a verb and its fields; an unknown verb or field, or a
value of another type, is refused with what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from phage.config.section import Section
from phage.errors import PhageError
from phage.records.decision import Action, Direction

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_SECONDS = 100 * 365 * 86_400.0
"""What lasts longer is for ever, and says so."""

LONGEST_TRIAL = 86_400.0

LONGEST_RULES = 131_072
"""Characters of the rules of one device."""


class RequestError(PhageError):
    """A request makes no sense; says what is wrong with it."""


class _Request(Section):
    """The base of all requests: only what is named, and nothing of another type."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, str_max_length=1024
    )


class Status(_Request):
    """How the daemon does."""

    verb: Literal["status"] = "status"


class ListDecisions(_Request):
    """What stands, the newest first."""

    verb: Literal["decisions.list"] = "decisions.list"
    limit: int = Field(100, ge=1, le=1000)


class AddDecision(_Request):
    """Decide something by hand.

    Attributes:
        target: Address, network, MAC address or domain.
        seconds: How long it lasts; 0 for ever.
        rate: Packets a second that a limit lets through.
    """

    verb: Literal["decisions.add"] = "decisions.add"
    target: str
    action: Literal["ban", "reject", "limit", "quarantine"] = Action.BAN.value
    direction: Literal["from", "to", "both"] = Direction.FROM.value
    seconds: float = Field(3600.0, ge=0, le=LONGEST_SECONDS)
    rate: int | None = Field(None, ge=1, le=10**9)
    reason: str = Field("", max_length=500)
    responders: tuple[str, ...] = Field((), max_length=32, strict=False)


class RevokeDecisions(_Request):
    """End decisions before their time: by id (or its beginning), or all against a target."""

    verb: Literal["decisions.revoke"] = "decisions.revoke"
    names: tuple[str, ...] = Field(min_length=1, max_length=1000, strict=False)


class ApplyRules(_Request):
    """Read the rule files again and bring them into force.

    `confirm` is for how many seconds only, unless they are confirmed; 0 for good.
    """

    verb: Literal["rules.apply"] = "rules.apply"
    confirm: float = Field(0.0, ge=0, le=LONGEST_TRIAL)


class ConfirmRules(_Request):
    """Let the rules that are on trial stand."""

    verb: Literal["rules.confirm"] = "rules.confirm"


class RollBackRules(_Request):
    """Go back to the rules before."""

    verb: Literal["rules.rollback"] = "rules.rollback"


class RuleHits(_Request):
    """How often each rule met something, and when last."""

    verb: Literal["rules.hits"] = "rules.hits"


class EditDevice(_Request):
    """Change what is known of a device.

    Attributes:
        act: What is done to it.
        device: Id, MAC address, IP address or name.
        values: The new name; labels to add; "attribute=value"; other devices; the MAC address;
            keys of its profile ("out 6 443 name:example.org").
        removed: Labels to take away.
    """

    verb: Literal["devices.edit"] = "devices.edit"
    act: Literal["rename", "label", "tell", "merge", "split", "forget", "allow"]
    device: str
    values: tuple[str, ...] = Field((), max_length=1000, strict=False)
    removed: tuple[str, ...] = Field((), max_length=64, strict=False)


class FenceDevice(_Request):
    """Fence a device in, or free it again.

    Attributes:
        act: What is done.
        device: Id, MAC address, IP address or name.
        grade: What is done about what is not normal for it.
        rules: Rules as a person edited them; '' for those of its profile.
        force: Also where something speaks against it.
    """

    verb: Literal["devices.fence"] = "devices.fence"
    act: Literal["enforce", "release"]
    device: str
    grade: Literal["notify", "limit", "block", "quarantine"] = "block"
    rules: str = Field("", max_length=LONGEST_RULES)
    force: bool = False


class StartScan(_Request):
    """Scan our own network actively; the answer has the scan's id, and does not wait for its end.

    Attributes:
        targets: Networks and addresses; empty for those of our interfaces.
        ports: "top100", "all", "none", or "22,80,8000-8100".
        fast: As fast as the network goes, instead of gently.
        outside: Also the address that our router has on its other side.
        credentials: Try default passwords on our own hosts.
    """

    verb: Literal["devices.scan"] = "devices.scan"
    targets: tuple[str, ...] = Field((), max_length=64, strict=False)
    ports: str = "top100"
    fast: bool = False
    udp: bool = True
    browse: bool = True
    outside: bool = False
    credentials: bool = False


class ScanStatus(_Request):
    """How far the scan that runs is."""

    verb: Literal["devices.scan.status"] = "devices.scan.status"


class StopScan(_Request):
    """Stop the scan that runs."""

    verb: Literal["devices.scan.stop"] = "devices.scan.stop"


class LabelFinding(_Request):
    """Say what a finding was; "none" takes the word back."""

    verb: Literal["findings.label"] = "findings.label"
    finding: str = Field(min_length=1, max_length=64)
    label: Literal["attack", "not an attack", "expected", "none"]
    note: str = ""


class Panic(_Request):
    """Take every block out of force and keep it out."""

    verb: Literal["panic"] = "panic"


class Live(_Request):
    """What goes on now: rates, who talks most, what the blocked still send, drops."""

    verb: Literal["live"] = "live"
    limit: int = Field(20, ge=1, le=200)


class ListChannels(_Request):
    """Whom phage tells, and what became of it."""

    verb: Literal["channels.list"] = "channels.list"


class ProbeChannel(_Request):
    """Tell one channel that this is a test, and wait for its server."""

    verb: Literal["channels.test"] = "channels.test"
    name: str = Field(min_length=1, max_length=64)


class Release(_Request):
    """Bring blocks into force again."""

    verb: Literal["release"] = "release"


READING = frozenset(
    {"status", "devices.scan.status", "decisions.list", "rules.hits", "live", "channels.list"}
)
"""Verbs that change nothing."""

Request = Annotated[
    Status
    | ListDecisions
    | ListChannels
    | ProbeChannel
    | AddDecision
    | RevokeDecisions
    | ApplyRules
    | ConfirmRules
    | RollBackRules
    | RuleHits
    | EditDevice
    | FenceDevice
    | StartScan
    | ScanStatus
    | StopScan
    | LabelFinding
    | Live
    | Panic
    | Release,
    Field(discriminator="verb"),
]

_ADAPTER: TypeAdapter[Request] = TypeAdapter(Request)


R = TypeVar("R", bound=_Request)


def checked(kind: type[R], **values: object) -> R:
    """Return a request of a kind with these values. Raises RequestError."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RequestError(_faults(error)) from None


def parse_request(line: bytes) -> Request:
    """Return the request that a line is. Raises RequestError."""
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError as error:
        raise RequestError(_faults(error)) from None
    except RecursionError:
        message = "request: is nested too deeply"
        raise RequestError(message) from None


def request_of(verb: str, values: Mapping[str, object]) -> Request:
    """Return the request that a verb with its fields is. Raises RequestError."""
    try:
        return _ADAPTER.validate_python({**values, "verb": verb})
    except ValidationError as error:
        raise RequestError(_faults(error)) from None


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'request'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)[:5]
    )
