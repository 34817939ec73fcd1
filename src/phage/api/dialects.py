"""Errors in the words of other programs' interfaces, whose clients read no problem details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@frozen
class Dialect:
    """How errors are told below a path.

    Attributes:
        prefix: The path.
        body: Returns what is told, by status and text.
        statuses: Statuses that are told as others.
        schema: What is told, as JSON schema.
    """

    prefix: str
    body: Callable[[int, str], dict[str, Any]]
    statuses: Mapping[int, int]
    schema: Mapping[str, Any]


_TEXT = {"type": "string"}

CROWDSEC = Dialect(
    "/v1/",
    lambda _, text: {"message": text or "access forbidden"},
    {401: 403},  # Bouncers know no 401.
    {"type": "object", "properties": {"message": _TEXT}},
)
"""CrowdSec's local API."""

_CODES = {
    400: "InvalidArgumentError",
    401: "WrongCredentialsError",
    403: "ForbiddenError",
    404: "NotFoundError",
    409: "AlreadyExistsError",
    429: "QuotaExceededError",
    503: "TransientError",
    504: "DeadlineExceededError",
}

VIRUSTOTAL = Dialect(
    "/api/v3/",
    lambda status, text: {
        "error": {"code": _CODES.get(status, "BadRequestError"), "message": text or "refused"}
    },
    {422: 400},
    {
        "type": "object",
        "properties": {
            "error": {"type": "object", "properties": {"code": _TEXT, "message": _TEXT}}
        },
    },
)
"""VirusTotal's API, version 3 (its reference, "Errors")."""

DIALECTS = (CROWDSEC, VIRUSTOTAL)


def dialect_of(path: str) -> Dialect | None:
    """Return how errors of a path are told; None for problem details."""
    return next((each for each in DIALECTS if path.startswith(each.prefix)), None)
