"""What runs inside: engines are made and prepared once; a child serves the requests of one sample.

Requests: `scan` (a file by descriptor, names of engines), `unpack` (one level of a container) and
`prove` (try what the walls must prevent).
"""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

from phage.scan.content import Content
from phage.scan.sandbox import proof, wire

if TYPE_CHECKING:
    import socket

    from phage.scan.engine import Engine


MOST_REASON = 300
"""Characters of why an engine is lacking: all of them go out in one datagram."""


class Workbench:
    """Engines by name, ready to be asked; `lacking` says why one is not there."""

    def __init__(self) -> None:
        self.engines: dict[str, Engine] = {}
        self.lacking: dict[str, str] = {}
        self._unpacks = False

    def load(self, plan: dict[str, Any]) -> None:
        """Make and prepare the engines of a plan: name, module, class and settings of each."""
        for each in plan["engines"]:
            try:
                kind = getattr(importlib.import_module(each["module"]), each["class"])
                engine: Engine = kind(**_settings(each["settings"]))
                engine.prepare()
                engine.warm()
            except Exception as error:  # noqa: BLE001  Hostile input makes libraries raise anything.
                self.lacking[each["name"]] = (str(error) or type(error).__name__)[:MOST_REASON]
            else:
                self.engines[each["name"]] = engine
        if plan["unpack"]:
            from phage.scan.unpack import opening  # noqa: PLC0415  Only where it is needed.

            opening.prepare()
            self._unpacks = True

    def serve(self, connection: socket.socket) -> None:
        """Answer requests until the outside has no more."""
        while (request := wire.receive_request(connection)) is not None:
            message, files = request
            kind = message["request"]
            if kind == "prove":
                wire.send(connection, {"proof": proof.prove(message)})
            else:
                with _content(message, files) as content:
                    if kind == "scan":
                        self._scan(connection, content, message["engines"])
                    elif kind == "unpack" and self._unpacks:
                        _unpack(connection, content, message)
            wire.send(connection, {"end": True})

    def _scan(self, connection: socket.socket, content: Content, names: list[str]) -> None:
        for name in names:
            wire.send(connection, {"begin": name})
            began = time.perf_counter()
            message = self._result(name, content)
            message["seconds"] = round(time.perf_counter() - began, 6)
            wire.send(connection, message)

    def _result(self, name: str, content: Content) -> dict[str, Any]:
        engine = self.engines.get(name)
        if engine is None:
            return {"result": name, "error": self.lacking.get(name, "is not loaded")}
        try:
            answer = engine.scan(content)
        except MemoryError:
            return {"result": name, "error": "needs more memory than it may take"}
        except Exception as error:  # noqa: BLE001  Hostile input makes libraries raise anything.
            return {"result": name, "error": f"{type(error).__name__}: {error}"[:500]}
        return {
            "result": name,
            "category": str(answer.category),
            "label": answer.label,
            "facts": dict(answer.facts),
            "tags": list(answer.tags),
        }


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings as they were: JSON makes lists of tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def _content(message: dict[str, Any], files: list[int]) -> Content:
    return Content(files[0], int(message["size"]), str(message["name"]), str(message["kind"]))


def _unpack(connection: socket.socket, content: Content, message: dict[str, Any]) -> None:
    from phage.scan.unpack import items, opening  # noqa: PLC0415  Only where it is needed.

    passwords = tuple(str(each) for each in message["passwords"])
    for item in opening.open_one(content, passwords):
        if isinstance(item, items.Entry):
            wire.send(connection, {"member": item.name[:1000], "encrypted": item.encrypted})
        elif isinstance(item, items.Fault):
            wire.send(connection, {"fault": item.text[:1000], "name": item.name[:1000]})
        else:
            wire.send_data(connection, item)
