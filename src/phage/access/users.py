"""Users: added, given a role and a password, removed; there is always an admin left."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from phage.access.credentials import digest_of, new_secret
from phage.access.errors import AccessError, LoginError, NameTakenError, UnknownNameError
from phage.access.passwords import check_password, hash_password
from phage.access.roles import Role
from phage.access.totp import matching_step
from phage.store.repositories.users import MAX_USERS, LoginLink, User

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock
    from phage.store.repositories.users import UserRepository

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")

LINK_SECONDS = 86_400.0
"""How long a one-time link is valid."""

FIRST = "admin"
"""The name of the first user, unless another is chosen at the link."""


def clean_name(name: str) -> str:
    """Return a user's name in lower case. Raises AccessError for what is none."""
    lowered = name.strip().lower()
    if not _NAME.fullmatch(lowered):
        message = "a user's name is 1 to 64 of a-z, 0-9, . _ @ and -, and begins with a-z or 0-9"
        raise AccessError(message)
    return lowered


class Users:
    """Changes users. May be called from several threads."""

    def __init__(self, repository: UserRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    def list(self) -> Sequence[User]:
        """Return all users, by name."""
        return self._repository.list()

    def get(self, name: str) -> User:
        """Return a user. Raises UnknownNameError."""
        user = self._repository.get(name.strip().lower())
        if user is None:
            message = f"there is no user {name!r}; `phage users list` names them"
            raise UnknownNameError(message)
        return user

    def add(self, name: str, role: Role, password: str = "") -> User:
        """Add a user; without a password he needs a link. Raises NameTakenError, AccessError."""
        name, now = clean_name(name), self._clock.now()
        if password:
            check_password(password, name)
        if self._repository.count() >= MAX_USERS:
            message = f"there are {MAX_USERS} users; remove some"
            raise AccessError(message)
        hashed = hash_password(password) if password else ""
        user = User(name, str(role), hashed, created=now, changed=now)
        if not self._repository.add(user):
            message = f"there is a user {name!r} already"
            raise NameTakenError(message)
        return user

    def set_role(self, name: str, role: Role) -> User:
        """Give a user another role. Raises AccessError for the last admin."""
        user = self.get(name)
        if role is not Role.ADMIN:
            self._keep_an_admin(user)
        return self._save(replace(user, role=str(role)))

    def set_password(self, name: str, password: str) -> User:
        """Give a user another password. The caller ends his sessions. Raises AccessError."""
        user = self.get(name)
        check_password(password, user.name)
        return self._save(replace(user, password=hash_password(password)))

    def set_totp(self, name: str, secret: str, code: str) -> User:
        """Turn the second factor on, once a code proves that the phone has it.

        Raises LoginError.
        """
        user = self.get(name)
        step = matching_step(secret, code, self._clock.now())
        if step is None:
            message = "that is not the code of now; is the phone's clock right?"
            raise LoginError(message)
        return self._save(replace(user, totp=secret, totp_step=step))

    def clear_totp(self, name: str) -> User:
        """Turn the second factor off."""
        return self._save(replace(self.get(name), totp="", totp_step=0))

    def remove(self, name: str) -> User:
        """Remove a user with sessions and tokens. Raises AccessError for the last admin."""
        user = self.get(name)
        self._keep_an_admin(user)
        self._repository.remove(user.name)
        return user

    def make_link(self, name: str = FIRST, role: Role = Role.ADMIN) -> str:
        """Return the secret of a link by which a user sets his password, once."""
        name, now = clean_name(name), self._clock.now()
        secret = new_secret()
        link = LoginLink(digest_of(secret), name, str(role), now, now + int(LINK_SECONDS * 1e9))
        self._repository.put_link(link)
        return secret

    def peek_link(self, secret: str) -> LoginLink | None:
        """Return what a link is for, and leave it; None where it is not valid."""
        return self._repository.link(digest_of(secret), self._clock.now())

    def use_link(self, secret: str, password: str, name: str = "") -> User:
        """Set a password by a link: of the user that it names, or of a first one with any name.

        Raises LoginError where the link is not valid, AccessError for the password.
        """
        link = self.peek_link(secret)
        if link is None:
            message = (
                "that link was used, or is too old; `phage users password NAME --link` makes "
                "another"
            )
            raise LoginError(message)
        known = self._repository.get(link.username)
        chosen = link.username if known is not None or not name else clean_name(name)
        check_password(password, chosen)
        if not self._repository.take_link(link.digest):
            message = "that link was used meanwhile"
            raise LoginError(message)
        if known is not None:
            return self._save(replace(known, password=hash_password(password)))
        return self.add(chosen, Role(link.role), password)

    def is_empty(self) -> bool:
        """Tell whether there is no user yet."""
        return self._repository.count() == 0

    def _save(self, user: User) -> User:
        changed = replace(user, changed=self._clock.now())
        self._repository.save(changed)
        return changed

    def _keep_an_admin(self, user: User) -> None:
        admins = [each.name for each in self._repository.list() if each.role == Role.ADMIN]
        if admins == [user.name]:
            message = f"{user.name} is the only admin; make somebody else one first"
            raise AccessError(message)
