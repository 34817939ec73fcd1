"""Logging in: name, password, and the second factor where there is one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phage.access.errors import LoginError, SecondFactorError
from phage.access.passwords import is_password
from phage.access.totp import matching_step

if TYPE_CHECKING:
    from phage.access.attempts import Attempts
    from phage.clock import Clock
    from phage.store.repositories.users import User, UserRepository

_log = logging.getLogger(__name__)

_REFUSED = "name, password or code is wrong"


@dataclass
class Login:
    """Lets users in. May be called from several threads.

    Attributes:
        users: Who may.
        clock: Tells which code is of now.
        attempts: Bounds failures.
    """

    users: UserRepository
    clock: Clock
    attempts: Attempts

    def check(self, name: str, password: str, code: str, address: str) -> User:
        """Return the user whose name, password and code these are.

        Raises:
            SlowDownError: Too many failed.
            SecondFactorError: All is right, but there is no code.
            LoginError: Something is wrong; it is not said what.
        """
        name = name.strip().lower()[:64]
        user = self.users.get(name)
        try:
            self.attempts.check(name, address)
            user = self._with_password(user, password)
            if user.totp:
                self._check_code(user, code)
        except SecondFactorError:
            raise
        except LoginError as error:
            _tell_refusal(user, address, error)
            raise
        self.attempts.succeeded(name, address)
        seen = replace(self.users.get(name) or user, last_login=self.clock.now())
        self.users.save(seen)
        return seen

    def confirm(self, name: str, password: str, address: str) -> None:
        """Make sure that who is logged in knows the password. Raises LoginError, SlowDownError."""
        self.attempts.check(name, address)
        user = self.users.get(name)
        if not is_password(password, user.password if user is not None else ""):
            raise LoginError(_REFUSED)
        self.attempts.succeeded(name, address)

    @staticmethod
    def _with_password(user: User | None, password: str) -> User:
        right = is_password(password, user.password if user is not None else "")
        if user is None or not right:
            raise LoginError(_REFUSED)
        return user

    def _check_code(self, user: User, code: str) -> None:
        if not code:
            message = "a code of the second factor is needed"
            raise SecondFactorError(message)
        step = matching_step(user.totp, code, self.clock.now())
        if step is None or not self.users.use_totp_step(user.name, step):
            raise LoginError(_REFUSED)


def _tell_refusal(user: User | None, address: str, error: LoginError) -> None:
    """Log that a login was refused; a name that nobody has may be a password in the wrong field."""
    who = user.name if user is not None else "nobody known"
    limit = {"limit": f"login from {address}"}
    _log.warning("login from %s as %s was refused: %s", address, who, error, extra=limit)
