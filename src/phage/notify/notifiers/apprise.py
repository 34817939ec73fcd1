"""Chat, mail and push services by the hundred, through Apprise."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.notify.notifier import NotifyError
from phage.notify.secretfile import secret
from phage.records import Severity

if TYPE_CHECKING:
    from phage.notify.notice import Notice

_TYPES = {
    Severity.INFO: "info",
    Severity.LOW: "info",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "warning",
    Severity.CRITICAL: "failure",
}


@dataclass(slots=True)
class Apprise:
    """Tells notices to whatever Apprise knows: Telegram, Matrix, ntfy, Gotify, Pushover and others.

    Its URLs hold passwords and tokens; the errors told here never hold them.
    """

    name: ClassVar[str] = "apprise"
    summary: ClassVar[str] = "Some hundred chat, mail and push services, through Apprise."

    urls: tuple[str, ...] = field(default=(), repr=False)
    """Whom to tell, as Apprise writes it; better in urls_file."""
    urls_file: str = ""
    """File with one such URL in its first line."""

    _told: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot be used."""
        missing = importlib.util.find_spec("apprise") is None
        return "needs the Python package 'apprise'" if missing else ""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.urls or self.urls_file else "urls or urls_file is not set"

    def tell(self, notice: Notice) -> None:
        """Tell a notice to all. Raises NotifyError when one of them did not take it."""
        if self._told is None:
            self._told = self._make()
        taken = self._told.notify(
            title=notice.title, body=notice.text, notify_type=_TYPES[notice.severity]
        )
        if not taken:
            message = "apprise: one or more of the services did not take it"
            raise NotifyError(message)

    def _make(self) -> Any:  # noqa: ANN401  A class of a package that may be missing.
        try:
            apprise: Any = importlib.import_module("apprise")
        except ImportError as error:
            message = "apprise: needs the Python package 'apprise'"
            raise NotifyError(message, retry=False) from error
        made = apprise.Apprise()
        given = [*self.urls, *([secret("", self.urls_file)] if self.urls_file else [])]
        for number, url in enumerate(given, 1):
            if not made.add(url):
                message = f"apprise: URL number {number} is none that it knows"
                raise NotifyError(message, retry=False)
        return made

    def close(self) -> None:
        """Nothing is open between two notices."""
