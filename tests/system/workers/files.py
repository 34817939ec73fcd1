"""Files to scan: benign ones of many kinds, archives, and some with the EICAR test file."""

from __future__ import annotations

import io
import random
import zipfile
from typing import TYPE_CHECKING

from phage.records.sample import Outcome
from phage.records.scanjob import ScanJob
from phage.scan.content import Content
from phage.scan.programs import tiny_elf, tiny_pe
from phage.scan.trials import EICAR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.vault import Vault
    from phage.store.store import Store


def made(count: int) -> Iterator[tuple[str, bytes, Outcome]]:
    """Yield name, octets and the outcome that is right, each file different."""
    chance = random.Random(8)
    for number in range(count):
        octets = chance.randbytes(chance.randrange(200, 20_000))
        match number % 5:
            case 0:
                yield f"{number}.txt", f"file {number}\n".encode() * 40, Outcome.CLEAN
            case 1:
                yield f"{number}.bin", octets, Outcome.CLEAN
            case 2:
                yield f"{number}.zip", _zipped({"a.txt": octets, "b": tiny_elf()}), Outcome.CLEAN
            case 3:
                inner = _zipped({f"{number}.com": EICAR})
                yield f"{number}.zip", _zipped({"in.zip": inner}), Outcome.INFECTED
            case _:
                yield f"{number}.exe", tiny_pe() + octets, Outcome.CLEAN


def submitted(store: Store, vault: Vault, count: int) -> dict[str, Outcome]:
    """Keep files and put a job for each; return the right outcome by the job's id."""
    vault.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    right, jobs = {}, []
    for number, (name, octets, outcome) in enumerate(made(count)):
        with Content.of_bytes(octets, name) as content:
            assert vault.put(content)
            sha256 = content.hashes.sha256
        job = ScanJob(f"{number:032x}", sha256, name)
        jobs.append(job)
        right[job.id] = outcome
    assert store.scan_jobs.add(jobs, 1, 10**6) == count
    return right


def _zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)
    return file.getvalue()
