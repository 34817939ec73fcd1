"""Workers as instances of Amazon EC2, or of what speaks its API."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from phage.scan.launcher import FLEET_TAG, WORKER_TAG, Joining, LaunchError, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALIVE = ["pending", "running"]


@dataclass
class Ec2Launcher:
    """Runs an instance of an image (AMI) for each worker.

    Credentials are found as boto3 does: the environment, ~/.aws, the machine's role. They need
    RunInstances, CreateTags, DescribeInstances and TerminateInstances.
    """

    name: ClassVar[str] = "ec2"
    summary: ClassVar[str] = "Instances of Amazon EC2."

    image: str = ""
    """The image (AMI), with phage and the engine in it."""
    instance_type: str = "t3.small"
    """The kind of instance."""
    region: str = ""
    """The region; '' for that of boto3's settings."""
    subnet: str = ""
    """The subnet; '' for the default one."""
    security_groups: tuple[str, ...] = ()
    """Ids of security groups: out to the master and RabbitMQ is enough."""
    endpoint: str = ""
    """Another address of the API."""
    _client: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot be used here."""
        lacking = find_spec("boto3") is None
        return "needs the Python package boto3 (pip install 'phage[ec2]')" if lacking else ""

    def start(self, fleet: str, worker: str, joining: Joining) -> Machine:
        """Run an instance."""
        tags = [
            {"Key": key, "Value": value}
            for key, value in ((FLEET_TAG, fleet), (WORKER_TAG, worker), ("Name", worker))
        ]
        about: dict[str, Any] = {
            "ImageId": self.image,
            "InstanceType": self.instance_type,
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": worker,  # Asked twice, as after a lost answer, it still is one.
            "InstanceInitiatedShutdownBehavior": "terminate",
            "MetadataOptions": {"HttpTokens": "required"},
            "UserData": joining.user_data(worker),
            "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
        }
        if self.subnet:
            about["SubnetId"] = self.subnet
        if self.security_groups:
            about["SecurityGroupIds"] = list(self.security_groups)
        made = self._asked(lambda client: client.run_instances(**about))
        return _machine(made["Instances"][0])

    def machines(self, fleet: str) -> Sequence[Machine]:
        """Return the instances with the fleet's tag."""
        filters = [
            {"Name": f"tag:{FLEET_TAG}", "Values": [fleet]},
            {"Name": "instance-state-name", "Values": ALIVE},
        ]

        def listed(client: Any) -> list[Machine]:  # noqa: ANN401  boto3 has no types.
            pages = client.get_paginator("describe_instances").paginate(Filters=filters)
            return [
                _machine(instance)
                for found in pages
                for reservation in found["Reservations"]
                for instance in reservation["Instances"]
            ]

        machines: list[Machine] = self._asked(listed)
        return machines

    def end(self, machine: Machine) -> None:
        """Terminate an instance."""
        try:
            self._asked(lambda client: client.terminate_instances(InstanceIds=[machine.id]))
        except LaunchError as error:
            if "InvalidInstanceID.NotFound" not in str(error):
                raise

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _asked(self, ask: Callable[[Any], Any]) -> Any:  # noqa: ANN401  boto3 has no types.
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415  Heavy.
        from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415
        from botocore.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
            BotoCoreError,
            ClientError,
        )

        try:
            if self._client is None:
                bounds = Config(
                    connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2}
                )
                self._client = boto3.client(
                    "ec2",
                    region_name=self.region or None,
                    endpoint_url=self.endpoint or None,
                    config=bounds,
                )
            return ask(self._client)
        except (BotoCoreError, ClientError) as error:
            message = f"EC2: {error}"
            raise LaunchError(message) from error


def _machine(instance: Any) -> Machine:  # noqa: ANN401  boto3 has no types.
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
    return Machine(
        instance["InstanceId"],
        tags.get(WORKER_TAG, ""),
        int(instance["LaunchTime"].timestamp() * 1e9),
        instance.get("PrivateIpAddress", ""),
    )
