"""EC2 against moto's server."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from phage.scan.launcher import Joining, LaunchError, Machine
from phage.scan.launchers.ec2 import Ec2Launcher

pytest.importorskip("moto.server")

if TYPE_CHECKING:
    from collections.abc import Iterator

JOINING = Joining(
    "https://master:8080", "phage_secret", "amqps://worker:x@mq//", "PEM", ("clamav",)
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        made.stop()


@pytest.fixture
def launcher(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ec2Launcher]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    import boto3  # type: ignore[import-untyped]

    client: Any = boto3.client("ec2", region_name="eu-central-1", endpoint_url=server)
    image = client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = Ec2Launcher(image=image, region="eu-central-1", endpoint=server)
    try:
        yield made
    finally:
        made.close()
        client.close()


def test_started_listed_ended(launcher: Ec2Launcher) -> None:
    assert launcher.machines("av") == []
    one = launcher.start("av", "av-1", JOINING)
    other = launcher.start("yara", "yara-1", JOINING)
    (found, *_) = launcher.machines("av")
    assert (found.id, found.worker) == (one.id, "av-1")
    assert found.started > 0
    assert [each.id for each in launcher.machines("yara")] == [other.id]
    for machine in launcher.machines("av"):
        launcher.end(machine)
    assert launcher.machines("av") == []
    launcher.end(one)
    launcher.end(Machine("i-0123456789abcdef0", "gone"))


def test_a_machine_is_told_whom_to_join(launcher: Ec2Launcher, server: str) -> None:
    import boto3

    machine = launcher.start("told", "told-1", JOINING)
    client: Any = boto3.client("ec2", region_name="eu-central-1", endpoint_url=server)
    about = client.describe_instance_attribute(InstanceId=machine.id, Attribute="userData")
    client.close()
    text = base64.b64decode(about["UserData"]["Value"]).decode()
    assert text.startswith("#cloud-config\n")
    files = {each["path"]: each for each in json.loads(text.partition("\n")[2])["write_files"]}
    assert files["/etc/phage/worker-token"]["content"] == "phage_secret"
    assert files["/etc/phage/worker-token"]["permissions"] == "0600"
    assert "PHAGE_WORKER_NAME=told-1" in files["/etc/phage/worker.env"]["content"]
    settings = json.loads(files["/etc/phage/phage.yaml"]["content"])
    assert settings["scan"]["engines"] == ["clamav"]


def test_what_ec2_refuses_is_told(launcher: Ec2Launcher) -> None:
    launcher.subnet = "subnet-00000000"
    with pytest.raises(LaunchError, match="EC2"):
        launcher.start("av", "av-2", JOINING)
    away = Ec2Launcher(image="ami-1", region="eu-central-1", endpoint="http://127.0.0.1:1")
    with pytest.raises(LaunchError, match="EC2"):
        away.machines("av")
    away.close()
