"""Threads that empty sockets go before others, and nothing that is started later does."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import os, resource, sys, threading
from phage.daemon import priority

own = os.getpriority(os.PRIO_PROCESS, 0)
priority.allow()
done = threading.Event()
thread = threading.Thread(target=done.wait)
thread.start()
preferred = priority.prefer([thread.native_id])
reached = os.getpriority(os.PRIO_PROCESS, thread.native_id)
priority.forbid()
done.set()
thread.join()
assert reached == (priority.NICE if preferred else own), (preferred, reached)
assert os.getpriority(os.PRIO_PROCESS, 0) == own
assert resource.getrlimit(resource.RLIMIT_NICE) == (0, 0)
assert priority.prefer([2**22 + 1]) == 0
print(preferred, os.geteuid())
"""


def test_only_the_threads_that_are_named_go_before_others() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in {"0", "1"}
