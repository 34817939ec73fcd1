"""The files that pages load: held in memory, packed once, named by their contents."""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from fastapi.responses import Response

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json",
}

FOR_EVER = "public, max-age=31536000, immutable"
"""A file is asked for with the digest of its contents: another version has another address."""

LATER = "no-cache"
"""Asked for without a digest, as by the service worker: to be compared each time."""

_PACKED = frozenset({"css", "js", "svg", "webmanifest"})

MANIFEST = {
    "name": "phage",
    "short_name": "phage",
    "description": "An immune system for networks.",
    "id": "/",
    "start_url": "/",
    "display": "standalone",
    "background_color": "#0d1211",
    "theme_color": "#0d1211",
    "icons": [
        {"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml"},
        {"src": "/static/icon-192.png", "sizes": "192x192", "type": "image/png"},
        {
            "src": "/static/icon-512.png",
            "sizes": "512x512",
            "type": "image/png",
            "purpose": "any maskable",
        },
    ],
    "shortcuts": [
        {"name": "Findings", "url": "/findings"},
        {"name": "Decisions", "url": "/decisions"},
    ],
}


@frozen
class Asset:
    """One file: its contents, the same packed (empty where that saves nothing), type, digest."""

    contents: bytes
    packed: bytes
    type: str
    digest: str


def _asset(contents: bytes, ending: str) -> Asset:
    packed = gzip.compress(contents, 9, mtime=0) if ending in _PACKED else b""
    return Asset(contents, packed, TYPES[ending], hashlib.sha256(contents).hexdigest()[:12])


@cache
def assets() -> Mapping[str, Asset]:
    """Return all files by name. What is not among them is not served: no path leads elsewhere."""
    found = {"manifest.webmanifest": _asset(json.dumps(MANIFEST).encode(), "webmanifest")}
    for file in resources.files("phage.web").joinpath("static").iterdir():
        ending = file.name.rpartition(".")[2]
        if ending in TYPES:
            found[file.name] = _asset(file.read_bytes(), ending)
    return found


def address_of(name: str) -> str:
    """Return where a file is asked for, with the digest of its contents."""
    return f"/static/{name}?{assets()[name].digest}"


def answer(request: Request, name: str) -> Response:
    """Return a file as an answer; 404 for one that is not there."""
    asset = assets().get(name)
    if asset is None:
        return Response(status_code=404)
    tag = f'"{asset.digest}"'
    headers = {
        "ETag": tag,
        "Vary": "Accept-Encoding",
        "Cache-Control": FOR_EVER if request.url.query == asset.digest else LATER,
    }
    if request.headers.get("If-None-Match") == tag:
        return Response(status_code=304, headers=headers)
    body = asset.contents
    if asset.packed and "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = asset.packed
    return Response(body, headers=headers, media_type=asset.type)
