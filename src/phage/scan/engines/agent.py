"""Scanners on machines where a worker cannot be, as Windows: asked through an agent there."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from phage.errors import PhageError, PluginUnavailableError
from phage.records.sample import Category, EngineKind, EngineVersion
from phage.scan.engine import Answer, EngineDefaults, Place
from phage.scan.service import address_of, cut_after
from phage.scan.trials import BENIGN, EVIL, GARBAGE, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.scan.content import Content

LONGEST = 65_536
"""Octets of an answer."""

GRACE_SECONDS = 15.0
"""How long an agent may take besides the scanner: the file has to get there, and may wait."""


class AgentError(PhageError):
    """The agent cannot be asked, or its answer makes no sense."""


@dataclass(kw_only=True)
class AgentEngine(EngineDefaults):
    """Sends a file to an agent (`phage agent`), which runs a scanner on its machine.

    How little the scanner is shut in there is told by the agent, and published. Several are
    `agent-NAME` each, with an address of their own.
    """

    name: ClassVar[str] = "agent"
    summary: ClassVar[str] = "Asks a scanner on another machine, as Windows, through an agent."
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    place: ClassVar[Place] = Place.SERVICE
    by_default: ClassVar[bool] = False
    instances: ClassVar[bool] = True

    url: str = ""
    """The agent, as https://HOST:8484."""
    token_file: str = ""
    """File with the agent's token."""
    ca_file: str = ""
    """Certificates to trust instead of the system's, in PEM."""
    timeout: float = 120.0
    """Seconds that one file may take."""
    isolation: str = field(default="", init=False)

    def version(self) -> EngineVersion:
        """Return what the agent says of its scanner. Raises PluginUnavailableError."""
        try:
            told = self._asked("GET", "/v1/about")
        except (PhageError, OSError) as error:
            raise PluginUnavailableError(str(error)) from error
        self.isolation = str(told.get("isolation", "not told"))[:500]
        built = told.get("built", 0)
        return EngineVersion(
            str(told.get("version", ""))[:200],
            str(told.get("definitions", ""))[:200],
            built if isinstance(built, int) and 0 <= built < 2**62 else 0,
        )

    def prepare(self) -> None:
        """Ask whether it is there."""
        self.version()

    def scan(self, content: Content) -> Answer:
        """Send the file. Raises AgentError, TimeoutError."""
        told = self._asked("POST", "/v1/scan", content)
        category = told.get("category")
        if category == "timeout":
            message = str(told.get("error", ""))[:300]
            raise TimeoutError(message)
        if category == "undetected":
            return Answer()
        if category in {"malicious", "suspicious"}:
            return Answer(Category(category), str(told.get("label") or "unnamed")[:200])
        message = str(told.get("error") or "the answer makes no sense")[:500]
        raise AgentError(message)

    def trials(self) -> tuple[Trial, ...]:
        """Return EICAR, something good, garbage."""
        return (EVIL, BENIGN, GARBAGE)

    def _address(self) -> tuple[str, int]:
        """Return host and port of the agent. Raises AgentError."""
        try:
            return address_of(self.url, "https", 8484)
        except ValueError as error:
            message = "needs an agent: scan.settings.agent.url: https://HOST:8484"
            raise AgentError(message) from error

    def _asked(self, method: str, path: str, content: Content | None = None) -> dict[str, Any]:
        host, port = self._address()
        seconds = self.timeout + GRACE_SECONDS
        try:
            token = Path(self.token_file).read_text(encoding="ascii").strip()
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ValueError) as error:
            message = f"scan.settings.agent: token_file or ca_file cannot be read: {error}"
            raise AgentError(message) from error
        connection = http.client.HTTPConnection(host, port)
        headers = {"Authorization": f"Bearer {token}"}
        body: Iterable[bytes] | None = None
        if content is not None:
            headers["Content-Length"] = str(content.size)
            body = content.chunks()
        try:
            with (
                socket.create_connection((host, port), seconds) as plain,
                context.wrap_socket(
                    plain, server_hostname=host, do_handshake_on_connect=False
                ) as secure,
                cut_after(seconds, secure),
            ):
                secure.do_handshake()
                connection.sock = secure
                connection.request(method, path, body, headers)
                with connection.getresponse() as answer:
                    told = json.loads(answer.read(LONGEST + 1))
        except (http.client.HTTPException, ValueError, RecursionError) as error:
            message = f"{self.url}: the answer makes no sense: {error}"
            raise AgentError(message) from error
        finally:
            connection.close()
        if not isinstance(told, dict) or answer.status != 200:
            why = told.get("error", "") if isinstance(told, dict) else ""
            message = f"{self.url}: answered {answer.status} {why}"[:300]
            raise AgentError(message)
        return told
