"""Receipts on their way to the store: the last of each decision and responder, written in parts."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from phage.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.decision import Receipt
    from phage.store.repositories.receipts import ReceiptRepository

_log = logging.getLogger(__name__)

PART = 1000
"""Receipts in one transaction: some milliseconds, so that the ledger is not held up."""

PARTS = 20
"""Parts written in one go; what is left waits for the next."""

MAX_WAITING = 2_000_000
"""Receipts that wait; responders give one for each decision at their start."""


@dataclass
class Receipts:
    """Takes receipts from responders' threads; `flush` writes them.

    Attributes:
        repository: Where they are kept.
        dropped: Receipts that did not fit.
    """

    repository: ReceiptRepository
    dropped: int = 0
    _waiting: dict[tuple[str, str], Receipt] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def take(self, receipts: Sequence[Receipt]) -> None:
        """Keep receipts until they are written; a later one replaces an earlier one."""
        with self._lock:
            for receipt in receipts:
                if len(self._waiting) < MAX_WAITING:
                    self._waiting[receipt.decision, receipt.responder] = receipt
                else:
                    self.dropped += 1

    def flush(self) -> None:
        """Write what waits, or much of it; what cannot be written waits on."""
        for _ in range(PARTS):
            with self._lock:
                part = list(islice(self._waiting.values(), PART))
            if not part:
                return
            try:
                self.repository.save(part)
            except StoreError as error:
                _log.warning("receipts wait: %s", error, extra={"limit": "receipts"})
                return
            with self._lock:
                for receipt in part:
                    key = receipt.decision, receipt.responder
                    if self._waiting.get(key) is receipt:
                        del self._waiting[key]
