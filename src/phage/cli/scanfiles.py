"""Scanning many files from the command line: some at a time, with a progress bar."""

from __future__ import annotations

import os
import stat
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from phage.cli.progress import OctetsBar
from phage.errors import PhageError
from phage.scan.content import Content

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.records.sample import Verdict
    from phage.scan.scanner import Scanner

AHEAD = 4
"""Files taken on for each that is scanned at a time: bounds what waits."""

Failed = list[tuple[str, str]]


def files_below(paths: Sequence[str]) -> tuple[list[Path], Failed]:
    """Return the files named and all in the folders named; and what cannot be read.

    Links are not followed within folders; what is no regular file is left out.
    """
    found: dict[Path, None] = {}
    failed: Failed = []
    for name in paths:
        path = Path(name)
        if not path.is_dir():
            found[path] = None
            continue

        def refuse(error: OSError) -> None:
            failed.append((str(error.filename), error.strerror or str(error)))

        for folder, names, files in os.walk(path, onerror=refuse):
            names.sort()
            for each in sorted(files):
                file = Path(folder) / each
                try:
                    if stat.S_ISREG(file.lstat().st_mode):
                        found[file] = None
                except OSError as error:
                    refuse(error)
    return list(found), failed


def scan_files(
    scanner: Scanner,
    files: Sequence[Path],
    *,
    passwords: Sequence[str] = (),
    force: bool = False,
    failed: Failed,
) -> Iterator[tuple[Path, Verdict]]:
    """Yield verdicts in the order of the files; what cannot be read goes to `failed`."""
    whole = sum(_size(path) for path in files)
    done = 0

    def scan(path: Path) -> Verdict:
        with Content.of_file(path) as content:
            return scanner.scan(content, name=str(path), force=force, passwords=passwords)

    with ThreadPoolExecutor(scanner.processes) as pool, OctetsBar("scanning") as bar:
        waiting: deque[tuple[Path, Future[Verdict]]] = deque()
        left = deque(files)
        try:
            while left or waiting:
                while left and len(waiting) < AHEAD * scanner.processes:
                    path = left.popleft()
                    waiting.append((path, pool.submit(scan, path)))
                path, future = waiting.popleft()
                try:
                    verdict = future.result()
                except OSError as error:
                    failed.append((str(path), error.strerror or str(error)))
                    continue
                except PhageError as error:
                    failed.append((str(path), str(error)))
                    continue
                done += verdict.sample.size
                bar.update(done, whole)
                yield path, verdict
        finally:
            for _, future in waiting:
                future.cancel()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
