"""What both databases do alike: transactions, one inside another, by several threads."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.store.database import Value


class Transactions:
    """Begins and ends transactions of one connection, which is one thread's while one lasts."""

    beginning: ClassVar[str]
    """SQL that begins a transaction."""

    beginning_to_read: ClassVar[str]
    """SQL that begins one which reads as of one moment."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Run one statement; return how many rows it changed."""
        raise NotImplementedError

    def _roll_back(self) -> None:
        """Undo the transaction, if there is still one."""
        raise NotImplementedError

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep what is done inside together; one inside another is part of it."""
        yield from self._transaction(self.beginning)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read inside as of one moment."""
        yield from self._transaction(self.beginning_to_read)

    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock:
            if self._depth:
                yield
                return
            self.execute(begin)
            self._depth += 1
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._depth -= 1
