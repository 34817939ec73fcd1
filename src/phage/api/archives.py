"""Samples to take away, as routes and pages hand them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse

from phage.api.problem import ProblemError
from phage.api.services import Services, running
from phage.scan.desk import DeskError
from phage.scan.lockedzip import PASSWORD, locked_zip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.records.sample import Sample
    from phage.store.store import Store

ZIP = "application/zip"


def sample_named(store: Store, hash_: str) -> Sample:
    """Return the sample of a hash, or of the beginning of a SHA-256. Raises ProblemError."""
    sample = store.samples.get(hash_.lower())
    if sample is None:
        message = f"there is no sample {hash_!r}, or several begin so"
        raise ProblemError(404, message)
    return sample


def sample_archive(services: Services, hash_: str, actor: str) -> StreamingResponse:
    """Return a sample in an encrypted archive; who took it is in the audit log."""
    desk = running(services.scanning, "file scanning")
    with services.reading() as store:
        sample = sample_named(store, hash_)
    if not desk.has(sample.sha256):
        message = "the sample itself is not kept any more"
        raise ProblemError(404, message)
    content = desk.open(sample.sha256)
    try:
        archive = locked_zip(content, sample.sha256)
    except DeskError:
        content.close()
        raise
    services.access.audit.note(actor, "download sample", sample.sha256)

    def octets() -> Iterator[bytes]:
        with content:
            yield from archive

    name = f"{sample.sha256[:16]}-{PASSWORD}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(octets(), media_type=ZIP, headers=headers)
