"""Password guessing is found by replies and by shapes; honest repetition is not taken for it."""

from __future__ import annotations

import random

import pytest

from phage.detect.detectors.bruteforce import Bruteforce
from phage.records import Finding, Severity
from phage.testing.timeline import Timeline, findings_of
from phage.testing.windows import Endpoint, device, device6, remote

SERVER = device(20)
GUESSER = device(7)

# Octets each way of a refused login, as the protocols' own messages add up to.
SHAPES = {
    22: (2300, 2700),
    2222: (2300, 2700),
    23: (90, 400),
    21: (60, 150),
    3389: (1400, 2200),
    445: (1300, 1100),
    5900: (29, 40),
    3306: (180, 170),
    5432: (120, 110),
    110: (40, 90),
}


def found(timeline: Timeline) -> list[Finding]:
    return findings_of(timeline.windows(), Bruteforce())


def guess(
    timeline: Timeline, start: float, gap: float, count: int, port: int, client: Endpoint = GUESSER
) -> None:
    rng = random.Random(port)
    up, down = SHAPES[port]
    for number in range(count):
        payload = (up + rng.randrange(12), down + rng.randrange(6))
        timeline.connect(start + number * gap, client, SERVER, port, payload=payload, lasts=0.8)


@pytest.mark.parametrize("port", sorted(SHAPES))
def test_one_host_guesses(port: int) -> None:
    timeline = Timeline()
    guess(timeline, 1, 0.5, 100, port)
    (finding,) = found(timeline)
    assert finding.subject.mac == GUESSER.mac
    assert [peer.ip for peer in finding.peers] == [SERVER.ip]
    assert finding.evidence["attempts"] == 100
    assert not finding.spoofable


def test_a_flood_of_requests_is_told_as_what_it_may_be() -> None:
    timeline = Timeline()
    for number in range(2000):
        payload = (300, 900)
        timeline.connect(1 + number * 0.01, GUESSER, SERVER, 80, payload=payload, lasts=0.02)
    (finding,) = found(timeline)
    assert finding.evidence["attempts"] == 2000
    assert "guessing of passwords, or a flood of requests" in finding.summary


def test_one_host_guesses_by_ipv6() -> None:
    timeline = Timeline()
    for number in range(40):
        timeline.connect(number, device6(7), device6(20), 22, payload=(2300, 2700), lasts=0.5)
    (finding,) = found(timeline)
    assert finding.subject.ip == device6(7).ip


@pytest.mark.parametrize("gap", [3.0, 12.0, 30.0])
def test_slow_guessing(gap: float) -> None:
    timeline = Timeline()
    guess(timeline, 1, gap, 130, 22)
    assert len(found(timeline)) == 1


def test_a_success_after_many_failures_is_critical() -> None:
    timeline = Timeline()
    guess(timeline, 1, 0.5, 50, 22)
    timeline.connect(30, GUESSER, SERVER, 22, payload=(20_000, 90_000), lasts=100)
    (finding,) = found(timeline)
    assert finding.evidence["session_followed"] is True
    assert finding.severity is Severity.CRITICAL
    assert "then a session was opened" in finding.summary


def test_many_hosts_guess_at_one_server() -> None:
    timeline = Timeline()
    for number in range(120):
        timeline.connect(number * 2, remote(number % 30), SERVER, 22, payload=(2300, 2700), lasts=1)
    (finding,) = found(timeline)
    assert finding.evidence["kind"] == "distributed"
    assert finding.subject.mac == SERVER.mac
    assert finding.peers_total >= 25


def test_one_host_tries_a_few_passwords_at_many_servers() -> None:
    timeline = Timeline()
    for number in range(40):
        timeline.connect(
            number * 5, GUESSER, device(40 + number), 22, payload=(2300, 2700), lasts=1
        )
    (finding,) = found(timeline)
    assert finding.evidence["kind"] == "spray"
    assert finding.peers_total >= 30


@pytest.mark.parametrize("kind", ["ftp", "smtp", "telnet", "smb"])
def test_replies_that_count_failures(kind: str) -> None:
    ports = {"ftp": 21, "smtp": 587, "telnet": 23, "smb": 445}
    timeline = Timeline()
    for number in range(12):
        for failures in (1, 2, 3):
            timeline.message(
                number * 3 + failures * 0.5, kind, SERVER, GUESSER,
                {"server": True, "failures": failures},
                ports=(ports[kind], 40_000 + number), flow=number + 1,
            )  # fmt: skip
    (finding,) = found(timeline)
    assert finding.subject.mac == GUESSER.mac
    assert finding.evidence["service"] == kind
    assert finding.evidence["attempts"] == 36


