"""The same changes and questions as of `phage devices`, asked of a phage elsewhere over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.client.client import Client

Record = dict[str, Any]

MAX_FOUND = 10_000
"""Devices that are looked at of those in which a name occurs."""


class UnknownDeviceError(PhageError):
    """The phage there knows no device of that name, or several."""


class RemoteDevices:
    """Devices of a phage elsewhere. Everything raises ClientError.

    Args:
        client: Asks it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, name: str) -> str:
        """Return the id of the device that a person means by id, MAC address, address or name.

        Raises UnknownDeviceError.
        """
        folded = name.strip().casefold()
        folded = folded.replace("-", ":") if folded.count("-") == 5 else folded
        if not folded:  # Else whoever has no address yet would be meant.
            message = "say which device: by id, MAC address, address or name"
            raise UnknownDeviceError(message)
        told = list(self._client.devices(MAX_FOUND, text=folded))
        for path in ("id", "mac", "ip", "name"):
            found = [str(row["id"]) for row in told if str(row[path]).casefold() == folded]
            if len(found) == 1:
                return found[0]
            if found:
                message = f"several devices are {name!r}: {', '.join(found)}"
                raise UnknownDeviceError(message)
        if ":" in folded or folded.replace(".", "").isdigit():  # One of its other addresses.
            return folded
        message = f"no device is {name!r}; `phage devices list` tells their ids"
        raise UnknownDeviceError(message)

    def read(self, device: str, what: str = "", **query: object) -> Record:
        """Return what is known of a device: itself, or its "profile", "proposal" or "mud"."""
        asked = f"?{urlencode(query)}" if query else ""
        return self._ask("GET", device, f"{what}{asked}")

    def history(self, device: str, limit: int, since: str = "") -> list[Record]:
        """Return what happened to a device, or to all where it is ''."""
        id_ = self.find(device) if device else ""
        told = self._client.listed("/api/v1/histories", limit, device=id_, since=since)
        return [dict(row) for row in told]

    def edit(
        self, act: str, device: str, values: Sequence[str], removed: Sequence[str] = ()
    ) -> str:
        """Change a device as `EditDevice` has it; return its id."""
        if act == "rename":
            answer = self._ask("PATCH", device, "", {"name": values[0]})
        elif act == "label":
            kept = [each for each in self.read(device)["labels"] if each not in {*removed, *values}]
            answer = self._ask("PATCH", device, "", {"labels": [*kept, *values]})
        elif act == "tell":
            told = dict(each.split("=", 1) for each in values)
            answer = self._ask("PATCH", device, "", told)
        elif act == "merge":
            others = [self.find(each) for each in values]
            answer = self._ask("POST", device, "merge", {"others": others})
        elif act == "split":
            answer = self._ask("POST", device, "split", {"mac": values[0]})
        elif act == "allow":
            answer = self._ask("POST", device, "allow", {"keys": list(values)})
        else:
            answer = self._ask("DELETE", device, "")
        return str(answer["device"])

    def act(self, device: str, what: str, **values: object) -> Record:
        """Enforce, release or quarantine a device."""
        return self._ask("POST", device, what, values or None)

    def _ask(self, method: str, device: str, what: str, body: object = None) -> Record:
        place = f"/api/v1/devices/{quote(self.find(device), safe='')}"
        found = self._client.ask(method, f"{place}/{what}" if what else place, body)
        return dict(found or {})
