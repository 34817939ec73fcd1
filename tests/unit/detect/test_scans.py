from __future__ import annotations

import pytest

from phage.detect.guesses import Guesses
from phage.detect.logins import SERVICES
from phage.detect.scans import Scan
from phage.records import Subject

WHO = Subject(ip="192.0.2.1", device="192.0.2.1")


def test_a_host_that_is_not_listed_is_counted_once() -> None:
    scan = Scan(WHO, 0, 0, home=False, usual=0.0)
    for port in range(5):
        for host in range(2000):
            scan.add(f"10.0.{host >> 8}.{host & 255}", f"tcp/{port}")
    assert scan.hosts_total == pytest.approx(2000, rel=0.05)
    assert scan.services_total == 5
    scan.least_hosts = 60_000
    assert scan.hosts_total == 60_000


def test_who_guesses_at_many_again_and_again_guesses_at_as_many() -> None:
    guesses = Guesses(WHO, SERVICES[0], 0, 0, "spray", 0.0)
    for _ in range(20):
        for host in range(300):
            guesses.extend(Subject(ip=f"10.0.{host >> 8}.{host & 255}"), 22, 1, 1)
    assert guesses.total == 300
    assert guesses.attempts == 20 * 300
