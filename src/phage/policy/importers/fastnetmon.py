"""FastNetMon's fastnetmon.conf: thresholds, groups of hosts, whom it bans and for how long.

FastNetMon compares the traffic of each own host, over some seconds, with thresholds for packets,
bits and flows, of all protocols and of single ones, for what is received and for what is sent. A
host above one is banned by a script or by BGP. Only `on` switches something on: anything else is
off, as FastNetMon has it, and is told. Networks stand in files of their own that this one names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.config.kinds import check_interface, check_listen
from phage.policy.adoption.fastnetmonkeys import SILENT, SWITCHES
from phage.policy.adoption.keyvalues import entries, listed, shortened
from phage.policy.adoption.values import networks, number
from phage.policy.importer import Imported, ImportedRule, NotImported, SettingChange
from phage.policy.reading.time import MAX_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.policy.adoption.keyvalues import Entry
    from phage.policy.importer import Source

FOREVER = 7 * 86_400
"""Seconds of a ban in place of one without end."""

USUAL_BAN = 1900
"""Seconds of a ban where the file does not say: that of the file as it is shipped."""

MOST = 10**12
"""A threshold above it is a mistake."""

_VECTORS = {
    "": "any", "tcp_": "tcp", "udp_": "udp", "icmp_": "icmp", "tcp_syn_": "syn",
    "ip_fragments_": "fragment",
}  # fmt: skip
"""How keys name what a threshold is about, and phage's word for it."""

_MEASURES = (
    ("pps", "pps", "packets", 1),
    ("bandwidth", "mbps", "bits", 1_000_000),
    ("flows", "flows", "flows", 1),
)
"""The ends of the switch and of the threshold, what it measures here, and in what."""

_LOST = "A ban loses all that is sent to the host; `action: limit`, `target: service` does not."

_MIRRORS = ("mirror_afpacket", "mirror_afxdp", "mirror_netmap", "pcap")
_BGP = ("exabgp", "gobgp")

_OWN = frozenset({
    "enable_ban", "process_incoming_traffic", "process_outgoing_traffic", "ban_time",
    "unban_only_if_attack_finished", "networks_list_path", "white_list_path", "netflow", "sflow",
    "netflow_port", "netflow_host", "netflow_sampling_ratio", "sflow_port", "sflow_host",
    "interfaces", "average_calculation_time", "notify_script_path", "influxdb", "hostgroup",
    "mirror_af_packet_custom_sampling_rate", *_MIRRORS, *_BGP,
})  # fmt: skip
"""Keys that are read here; those of thresholds besides."""


class FastNetMon:
    """Reads thresholds, groups, white list and bans of FastNetMon Community."""

    name: ClassVar[str] = "fastnetmon"
    summary: ClassVar[str] = "FastNetMon's fastnetmon.conf: thresholds, host groups and bans"

    def claims(self, source: Source) -> int:
        """Return how many lines set a key of fastnetmon.conf."""
        found, _ = entries(source.text)
        known = (*_threshold_keys(), *_OWN, *SWITCHES)
        return sum(entry.key in known for entry in found)

    def read(self, source: Source) -> Imported:
        """Read a file. Nothing in it is an error: what is not understood is told by its line."""
        return _Reading(source).all()


def _threshold_keys(group: str = "") -> Iterator[str]:
    """Yield the keys of thresholds, of all hosts or of a group."""
    begin = f"{group}_" if group else ""
    for vector in _VECTORS:
        for switch, threshold, _, _ in _MEASURES:
            yield f"{begin}ban_for_{vector}{switch}"
            yield f"{begin}threshold_{vector}{threshold}"


