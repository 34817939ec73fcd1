"""Workers as servers of an OpenStack cloud."""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from phage.scan.launcher import FLEET_TAG, WORKER_TAG, Joining, LaunchError, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWER_SECONDS = 30
"""How long the cloud may take to answer; the library itself would wait for ever."""

GONE = {"DELETED", "SOFT_DELETED", "ERROR"}


@dataclass
class OpenstackLauncher:
    """Creates a server of an image for each worker.

    The cloud and its credentials are found as openstacksdk does: clouds.yaml and the environment
    (OS_AUTH_URL and others).
    """

    name: ClassVar[str] = "openstack"
    summary: ClassVar[str] = "Servers of an OpenStack cloud."

    cloud: str = ""
    """Name of the cloud in clouds.yaml; '' for that of the environment."""
    image: str = ""
    """Id of the image, with phage and the engine in it."""
    flavor: str = ""
    """Id of the flavor."""
    network: str = ""
    """Id of the network; '' lets the cloud choose."""
    security_groups: tuple[str, ...] = ()
    """Names of security groups: out to the master and RabbitMQ is enough."""
    _connection: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot be used here."""
        lacking = find_spec("openstack") is None
        return (
            "needs the Python package openstacksdk (pip install 'phage[openstack]')"
            if lacking
            else ""
        )

    def start(self, fleet: str, worker: str, joining: Joining) -> Machine:
        """Create a server."""
        about: dict[str, Any] = {
            "name": worker,
            "image_id": self.image,
            "flavor_id": self.flavor,
            "metadata": {FLEET_TAG: fleet, WORKER_TAG: worker},
            "user_data": base64.b64encode(joining.user_data(worker).encode()).decode(),
            "networks": [{"uuid": self.network}] if self.network else "auto",
        }
        if self.security_groups:
            about["security_groups"] = [{"name": each} for each in self.security_groups]
        made = self._asked(lambda cloud: cloud.compute.create_server(**about))
        return Machine(made.id, worker)

    def machines(self, fleet: str) -> Sequence[Machine]:
        """Return the servers with the fleet's metadata; those in error are ended."""
        servers = self._asked(lambda cloud: list(cloud.compute.servers(details=True)))
        ours = [each for each in servers if (each.metadata or {}).get(FLEET_TAG) == fleet]
        for each in ours:
            if each.status == "ERROR":
                self.end(Machine(each.id, ""))
        return [_machine(each) for each in ours if each.status not in GONE]

    def end(self, machine: Machine) -> None:
        """Delete a server."""
        self._asked(lambda cloud: cloud.compute.delete_server(machine.id, ignore_missing=True))

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _asked(self, ask: Callable[[Any], Any]) -> Any:  # noqa: ANN401  The library's types are no help.
        import openstack  # noqa: PLC0415  Heavy.
        from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
        from openstack.exceptions import SDKException  # noqa: PLC0415

        try:
            if self._connection is None:
                self._connection = openstack.connect(
                    cloud=self.cloud or None,
                    app_name="phage",
                    load_envvars=not self.cloud,
                    api_timeout=ANSWER_SECONDS,
                )
            return ask(self._connection)
        except (SDKException, ClientException) as error:
            message = f"OpenStack: {error}"
            raise LaunchError(message) from error


def _machine(server: Any) -> Machine:  # noqa: ANN401  As above.
    when = datetime.datetime.fromisoformat(server.created_at)
    addresses = [each["addr"] for net in (server.addresses or {}).values() for each in net]
    return Machine(
        server.id,
        server.metadata.get(WORKER_TAG, ""),
        int(when.timestamp() * 1e9),
        addresses[0] if addresses else "",
    )
