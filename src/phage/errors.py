"""Errors that are meant for a person: they say what is wrong, where, and what to do."""

from __future__ import annotations


class PhageError(Exception):
    """The base of every error that phage raises on purpose."""


class ConfigError(PhageError):
    """A setting is wrong; names file, line and key."""


class CaptureError(PhageError):
    """A source cannot be read or an interface cannot be watched."""


class PermissionMissingError(CaptureError):
    """A capability is missing; names it and the command that grants it."""


class FilterError(PhageError):
    """A packet filter does not parse; names the place."""


class RuleError(PhageError):
    """A rule file is wrong; every line of the text names file, line, column and what to do.

    Attributes:
        file: The file of the first fault.
        line: Its line, from 1; 0 where there is none.
        column: Its column, from 1; 0 where there is none.
    """

    def __init__(self, message: str, *, file: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.file, self.line, self.column = file, line, column


class ScanError(PhageError):
    """An active scan cannot be made as it is asked for; says why and what to do."""


class StateError(PhageError):
    """Saved state cannot be used: damaged, or written by a later version."""


class StoreError(PhageError):
    """The store cannot be opened, read or written."""


class PluginUnavailableError(PhageError):
    """A plug-in cannot run here; the text is the reason."""


class StoreDataError(StoreError):
    """A record cannot be stored as it is; the store itself is well."""
