"""Users: who may log in, and what they may."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from phage.access.passwords import LONGEST
from phage.access.roles import Role
from phage.api.security import needs
from phage.api.services import Served
from phage.clock import rfc3339
from phage.store.repositories.users import User

router = APIRouter(prefix="/api/v1/users", tags=["users"])

_READ = Depends(needs("users:read"))
_WRITE = Depends(needs("users:write"))

UserName = Annotated[str, Path(min_length=1, max_length=64, description="His name.")]


class UserRow(BaseModel):
    """One who may log in."""

    name: str
    role: Role
    has_password: bool = Field(description="He set one; without it he needs a link.")
    second_factor: bool
    created: str
    last_login: str = Field(description="Empty for never.")


class UserBody(BaseModel):
    """A new user; without a password he gets a link to set one."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    role: Role
    password: Annotated[str, Field(max_length=LONGEST)] = ""


class Added(BaseModel):
    """A new user, and the secret of his link where he has no password."""

    user: UserRow
    link: str


class RoleBody(BaseModel):
    """Another role."""

    role: Role


class LinkInfo(BaseModel):
    """A link by which a user sets his password, once and within a day."""

    link: str = Field(description="Its secret, for /welcome?link=…")


def _row(user: User) -> UserRow:
    return UserRow(
        name=user.name,
        role=Role(user.role),
        has_password=bool(user.password),
        second_factor=bool(user.totp),
        created=rfc3339(user.created),
        last_login=rfc3339(user.last_login) if user.last_login else "",
    )


@router.get("", dependencies=[_READ])
def list_users(services: Served) -> list[UserRow]:
    """List all users, by name."""
    return [_row(each) for each in services.access.users.list()]


@router.post("", status_code=201, dependencies=[_WRITE])
def add_user(body: UserBody, request: Request, services: Served) -> Added:
    """Add a user."""
    users = services.access.users
    user = users.add(body.name, body.role, body.password)
    request.state.audit = f"{user.name}: {user.role}"
    return Added(user=_row(user), link="" if body.password else users.make_link(user.name))


@router.get("/{name}", dependencies=[_READ])
def show_user(services: Served, name: UserName) -> UserRow:
    """Show a user."""
    return _row(services.access.users.get(name))


@router.put("/{name}/role", dependencies=[_WRITE])
def set_role(body: RoleBody, request: Request, services: Served, name: UserName) -> UserRow:
    """Give a user another role; there is always an admin left."""
    user = services.access.users.set_role(name, body.role)
    request.state.audit = user.role
    return _row(user)


@router.post("/{name}/link", status_code=201, dependencies=[_WRITE])
def make_link(services: Served, name: UserName) -> LinkInfo:
    """Make a link by which a user sets a new password."""
    user = services.access.users.get(name)
    return LinkInfo(link=services.access.users.make_link(user.name))


@router.delete("/{name}/second-factor", status_code=204, dependencies=[_WRITE])
def clear_second_factor(services: Served, name: UserName) -> None:
    """Turn a user's second factor off, as when his phone is lost."""
    services.access.users.clear_totp(name)


@router.delete("/{name}/sessions", status_code=204, dependencies=[_WRITE])
def end_sessions(services: Served, name: UserName) -> None:
    """End a user's sessions."""
    services.access.sessions.end_all(services.access.users.get(name).name)


@router.delete("/{name}", status_code=204, dependencies=[_WRITE])
def remove_user(services: Served, name: UserName) -> None:
    """Remove a user with sessions and tokens."""
    services.access.users.remove(name)
