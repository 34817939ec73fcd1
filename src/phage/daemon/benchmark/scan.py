"""File scanning: one clean file, one known, many, and ClamAV through phage against clamd alone.

Files are made: text, documents, PDF, programs and packed data of about 10 kB. ClamAV has a
definition of our own making (EICAR), since real ones are not everybody's.
"""

from __future__ import annotations

import io
import os
import random
import statistics
import tempfile
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.config.scan import ScanSettings
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.scanning import make_scanner
from phage.scan.content import Content
from phage.scan.engines.clamav import ClamavEngine
from phage.scan.engineset import EngineSet, Ready, ready_of
from phage.scan.programs import tiny_elf
from phage.scan.scanner import Scanner
from phage.scan.trials import EICAR
from phage.scan.work import WorkOptions
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phage.scan.clamd import Clamd

SIZE = 10_000
SINGLE = 40
"""Files for the time of one."""
MANY = 600
"""Files for the rate of many."""
SAME = 1000
"""Files for the comparison with clamd."""
PROCESSES = 2
HEAVY = ("die",)
"""What is not among the light engines, besides opt-in ones."""

PEER = "clamd alone, the same files and connections"


def text(chance: random.Random) -> bytes:
    """Return 10 kB of words."""
    words = [f"w{chance.randrange(5000)}" for _ in range(SIZE // 5)]
    return " ".join(words).encode()[:SIZE]


def document(data: bytes) -> bytes:
    """Return a Word document with a text (ECMA-376)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"<document>" + data + b"</document>")
        archive.writestr("word/styles.xml", "<styles/>")
    return buffer.getvalue()


def pdf(data: bytes) -> bytes:
    """Return a PDF with a text in a stream (ISO 32000-1)."""
    packed = zlib.compress(data)
    return (
        b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n2 0 obj\n"
        b"<< /Filter /FlateDecode /Length " + str(len(packed)).encode() + b" >>\nstream\n" + packed
        + b"\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
    )  # fmt: skip


def files(count: int, seed: int) -> list[bytes]:
    """Return files of the kinds that pass through a mail server: half text, half the rest."""
    chance = random.Random(seed)  # noqa: S311  Data, not secrets.
    makers = (
        text,
        lambda each: document(text(each)),
        text,
        lambda each: pdf(text(each)),
        text,
        lambda each: tiny_elf() + each.randbytes(SIZE),
        text,
        lambda each: each.randbytes(SIZE),
    )
    return [makers[number % len(makers)](chance) for number in range(count)]


@contextmanager
def _clamav_settings() -> Iterator[ScanSettings]:
    with tempfile.TemporaryDirectory(prefix="phage-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "own.ndb").write_text(f"Eicar-Test:0:*:{EICAR.hex()}\n", encoding="ascii")
        yield ScanSettings(
            settings={"clamav": {"definitions": name}}, disabled=HEAVY, processes=PROCESSES
        )


@contextmanager
def _scanner() -> Iterator[Scanner]:
    """Return a scanner with every light engine, a store and a vault."""
    clock = SystemClock()
    with ExitStack() as stack:
        settings = stack.enter_context(_clamav_settings())
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="phage-bench-"))
        folder = Path(name)
        location = StoreLocation.of("", "", folder / "store.sqlite3")
        store = stack.enter_context(open_store(location, clock))
        folders = ScanFolders(folder / "engines", folder / "samples")
        yield stack.enter_context(make_scanner(settings, folders, clock, store, work=folder))


def single() -> dict[str, float]:
    """Return milliseconds for a clean 10 kB file that is new, and for one that is known."""
    chance = random.Random(1)  # noqa: S311  Data, not secrets.
    new: list[float] = []
    known: list[float] = []
    with _scanner() as scanner:
        for number in range(SINGLE + 5):
            data = text(chance)
            for times in (new, known):
                began = time.perf_counter()
                with Content.of_bytes(data, f"{number}.txt") as content:
                    scanner.scan(content)
                if number >= 5:
                    times.append((time.perf_counter() - began) * 1000)
        engines = len(scanner.engines.ready)
    return {
        "clean": statistics.median(new),
        "clean_p95": sorted(new)[int(len(new) * 0.95)],
        "known": statistics.median(known),
        "engines": engines,
    }


def rate() -> tuple[float, float]:
    """Return new files a second, all light engines, two at a time; and CPU seconds for each."""
    made = files(MANY, 2)
    with _scanner() as scanner:
        _scan_all(scanner, files(40, 3))
        spent, began = _cpu_seconds(), time.perf_counter()
        _scan_all(scanner, made)
        passed = time.perf_counter() - began
        return len(made) / passed, (_cpu_seconds() - spent) / len(made)


def _cpu_seconds() -> float:
    """Return the processor time of this process and all below it, those that ended too."""
    found: dict[int, tuple[int, int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
                found[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    below, before = {os.getpid()}, 0
    while len(below) > before:
        before = len(below)
        below |= {pid for pid, (parent, _) in found.items() if parent in below}
    return sum(found[pid][1] for pid in below if pid in found) / os.sysconf("SC_CLK_TCK")


def over_clamd() -> tuple[float, float]:
    """Return seconds for 1,000 files through phage with ClamAV alone, and through clamd alone."""
    with _clamav_settings() as settings:
        engine = ClamavEngine(definitions=str(settings.settings["clamav"]["definitions"]))
        ready: Ready = ready_of(engine)
        engine.prepare()
        clamd = engine.clamd
        with Scanner(
            EngineSet({"clamav": ready}, {}, {}),
            SystemClock(),
            WorkOptions(unpack=False),
            processes=PROCESSES,
        ) as scanner:
            ours: list[float] = []
            theirs: list[float] = []
            for run in range(3):
                # Other files each time: clamd remembers what was clean.
                _scan_all(scanner, files(20, 100 + run))
                ours.append(_seconds(lambda made: _scan_all(scanner, made), 10 + run))
                theirs.append(_seconds(lambda made: _ask_all(clamd, made), 20 + run))
    return statistics.median(ours), statistics.median(theirs)


def _seconds(run: Callable[[list[bytes]], None], seed: int) -> float:
    made = files(SAME, seed)
    began = time.perf_counter()
    run(made)
    return time.perf_counter() - began


def _scan_all(scanner: Scanner, made: Sequence[bytes]) -> None:
    def scan(data: bytes) -> None:
        with Content.of_bytes(data) as content:
            scanner.scan(content)

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(scan, made))


def _ask_all(clamd: Clamd, made: Sequence[bytes]) -> None:
    def scan(data: bytes) -> None:
        with Content.of_bytes(data) as content:
            clamd.scan(content.descriptor)

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(scan, made))