@pytest.mark.parametrize("login", ["basic", "form"])
def test_http_logins_that_are_refused(login: str) -> None:
    timeline = Timeline()
    request = {"method": "GET", "uri": "/", "authorization": "basic"}
    if login == "form":
        request = {"method": "POST", "uri": "/wp-login.php"}
    for number in range(30):
        ports = (40_000 + number, 80)
        timeline.message(
            number * 0.3, "http", GUESSER, SERVER, request, ports=ports, flow=number + 1
        )
        timeline.message(
            number * 0.3 + 0.05,
            "http",
            SERVER,
            GUESSER,
            {"status": 401},
            ports=ports[::-1],
            flow=number + 1,
        )
    (finding,) = found(timeline)
    assert finding.evidence["service"] == "http"


def test_a_login_that_a_reply_refused_counts_once() -> None:
    timeline = Timeline()
    for number in range(30):
        time, ports = number * 1.0, (40_000 + number, 80)
        flow = timeline.connect(time, GUESSER, SERVER, 80, payload=(120, 150), lasts=0.3)
        request = {"method": "GET", "uri": "/", "authorization": "basic"}
        timeline.message(time + 0.1, "http", GUESSER, SERVER, request, ports=ports, flow=flow)
        timeline.message(
            time + 0.2, "http", SERVER, GUESSER, {"status": 401}, ports=ports[::-1], flow=flow
        )
    (finding,) = found(timeline)
    assert finding.evidence["attempts"] == finding.evidence["refused_by_reply"] == 30
    assert finding.packets > 5 * 30


def one_connection(took: float, *, asks: bool = True) -> Timeline:
    """Eight requests of one connection in so many seconds, all refused."""
    timeline = Timeline()
    flow = timeline.connect(0.0, GUESSER, SERVER, 80, payload=(4500, 9000), lasts=took)
    request = {"method": "GET", "uri": "/", **({"authorization": "basic"} if asks else {})}
    refusal = {"status": 401}
    timeline.message(0.1, "http", GUESSER, SERVER, request, ports=(40_000, 80), flow=flow)
    for time, told in ((0.2, refusal), (took, refusal | {"failures": 8})):
        timeline.message(time, "http", SERVER, GUESSER, told, ports=(80, 40_000), flow=flow)
    return timeline


def test_guesses_in_one_connection() -> None:
    (finding,) = found(one_connection(20.0))
    assert finding.evidence["attempts"] == 8
    assert not finding.evidence["session_followed"]


# What is not guessing.


def test_one_connection_that_is_refused_now_and_then_is_none() -> None:
    assert found(one_connection(600.0)) == []


def test_one_connection_that_is_challenged_is_none() -> None:
    assert found(one_connection(20.0, asks=False)) == []


def test_a_monitor_that_reads_the_greeting_is_none() -> None:
    timeline = Timeline()
    for number in range(500):
        timeline.connect(number * 10, GUESSER, SERVER, 22, payload=(24, 40), lasts=0.1)
    assert found(timeline) == []


def test_a_monitor_that_logs_in_every_minute_is_none() -> None:
    timeline = Timeline()
    for number in range(300):
        timeline.connect(number * 60, GUESSER, SERVER, 22, payload=(3100, 3400), lasts=0.5)
    assert found(timeline) == []


def test_builds_that_fetch_by_ssh_are_none() -> None:
    timeline = Timeline()
    rng = random.Random(4)
    for build in range(40):
        for number in range(12):
            large = rng.random() < 0.5
            payload = (rng.randrange(3000, 9000), rng.randrange(3000, 900_000 if large else 9000))
            timeline.connect(
                build * 300 + number * 2, GUESSER, SERVER, 22, payload=payload, lasts=1.5
            )
    assert found(timeline) == []


def test_a_browser_is_none() -> None:
    timeline = Timeline()
    rng = random.Random(5)
    for number in range(400):
        payload = (rng.randrange(400, 3000), rng.randrange(200, 60_000))
        timeline.connect(
            number * 0.2, GUESSER, SERVER, 443, payload=payload, lasts=rng.random() * 5
        )
    assert found(timeline) == []


def test_challenges_before_credentials_are_none() -> None:
    timeline = Timeline()
    for number in range(60):
        ports = (40_000 + number, 80)
        request = {"method": "GET", "uri": f"/page/{number}"}
        timeline.message(
            number * 0.2, "http", GUESSER, SERVER, request, ports=ports, flow=number + 1
        )
        timeline.message(
            number * 0.2 + 0.05,
            "http",
            SERVER,
            GUESSER,
            {"status": 401},
            ports=ports[::-1],
            flow=number + 1,
        )
    assert found(timeline) == []


def test_a_person_who_forgot_a_password_is_none() -> None:
    timeline = Timeline()
    guess(timeline, 1, 8.0, 5, 22)
    assert found(timeline) == []


def test_a_device_that_polls_a_hub_is_none() -> None:
    timeline = Timeline()
    for number in range(2000):
        timeline.connect(number, GUESSER, SERVER, 80, payload=(210, 480), lasts=0.05)
    assert found(timeline) == []
