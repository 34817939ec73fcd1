"""ICAP as proxies speak it, rightly and wrongly."""

from __future__ import annotations

import random
import socket
from typing import TYPE_CHECKING, Any

import pytest

from phage.records.sample import Category
from phage.scan.content import Content
from phage.scan.engines.icap import IcapEngine
from phage.scan.fronts.icap import IcapFront
from phage.scan.trials import EICAR
from phage.testing.judge import FakeJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REQUEST = b"GET http://example.org/a/c%20d.com?x=/y HTTP/1.1\r\nHost: example.org\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
ICAP = "icap://127.0.0.1/avscan ICAP/1.0\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def judge(tmp_path: Path) -> FakeJudge:
    return FakeJudge(tmp_path)


@pytest.fixture
def opened(judge: FakeJudge) -> Iterator[Callable[..., IcapFront]]:
    made: list[IcapFront] = []

    def make(**settings: Any) -> IcapFront:
        front = IcapFront(**{"listen": "127.0.0.1:0", "patience": 60.0, **settings})
        front.open(judge)
        made.append(front)
        return front

    yield make
    for front in made:
        front.close()


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks) + end


def respmod(body: bytes, *headers: str, method: str = "RESPMOD") -> bytes:
    lines = "".join(f"{each}\r\n" for each in headers)
    places = f"req-hdr=0, res-hdr={len(REQUEST)}, res-body={len(REQUEST) + len(RESPONSE)}"
    head = f"{method} {ICAP}{lines}Encapsulated: {places}\r\n\r\n"
    return head.encode() + REQUEST + RESPONSE + body


def ask(front: IcapFront, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", front.port), 60) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_options(opened: Callable[..., IcapFront]) -> None:
    answer = ask(opened(), f"OPTIONS {ICAP}\r\n".encode()).decode()
    assert answer.startswith('ICAP/1.0 200 OK\r\nISTag: "' + "f" * 32)
    for line in ("Methods: REQMOD, RESPMOD", "Allow: 204", "Preview: 4096", "null-body=0"):
        assert line in answer


def test_what_is_good_passes(opened: Callable[..., IcapFront], judge: FakeJudge) -> None:
    front = opened()
    answer = ask(front, respmod(chunked(b"go", b"od"), "Allow: 204"))
    assert answer.startswith(b"ICAP/1.0 204 No Content\r\n")
    assert b"X-Phage-Outcome: clean" in answer
    assert judge.names == ["c d.com"]
    whole = ask(front, respmod(chunked(b"go", b"od")))
    assert whole.startswith(b"ICAP/1.0 200 OK\r\n")
    assert b"Encapsulated: res-hdr=0, res-body=%d\r\n" % len(RESPONSE) in whole
    assert whole.endswith(b"\r\n\r\n" + RESPONSE + chunked(b"good"))


def test_what_is_infected_is_blocked(opened: Callable[..., IcapFront]) -> None:
    for headers in (("Allow: 204",), ()):
        answer = ask(opened(), respmod(chunked(EICAR), *headers))
        assert answer.startswith(b"ICAP/1.0 200 OK\r\n")
        assert b"X-Infection-Found: Type=0; Resolution=2; Threat=Eicar Test;" in answer
        assert b"HTTP/1.1 403 Forbidden" in answer
        assert b"yara: Eicar Test in c d.com" in answer
        assert EICAR not in answer


def test_uploads_are_looked_at_too(opened: Callable[..., IcapFront]) -> None:
    front, post = opened(), REQUEST.replace(b"GET", b"POST")
    head = f"REQMOD {ICAP}Allow: 204\r\nEncapsulated: req-hdr=0, req-body={len(post)}\r\n\r\n"
    assert b"403 Forbidden" in ask(front, head.encode() + post + chunked(EICAR))
    head = f"REQMOD {ICAP}Encapsulated: req-hdr=0, null-body={len(REQUEST)}\r\n\r\n"
    answer = ask(front, head.encode() + REQUEST)
    assert answer.endswith(b"\r\n\r\n" + REQUEST)
    assert b"Encapsulated: req-hdr=0, null-body=%d" % len(REQUEST) in answer


def test_previews(opened: Callable[..., IcapFront], judge: FakeJudge) -> None:
    front = opened()
    whole = respmod(chunked(b"small", end=b"0; ieof\r\n\r\n"), "Preview: 1024")
    assert ask(front, whole).startswith(b"ICAP/1.0 204")
    part = respmod(chunked(EICAR[:30]), "Preview: 30", "Allow: 204")
    with socket.create_connection(("127.0.0.1", front.port), 60) as connection:
        connection.sendall(part)
        assert connection.recv(100) == b"ICAP/1.0 100 Continue\r\n\r\n"
        connection.sendall(chunked(EICAR[30:]))
        assert b"X-Infection-Found" in connection.recv(65536)
        connection.sendall(respmod(chunked(b"the next"), "Allow: 204", "Connection: close"))
        assert connection.recv(65536).startswith(b"ICAP/1.0 204")
        assert connection.recv(10) == b""
    assert judge.sizes == [5, len(EICAR), 8]


def test_what_is_incomplete_passes_marked_or_is_blocked(
    opened: Callable[..., IcapFront],
) -> None:
    sent = respmod(chunked(b"odd"), "Allow: 204")
    assert b"X-Phage-Outcome: incomplete" in ask(opened(), sent)
    assert b"403 Forbidden" in ask(opened(incomplete="block"), sent)
    large = respmod(chunked(*[bytes(1000)] * 5), "Allow: 204")
    assert ask(opened(largest=2000), large).startswith(b"ICAP/1.0 204")
    assert b"more than 2000" in ask(opened(largest=2000, incomplete="block"), large)
    whole = ask(opened(largest=2000), respmod(chunked(bytes(5000))))
    assert whole.startswith(b"ICAP/1.0 500")
    with pytest.raises(ValueError, match="pass or block"):
        IcapFront(suspicious="maybe")


def test_without_a_verdict_the_proxy_decides(opened: Callable[..., IcapFront]) -> None:
    sent = respmod(chunked(b"x")).replace(b"c%20d.com", b"slow.html")
    assert ask(opened(), sent).startswith(b"ICAP/1.0 500 Server error\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"RESPMOD\r\n\r\n",
        f"TRACE {ICAP}\r\n".encode(),
        f"RESPMOD {ICAP}Encapsulated: res-hdr=x\r\n\r\n".encode(),
        f"RESPMOD {ICAP}Encapsulated: res-hdr=0, res-body=99999999999\r\n\r\n".encode(),
        f"RESPMOD {ICAP}Encapsulated: res-hdr=9, res-body=3\r\n\r\n".encode(),
        f"RESPMOD {ICAP}Encapsulated: other=0, res-body=3\r\n\r\nabc".encode(),
        respmod(b"zz\r\n"),
        respmod(b"-5\r\n"),
        respmod(b"fffffffffffffff\r\n"),
        b"x" * 100_000,
    ],
)
def test_what_makes_no_sense_is_refused(opened: Callable[..., IcapFront], sent: bytes) -> None:
    front = opened()
    assert ask(front, sent).startswith((b"ICAP/1.0 400 ", b"ICAP/1.0 405 "))
    assert front.counters()["faults"] == 1


