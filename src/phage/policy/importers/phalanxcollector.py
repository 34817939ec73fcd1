"""phalanx's collector.conf (TOML): where it captures or takes NetFlow, and its InfluxDB."""

from __future__ import annotations

import re
import tomllib
from typing import ClassVar
from urllib.parse import urlsplit

from phage.errors import ConfigError
from phage.policy.adoption.values import Faults
from phage.policy.importer import Imported, NotImported, SettingChange, Source

MAX_OCTETS = 65_536
"""The file has four lines; the parser takes time that grows with the square of a dotted key."""

NETFLOW_ADDRESS = "0.0.0.0:9995"
"""Where phalanx takes NetFlow."""

_KEYS = ("influx", "capturemode", "device", "capturefilter")
_CLAIM = re.compile(rf"^\s*[\"']?(?:{'|'.join(_KEYS)})[\"']?\s*=", re.MULTILINE | re.IGNORECASE)
_DEVICE = re.compile(r"[^\s/]{1,15}")


class PhalanxCollector:
    """Reads where phalanx's collector listens and what it counts as a request."""

    name: ClassVar[str] = "phalanxcollector"
    summary: ClassVar[str] = "phalanx's collector.conf: interface, filter, NetFlow, InfluxDB"

    def claims(self, source: Source) -> int:
        """Return how many lines set a key of collector.conf."""
        return len(_CLAIM.findall(source.text))

    def read(self, source: Source) -> Imported:
        """Read a file. Raises ConfigError that names file and line of what is wrong."""
        if len(source.text) > MAX_OCTETS:
            message = (
                f"{source.name}: is larger than {MAX_OCTETS} octets; that is no collector.conf"
            )
            raise ConfigError(message)
        try:
            values = tomllib.loads(source.text)
        except (ValueError, RecursionError) as error:
            message = f"{source.place(1)}: is not TOML: {error}; check quotes and brackets"
            raise ConfigError(message) from None
        return _Reading(source, {key.lower(): value for key, value in values.items()}).all()


class _Reading:
    """One reading of one file."""

    def __init__(self, source: Source, values: dict[str, object]) -> None:
        self._source = source
        self._values = values
        self._faults = Faults()
        self._settings: list[SettingChange] = []
        self._left: list[NotImported] = []

    def all(self) -> Imported:
        """Read every key."""
        for key in self._values:
            if key not in _KEYS:
                reason = "phalanx's collector.conf knows no such key"
                self._left.append(NotImported(self._line(key), key[:80], reason))
        mode = self._text("capturemode")
        device, expression = self._text("device"), self._text("capturefilter")
        if mode == "netflow":
            self._set("capturemode", ("collect", "flows", "netflow"), [NETFLOW_ADDRESS])
            self._set("capturemode", ("capture", "enabled"), value=False)
            for key in ("device", "capturefilter"):
                if self._text(key):
                    reason = "phalanx does not look at it when it takes NetFlow"
                    self._left.append(NotImported(self._line(key), key, reason))
        elif mode == "host-based":
            self._host_based(device, expression)
        elif mode:
            self._fault("capturemode", "must be host-based or netflow")
        self._influx(self._text("influx"))
        self._faults.raise_any()
        return Imported(PhalanxCollector.name, (), tuple(self._settings), tuple(self._left))

    def _host_based(self, device: str, expression: str) -> None:
        note = "packets are counted, not looked into; set capture.mode: full for all detectors"
        self._set("capturemode", ("capture", "mode"), "host", note)
        if device and _DEVICE.fullmatch(device) is None:
            self._fault("device", "must be the name of an interface")
        elif device:
            self._set("device", ("interfaces",), [device])
        self._set("capturefilter", ("capture", "requests"), expression)

    def _influx(self, url: str) -> None:
        if not url:
            return
        try:
            parts = urlsplit(url)
            is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname)
        except ValueError:
            is_sound = False
        if is_sound:
            self._set("influx", ("outputs", "influx", "url"), url)
        else:
            self._fault("influx", "must be an http URL such as http://localhost:8086/write?db=x")

    def _text(self, key: str) -> str:
        value = self._values.get(key, "")
        if isinstance(value, str):
            return value.strip()
        self._fault(key, "must be text in quotes")
        return ""

    def _set(self, key: str, setting: tuple[str, ...], value: object, note: str = "") -> None:
        self._settings.append(SettingChange(setting, value, self._line(key), note))

    def _fault(self, key: str, text: str) -> None:
        self._faults.add(f"{self._source.place(self._line(key))}: {key}: {text}")

    def _line(self, key: str) -> int:
        pattern = rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*="
        found = re.search(pattern, self._source.text, re.MULTILINE | re.IGNORECASE)
        return self._source.text.count("\n", 0, found.start()) + 1 if found else 1
