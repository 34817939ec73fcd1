"""A plant of servers, built and taken away again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.system.workers.plant import Plant, absent

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def plant() -> Iterator[Plant]:
    """Build a master with RabbitMQ and PostgreSQL; skip where that is impossible."""
    if reason := absent():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="phage-mq-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # Servers run as their own accounts.
        made = Plant(folder)
        try:
            made.build()
            yield made
        finally:
            made.close()