class _Reading:
    """One reading of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        found, strange = entries(source.text)
        self._groups = [entry for entry in found if entry.key == "hostgroup"]
        # The last line counts.
        self._entries = {entry.key: entry for entry in found}
        self._known = set(_OWN) | set(_threshold_keys()) | SILENT
        self._settings: list[SettingChange] = []
        self._left = strange
        self._warnings: list[str] = []
        for entry in found:
            if entry.key != "hostgroup" and entry is not self._entries[entry.key]:
                self._leave(entry, "stands again below, which counts")

    def all(self) -> Imported:
        """Read every key."""
        self._lists()
        self._sources()
        self._thresholds()
        self._outputs()
        self._switches()
        rules = tuple(self._rules())
        self._unknown()
        left = shortened(sorted(self._left, key=lambda each: each.line))
        return Imported(
            "FastNetMon", rules, tuple(self._settings), tuple(left), tuple(self._warnings)
        )

    def _lists(self) -> None:
        """Take over own networks, and those that are never banned."""
        home = self._list("networks_list_path")
        if home:
            self._set("networks_list_path", ("home",), home)
        spare = self._list("white_list_path")
        if spare:
            note = "never judged, and never blocked"
            self._set("white_list_path", ("volumes", "spare"), spare, note)
            self._set("white_list_path", ("policy", "allow"), spare)

    def _list(self, key: str) -> list[str]:
        entry = self._entries.get(key)
        if entry is None:
            return []
        file = self._source.beside(entry.value)
        if file is None:
            what = "home" if key == "networks_list_path" else "volumes.spare"
            self._leave(entry, f"that file cannot be read from here; set {what} to its networks")
            return []
        found: list[str] = []
        for line, text in listed(file.text):
            try:
                some = networks(text)
            except ValueError as error:
                self._leave(entry, f"{file.place(line)}: {error}")
                continue
            if not some:
                self._leave(entry, f"{file.place(line)}: is everything; name networks")
            found += some
        return list(dict.fromkeys(found))

    def _sources(self) -> None:
        """Take over where traffic is taken from."""
        for kind, port in (("netflow", "2055"), ("sflow", "6343")):
            if self._is_on(kind):
                self._listen(kind, port)
        mirrors = [key for key in _MIRRORS if self._is_on(key)]
        if mirrors:
            note = "packets are counted, not looked into; capture.mode: full for all detectors"
            self._set(mirrors[0], ("capture", "mode"), "host", note)
            self._interfaces()
            rate = self._entries.get("mirror_af_packet_custom_sampling_rate")
            if rate is not None and rate.value != "1":
                self._leave(rate, "phage takes every packet of an interface for one packet")
        elif self._is_on("netflow") or self._is_on("sflow"):
            key = "netflow" if self._is_on("netflow") else "sflow"
            self._set(key, ("capture", "enabled"), value=False)

    def _listen(self, kind: str, usual: str) -> None:
        host = self._value(f"{kind}_host", "0.0.0.0")  # noqa: S104  As FastNetMon has it.
        host = f"[{host}]" if ":" in host else host
        ports = self._value(f"{kind}_port", usual).split(",")
        try:
            addresses = [check_listen(f"{host}:{port.strip()}") for port in ports]
        except ValueError as error:
            self._leave(self._entries[kind], f"{host}, port {','.join(ports)}: {error}")
            return
        self._set(kind, ("collect", "flows", kind), addresses)
        rate = number(self._value("netflow_sampling_ratio", "1")) or 1
        if kind == "netflow" and 1 < rate <= 2**24:
            every: list[object] = [
                {"address": network, "sampling": rate} for network in ("0.0.0.0/0", "::/0")
            ]
            note = "where an exporter does not tell its rate of sampling"
            self._set("netflow_sampling_ratio", ("collect", "flows", "exporters"), every, note)

    def _interfaces(self) -> None:
        entry = self._entries.get("interfaces")
        if entry is None:
            return
        try:
            names = [check_interface(name.strip()) for name in entry.value.split(",")]
        except ValueError as error:
            self._leave(entry, str(error))
        else:
            self._set("interfaces", ("interfaces",), names)

    def _thresholds(self) -> None:
        """Take over thresholds of every host, and of groups."""
        found = self._limits("")
        if found:
            key = next(key for key in _threshold_keys() if self._is_on(key))
            self._set(key, ("volumes", "thresholds"), found)
        groups = []
        for entry in self._groups:
            name, _, text = entry.value.partition(":")
            self._known.update((f"{name}_enable_ban", *_threshold_keys(name)))
            try:
                own = networks(text)
            except ValueError as error:
                self._leave(entry, str(error))
                continue
            if not own or not 0 < len(name) <= 64:
                self._leave(entry, "is no `name:network,network`; write the networks it is about")
            elif f"{name}_enable_ban" in self._entries and not self._is_on(f"{name}_enable_ban"):
                note = f"{name} is never banned, so it is never judged"
                self._set_at(entry, ("volumes", "spare"), list(own), note)
            else:
                limits = self._limits(name)
                groups.append({"name": name, "networks": list(own), "thresholds": limits})
        if groups:
            self._set_at(self._groups[0], ("volumes", "groups"), groups)

    def _limits(self, group: str) -> list[object]:
        """Return the thresholds that are on, as phage's settings have them."""
        begin = f"{group}_" if group else ""
        direction = self._direction()
        found: list[object] = []
        for name, vector in _VECTORS.items():
            limits = {
                measure: limit * factor
                for switch, threshold, measure, factor in _MEASURES
                if self._is_on(f"{begin}ban_for_{name}{switch}")
                and (limit := self._limit(f"{begin}threshold_{name}{threshold}"))
            }
            if not limits or not direction:
                continue
            more: dict[str, object] = {} if vector == "any" else {"vector": vector}
            if direction != "both":
                more["direction"] = direction
            found.append({**more, **limits, "seconds": self._seconds()})
        return found

    def _limit(self, key: str) -> int:
        entry = self._entries.get(key)
        if entry is None:
            return 0
        found = number(entry.value)
        if found is None or not 0 < found <= MOST:
            self._leave(entry, "is no number of packets, megabits or flows above 0")
            return 0
        return found

    def _direction(self) -> str:
        """Return which traffic is judged; '' for none."""
        incoming = self._is_on("process_incoming_traffic", usual=True)
        outgoing = self._is_on("process_outgoing_traffic", usual=True)
        if incoming and outgoing:
            return "both"
        return "in" if incoming else "out" if outgoing else ""

    def _seconds(self) -> int:
        """Return over how many seconds rates are taken: 1 or 5, what phage has."""
        found = number(self._value("average_calculation_time", "5"))
        return 1 if found is not None and found <= 2 else 5

    def _outputs(self) -> None:
        if self._is_on("influxdb"):
            host = self._value("influxdb_host", "127.0.0.1")
            host = f"[{host}]" if ":" in host else host
            port = self._value("influxdb_port", "8086")
            base = self._value("influxdb_database", "fastnetmon")
            url = f"http://{host}:{port}/write?db={base}"
            self._set("influxdb", ("outputs", "influx", "url"), url)
            if self._is_on("influxdb_auth"):
                reason = "write user and password into the URL, or set outputs.influx.token_file"
                self._leave(self._entries["influxdb_auth"], reason)
        self._know_all("influxdb_")
        for key in _BGP:
            self._know_all(f"{key}_")

    def _switches(self) -> None:
        """Tell of what is on and has no counterpart."""
        for key, (begins, reason) in SWITCHES.items():
            self._known.add(key)
            for begin in begins:
                self._know_all(begin)
            if self._is_on(key):
                self._leave(self._entries[key], reason)

    def _rules(self) -> Iterator[ImportedRule]:
        """Yield what follows from an attack: a ban of the own host, as FastNetMon has it."""
        ban = self._entries.get("enable_ban")
        if ban is None or not self._is_on("enable_ban"):
            if ban is not None:
                self._leave(ban, "so no rule is made; attacks are found and told all the same")
            return
        seconds, responders = self._ban_seconds(), self._responders()
        direction = self._direction()
        finished = self._entries.get("unban_only_if_attack_finished")
        if finished is not None and not self._is_on(finished.key):
            reason = "a ban ends by its time; an attack that still goes on is found and banned anew"
            self._leave(finished, reason)
        if direction in {"both", "in"}:
            yield ImportedRule(
                "FastNetMon: a host that is flooded is banned", ban.line, "ban", 10,
                destinations=("home",), finding="volumetric", target="victim", seconds=seconds,
                responders=responders,
                notes=(_LOST,),
            )  # fmt: skip
        if direction in {"both", "out"}:
            yield ImportedRule(
                "FastNetMon: a host that floods others is banned", ban.line, "ban", 20,
                sources=("home",), finding="volumetric", target="source", seconds=seconds,
                # A blackhole stops what is sent to a host, not what it sends.
                responders=tuple(each for each in responders if each != "rtbh"),
            )  # fmt: skip

    def _ban_seconds(self) -> int:
        entry = self._entries.get("ban_time")
        if entry is None:
            return USUAL_BAN
        found = number(entry.value)
        if found is None or not 0 <= found <= MAX_SECONDS:
            self._leave(entry, f"is no number of seconds; {USUAL_BAN} are taken")
            return USUAL_BAN
        if found == 0:
            where = self._source.place(entry.line)
            self._warnings.append(f"{where}: a ban without end becomes one of 7 days")
            return FOREVER
        return found

    def _responders(self) -> tuple[str, ...]:
        """Return who carries a ban out, and tell what is to be set for it by hand."""
        found = []
        for key in _BGP:
            if self._is_on(key):
                found.append("rtbh")
                hop = self._value(f"{key}_next_hop", "")
                community = self._value(f"{key}_community", "") or self._value(
                    f"{key}_community_host", ""
                )
                reason = (
                    "add rtbh to respond.responders, and your routers to respond.settings.rtbh "
                    f"(next_hop4: {hop or 'yours'}, communities: {community or 'yours'})"
                )
                self._leave(self._entries[key], reason)
        script = self._entries.get("notify_script_path")
        if script is not None:
            # Where there is none FastNetMon does nothing; the file as it is shipped names one.
            found += ["script"] if self._source.beside(script.value) is not None else []
            reason = (
                "add script to respond.responders, and set respond.settings.script: "
                f"{{path: {script.value}, style: fastnetmon}}"
            )
            self._leave(script, reason)
        return tuple(dict.fromkeys(found))

    def _unknown(self) -> None:
        """Tell of every key that is not known."""
        for key, entry in self._entries.items():
            if key in self._known:
                continue
            group = next((each for each in _threshold_keys() if key.endswith(f"_{each}")), "")
            if group or key.endswith("_enable_ban"):
                name = key.removesuffix(f"_{group}" if group else "_enable_ban")
                self._leave(entry, f"there is no line `hostgroup = {name}:...`")
            else:
                self._leave(entry, "is not known here")

    def _know_all(self, begin: str) -> None:
        self._known.update(key for key in self._entries if key.startswith(begin))

    def _is_on(self, key: str, *, usual: bool = False) -> bool:
        entry = self._entries.get(key)
        if entry is None:
            return usual
        if entry.value not in {"on", "off"}:
            where = self._source.place(entry.line)
            warning = f"{where}: {key} = {entry.value[:40]}: is off, since it is not `on`"
            if warning not in self._warnings:
                self._warnings.append(warning)
        return entry.value == "on"

    def _value(self, key: str, usual: str) -> str:
        entry = self._entries.get(key)
        return entry.value if entry is not None else usual

    def _set(self, key: str, setting: tuple[str, ...], value: object, note: str = "") -> None:
        self._set_at(self._entries[key], setting, value, note)

    def _set_at(
        self, entry: Entry, setting: tuple[str, ...], value: object, note: str = ""
    ) -> None:
        self._settings.append(SettingChange(setting, value, entry.line, note))

    def _leave(self, entry: Entry, reason: str) -> None:
        what = f"{entry.key} = {entry.value}"[:80]
        self._left.append(NotImported(entry.line, what, reason))
