"""A sensor's way to its controller: it knows whom it speaks to, each time."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from phage.access.sensors import SEPARATOR
from phage.api.tls import Certificate, self_made, server_context
from phage.clock import SystemClock
from phage.daemon.uplink import Membership, Uplink, UplinkError, join, read_invitation
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 60.0


class Controller:
    """Answers connections in turn, each with a certificate of its own, and notes what it is sent.

    One connection gets one answer and is closed.
    """

    def __init__(self, certificates: list[Certificate], answer: bytes) -> None:
        self.heard: list[bytes] = []
        self._answer = answer
        self._contexts = [server_context(each) for each in certificates]
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._socket.close()

    def _serve(self) -> None:
        for context in self._contexts:
            with suppress(OSError):
                connection, _ = self._socket.accept()
                connection.settimeout(PATIENCE)
                with connection, context.wrap_socket(connection, server_side=True) as secure:
                    self.heard.append(_request(secure))
                    if self.heard[-1]:
                        secure.sendall(self._answer)


def _request(connection: socket.socket) -> bytes:
    """Return a request with its body, as far as it comes."""
    found = b""
    while not re.search(rb"length: (\d+)\r\n.*\r\n\r\n.", found, re.IGNORECASE | re.DOTALL):
        if not (piece := connection.recv(65536)):
            break
        found += piece
    return found


@pytest.fixture
def controller() -> Iterator[Callable[..., Controller]]:
    made: list[Controller] = []

    def make(*certificates: Certificate, answer: bytes) -> Controller:
        made.append(Controller([*certificates], answer))
        return made[-1]

    yield make
    for each in made:
        each.close()


def said(text: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(text), *headers, b"", text]
    return b"\r\n".join(lines)


def test_after_a_controller_closed_its_certificate_is_looked_at_again(
    controller: Callable[..., Controller], tmp_path: Path
) -> None:
    own, other = (self_made(tmp_path / name, [], SystemClock()) for name in ("own", "other"))
    there = controller(own, own, other, answer=said(b"{}", b"Connection: close"))
    link = Uplink(Membership(there.url, "attic", "phage_secret", own.fingerprint))
    for _ in range(2):
        assert link.post("/a", b"x", "text/plain") == {}
    with pytest.raises(UplinkError, match="not the one of the invitation"):
        link.post("/a", b"x", "text/plain")
    link.close()
    there.close()  # It has heard all by then.
    assert [b"phage_secret" in each for each in there.heard] == [True, True, False]


@pytest.mark.parametrize("text", [b"<html>", b"[]", b'{"name": "attic"}', b'{"token": 7}'])
def test_what_is_no_controller_is_told(
    controller: Callable[..., Controller], tmp_path: Path, text: bytes
) -> None:
    own = self_made(tmp_path / "own", [], SystemClock())
    there = controller(own, answer=said(text))
    with pytest.raises(UplinkError, match="is the address right"):
        join(there.url, f"phage_invitation{SEPARATOR}{own.fingerprint}")


def test_an_invitation_that_is_shown_again_is_known(
    controller: Callable[..., Controller], tmp_path: Path
) -> None:
    answer = said(b'{"name": "attic", "token": "phage_own"}', b"Connection: close")
    own = self_made(tmp_path / "own", [], SystemClock())
    there = controller(own, answer=answer)
    member = join(there.url, f"phage_once~{own.fingerprint}\n")
    file = tmp_path / "sensor.json"
    member.save(file)
    kept = Membership.load(file)
    assert kept == member
    assert kept is not None
    assert kept.joined_by(f"phage_once~{own.fingerprint}")
    assert not kept.joined_by("phage_other")
    assert not Membership(there.url, "attic", "x").joined_by("")
    assert "phage_once" not in file.read_text()


def test_an_invitation_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "invitation"
    file.write_text("phage_once~00\nmore\n")
    assert read_invitation(f"@{file}") == "phage_once~00"
    assert read_invitation("phage_once") == "phage_once"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_invitation(f"@{tmp_path}/none")
