"""clamd's protocol as clients speak it, rightly and wrongly."""

from __future__ import annotations

import array
import contextlib
import os
import random
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phage.scan.clamd import Clamd, ClamdError
from phage.scan.front import FrontError
from phage.scan.fronts.clamd import ClamdFront
from phage.scan.trials import EICAR
from phage.testing.judge import FakeJudge
from phage.testing.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def judge(tmp_path: Path) -> FakeJudge:
    return FakeJudge(tmp_path)


@pytest.fixture
def opened(judge: FakeJudge) -> Iterator[Callable[..., ClamdFront]]:
    made: list[ClamdFront] = []

    def make(**settings: Any) -> ClamdFront:
        front = ClamdFront(**{"listen": "127.0.0.1:0", "patience": 60.0, **settings})
        front.open(judge)
        made.append(front)
        return front

    yield make
    for front in made:
        front.close()


def connect(front: ClamdFront) -> socket.socket:
    return socket.create_connection(("127.0.0.1", front.port), PATIENCE)


def ask(front: ClamdFront, data: bytes) -> bytes:
    """Send octets, end the sending, and return all that is answered."""
    with connect(front) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def stream(*chunks: bytes) -> bytes:
    told = b"".join(struct.pack("!I", len(each)) + each for each in chunks)
    return told + struct.pack("!I", 0)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"PING\n", b"PONG\n"),
        (b"nPING\n", b"PONG\n"),
        (b"zPING\0", b"PONG\0"),
        (b"PING\r\n", b"PONG\n"),
        (b"nVERSION\n", b"phage/ffffffff\n"),
        (b"nRELOAD\n", b"RELOADING\n"),
        (b"nSHUTDOWN\n", b"UNKNOWN COMMAND\n"),
        (b"nSCAN\n", b"UNKNOWN COMMAND\n"),
        (b"n\n", b"UNKNOWN COMMAND\n"),
        (b"nEND\n", b""),
        (b"", b""),
        (b"nPIN", b""),
        (b"n" + b"x" * 10_000, b""),
        (b"zINSTREAM\0" + stream(EICAR[:10], EICAR[10:]), b"stream: Eicar_Test FOUND\0"),
        (b"nINSTREAM\n" + stream(b"good"), b"stream: OK\n"),
        (b"nINSTREAM\n" + stream(), b"stream: OK\n"),
        (b"nINSTREAM\n" + stream(b"odd"), b"stream: x.zip, encrypted, no password fits ERROR\n"),
        (b"nINSTREAM\n" + stream(b"cut")[:-2], b""),
        (b"nINSTREAM\n" + struct.pack("!I", 2**31), b"INSTREAM size limit exceeded. ERROR\n"),
        (b"nFILDES\nx", b"No file descriptor received. ERROR\n"),
        (
            b"zIDSESSION\0zPING\0zINSTREAM\0" + stream(EICAR) + b"nPING\nzEND\0zPING\0",
            b"1: PONG\0002: stream: Eicar_Test FOUND\0003: PONG\n",
        ),
        (b"zIDSESSION\0PING\n", b""),
    ],
)
def test_commands(opened: Callable[..., ClamdFront], sent: bytes, answer: bytes) -> None:
    assert ask(opened(), sent) == answer


def test_what_is_incomplete_is_never_ok_unless_wanted(opened: Callable[..., ClamdFront]) -> None:
    sent = b"nINSTREAM\n" + stream(b"odd")
    assert ask(opened(incomplete="found"), sent) == b"stream: Phage.Incomplete FOUND\n"
    assert ask(opened(incomplete="ok"), sent) == b"stream: OK\n"
    with pytest.raises(ValueError, match="error, found or ok"):
        ClamdFront(incomplete="maybe")
    with pytest.raises(ValueError, match="needs listen or socket"):
        ClamdFront(listen="")


