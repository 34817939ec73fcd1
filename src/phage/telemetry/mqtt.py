"""A link to an MQTT broker that never holds anybody up: what cannot be told now is let go."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Protocol

    class _Reason(Protocol):
        """Why a connection was made or broke, of paho."""

        is_failure: bool


_log = logging.getLogger(__name__)

MOST_WAITING = 256
"""Messages that wait while the broker cannot be reached; further ones go, and are counted."""

LONGEST_RETRY = 120
"""Seconds between two tries to reach the broker, at most."""

ONLINE, OFFLINE = "online", "offline"


class MqttLink:
    """Publishes to a broker, in a thread of paho's; connects anew by itself.

    Args:
        url: mqtt://HOST:PORT or mqtts://HOST:PORT.
        available: Topic that says "online" while there is a connection; the broker itself says
            "offline" there when it breaks (last will, MQTT 3.1.1, section 3.1.2.5).
        user: Name at the broker; '' for none.
        password: Password at the broker.
        ca_file: Certificates to trust instead of the system's.
        on_connect: Called after each new connection, to tell what the broker may not have kept.

    Raises:
        ConfigError: The package is missing, or the certificates cannot be read.
    """

    def __init__(
        self,
        url: str,
        available: str,
        user: str = "",
        password: str = "",
        ca_file: Path | None = None,
        on_connect: Callable[[], None] = lambda: None,
    ) -> None:
        self.dropped = 0
        self.fault = ""
        self.on_connect = on_connect
        self._parts = urlsplit(url)
        self._available = available
        self._connected = threading.Event()
        paho = _paho()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.will_set(available, OFFLINE, qos=1, retain=True)
        self._client.max_queued_messages_set(MOST_WAITING)
        self._client.reconnect_delay_set(1, LONGEST_RETRY)
        if user:
            self._client.username_pw_set(user, password)
        if self._parts.scheme == "mqtts":
            try:
                self._client.tls_set(ca_certs=str(ca_file) if ca_file is not None else None)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                message = f"outputs.mqtt.ca_file: {ca_file}: {reason}"
                raise ConfigError(message) from error
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_connect_fail = lambda *_: self._ill("cannot be reached")

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker hears us."""
        return self._connected.is_set()

    def start(self) -> None:
        """Connect, now or as soon as the broker can be reached."""
        default = 8883 if self._parts.scheme == "mqtts" else 1883
        self._client.connect_async(self._parts.hostname or "", self._parts.port or default)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye and end the thread."""
        if self.is_connected:
            self._client.publish(self._available, OFFLINE, qos=1, retain=True).wait_for_publish(2)
        self._client.disconnect()
        self._client.loop_stop()

    def state(self, topic: str, fields: Mapping[str, object]) -> None:
        """Tell how something is; without a connection nothing, as the next one says more."""
        if self.is_connected:
            self._client.publish(topic, json.dumps(fields), qos=0, retain=True)

    def event(self, topic: str, fields: Mapping[str, object]) -> None:
        """Tell that something happened; waits for a connection, within bounds."""
        if self._client.publish(topic, json.dumps(fields), qos=1).rc == _paho().MQTT_ERR_QUEUE_SIZE:
            self.dropped += 1

    def _on_connect(
        self, _client: object, _data: object, _flags: object, reason: _Reason, _properties: object
    ) -> None:
        if reason.is_failure:
            self._ill(f"refuses: {reason}")
            return
        if self.fault:
            _log.info("MQTT broker %s works again", self._parts.hostname)
        self.fault = ""
        self._connected.set()
        self._client.publish(self._available, ONLINE, qos=1, retain=True)
        self.on_connect()

    def _on_disconnect(
        self, _client: object, _data: object, _flags: object, reason: _Reason, _properties: object
    ) -> None:
        was_connected = self.is_connected
        self._connected.clear()
        if reason.is_failure and was_connected:
            self._ill(f"the connection broke: {reason}")

    def _ill(self, fault: str) -> None:
        if fault != self.fault:
            _log.warning("MQTT broker %s: %s", self._parts.hostname, fault)
        self.fault = fault


def _paho() -> Any:  # noqa: ANN401  A package that may be missing.
    if importlib.util.find_spec("paho") is None:
        message = "outputs.mqtt needs the Python package paho-mqtt: pip install 'phage[mqtt]'"
        raise ConfigError(message)
    return importlib.import_module("paho.mqtt.client")