def test_our_own_client_understands_it(opened: Callable[..., IcapFront]) -> None:
    engine = IcapEngine(url=f"icap://127.0.0.1:{opened().port}/avscan", timeout=60)
    engine.prepare()
    assert engine.version().engine == "phage"
    for data, category in ((EICAR, Category.MALICIOUS), (b"good" * 9000, Category.UNDETECTED)):
        with Content.of_bytes(data) as content:
            assert engine.scan(content).category is category


def test_any_octets_end_in_an_answer_or_an_end(opened: Callable[..., IcapFront]) -> None:
    front, chance = opened(), random.Random(8)
    seeds = [respmod(chunked(b"abc"), "Preview: 3"), f"OPTIONS {ICAP}\r\n".encode()]
    for number in range(300):
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        ask(front, bytes(data))
    assert b"204" in ask(front, respmod(chunked(b"x"), "Allow: 204"))


def test_what_is_not_taken_is_said_and_the_next_request_is_heard(
    opened: Callable[..., IcapFront], judge: FakeJudge
) -> None:
    front = opened()
    judge.largest = 10
    large = respmod(chunked(*[bytes(1000)] * 5), "Allow: 204")
    answer = ask(front, large + respmod(chunked(b"good"), "Allow: 204"))
    assert answer.count(b"ICAP/1.0 204") == 2
    assert b"X-Phage-Outcome: incomplete" in answer
    judge.has_room = False
    answer = ask(front, large + large)
    assert answer.count(b"ICAP/1.0 500 Server error") == 2
    assert b"no room for the file" in answer
    judge.has_room = True
    full = respmod(chunked(b"x")).replace(b"c%20d.com", b"full")
    assert b"No space left" in ask(front, full)
    assert front.counters()["no_verdict"] == 3
    assert front.counters()["too_large"] == 1


def test_who_was_asked_to_go_on_gets_the_whole_unless_it_allows_less(
    opened: Callable[..., IcapFront],
) -> None:
    with socket.create_connection(("127.0.0.1", opened().port), 60) as connection:
        connection.sendall(respmod(chunked(b"be"), "Preview: 2"))
        assert connection.recv(100) == b"ICAP/1.0 100 Continue\r\n\r\n"
        connection.sendall(chunked(b"gin and end"))
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"ICAP/1.0 200 OK")
    assert b"begin and end" in answer


def test_one_answer_to_what_there_is_not(opened: Callable[..., IcapFront]) -> None:
    answer = ask(opened(), f"TRACE {ICAP}\r\n".encode())
    assert answer.count(b"ICAP/1.0") == 1
    assert b"Allow: OPTIONS, REQMOD, RESPMOD" in answer
