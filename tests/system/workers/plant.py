"""A master with its workers, over the real RabbitMQ and PostgreSQL of Debian, all on loopback."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import SystemClock
from phage.store.store import Store, StoreLocation, open_store
from phage.testing import waiting
from phage.testing.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE = 120.0
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
WORKER_RIGHTS = {"configure": "^engine", "write": "^engine", "read": "^engine"}
"""What a worker's account in RabbitMQ needs, as the how-to says."""


def absent() -> str:
    """Return why no plant can be built here; '' when it can."""
    if os.geteuid() != 0:
        return "needs root, to start servers as their accounts"
    if not RABBITMQ.exists():
        return "lacks RabbitMQ (Debian: rabbitmq-server)"
    if not _postgresql():
        return "lacks PostgreSQL (Debian: postgresql)"
    if shutil.which("bwrap") is None:
        return "lacks bubblewrap"
    return ""


def _postgresql() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def until(
    what: str | Callable[[], object], ready: Callable[[], object], patience: float = PATIENCE
) -> None:
    """Wait until something is so: many servers take their time."""
    waiting.until(what, ready, patience, pause=0.1)


class Server:
    """A program in a group of processes of its own, killed as a whole."""

    def __init__(
        self,
        command: list[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        account: str = "",
    ) -> None:
        about: dict[str, Any] = {}
        if account:
            user = pwd.getpwnam(account)
            about = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                cwd=log.parent,
                **about,
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Kill it with all that it started, and wait."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        self.process.wait(60)


class Plant:
    """A master and workers; each part can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self.broker_port, self.api_port = free_port(), free_port()
        self._epmd_port, self._distribution_port = free_port(), free_port()
        self.parts: dict[str, Server] = {}
        self.config = folder / "phage.yaml"
        self.token = ""

    @property
    def api(self) -> str:
        """Where the master is asked."""
        return f"https://localhost:{self.api_port}"

    @property
    def location(self) -> StoreLocation:
        """Where the store is."""
        return StoreLocation(f"postgresql://phage@/phage?host={self.folder / 'pg'}")

    def store(self) -> Store:
        """Open the store."""
        return open_store(self.location, SystemClock())

    def build(self, **scan: object) -> None:
        """Start servers, master and dispatcher; make a token for workers."""
        self.make_database()
        self.make_broker()
        self.start_database()
        self.start_broker()
        settings = {
            "store": {"url": self.location.url},
            "api": {"listen": f"127.0.0.1:{self.api_port}", "tls": "self-made"},
            "capture": {"enabled": False},
            "discovery": {"enabled": False},
            "scan": {
                "queue": "celery",
                "queue_url": self.amqp("master"),
                "processes": 2,
                "own_worker": False,  # It is started by itself, to be killed by itself.
                **scan,
            },
        }
        self.config.write_text(json.dumps(settings))
        self.phage("users", "add", "boss", "--role", "admin", feed="correct horse battery\n")
        made = self.phage("tokens", "create", "worker", "--user", "boss", "--scope", "work:write")
        self.token = made.strip().splitlines()[-1].split()[-1]
        self.start_master()
        self.start_dispatcher()

    def amqp(self, user: str) -> str:
        """Return the broker's address for an account."""
        return f"amqp://{user}:secret@127.0.0.1:{self.broker_port}//"

    def phage(self, *arguments: str, feed: str = "") -> str:
        """Run phage at the master; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "phage", *arguments, "--config", str(self.config),
             "--state-dir", str(self.state)],
            input=feed, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.fail(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def make_database(self) -> None:
        """Make an empty cluster of PostgreSQL."""
        programs = _postgresql()
        assert programs is not None
        place = self.folder / "pg"
        place.mkdir()
        shutil.chown(place, "postgres", "postgres")
        place.chmod(0o755)
        _run([str(programs / "initdb"), "-D", str(place / "data"), "-U", "phage", "-A", "trust",
              "-E", "UTF8", "--no-sync"], place, "postgres")  # fmt: skip

    def start_database(self) -> None:
        """Start PostgreSQL and wait until it answers."""
        programs = _postgresql()
        assert programs is not None
        place = self.folder / "pg"
        command = [
            str(programs / "postgres"), "-D", str(place / "data"), "-k", str(place),
            "-c", "listen_addresses=", "-c", "shared_buffers=32MB",
        ]  # fmt: skip
        self.parts["database"] = Server(command, place / "log", account="postgres")
        ready = [str(programs / "pg_isready"), "-h", str(place), "-q"]
        until("PostgreSQL", lambda: subprocess.run(ready, check=False).returncode == 0)
        make = [str(programs / "createdb"), "-h", str(place), "-U", "phage", "phage"]
        subprocess.run(make, check=False, capture_output=True)

    def make_broker(self) -> None:
        """Write RabbitMQ's settings: two accounts, of which one may only what workers need."""
        place = self.folder / "mq"
        place.mkdir()
        every = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [
                {"name": name, "password_hash": _hash("secret"), "tags": "",
                 "hashing_algorithm": "rabbit_password_hashing_sha256"}
                for name in ("master", "worker")
            ],
            "vhosts": [{"name": "/"}],
            "permissions": [
                {"user": "master", "vhost": "/", **every},
                {"user": "worker", "vhost": "/", **WORKER_RIGHTS},
            ],
        }  # fmt: skip
        (place / "definitions.json").write_text(json.dumps(definitions))
        (place / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.broker_port}\n"
            f"load_definitions = {place / 'definitions.json'}\n"
            "log.console = true\nlog.file = false\n"
        )
        for path in (place, *place.iterdir()):
            shutil.chown(path, "rabbitmq", "rabbitmq")

    def start_broker(self) -> None:
        """Start RabbitMQ and wait until it takes connections."""
        place = self.folder / "mq"
        environment = {
            "HOME": str(place),
            "RABBITMQ_NODENAME": f"phage{self.broker_port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(place / "mnesia"),
            "RABBITMQ_LOG_BASE": str(place),
            "RABBITMQ_PID_FILE": str(place / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(place / "none"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP_SECONDS": "0",
        }
        if "names" not in self.parts:  # Else Erlang starts one that outlives all.
            names = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self.parts["names"] = Server(names, place / "names.log", account="rabbitmq")
        self.parts["broker"] = Server([str(RABBITMQ)], place / "log", environment, "rabbitmq")
        until(lambda: f"RabbitMQ\n{self.logs()}", self.broker_is_up)

    def broker_is_up(self) -> bool:
        """Tell whether RabbitMQ greets who connects."""
        try:
            with socket.create_connection(("127.0.0.1", self.broker_port), 2) as probe:
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                probe.settimeout(5)
                return bool(probe.recv(1))
        except OSError:
            return False

    def start_master(self) -> None:
        """Start `phage run`, which serves the API."""
        self._start("master", "run", "--no-interface", "--netflow", f"127.0.0.1:{free_port()}")
        until(lambda: f"the API\n{self.logs()}", lambda: self.asked("/healthz"))

    def asked(self, path: str) -> bool:
        """Tell whether the API answers."""
        command = ["curl", "-sk", "-m", "5", "-o", "/dev/null", f"{self.api}{path}"]
        return subprocess.run(command, check=False).returncode == 0

    def start_dispatcher(self) -> None:
        """Start what takes samples apart and makes verdicts."""
        self._start("dispatcher", "worker")

    def start_worker(self, name: str, *engines: str) -> None:
        """Start a worker, with the account of workers and no way to the store."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        config = place / "phage.yaml"
        own = {"queue": "celery", "queue_url": self.amqp("worker"), "processes": 2}
        config.write_text(json.dumps({"scan": own}))
        (place / "token").write_text(self.token)
        (place / "token").chmod(0o600)
        command = [
            sys.executable, "-m", "phage", "worker", "--join", self.api, "--name", name,
            "--token-file", str(place / "token"), "--config", str(config),
            "--ca-file", str(self.state / "tls" / "certificate.pem"),
            "--state-dir", str(place / "state"),
            *(word for engine in engines for word in ("--engine", engine)),
        ]  # fmt: skip
        self.parts[name] = Server(command, place / "log")

    def _start(self, name: str, *words: str) -> None:
        command = [sys.executable, "-m", "phage", *words, "--config", str(self.config),
                   "--state-dir", str(self.state)]  # fmt: skip
        self.parts[name] = Server(command, self.folder / f"{name}.log")

    def close(self) -> None:
        """End everything."""
        for part in reversed(self.parts.values()):
            part.kill()

    def logs(self) -> str:
        """Return the ends of all logs, for a test that failed."""
        found = []
        for name, part in self.parts.items():
            with contextlib.suppress(OSError):
                found.append(f"--- {name}\n{part.log.read_text(errors='replace')[-3000:]}")
        return "\n".join(found)


def _run(command: list[str], folder: Path, account: str) -> None:
    user = pwd.getpwnam(account)
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
        user=user.pw_uid, group=user.pw_gid, extra_groups=[],
    )  # fmt: skip
    if done.returncode:
        pytest.fail(f"{command}: {done.stdout}{done.stderr}")


def _hash(password: str) -> str:
    """Return what RabbitMQ keeps of a password: a salt, and SHA-256 of both, in base 64."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
