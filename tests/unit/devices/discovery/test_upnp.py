from __future__ import annotations

import asyncio
import threading

import pytest

from phage.clock import SystemClock
from phage.devices.discovery import upnp
from phage.devices.discovery.pace import Pace

DESCRIPTION = b"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<friendlyName>Box\t&lt;b&gt; \xe2\x80\xaemoc</friendlyName><manufacturer>AVM</manufacturer>
<modelName>FRITZ</modelName><UDN>uuid:1</UDN>
<deviceList><device><friendlyName>inner</friendlyName><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<controlURL>/ctl</controlURL></service></serviceList></device></deviceList>
</device></root>"""

BOMB = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<root><device><friendlyName>&c;</friendlyName></device></root>"""

OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<root><device><friendlyName>&x;</friendlyName></device></root>"""


def test_a_description() -> None:
    root = upnp.parse(DESCRIPTION)
    assert root is not None
    said = upnp.description(root)
    assert said["friendly_name"] == "Box <b> \\u202emoc"
    assert said["udn"] == "uuid:1"
    assert upnp.igd_control(root) == ("urn:schemas-upnp-org:service:WANIPConnection:1", "/ctl")


@pytest.mark.parametrize(
    "body",
    [BOMB, OUTSIDE, b"", b"<root>", b"<html>" * 9000, b"\xff\xfe", b'<?xml encoding="x"?><a/>'],
)
def test_what_means_harm_or_is_no_xml(body: bytes) -> None:
    assert upnp.parse(body) is None


@pytest.mark.parametrize(
    ("location", "fits"),
    [
        ("http://10.0.0.1:49000/d.xml", True),
        ("http://10.0.0.1/d.xml", True),
        ("http://10.0.0.2/d.xml", False),
        ("http://evil.example/d.xml", False),
        ("https://10.0.0.1/d.xml", False),
        ("file:///etc/passwd", False),
        ("http://10.0.0.1:99999/", False),
        ("http://user@10.0.0.2/", False),
        ("", False),
    ],
)
def test_only_the_device_itself_is_asked(location: str, fits: bool) -> None:
    assert upnp.is_at(location, "10.0.0.1") is fits


def test_answers_are_bounded() -> None:
    search = upnp.UpnpSearch(Pace(SystemClock(), 0.0, threading.Event()))
    for number in range(20):
        search._answer(
            "10.0.0.1",
            b"HTTP/1.1 200 OK\r\nSERVER: x\x1b[2J\r\nLOCATION: http://10.0.0.1/%d\r\n\r\n" % number,
        )
    search._answer("10.0.0.1", b"HTTP/1.1 200 OK\r\nLOCATION: http://10.9.9.9/\r\n\r\n")
    search._answer("10.0.0.2", b"\xff" * 100)
    assert search.servers == {"10.0.0.1": "x\\x1b[2J"}
    assert len(search._locations["10.0.0.1"]) == upnp.MAX_LOCATIONS


def test_documents_are_bounded() -> None:
    async def run() -> tuple[bytes | None, bytes | None]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = await reader.readline()
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
            try:
                if b"endless" in line:
                    while True:
                        writer.write(b"A" * 65_536)
                        await writer.drain()
                writer.write(b"<root/>")
                await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            place = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return await upnp.get(f"{place}/d.xml"), await upnp.get(f"{place}/endless")

    assert asyncio.run(run()) == (b"<root/>", None)
