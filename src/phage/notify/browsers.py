"""Tells the browsers that people subscribed: by Web Push, while no page of phage is open."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Protocol

from phage.notify.notifier import NotifyError
from phage.notify.webpush import MAX_PAYLOAD, GoneError, UnreachedError, recipient
from phage.records import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock
    from phage.notify.notice import Notice
    from phage.notify.webpush import Pusher
    from phage.records.browser import Browser

MAX_FAILURES = 20
"""Attempts in a row after which a browser is forgotten: it is told of the next thing again once it
opens the dashboard."""

LONGEST_TEXT = 400


class Kept(Protocol):
    """Where browsers are kept."""

    def list(self, username: str = "") -> Sequence[Browser]:
        """Return the browsers of a user, or of all."""

    def told(self, id: str, now: int) -> None:  # noqa: A002  The field's name.
        """Note that a browser was told."""

    def failed(self, id: str) -> None:  # noqa: A002  As above.
        """Note that a browser could not be told."""

    def remove(self, id: str) -> bool:  # noqa: A002  As above.
        """Forget a browser."""


class Browsers:
    """Tells notices to browsers.

    Args:
        kept: Where they are kept.
        pusher: Sends to one.
        clock: Tells the time.
    """

    def __init__(self, kept: Kept, pusher: Pusher, clock: Clock) -> None:
        self._kept = kept
        self._pusher = pusher
        self._clock = clock

    def tell(self, notice: Notice, user: str = "", seconds: float = math.inf) -> int:
        """Tell the browsers of a user, or all; return how many took it.

        Where no push service is reached our own network is away: no browser is to blame for it.

        Args:
            notice: What they are told.
            user: Whose browsers; '' for everybody's.
            seconds: After this time no further browser is told.

        Raises:
            NotifyError: There were some, and none took it.
        """
        until = self._clock.monotonic() + seconds
        taken, answered, unreached = 0, False, []
        fault: NotifyError | None = None
        for each in self._kept.list(user):
            if self._clock.monotonic() >= until:
                break
            try:
                self._push(each, notice)
            except GoneError:
                answered = True
                self._kept.remove(each.id)
            except UnreachedError as error:
                fault = error
                unreached.append(each)
            except NotifyError as error:
                answered, fault = True, error
                self._failed(each)
            else:
                answered, taken = True, taken + 1
                self._kept.told(each.id, self._clock.now())
        for each in unreached if answered else ():
            self._failed(each)
        if fault is not None and not taken:
            raise fault
        return taken

    def _failed(self, browser: Browser) -> None:
        """Note that a browser could not be told; forget one that could not too often."""
        if browser.failures + 1 >= MAX_FAILURES:
            self._kept.remove(browser.id)
        else:
            self._kept.failed(browser.id)

    def _push(self, browser: Browser, notice: Notice) -> None:
        self._pusher.push(
            recipient(browser.endpoint, browser.public_key, browser.secret),
            message(notice),
            self._clock.now(),
            topic=notice.key,
            urgent=notice.severity.rank >= Severity.HIGH.rank,
        )


def message(notice: Notice) -> bytes:
    """Return a notice as the service worker shows it: title, body, tag, and where a touch leads."""
    finding = str(notice.fields.get("finding", "")) if notice.kind == "finding" else ""
    body, length = notice.text, LONGEST_TEXT
    while True:
        told = {
            "title": f"phage: {notice.title}",
            "body": body if len(body) <= length else f"{body[: length - 1]}…",
            "tag": notice.key or "phage",
            "url": f"/findings/{finding}" if finding else "/",
        }
        octets = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
        if len(octets) <= MAX_PAYLOAD or length < 2:
            return octets
        length //= 2
