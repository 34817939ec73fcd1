"""The site of the tests, built and taken away again."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.system.acting.site import TOOLS, Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site() -> Iterator[Site]:
    """Build a site; skip where that is impossible."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        pytest.skip(f"lacks {', '.join(absent)}")
    with tempfile.TemporaryDirectory(prefix="phage-act-") as folder:
        Path(folder).chmod(0o711)
        made = Site(f"pa{os.getpid()}", Path(folder))
        try:
            made.build()
            yield made
        finally:
            made.close()
