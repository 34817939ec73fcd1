"""Renders a Helm chart with Helm itself, against a Kubernetes API that only keeps what it is sent.

Helm comes as the library of the package helm-sdkpy (Helm's own Go code). It runs in a process of
its own: `python helmlab.py lint CHART`, `python helmlab.py render CHART VALUES.json` print JSON.
"""

from __future__ import annotations

import asyncio
import http.server
import importlib
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, ClassVar

GROUPS = {
    "v1": {"configmaps": "ConfigMap", "services": "Service", "secrets": "Secret"},
    "apps/v1": {
        "daemonsets": "DaemonSet", "deployments": "Deployment", "statefulsets": "StatefulSet",
    },
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
}  # fmt: skip
"""What the API knows: resources and their kinds, by version."""


class Cluster(http.server.BaseHTTPRequestHandler):
    """Answers discovery, has nothing, and keeps what is made."""

    protocol_version = "HTTP/1.1"
    made: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/")
        version = path.removeprefix("apis/").removeprefix("api/")
        if path == "version":
            self._say({"major": "1", "minor": "33", "gitVersion": "v1.33.0"})
        elif path == "api":
            self._say({"kind": "APIVersions", "versions": ["v1"]})
        elif path == "apis":
            groups = [_group(each) for each in GROUPS if "/" in each]
            self._say({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        elif version in GROUPS:
            resources = [
                {"name": name, "kind": kind, "namespaced": True, "verbs": ["create", "get"]}
                for name, kind in GROUPS[version].items()
            ]
            self._say({"kind": "APIResourceList", "groupVersion": version, "resources": resources})
        else:
            status = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            self._say({"apiVersion": "v1", **status}, 404)

    def do_POST(self) -> None:
        body, kind = self._body(), self.headers["Content-Type"]
        if kind == "application/json":  # Helm's own notes of the release come as protobuf.
            self.made.append(json.loads(body))
        self._send(body, 201, kind)

    def do_PUT(self) -> None:
        self.do_POST()

    def do_PATCH(self) -> None:
        self.do_POST()

    def _body(self) -> bytes:
        if (length := self.headers["Content-Length"]) is not None:
            return self.rfile.read(int(length))
        pieces = []
        while size := int(self.rfile.readline(), 16):  # Chunked.
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _say(self, document: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(document).encode(), status, "application/json")

    def _send(self, body: bytes, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _group(version: str) -> dict[str, Any]:
    name = version.partition("/")[0]
    own = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": name, "versions": [own], "preferredVersion": own}


def lint(chart: str) -> list[dict[str, Any]]:
    """Return what Helm says of a chart; severity 1 is a hint, 2 a warning, 3 an error."""
    helm_sdkpy = importlib.import_module("helm_sdkpy")

    configuration = helm_sdkpy.Configuration(namespace="phage")
    result = asyncio.run(helm_sdkpy.Lint(configuration).run(chart))
    found: list[dict[str, Any]] = result["Messages"]
    return found


def render(chart: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the documents that Helm makes of a chart. Raises what Helm refuses."""
    helm_sdkpy = importlib.import_module("helm_sdkpy")

    os.environ["HELM_DRIVER"] = "memory"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
    settings = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "clusters": [cluster],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config"
        file.write_text(json.dumps(settings))
        configuration = helm_sdkpy.Configuration(namespace="phage", kubeconfig=str(file))
        install = helm_sdkpy.Install(configuration)
        asyncio.run(install.run("net", chart, values, wait=False))
    server.shutdown()
    return [each for each in Cluster.made if each["kind"] != "Secret"]


if __name__ == "__main__":
    act, chart, *more = sys.argv[1:]
    result = lint(chart) if act == "lint" else render(chart, json.loads(Path(more[0]).read_text()))
    sys.stdout.write(json.dumps(result))
