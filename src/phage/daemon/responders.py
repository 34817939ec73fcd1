"""The responders that the settings name, each with its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.config.load import suggestion
from phage.config.plugins import make
from phage.errors import ConfigError
from phage.plugin import Family, Runner, discover
from phage.respond.reconcile import Worker
from phage.respond.remote import RemoteResponder
from phage.respond.remoteipset import RemoteIpset
from phage.respond.responder import Responder
from phage.respond.responders.dnsfile import DnsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phage.clock import Clock
    from phage.config.settings import RespondSettings
    from phage.config.statedir import StateDirectory
    from phage.plugin import Plugin
    from phage.records.decision import Receipt
    from phage.respond.reconcile import Standing

RESPONDERS = Family("responders", Responder, "phage.respond.responders")

KERNEL = RemoteResponder.name
IPSET = RemoteIpset.name
THROUGH_ENFORCER = frozenset({KERNEL, IPSET})
"""The responders that act in this machine's kernel: through the enforcer, not by themselves."""

SCRIPT = "script"


def make_workers(
    settings: RespondSettings,
    state: StateDirectory,
    standing: Standing,
    clock: Clock,
    tell: Callable[[Sequence[Receipt]], None],
) -> list[Worker]:
    """Make a worker for each responder and script. Raises ConfigError that names the key."""
    plugins = {plugin.name: plugin for plugin in discover(RESPONDERS)}
    workers: list[Worker] = []
    for name in dict.fromkeys(settings.responders):
        if name == KERNEL:
            made: Responder = RemoteResponder(state.enforcer_socket)
        else:
            own = _made(plugins, name, settings.settings.get(name, {}), "respond.settings")
            made = RemoteIpset(state.enforcer_socket, own) if name == IPSET else own
        workers.append(Worker(Runner(name, made, clock), standing, clock, tell))
    for name, values in settings.scripts.items():
        if name in plugins:
            message = f"respond.scripts.{name}: is the name of a responder; choose another"
            raise ConfigError(message)
        script = _made(plugins, SCRIPT, values, "respond.scripts", shown=name)
        workers.append(Worker(Runner(name, script, clock), standing, clock, tell, only_named=True))
    return workers


def kernel_devices(settings: RespondSettings) -> tuple[str, ...]:
    """Return the interfaces at whose ingress bans are asked. Raises ConfigError."""
    values = dict(settings.settings.get(KERNEL, {}))
    devices = values.pop("devices", [])
    if values:
        message = (
            f"respond.settings.{KERNEL}.{next(iter(values))}: no such setting; there is devices"
        )
        raise ConfigError(message)
    if not isinstance(devices, list) or not all(isinstance(item, str) for item in devices):
        message = (
            f"respond.settings.{KERNEL}.devices: must be a list of interfaces (got {devices!r})"
        )
        raise ConfigError(message)
    return tuple(map(str, devices))


def empty_dns_file(settings: RespondSettings, owner: int, now: int) -> str | None:
    """Take out what a DNS server still blocks when phage is dead.

    Returns '' when that is done, why it cannot be, or None where no such file is written. Raises
    ConfigError.
    """
    if DnsFile.name not in settings.responders:
        return None
    plugins = {plugin.name: plugin for plugin in discover(RESPONDERS)}
    values = settings.settings.get(DnsFile.name, {})
    made: DnsFile = _made(plugins, DnsFile.name, values, "respond.settings")
    return made.empty(owner, now) if made.path else None


def _made(
    plugins: Mapping[str, Plugin],
    name: str,
    values: Mapping[str, object],
    key: str,
    shown: str = "",
) -> Any:  # noqa: ANN401  A responder of any kind.
    plugin = plugins.get(name)
    if plugin is None:
        message = f"respond.responders: there is no responder {name!r}"
        raise ConfigError(message + suggestion(name, list(plugins)))
    try:
        return make(plugin, values, key)
    except ConfigError as error:
        if not shown:
            raise
        message = str(error).replace(f"{key}.{name}", f"{key}.{shown}", 1)
        raise ConfigError(message) from error
