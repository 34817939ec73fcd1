"""Tokens of programs: one's own, and for admins everybody's."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from phage.access.identity import Identity
from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.clock import rfc3339
from phage.store.repositories.tokens import Token

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])

_READ = Depends(needs("account:read"))
_WRITE = Depends(needs("account:write"))

LONGEST_SECONDS = 100 * 365 * 86_400.0

TokenId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="Its id.")]


class TokenRow(BaseModel):
    """A token, without its secret."""

    id: str
    name: str
    user: str
    scopes: list[str]
    created: str
    expires: str = Field(description="Empty for never.")
    last_used: str = Field(description="Empty for never; to the minute.")
    last_address: str
    revoked: str = Field(description="Empty while it stands.")


class TokenBody(BaseModel):
    """A new token."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="What it is for.")]
    scopes: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]],
        Field(min_length=1, max_length=64, description="As findings:read, *:read, bouncer:read."),
    ]
    seconds: Annotated[
        float, Field(ge=0, le=LONGEST_SECONDS, description="How long it lasts; 0 for ever.")
    ] = 0.0


class Created(BaseModel):
    """A new token with its secret, which is shown this once."""

    token: TokenRow
    secret: str


def _row(token: Token) -> TokenRow:
    def when(moment: int) -> str:
        return rfc3339(moment) if moment else ""

    return TokenRow(
        id=token.id,
        name=token.name,
        user=token.username,
        scopes=list(token.scopes),
        created=when(token.created),
        expires=when(token.expires),
        last_used=when(token.last_used),
        last_address=token.last_address,
        revoked=when(token.revoked),
    )


@router.get("", dependencies=[_READ])
def list_tokens(
    services: Served,
    asker: Asker,
    every: Annotated[bool, Query(alias="all", description="Everybody's; for admins.")] = False,
) -> list[TokenRow]:
    """List tokens, the newest first."""
    if every and not asker.may("tokens:read"):
        message = f"{asker.user} may not tokens:read; leave `all` out for your own"
        raise ProblemError(403, message, kind="permission")
    return [_row(each) for each in services.access.tokens.list("" if every else asker.user)]


@router.post("", status_code=201, dependencies=[_WRITE])
def create_token(body: TokenBody, request: Request, services: Served, asker: Asker) -> Created:
    """Create a token of one's own; it may never do more than who makes it."""
    if asker.token:
        message = "a token cannot make another one; log in to do that"
        raise ProblemError(403, message, kind="session-only")
    token, secret = services.access.tokens.create(asker.user, body.name, body.scopes, body.seconds)
    request.state.audit = f"{token.id}: {', '.join(token.scopes)}"
    return Created(token=_row(token), secret=secret)


@router.delete("/{id}", status_code=204, dependencies=[_WRITE])
def revoke_token(services: Served, id: TokenId, asker: Asker) -> None:
    """Revoke a token at once."""
    _own(services, id, asker)
    services.access.tokens.revoke(id)


def _own(services: Served, id: str, asker: Identity) -> None:
    """Raise ProblemError for another's token, as if there were none, unless an admin asks."""
    token = services.access.tokens.get(id)
    if token.username != asker.user and not asker.may("tokens:write"):
        message = f"there is no token {id!r}; GET /api/v1/tokens names yours"
        raise ProblemError(404, message)
