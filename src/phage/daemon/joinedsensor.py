"""A sensor that joined: watches, counts, learns, and sends windows to its controller."""

from __future__ import annotations

import logging
import queue
import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.config.statedir import StateDirectory
from phage.daemon import privilege
from phage.daemon.advising import follow
from phage.daemon.modelcopies import Copies
from phage.daemon.run import Daemon
from phage.daemon.uplink import Membership, Uplink, UplinkError, join, read_invitation
from phage.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.daemon.options import RunOptions

_log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""Pause after the controller could not be reached; what is counted meanwhile is lost, and said."""

WAIT_SECONDS = 0.5


def membership_file(state: StateDirectory) -> Path:
    """Return where a sensor keeps who it is."""
    return state.path / "sensor.json"


class JoinedSensor:
    """Watches, counts and sends; what the controller advises is done with what was learned.

    Args:
        options: What `phage sensor` is asked to do.
        invitation: URL and token of an invitation; () for a sensor that joined before.
    """

    def __init__(self, options: RunOptions, invitation: tuple[str, str] | None = None) -> None:
        self._options = options
        self._invitation = invitation
        self._clock = SystemClock()
        self._stopping = threading.Event()
        self._retry_at = 0.0
        self.sent = self.lost = 0

    def stop(self, *_: object) -> None:
        """Stop soon; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> int:
        """Join if invited, then watch until told to stop. Raises PhageError once revoked."""
        state = StateDirectory(self._options.settings.state_folder)
        state.create()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)
        with ExitStack() as stack:
            stack.enter_context(state.lock())
            uplink = Uplink(self._membership(state))
            stack.callback(uplink.close)
            daemon = Daemon(self._options, state, self._clock)
            stack.callback(daemon.close)
            daemon.open(remotes=False)
            privilege.drop(state.path)
            copies = Copies(uplink, self._clock, self._options.settings.learning.save_every)
            copies.restore(daemon.collectors, state.models)
            self._options.ready(f"sensing {daemon.watched} for {uplink.member.url}")
            try:
                self._watch(daemon, uplink, copies)
            finally:
                copies.save()
        return 0

    def _membership(self, state: StateDirectory) -> Membership:
        file = membership_file(state)
        if self._invitation is not None:
            url, invitation = self._invitation[0], read_invitation(self._invitation[1])
            before = _before(file)
            # As a container says it at each start: an invitation is good once.
            if before is not None and before.url == url and before.joined_by(invitation):
                return before
            member = join(url, invitation)
            try:
                member.save(file)
            except OSError as error:
                message = f"{file}: {error.strerror}"
                raise ConfigError(message) from error
            self._options.ready(f"joined {member.url} as {member.name}")
            return member
        found = Membership.load(file)
        if found is None:
            message = "a sensor needs a bus (--bus) or a controller (--join URL TOKEN)"
            raise ConfigError(message)
        return found

    def _watch(self, daemon: Daemon, uplink: Uplink, copies: Copies) -> None:
        daemon.start_feeding()
        try:
            while not self._stopping.is_set():
                copies.tick()
                try:
                    window, _ = daemon.windows.get(timeout=WAIT_SECONDS)
                except queue.Empty:
                    continue
                if self._clock.monotonic() < self._retry_at:
                    self.lost += 1
                    continue
                try:
                    advice = uplink.put(window)
                    self.sent += 1
                except UplinkError as error:
                    if error.is_final:
                        raise
                    self.lost += 1
                    self._retry_at = self._clock.monotonic() + RETRY_SECONDS
                    _log.warning("%s", error, extra={"limit": "uplink"})
                    continue
                for each in advice:
                    follow(daemon.collectors, each)
        finally:
            daemon.stop_feeding()


def _before(file: Path) -> Membership | None:
    """Return who a sensor was; None where nobody knows any more."""
    try:
        return Membership.load(file)
    except UplinkError:
        return None
