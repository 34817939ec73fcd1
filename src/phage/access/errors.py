"""Why somebody is not let in, or a change to users and tokens is refused."""

from __future__ import annotations

from phage.errors import PhageError


class AccessError(PhageError):
    """A change to users, tokens or sessions is refused; says why and what to do."""


class UnknownNameError(AccessError):
    """There is no such user or token."""


class NameTakenError(AccessError):
    """There is such a user already."""


class LoginError(AccessError):
    """Somebody is not let in. The text is the same whatever was wrong."""


class SecondFactorError(LoginError):
    """The password was right; the code of the second factor is missing."""


class SlowDownError(LoginError):
    """Too many logins failed.

    Attributes:
        after: Seconds after which it may be tried again.
    """

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after
