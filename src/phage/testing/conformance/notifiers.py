"""Checks that every notifier passes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from phage.notify.notice import Notice
from phage.notify.notifier import NotifyError
from phage.records import Severity
from phage.testing.conformance.plugins import expect
from phage.testing.conformance.quiet import no_input_or_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.notify.notifier import Notifier

SECRET = "s3cr3t-that-must-not-be-told"  # noqa: S105  It is none.

NOTICE = Notice(
    title="HIGH loginfail: 192.0.2.7",
    text="192.0.2.7 was refused 20 logins.",
    severity=Severity.HIGH,
    time=1_795_230_390_000_000_000,
    key="finding/1",
    kind="finding",
    fields={"detector": "loginfail", "score": 0.7, "dry_run": False, "stranger": "8.8.8.8"},
)

_ADDRESSES = ("host", "address")
_SECRETS = ("password", "token", "key")


def settings_of(kind: type[Notifier]) -> dict[str, object]:
    """Return settings that lead to a port of this machine where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    known: dict[str, object] = {
        "url": f"http://127.0.0.1:{port}/{SECRET}",
        "urls": (f"json://user:{SECRET}@127.0.0.1:{port}/",),
        "host": "127.0.0.1",
        "port": port,
        "address": f"127.0.0.1:{port}",
        "transport": "tcp",
        "security": "starttls",
        "sender": "phage@example.com",
        "to": ("you@example.com",),
        "user": "phage",
        "password": SECRET,
        "token": SECRET,
        "key": SECRET,
        "own": ("198.51.100.0/24",),
        "timeout": 1.0,
    }
    fields = getattr(kind, "__dataclass_fields__", {})
    return {name: value for name, value in known.items() if name in fields}


def check_inert(kind: type[Notifier]) -> None:
    """Making one and checking its settings is no input or output."""
    settings = settings_of(kind)
    with no_input_or_output(kind.name):
        said = kind(**settings).check()
    expect(said == "", f"{kind.name} refuses complete settings: {said}")


def check_incomplete(kind: type[Notifier]) -> None:
    """Without settings it says what is missing, or works by its defaults."""
    said = kind().check()
    expect(said.isprintable(), f"{kind.name} says {said!r}")


def check_nobody_there(kind: type[Notifier]) -> None:
    """Where nobody listens it raises NotifyError that may be tried again, and nothing else."""
    notifier = kind(**settings_of(kind))
    try:
        notifier.tell(NOTICE)
    except NotifyError as error:
        expect(error.retry, f"{kind.name} gives up where nobody listens")
        expect(str(error), f"{kind.name} does not say what is wrong")
    else:
        message = f"{kind.name} told nobody and did not say so"
        raise AssertionError(message)
    finally:
        notifier.close()


def check_secrets(kind: type[Notifier]) -> None:
    """No secret stands in its description or in its errors, nor in what they hold."""
    notifier = kind(**settings_of(kind))
    expect(SECRET not in repr(notifier), f"{kind.name} shows a secret")
    try:
        notifier.tell(NOTICE)
    except NotifyError as error:
        expect(SECRET not in f"{error}{error!r}", f"{kind.name} tells a secret in an error")
        expect(error.__cause__ is None, f"{kind.name} passes on an error that may hold a secret")
    notifier.close()


def check_missing_file(kind: type[Notifier]) -> None:
    """A file of a secret that cannot be read is a NotifyError that names it."""
    files = [name for name in getattr(kind, "__dataclass_fields__", {}) if name.endswith("_file")]
    for name in files:
        settings = settings_of(kind) | {name: "/nonexistent/secret"}
        settings.pop(name.removesuffix("_file"), None)
        notifier = kind(**settings)
        try:
            notifier.tell(NOTICE)
        except NotifyError:
            continue
        finally:
            notifier.close()
        message = f"{kind.name} works though {name} cannot be read"
        raise AssertionError(message)


def check_close(kind: type[Notifier]) -> None:
    """Closing can be done twice, also when nothing was told."""
    notifier = kind(**settings_of(kind))
    notifier.close()
    notifier.close()


CHECKS: tuple[Callable[[type[Notifier]], None], ...] = (
    check_inert,
    check_incomplete,
    check_nobody_there,
    check_secrets,
    check_missing_file,
    check_close,
)
