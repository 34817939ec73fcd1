"""The queue of one machine: a table in the store, and nothing else to install."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phage.scan.tablequeue import TableQueue


@dataclass
class LocalQueue(TableQueue):
    """Jobs in a table of the store; the workers of this machine scan whole files."""

    name: ClassVar[str] = "local"
    summary: ClassVar[str] = "Jobs in a table of the store, for the workers of one machine."
