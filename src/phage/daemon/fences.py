"""Puts fences of devices up and takes them down: rule files beside a person's own, one a device."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.devices.discovery import rtnetlink
from phage.devices.fence import FenceError, Grade, fence_rules, objection, refusal
from phage.errors import StateError
from phage.policy.reading.reader import read_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phage.daemon.requests import FenceDevice
    from phage.records.device import Device
    from phage.records.profile import Profile


def lifelines() -> dict[str, str]:
    """Return the MAC addresses that are never fenced in, and what each is.

    This machine, and its routers: all that is far comes from their addresses. What the kernel does
    not tell stays out; the allow-list shields its addresses.
    """
    with contextlib.suppress(OSError):
        near = rtnetlink.neighbours()
        found = {
            near.get(str(each), ""): "a router of this machine" for each in rtnetlink.gateways()
        }
        own = (link.mac.hex(":") for link in rtnetlink.links() if not link.is_loopback)
        found |= dict.fromkeys(own, "this machine")
        found.pop("", None)
        return found
    return {}


@dataclass(frozen=True)
class Fences:
    """The fences that stand.

    Attributes:
        folder: Where their rule files are.
        lifelines: Returns MAC addresses that are never fenced in, and what each is.
    """

    folder: Path
    lifelines: Callable[[], dict[str, str]] = field(default=lifelines)

    def path(self, device: str) -> Path:
        """Return where the fence of a device is, by its id, if it has one."""
        return self.folder / f"fence-{re.sub('[^0-9a-zA-Z]+', '', device)}.yaml"

    def change(self, request: FenceDevice, device: Device, profile: Profile | None) -> bool:
        """Put a fence up, or take it down; tell whether there was one. Raises PhageError."""
        path = self.path(device.id)
        there = path.exists()
        try:
            if request.act == "release":
                for each in {device.id, *(seen.value for seen in device.macs)}:
                    there = there or self.path(each).exists()
                    self.path(each).unlink(missing_ok=True)
            else:
                self._write(path, self._rules(request, device, profile))
        except OSError as error:
            message = f"{path}: cannot be written: {error.strerror}"
            raise StateError(message) from error
        return there

    @contextlib.contextmanager
    def unless_it_fails(self, device: Device) -> Iterator[None]:
        """Leave the fence of a device as it was where what goes on inside fails."""
        path = self.path(device.id)
        before = path.read_text(encoding="utf-8") if path.exists() else None
        try:
            yield
        except BaseException:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                self._write(path, before)
            raise

    def _rules(self, request: FenceDevice, device: Device, profile: Profile | None) -> str:
        """Return the rules of a fence, the person's own if there are any. Raises PhageError."""
        lifelines = self.lifelines()
        for seen in device.macs:
            if what := lifelines.get(seen.value):
                message = f"{device.shown} is {what}: a fence would cut off whoever is behind it"
                raise FenceError(message)
        if refused := refusal(device):
            message = f"{refused}; if it is something else, say so (`phage devices identify`)"
            raise FenceError(message)
        against = objection(device, profile)
        if profile is None or (against and not request.force):
            message = (
                f"{against}; force (--force) fences it in all the same" if profile else against
            )
            raise FenceError(message)
        rules = request.rules or fence_rules(device, profile, Grade(request.grade))
        read_rules(rules, self.path(device.id).name)
        return rules

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
