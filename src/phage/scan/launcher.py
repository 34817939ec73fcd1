"""The contract of a launcher: what starts and ends machines that scan files.

A machine is started from an image that has phage and an engine in it, is told by its user data
whom to join, and is known by tags: the fleet that it belongs to, and the name of its worker. The
launcher remembers nothing: what runs is asked anew each time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from phage.errors import PhageError
from phage.frozen import frozen
from phage.plugin import Family

if TYPE_CHECKING:
    from collections.abc import Sequence


class LaunchError(PhageError):
    """Machines cannot be started, ended or listed."""


FLEET_TAG = "phage-fleet"
WORKER_TAG = "phage-worker"


@frozen
class Machine:
    """A machine as its launcher tells it.

    Attributes:
        id: How the launcher names it.
        worker: The name of its worker.
        started: When it was started, nanoseconds since the Unix epoch; 0 where that is not told.
        address: Where it is; ''.
    """

    id: str
    worker: str
    started: int = 0
    address: str = ""


@frozen
class Joining:
    """What a new machine has to know to join.

    Attributes:
        url: Of the master.
        token: Of workers.
        queue_url: Of RabbitMQ, with the account of workers.
        ca: Certificates to trust, in PEM; '' for the system's.
        engines: Those it is to serve; none: all that it has.
    """

    url: str
    token: str
    queue_url: str
    ca: str = ""
    engines: tuple[str, ...] = ()

    def settings(self) -> str:
        """Return the worker's settings file (YAML, in the part of it that is JSON)."""
        scan: dict[str, object] = {"queue": "celery", "queue_url": self.queue_url}
        if self.engines:
            scan["engines"] = list(self.engines)
        return json.dumps({"scan": scan})

    def user_data(self, worker: str) -> str:
        """Return what cloud-init makes of a machine: files, and the worker's unit started."""
        files = {
            "/etc/phage/phage.yaml": self.settings(),
            "/etc/phage/worker-token": self.token,
            "/etc/phage/worker-ca.pem": self.ca,
            "/etc/phage/worker.env": f"PHAGE_JOIN={self.url}\nPHAGE_WORKER_NAME={worker}\n"
            + ("PHAGE_CA_FILE=/etc/phage/worker-ca.pem\n" if self.ca else ""),
        }
        made = {
            "write_files": [
                {"path": path, "content": text, "permissions": "0600", "owner": "phage:phage",
                 "defer": True}
                for path, text in files.items()
                if text
            ],
            "runcmd": [["systemctl", "start", "phage-worker-join.service"]],
        }  # fmt: skip
        return f"#cloud-config\n{json.dumps(made)}\n"


@runtime_checkable
class Launcher(Protocol):
    """Starts and ends machines. Methods raise LaunchError; each may take some seconds."""

    name: ClassVar[str]
    """The launcher's name, as settings carry it."""

    summary: ClassVar[str]
    """What it starts, in one line."""

    def start(self, fleet: str, worker: str, joining: Joining) -> Machine:
        """Start a machine; it need not be up yet."""

    def machines(self, fleet: str) -> Sequence[Machine]:
        """Return the machines of a fleet that are there or on their way."""

    def end(self, machine: Machine) -> None:
        """End a machine; one that is gone already is no fault."""

    def close(self) -> None:
        """Let go of connections; machines stay."""


LAUNCHERS = Family("launchers", Launcher, "phage.scan.launchers")
