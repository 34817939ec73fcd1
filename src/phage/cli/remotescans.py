"""`phage devices scan` and `scans` with `--url`: scans of a phage elsewhere, over REST."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phage.cli.output import say
from phage.client.client import ClientError
from phage.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.cli.progress import StepsBar
    from phage.client.client import Client
    from phage.records.scan import ScanOptions

Record = dict[str, Any]

POLL_SECONDS = 1.0
MAX_DIFFS = 1000
RUNNING = "/api/v1/scans/running"


def make(client: Client, options: ScanOptions, bar: StepsBar) -> tuple[Record, list[Record]]:
    """Have a scan made; return it with what is different. Raises ClientError."""
    body = {
        "targets": list(options.targets),
        "ports": options.ports,
        "fast": options.fast,
        "udp": options.udp,
        "browse": options.browse,
        "outside": options.outside,
        "credentials": options.credentials,
    }
    id_, notes = str(client.ask("POST", "/api/v1/scans", body)["scan"]), list[str]()
    try:
        while (status := client.ask("GET", RUNNING))["scan"] == id_:
            bar.update(int(status["done"]), 1000, str(status["what"]))
            notes = [str(each) for each in status["notes"]]
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        stop(client)
        raise
    for note in notes:
        say(note)
    return show(client, id_), [dict(each) for each in diffs(client, MAX_DIFFS, scan=id_)]


def stop(client: Client) -> str:
    """Stop the scan that runs; return its id, '' for none."""
    return str(client.ask("DELETE", RUNNING)["scan"])


def show(client: Client, name: str) -> Record:
    """Return a scan with its hosts. Raises StateError where there is none."""
    try:
        return dict(client.ask("GET", f"/api/v1/scans/{name}"))
    except ClientError as error:
        if error.status in {404, 422}:
            message = f"no scan {name!r}; `phage devices scans` names them"
            raise StateError(message) from error
        raise


def diffs(client: Client, limit: int, **wanted: object) -> Iterator[Record]:
    """Yield what was different, the latest first."""
    return client.listed("/api/v1/scan_diffs", limit, **wanted)


def latest(client: Client, limit: int) -> Iterator[Record]:
    """Yield scans, the latest first."""
    return client.listed("/api/v1/scans", limit)