def test_paths_only_below_allowed_folders(
    opened: Callable[..., ClamdFront], tmp_path: Path
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    (own / "deep").mkdir(parents=True)
    other.mkdir()
    (own / "good.txt").write_bytes(b"good")
    (own / "deep" / "a.com").write_bytes(EICAR)
    (own / "deep" / "b.com").write_bytes(EICAR)
    (own / "deep" / "slow.txt").write_bytes(b"x")
    (other / "secret.com").write_bytes(EICAR)
    (own / "link.com").symlink_to(other / "secret.com")
    (own / "way").symlink_to(other)
    os.mkfifo(own / "pipe")
    front = opened(folders=(str(own),))

    def told(command: str) -> list[str]:
        return ask(front, f"n{command}\n".encode()).decode().splitlines()

    assert told(f"SCAN {own}/good.txt") == [f"{own}/good.txt: OK"]
    assert told(f"SCAN {own}") == [f"{own}/deep/a.com: Eicar_Test FOUND"]
    whole = [
        f"{own}/deep/a.com: Eicar_Test FOUND",
        f"{own}/deep/b.com: Eicar_Test FOUND",
        f"{own}/deep/slow.txt: no verdict within 300 s ERROR",
    ]
    assert told(f"CONTSCAN {own}") == whole
    assert told(f"MULTISCAN {own}/deep") == whole
    for path in (
        f"{other}/secret.com", f"{own}/link.com", f"{own}/way/secret.com", f"{own}/../other",
        "/etc/passwd", "relative", "/proc/self/environ",
    ):  # fmt: skip
        (line,) = told(f"SCAN {path}")
        assert line == f"{path}: Access denied. ERROR"
    assert told(f"SCAN {own}/none") == [f"{own}/none: No such file or directory. ERROR"]
    assert told(f"SCAN {own}/pipe") == [f"{own}/pipe: Not supported file type. ERROR"]
    assert ask(opened(), f"nSCAN {own}/good.txt\n".encode()).endswith(b"Access denied. ERROR\n")


def test_a_socket_and_descriptors(
    opened: Callable[..., ClamdFront], tmp_path: Path, judge: FakeJudge
) -> None:
    path = tmp_path / "front.sock"
    opened(socket=str(path), mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    clamd = Clamd(str(path), 10)
    assert clamd.ask("PING") == "PONG"
    (tmp_path / "c.com").write_bytes(EICAR)
    with (tmp_path / "c.com").open("rb") as file:
        assert clamd.scan(file.fileno()) == "Eicar_Test"
    judge.largest = 10
    with (tmp_path / "c.com").open("rb") as file, pytest.raises(ClamdError, match="too large"):
        clamd.scan(file.fileno())
    read, write = os.pipe()
    with pytest.raises(ClamdError, match="Not supported file type"):
        clamd.scan(read)
    os.close(read)
    os.close(write)
    with pytest.raises(FrontError, match="is in use"):
        opened(listen="", socket=str(path))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FrontError, match="is in use"):
        opened(listen="", socket=str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_descriptors_that_nobody_takes_are_closed(
    opened: Callable[..., ClamdFront], tmp_path: Path
) -> None:
    path = tmp_path / "front.sock"
    opened(socket=str(path))
    before = descriptors()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            rights = array.array("i", [connection.fileno()] * 4)
            connection.sendmsg([b"nPING\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            assert connection.recv(100) == b"PONG\n"
            assert connection.recv(100) == b""
    assert descriptors() <= before + 2


def test_too_many_connections_are_refused_and_silent_ones_end(
    opened: Callable[..., ClamdFront],
) -> None:
    front = opened(connections=2)
    with connect(front), connect(front):
        with connect(front) as refused:
            assert refused.recv(10) == b""
        assert front.counters()["refused"] == 1
    front = opened(connections=2, patience=0.3)
    with connect(front) as first, connect(front) as second:
        assert first.recv(10) == second.recv(10) == b""  # After a moment of silence.

    def asked() -> bool:  # Those before let go of their places in time.
        with contextlib.suppress(OSError):
            ask(front, b"PING\n")
        return front.counters()["connections"] >= 3

    until("a free place", asked)


def test_an_address_that_is_taken(opened: Callable[..., ClamdFront]) -> None:
    front = opened()
    for address in (f"127.0.0.1:{front.port}", "127.0.0.1:99999", "nonsense", "127.0.0.1:x"):
        with pytest.raises(FrontError, match="cannot listen"):
            opened(listen=address)


def test_any_octets_end_in_an_answer_or_an_end(opened: Callable[..., ClamdFront]) -> None:
    front, chance = opened(), random.Random(8)
    seeds = [b"zIDSESSION\0zPING\0", b"nINSTREAM\n" + stream(b"abc"), b"SCAN /etc\n", b"nFILDES\n"]
    for number in range(300):
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        ask(front, bytes(data))
    assert ask(front, b"PING\n") == b"PONG\n"


def test_what_is_not_taken_is_said(
    opened: Callable[..., ClamdFront], judge: FakeJudge, tmp_path: Path
) -> None:
    front = opened(folders=(str(tmp_path),))
    (tmp_path / "full").write_bytes(b"x")
    told = ask(front, f"nSCAN {tmp_path}/full\n".encode())
    assert told.endswith(b"full: [Errno 28] No space left on device ERROR\n")
    judge.largest = 10
    sent = b"nINSTREAM\n" + stream(b"more than ten octets")
    assert ask(front, sent) == b"INSTREAM size limit exceeded. ERROR\n"
    judge.has_room = False
    assert ask(front, sent) == b"stream: there is no room for the file ERROR\n"


def test_a_folder_that_cannot_be_read_is_not_ok(
    opened: Callable[..., ClamdFront], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "good.txt").write_bytes(b"good")
    scandir = os.scandir

    def scanned(path: str) -> Any:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scanned)
    answer = ask(opened(folders=(str(tmp_path),)), f"nCONTSCAN {tmp_path}\n".encode())
    assert answer.decode() == f"{tmp_path}/secret: Permission denied. ERROR\n"


def test_a_path_that_can_be_none(
    opened: Callable[..., ClamdFront], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    front = opened(folders=(str(tmp_path),))
    answer = ask(front, f"nSCAN {tmp_path}/a\0b\n".encode())
    assert answer.endswith(b": No such file or directory. ERROR\n")
    assert "Traceback" not in caplog.text


def test_how_many_are_served_now(opened: Callable[..., ClamdFront]) -> None:
    front = opened()
    for _ in range(3):
        ask(front, b"PING\n")
    with connect(front):  # Those that have their answer let go of their places in time.
        until("two connections", lambda: b"THREADS: live 2 " in ask(front, b"nSTATS\n"))
