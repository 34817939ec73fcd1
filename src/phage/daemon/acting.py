"""Starts what may act: the enforcer while there is privilege, and what steers it afterwards."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from phage.access.audit import AuditLog
from phage.daemon import privilege
from phage.daemon.control import ControlServer
from phage.daemon.domainfacts import DomainSets
from phage.daemon.enforcement import Enforcement, make_enforcement
from phage.daemon.fences import Fences
from phage.daemon.requests import READING
from phage.daemon.responders import IPSET, THROUGH_ENFORCER, kernel_devices
from phage.daemon.steering import Steering
from phage.daemon.storesink import location
from phage.enforcer import process
from phage.enforcer.capabilities import CAP_NET_ADMIN
from phage.errors import PermissionMissingError, StoreError
from phage.frozen import frozen
from phage.respond.remote import EnforcerError, RemoteResponder
from phage.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.control import Caller
    from phage.daemon.devices import DeviceService
    from phage.daemon.discovery import DiscoveryService
    from phage.daemon.requests import Request
    from phage.policy.allowlist import Source

_log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.1
"""How long a decision waits for another writer of the store: it is carried out then, and written
later. Batches of flows take less."""


def start_enforcer(
    settings: Settings, state: StateDirectory, stack: ExitStack
) -> process.Enforcer | None:
    """Start the enforcer where decisions are to be carried out in this machine's kernel.

    To be called before privileges are given up. An enforcer that runs apart (`phage enforcer`) is
    used as it is: None.

    Raises:
        PermissionMissingError: There is no CAP_NET_ADMIN.
        PhageError: It cannot be started.
    """
    kernel = [name for name in settings.respond.responders if name in THROUGH_ENFORCER]
    if not settings.policy.enforce or not kernel:
        return None
    if _answers(state):
        return None
    if not _may_enforce():
        message = (
            "policy.enforce is on, but blocking takes CAP_NET_ADMIN: run phage as root, start "
            f"`phage enforcer` apart, or take {' and '.join(kernel)} out of respond.responders"
        )
        raise PermissionMissingError(message)
    enforcer = process.start(
        state.enforcer_socket,
        privilege.successor(state.path),
        state.enforcer,
        kernel_devices(settings.respond),
        iptables=IPSET in kernel,
    )
    stack.callback(enforcer.stop)
    return enforcer


def start_enforcement(
    settings: Settings,
    state: StateDirectory,
    clock: Clock,
    stack: ExitStack,
    *extra: Source,
    devices: DeviceService | None = None,
    discovery: DiscoveryService | None = None,
) -> Enforcement:
    """Take up the ledger, bring it into force, and listen at the control socket.

    Rules know the devices of `devices`, and people change these by the socket, and have `discovery`
    scan.

    Raises StoreError, ConfigError, StateError.
    """
    store = open_store(location(settings), clock)
    stack.callback(store.close)
    store.database.be_impatient(PATIENCE_SECONDS)
    known = devices.inventory.devices if devices is not None else tuple
    sets = (DomainSets(devices.profiler, clock),) if devices is not None else ()
    enforcement = make_enforcement(settings, state, store, clock, *extra, devices=known, sets=sets)
    stack.callback(enforcement.stop)
    enforcement.start()
    handle = Recorded(
        Steering(enforcement, clock, devices, discovery, Fences(state.fences)),
        AuditLog(store.audit, clock),
    )
    control = ControlServer(state.control, owner(), handle)
    control.start()
    stack.callback(control.stop)
    return enforcement


@frozen
class Recorded:
    """Writes what was changed over the control socket into the audit log."""

    handle: Steering
    audit: AuditLog

    def __call__(self, request: Request, caller: Caller) -> Mapping[str, object]:
        """Carry a request out; return the answer. Raises PhageError to refuse."""
        answer = self.handle(request, caller)
        if request.verb not in READING:
            fields = request.model_dump_json(exclude={"verb"}, exclude_defaults=True)
            try:
                self.audit.note(caller.name, request.verb, "control socket", fields)
            except StoreError as error:  # Nobody shall wait for a panic because a disk is full.
                _log.error("not in the audit log: %s by %s: %s", request.verb, caller.name, error)
        return answer


def owner() -> int:
    """Return the account that may steer the daemon besides root.

    Whoever started it; but not an account that it shares with strangers (nobody).
    """
    user = privilege.account()
    shared = user is not None and user.pw_name == "nobody" and os.getuid() == user.pw_uid
    return 0 if shared else os.getuid()


def _answers(state: StateDirectory) -> bool:
    """Tell whether an enforcer is there already, and stays.

    That somebody listens tells nothing: the enforcer of a controller that was killed a moment ago
    may be busy yet, and ends as soon as it looks up.
    """
    with closing(RemoteResponder(state.enforcer_socket)) as enforcer:
        try:
            enforcer.trial_until()
        except EnforcerError:
            return False
    return True


def _may_enforce() -> bool:
    """Tell whether this process has CAP_NET_ADMIN in effect (proc_pid_status(5))."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    effective = next(line.split()[1] for line in lines if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> CAP_NET_ADMIN & 1)
