"""Home Assistant's discovery through a real broker."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from phage.clock import SystemClock
from phage.config.mqtt import MqttSettings
from phage.daemon.homeassistant import ENTITIES, HomeAssistantSink
from phage.telemetry.mqtt import MqttLink
from phage.testing.mosquitto import mosquitto
from phage.testing.ports import free_port
from phage.testing.records import make_finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.system


class Assistant:
    """Listens to all topics, as Home Assistant does."""

    def __init__(self, port: int) -> None:
        self.said: dict[str, str] = {}
        self._came = threading.Condition()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set("phage", "s3cret")
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()

    def _on_message(self, _client: object, _data: object, message: Any) -> None:
        with self._came:
            self.said[message.topic] = message.payload.decode()
            self._came.notify_all()

    def hears(self, ready: Callable[[dict[str, str]], object]) -> dict[str, str]:
        with self._came:
            assert self._came.wait_for(lambda: ready(self.said), 60), self.said
            return dict(self.said)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def sink() -> Iterator[Callable[[int], HomeAssistantSink]]:
    made: list[MqttLink] = []

    def make(port: int) -> HomeAssistantSink:
        settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
        link = MqttLink(settings.url, "phage/box/available", "phage", "s3cret")
        link._client.reconnect_delay_set(1, 1)
        own = HomeAssistantSink(link, settings, SystemClock(), dict, "box", link.stop)
        own._state = {"findings_open": 0}
        link.on_connect = own.announce
        link.start()
        made.append(link)
        return own

    yield make
    for link in made:
        link.stop()


def test_home_assistant_finds_phage_and_hears_of_findings(
    sink: Callable[[int], HomeAssistantSink], needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("mosquitto", "mosquitto_passwd")
    import subprocess

    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "phage", "s3cret"], check=True)
    more = f"allow_anonymous false\npassword_file {passwords}"
    port = free_port()
    phage = sink(port)  # Before the broker: it is found as soon as it is there.
    phage.finding(make_finding(1, id="before0000000001"))
    with mosquitto(tmp_path, port, more):
        assistant = Assistant(port)
        said = assistant.hears(lambda said: "phage/box/finding" in said)
        said = assistant.hears(lambda said: said.get("phage/box/available") == "online")
        assert json.loads(said["phage/box/finding"])["finding"] == "before0000000001"
        configs = [topic for topic in said if topic.startswith("homeassistant/")]
        assert len(configs) == len(ENTITIES) + 1
        # Who comes later finds it too: it is retained.
        late = Assistant(port)
        late.hears(lambda said: set(configs) <= set(said) and "phage/box/state" in said)
        late.close()
    with mosquitto(tmp_path, port, more):  # A broker that forgot everything is told anew.
        assistant.said.clear()
        assistant.hears(lambda said: set(configs) <= set(said))
        assistant.hears(lambda said: said.get("phage/box/available") == "online")
        phage.close()
        assistant.hears(lambda said: said.get("phage/box/available") == "offline")
        assistant.close()


def test_the_broker_says_it_when_phage_is_gone(
    sink: Callable[[int], HomeAssistantSink], needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("mosquitto")
    with mosquitto(tmp_path) as port:
        assistant = Assistant(port)
        phage = sink(port)
        assistant.hears(lambda said: said.get("phage/box/available") == "online")
        link = phage.link
        assert isinstance(link, MqttLink)
        connection = link._client.socket()
        assert connection is not None
        connection.shutdown(2)  # As when the machine dies.
        assistant.hears(lambda said: said.get("phage/box/available") == "offline")
        assistant.hears(lambda said: said.get("phage/box/available") == "online")
        assistant.close()


def test_a_broker_that_refuses_is_told_in_health(
    sink: Callable[[int], HomeAssistantSink], needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("mosquitto")
    with mosquitto(tmp_path, more="allow_anonymous false") as port:
        link = sink(port).link
        assert isinstance(link, MqttLink)
        for _ in range(200):
            if link.fault:
                break
            threading.Event().wait(0.05)
        assert "refuses" in link.fault
        assert not link.is_connected
