"""Commands that change devices: here, by the daemon or in the store, or by a phage elsewhere."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from phage.cli.deviceremote import RemoteDevices
from phage.cli.output import emit_one, output_option, say
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phage.cli.settings import Chosen
    from phage.client.client import Client

F = TypeVar("F", bound="Callable[..., Any]")


@frozen
class Change:
    """Where a device is changed, and how it is told.

    Attributes:
        chosen: The settings of this machine.
        there: Devices of a phage elsewhere; None: of the one here.
        form: How what was done is printed: one of `output.FORMS`.
    """

    chosen: Chosen
    there: RemoteDevices | None
    form: str

    def edit(
        self,
        act: str,
        device: str,
        values: Sequence[str],
        done: str,
        removed: Sequence[str] = (),
    ) -> None:
        """Change a device as `EditDevice` has it, and tell. Raises PhageError."""
        from phage.cli.devicestore import edit
        from phage.daemon.requests import EditDevice, checked

        if self.there is not None:
            id_ = self.there.edit(act, device, values, removed)
        else:
            request = checked(
                EditDevice, act=act, device=device, values=tuple(values), removed=tuple(removed)
            )
            id_ = edit(self.chosen, request)
        told = {"device": id_, "act": act, "values": list(values), "removed": list(removed)}
        self.tell(told, f"{id_}: {done}")

    def tell(self, record: Mapping[str, Any], *lines: str) -> None:
        """Print what was done as a record; for people, say it."""
        if self.form == "table":
            for line in lines:
                say(line)
        else:
            emit_one(self.form, record, ())


def edit_options(function: F) -> F:
    """Add what a command needs that changes a device; it gets a `Change` first."""

    @output_option
    @remote_options
    @settings_options
    @functools.wraps(function)
    def wrapped(
        chosen: Chosen, *args: Any, remote: Client | None, form: str, **kwargs: Any
    ) -> object:
        there = RemoteDevices(remote) if remote is not None else None
        return function(Change(chosen, there, form), *args, **kwargs)

    return wrapped  # type: ignore[return-value]  # It takes other arguments, for click.
