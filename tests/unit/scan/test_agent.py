"""The agent with a scanner of our own, and the engine that asks it, over TLS."""

from __future__ import annotations

import json
import select
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from phage.api.tls import self_made, server_context
from phage.clock import SystemClock
from phage.errors import PluginUnavailableError
from phage.records.sample import Category
from phage.scan import agent as agent_module
from phage.scan.agent import DescriptionError, Scanner, make_agent
from phage.scan.content import Content
from phage.scan.engines import agent as agent_engine
from phage.scan.engines.agent import AgentEngine, AgentError
from phage.scan.trials import EICAR
from phage.testing.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCANNER = """
import sys, time
data = open(sys.argv[-1], "rb").read()
if b"slow" in data:
    time.sleep(60)
if b"EICAR" in data:
    print("FOUND: Eicar-Test"); sys.exit(1)
sys.exit(7 if b"broken" in data else 0)
"""
TOKEN = "0123456789abcdef0123"


def described(folder: Path, **more: Any) -> Path:
    (folder / "scanner.py").write_text(SCANNER)
    about = {
        "program": sys.executable,
        "arguments": ["-I", str(folder / "scanner.py"), "{file}"],
        "pattern": "FOUND: (?P<label>.+)",
        "version": ["--version"],
        "definitions": str(folder / "scanner.py"),
        "timeout": 60,
        **more,
    }
    path = folder / "scanner.json"
    path.write_text(json.dumps(about))
    return path


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[agent_module.Agent]:
    certificate = self_made(tmp_path / "tls", ["127.0.0.1"], SystemClock())
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    made = make_agent(
        "127.0.0.1:0",
        described(tmp_path),
        tmp_path / "token",
        certificate.chain,
        certificate.key,
        largest=100_000,
    )
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()


@pytest.fixture
def engine(agent: agent_module.Agent, tmp_path: Path) -> AgentEngine:
    return AgentEngine(
        url=f"https://127.0.0.1:{agent.server_address[1]}",
        token_file=str(tmp_path / "token"),
        ca_file=str(tmp_path / "tls" / "certificate.pem"),
    )


def test_it_scans_and_says_how_little_it_isolates(engine: AgentEngine) -> None:
    version = engine.version()
    assert version.engine.startswith("Python")
    assert version.built > 0
    assert engine.isolation.startswith("none: ")
    for trial in engine.trials():
        with Content.of_bytes(trial.data, trial.name) as content:
            assert engine.scan(content).category in trial.right
    with Content.of_bytes(EICAR) as content:
        answer = engine.scan(content)
    assert (answer.category, answer.label) == (Category.MALICIOUS, "Eicar-Test")


def test_what_goes_wrong_is_told(engine: AgentEngine, tmp_path: Path) -> None:
    with Content.of_bytes(b"broken") as content, pytest.raises(AgentError, match="ended with 7"):
        engine.scan(content)
    with (
        Content.of_bytes(b"a" * 100_001) as content,
        pytest.raises((AgentError, OSError), match=r"413|reset|pipe|EOF|sense"),
    ):
        engine.scan(content)
    (tmp_path / "wrong").write_text("x" * 20)
    engine.token_file = str(tmp_path / "wrong")
    with pytest.raises(PluginUnavailableError, match="401"):
        engine.version()
    engine.ca_file = ""
    with pytest.raises(PluginUnavailableError, match="certificate"):
        engine.version()
    for wrong in ("", "http://127.0.0.1:1"):
        with pytest.raises(PluginUnavailableError, match="needs an agent"):
            AgentEngine(url=wrong).version()


class Dripping(socketserver.BaseRequestHandler):
    """Begins an answer that never ends, an octet now and then."""

    def handle(self) -> None:
        context: ssl.SSLContext = self.server.context  # type: ignore[attr-defined]
        with suppress(OSError), context.wrap_socket(self.request, server_side=True) as secure:
            secure.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                secure.sendall(b"x")
                threading.Event().wait(0.05)


def test_an_agent_that_drips_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_engine, "GRACE_SECONDS", 0.0)
    certificate = self_made(tmp_path / "tls", ["127.0.0.1"], SystemClock())
    (tmp_path / "token").write_text(TOKEN)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        server.context = server_context(certificate)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        engine = AgentEngine(
            url=f"https://127.0.0.1:{server.server_address[1]}",
            token_file=str(tmp_path / "token"),
            ca_file=str(certificate.chain),
            timeout=2,
        )
        with Content.of_bytes(b"a") as content, pytest.raises(TimeoutError, match="longer than"):
            engine.scan(content)
        server.shutdown()
        thread.join()


def test_connections_are_bounded_and_places_come_back(engine: AgentEngine) -> None:
    where = urlsplit(engine.url)
    address = (where.hostname, where.port)
    silent = [
        socket.create_connection(address, PATIENCE)
        for _ in range(agent_module.MOST_CONNECTIONS + 1)
    ]
    refused, _, _ = select.select(silent, [], [], PATIENCE / 2)
    assert [each.recv(10) for each in refused] == [b""]
    for each in silent:
        each.close()
    until("a place", lambda: answers(engine))


def test_who_sends_an_octet_now_and_then_holds_no_place_for_ever(
    agent: agent_module.Agent, engine: AgentEngine
) -> None:
    agent.longest = 1.0
    context = ssl.create_default_context(cafile=engine.ca_file)
    with (
        socket.create_connection(("127.0.0.1", agent.server_address[1]), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as slow,
    ):

        def is_cut() -> bool:
            try:
                slow.sendall(b"x")
            except OSError:
                return True
            return False

        until("the agent ends it", is_cut, pause=0.05)


def answers(engine: AgentEngine) -> bool:
    try:
        return bool(engine.version().engine)
    except PluginUnavailableError:
        return False


def test_what_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    scanner = Scanner.read(described(tmp_path, timeout=0.3))
    (tmp_path / "file").write_bytes(b"slow")
    assert scanner.scan(str(tmp_path / "file"))["category"] == "timeout"


def test_exit_codes(tmp_path: Path) -> None:
    scanner = Scanner.read(described(tmp_path, suspicious=[2], clean=[0, 3]))
    assert scanner.judged(3, "")["category"] == "undetected"
    assert scanner.judged(2, "nothing") == {"category": "suspicious", "label": "unnamed"}
    assert scanner.judged(-9, "x\nlast")["error"] == "ended with -9: last"


@pytest.mark.parametrize(
    ("more", "fault"),
    [({"programme": "x"}, "programme"), ({"pattern": "("}, "scanner.json"), ({"clean": 3}, "json")],
)
def test_a_description_that_makes_no_sense(
    tmp_path: Path, more: dict[str, Any], fault: str
) -> None:
    with pytest.raises(DescriptionError, match=fault):
        Scanner.read(described(tmp_path, **more))


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    alone = tmp_path / "agent.py"
    shutil.copy(agent_module.__file__, alone)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(alone), "--help"], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert b"--description" in done.stdout
