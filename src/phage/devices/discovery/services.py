"""What a service is, by what it says: pure readers of banners, hostile ones too."""

from __future__ import annotations

import re
from typing import NamedTuple

from phage.telemetry.escape import escape

MAX_BANNER = 400
"""Characters of a banner that are kept: what names a program stands at its beginning."""

MAX_SOFTWARE = 120

NAMES = {
    7: "echo", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 53: "dns", 79: "finger", 80: "http",
    81: "http", 88: "kerberos", 110: "pop3", 111: "rpcbind", 119: "nntp", 123: "ntp", 135: "msrpc",
    137: "netbios-ns", 139: "netbios-ssn", 143: "imap", 161: "snmp", 179: "bgp", 389: "ldap",
    427: "slp", 443: "https", 445: "smb", 465: "smtps", 502: "modbus", 515: "printer",
    548: "afp", 554: "rtsp", 587: "smtp", 631: "ipp", 636: "ldaps", 873: "rsync", 990: "ftps",
    993: "imaps", 995: "pop3s", 1080: "socks", 1400: "sonos", 1433: "mssql", 1723: "pptp",
    1883: "mqtt", 1900: "ssdp", 2049: "nfs", 2323: "telnet", 3128: "http-proxy", 3306: "mysql",
    3389: "rdp", 3689: "daap", 5060: "sip", 5353: "mdns", 5357: "wsd", 5432: "postgresql",
    5555: "adb", 5683: "coap", 5900: "vnc", 6379: "redis", 7547: "cwmp", 8000: "http",
    8008: "http", 8009: "cast", 8080: "http", 8081: "http", 8123: "http", 8443: "https",
    8554: "rtsp", 8883: "mqtts", 8888: "http", 9100: "jetdirect", 32400: "plex", 62078: "lockdown",
}  # fmt: skip
"""What is usually spoken on a port; what is heard there says more."""

TLS_PORTS = frozenset({443, 465, 636, 853, 990, 993, 995, 5061, 6466, 8009, 8443, 8883})
"""Ports whose servers wait for a TLS handshake."""

SILENT = frozenset(
    {53, 102, 179, 502, 515, 789, 1911, 2404, 4840, 4911, 9600, 20000, 34962, 34963, 34964, 44818}
    | {47808, *range(9100, 9108)}
)
"""Ports where nothing is sent: printers print it, machines may act upon it."""

HTTP_REQUEST = b"GET / HTTP/1.0\r\nHost: %s\r\nUser-Agent: phage\r\nAccept: */*\r\n\r\n"

_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9 ._+-]{0,60}?)[/_ -]v?(\d[\w.+:~-]{0,40})")
_HTTP = re.compile(r"HTTP/\d(?:\.\d)? \d{3}")
_SERVER = re.compile(r"^server:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,300})", re.IGNORECASE)
_REALM = re.compile(
    r'^www-authenticate:[^\r\n]{0,200}?realm="([^"\r\n]{0,120})', re.IGNORECASE | re.MULTILINE
)
_SSH = re.compile(r"SSH-[\d.]+-(\S+)(.*)")
_FTP = re.compile(
    r"(vsFTPd|ProFTPD|Pure-FTPd|FileZilla Server|Microsoft FTP)[ /]?(?:version )?([\d.]\S*)?"
)
_MAILER = re.compile(r"\b(Postfix|Exim|Sendmail)\b ?([\d.]\S*)?")
_GREETINGS = (
    ("ssh", re.compile(r"SSH-\d")),
    ("http", _HTTP),
    ("rtsp", re.compile(r"RTSP/\d")),
    ("sip", re.compile(r"SIP/\d")),
    ("vnc", re.compile(r"RFB \d{3}\.\d{3}")),
    ("pop3", re.compile(r"\+OK")),
    ("imap", re.compile(r"\* (?:OK|PREAUTH)")),
    ("smtp", re.compile(r"220[ -][^\r\n]*SMTP", re.IGNORECASE)),
    ("ftp", re.compile(r"220[ -]")),
    ("rsync", re.compile(r"@RSYNCD:")),
    ("mysql", re.compile(r".\0\0\0\x0a[\d.]+", re.DOTALL)),
)


class Banner(NamedTuple):
    """What a service said.

    Attributes:
        name: What is spoken.
        text: For people and identifiers: bounded, on one line, control characters escaped.
        software: Product and version: "OpenSSH 6.7p1"; ''.
        title: Title of a web page; ''.
    """

    name: str
    text: str
    software: str = ""
    title: str = ""


def read_banner(port: int, raw: bytes) -> Banner:
    """Return what a service is by the octets that it sent; by its port where they say nothing."""
    said = raw[:4096].decode("utf-8", "replace")
    name = next((name for name, pattern in _GREETINGS if pattern.match(said)), "")
    if name == "http":
        return _http(port, said)
    usual = NAMES.get(port, "")
    if said.startswith("\ufffd") and usual in {"telnet", ""}:  # 0xff: a telnet option (RFC 854).
        name, said = "telnet", _without_options(raw[:4096])
    text = one_line(said)
    return Banner(name or usual, text, _software(name, said))


def _http(port: int, said: str) -> Banner:
    server, title, realm = _SERVER.search(said), _TITLE.search(said), _REALM.search(said)
    parts = [said.partition("\r\n")[0][:60]]
    parts += [f"Server: {server[1]}"] if server else []
    parts += [f"realm {realm[1]}"] if realm else []
    name = "https" if port in TLS_PORTS else "http"
    product = _first_product(server[1]) if server else ""
    return Banner(name, one_line("; ".join(parts)), product, one_line(title[1]) if title else "")


def _without_options(raw: bytes) -> str:
    return re.sub(rb"\xff[\xfb-\xfe].|\xff.", b"", raw, flags=re.DOTALL).decode("utf-8", "replace")


def _software(name: str, said: str) -> str:
    """Return product and version, of what speaks another language than HTTP."""
    found = ""
    if name == "ssh" and (match := _SSH.match(said)):
        found = match[1].replace("_", " ", 1)
    elif name == "ftp" and (match := _FTP.search(said[:300])):
        found = f"{match[1]} {match[2] or ''}".strip(" )")
    elif name == "smtp" and (match := _MAILER.search(said[:300])):
        found = f"{match[1]} {match[2] or ''}"
    elif name == "mysql":
        found = f"MySQL {said[5:60].partition(chr(0))[0]}"
    elif name in {"rtsp", "sip"} and (match := _SERVER.search(said)):
        found = _first_product(match[1])
    return one_line(found)[:MAX_SOFTWARE]


def _first_product(text: str) -> str:
    match = _PRODUCT.match(text.strip())
    return one_line(f"{match[1]} {match[2]}" if match else text)[:MAX_SOFTWARE]


def one_line(text: str) -> str:
    """Return text from the network: bounded, on one line, control characters escaped."""
    return escape(" ".join(text[: 4 * MAX_BANNER].split()))[:MAX_BANNER]
