"""Services that are asked over real sockets on the loopback: banners and default passwords."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.devices.discovery import banners, credentials, logins
from phage.devices.discovery.banners import Banners
from phage.devices.discovery.credentials import Credentials
from phage.devices.discovery.pace import Pace
from phage.devices.discovery.udp import UdpScan
from phage.records.scan import Service
from phage.testing.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine take its time to answer."""
    for name in ("CONNECT_SECONDS", "ANSWER_SECONDS", "HOST_SECONDS"):
        monkeypatch.setattr(banners, name, PATIENCE)
    monkeypatch.setattr(logins, "ANSWER_SECONDS", PATIENCE)


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve connections one after the other; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                try:
                    link, _ = listener.accept()
                except TimeoutError:
                    continue
                link.settimeout(PATIENCE)
                with link, contextlib.suppress(OSError):
                    answer(link)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stop.set()
            thread.join()


def ask(port: int) -> Service:
    (service,) = Banners(threading.Event()).run([("127.0.0.1", 0, [port])])["127.0.0.1"]
    return service


def test_who_speaks_first_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banners, "GREETING_SECONDS", PATIENCE)
    with server(lambda link: link.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")) as port:
        assert ask(port).software == "OpenSSH 9.9"


def test_who_waits_is_asked_for_a_page() -> None:
    def page(link: socket.socket) -> None:
        assert link.recv(4096).startswith(b"GET / HTTP/1.0\r\n")
        link.sendall(b"HTTP/1.0 200 OK\r\nServer: Boa/0.94\r\n\r\n<title>Cam</title>")

    with server(page) as port:
        service = ask(port)
    assert (service.name, service.software) == ("http", "Boa 0.94")
    assert service.banner.endswith("title Cam")


def test_who_never_stops_is_cut_off() -> None:
    def endless(link: socket.socket) -> None:
        while True:
            link.sendall(b"A" * 65_536)

    with server(endless) as port:
        asked = Banners(threading.Event())
        (service,) = asked.run([("127.0.0.1", 0, [port])])["127.0.0.1"]
    assert len(service.banner) <= 400
    assert asked.cut == 1


def camera(user: str, password: str, seen: list[bytes]) -> Callable[[socket.socket], None]:
    wanted = base64.b64encode(f"{user}:{password}".encode())

    def page(link: socket.socket) -> None:
        request = link.recv(4096)
        seen.append(request)
        good = wanted in request
        status = b"200 OK" if good else b"401 No\r\nWWW-Authenticate: Basic realm=x"
        link.sendall(b"HTTP/1.0 " + status + b"\r\n\r\n")

    return page


@pytest.mark.parametrize(
    ("user", "password", "found"),
    [("admin", "1234", {"127.0.0.1": {"tcp/0": "admin"}}), ("admin", "sEcret", {})],
)
def test_default_passwords(
    user: str, password: str, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "PAUSE_SECONDS", 0.0)
    seen: list[bytes] = []
    with server(camera(user, password, seen)) as port:
        tried = Credentials(threading.Event())
        tried.run([("127.0.0.1", [Service("tcp", port, "http")])])
        told = {a: {"tcp/0": next(iter(each.values()))} for a, each in tried.found.items()}
    assert told == found
    assert len(seen) <= 1 + len(credentials.PAIRS)


def test_a_page_that_lets_everybody_in_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "PAUSE_SECONDS", 0.0)
    with server(lambda link: link.sendall(b"HTTP/1.0 200 OK\r\n\r\n")) as port:
        tried = Credentials(threading.Event())
        tried.run([("127.0.0.1", [Service("tcp", port, "http"), Service("tcp", 1, "ssh")])])
    assert tried.found == {}


def test_a_service_that_makes_a_library_stumble_keeps_no_other_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stumbles(*_: object) -> bool | None:
        raise IndexError

    async def lets_in(address: str, port: int, user: str, password: str) -> bool | None:
        return (user, password) == ("root", "root")

    monkeypatch.setattr(credentials, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(credentials, "ATTEMPTS", {"ssh": stumbles, "telnet": lets_in})
    tried = Credentials(threading.Event())
    services = [Service("tcp", 22, "ssh"), Service("tcp", 23, "telnet")]
    tried.run([("127.0.0.1", services), ("127.0.0.2", services)])
    assert tried.found == {f"127.0.0.{n}": {"tcp/23": "root"} for n in (1, 2)}


def test_udp_without_a_community_asks_no_snmp() -> None:
    pace = Pace(SystemClock(), 0.0, threading.Event())
    UdpScan(pace, "").run([("127.0.0.1", 0)])
    assert pace.sent == 8


def test_a_pace_is_kept() -> None:
    class Ticking:
        """A clock that goes on only by being asked."""

        def __init__(self) -> None:
            self.at = 0.0

        def now(self) -> int:
            return int(self.at * 1e9)

        def monotonic(self) -> float:
            self.at += 0.01
            return self.at

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        clock, times = Ticking(), list[float]()
        pace = Pace(clock, 100.0, threading.Event())
        pace.send(link, [lambda: times.append(clock.at)] * 50, lambda: None)
    assert len(times) == 50
    assert times[-1] >= 0.47
