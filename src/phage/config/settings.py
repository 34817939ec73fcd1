"""The settings: every key with its type, its default and what it does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, SecretStr, field_validator

from phage.config.collect import CollectSettings
from phage.config.devices import DeviceSettings
from phage.config.discovery import DiscoverySettings
from phage.config.intel import IntelSettings
from phage.config.kinds import Duration, InterfaceName, Listen, Network, Protected, Size
from phage.config.mqtt import MqttSettings
from phage.config.notify import ChannelSettings
from phage.config.scan import ScanSettings
from phage.config.section import Section
from phage.config.statedir import default_state_dir
from phage.config.volumes import VolumeSettings

PRIVATE_NETWORKS = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)
"""What is at home unless told otherwise: private, shared and link-local addresses (RFC 1918, 6598,
3927, 4193, 4291)."""

Level = Literal["debug", "info", "warning", "error"]


class CaptureSettings(Section):
    """How packets are taken from the interfaces."""

    enabled: bool = Field(
        default=True, description="Watch interfaces; off where only flow exports are collected."
    )
    mode: Literal["full", "host"] = Field(
        "full",
        description="Look into packets and follow their flows, or (host) only count them by host "
        "and prefix, which finds floods at a tenth of the cost.",
    )
    requests: str | None = Field(
        None,
        description="Packets that are counted as requests of their source, in the pcap filter "
        'language, for example "tcp and port 80 or port 443"; empty takes all, null counts none.',
    )
    filter: str = Field(
        "", description="Packet filter in the pcap filter language; empty takes every packet."
    )
    promiscuous: bool = Field(
        default=True, description="See packets that are not for this machine, as on a mirror port."
    )
    threads: int = Field(
        1, ge=1, le=64, description="Threads that share the packets of one interface (fan-out)."
    )
    ring_size: Size = Field(
        4 * 2**20,  # A third of a second at 100 Mbit/s; a half holds a gigabit without loss.
        ge=2**20,
        le=2**32,
        description="Memory of the kernel's ring per thread; more rides out longer bursts.",
    )
    snap_length: int = Field(
        2048,
        ge=128,
        le=262_144,
        description="Octets kept of each packet; headers and first messages need about 1500.",
    )


class LimitSettings(Section):
    """How much is remembered. What does not fit is dropped, oldest first, and counted."""

    flows: int = Field(65_536, ge=1024, le=2**24, description="Flows followed at a time.")
    hosts: int = Field(
        16_384, ge=256, le=2**22, description="Hosts counted at a time, near and far."
    )
    devices: int = Field(1024, ge=16, le=65_536, description="Devices with a profile of their own.")
    streams: int = Field(
        65_536,
        ge=1024,
        le=2**22,
        description="Channels, and sockets, whose damped statistics are kept; sources a quarter.",
    )
    rows: int = Field(
        16_384, ge=256, le=2**20, description="Rows of each table that one window may carry."
    )
    observations: int = Field(
        4096, ge=64, le=2**20, description="Application messages that one window may carry."
    )
    reassembly: Size = Field(
        8 * 2**20,
        ge=2**16,
        le=2**32,
        description="Memory for the first 16 kB of streams, all together.",
    )
    flow_idle_timeout: Duration | None = Field(
        None,
        ge=1,
        le=86_400,
        description="A flow ends after this time without a packet; null: by its kind, "
        "15 s unanswered, 60 s answered, 300 s for a TCP connection.",
    )
    flow_active_timeout: Duration = Field(
        1800.0,
        ge=10,
        le=604_800,
        description="A flow that lasts longer is reported in parts of this length.",
    )


class LearningSettings(Section):
    """How normal behaviour is learned."""

    train_packets: int | None = Field(
        None,
        ge=100,
        le=10**12,
        description="Packets to learn from before judging; null until the model has converged.",
    )
    budget: float = Field(
        1.0,
        gt=0,
        le=10_000,
        description="False findings that you accept, per device and week: the one knob.",
    )
    per_device: bool = Field(
        default=True,
        description="Learn a small model for each device besides the one of the network.",
    )
    update: bool = Field(
        default=True, description="Go on learning, slowly, from traffic that looks normal."
    )
    save_every: Duration = Field(
        900.0, ge=10, le=86_400, description="Time between two saved states of the model."
    )
    keep_states: int = Field(5, ge=1, le=100, description="Saved states to keep, for going back.")
    seed: int = Field(
        1, ge=0, le=2**32 - 1, description="Seed of the model: the same seed gives the same result."
    )


class DetectorSettings(Section):
    """Which detectors look, and with which settings; `phage plugins list` names them."""

    disabled: tuple[str, ...] = Field((), description="Detectors that shall not run, by name.")
    settings: dict[str, dict[str, JsonValue]] = Field(
        {}, description="Settings of detectors by name, for example {portscan: {ports: 20}}."
    )


class BudgetSettings(Section):
    """How much rules may block: what is beyond it is reported, not blocked."""

    a_minute: int = Field(60, ge=0, le=10**6, description="Blocks in any 60 seconds.")
    in_all: int = Field(
        100_000, ge=0, le=10**6, description="Blocks in force at a time, a person's included."
    )
    listed: int = Field(
        1_000_000,
        ge=0,
        le=4 * 10**6,
        description="Networks of block_lists in force; more, and none of them is changed.",
    )


class BlockListsSettings(Section):
    """Feeds by which packets are dropped without another word: lists of who is surely bad."""

    feeds: tuple[str, ...] = Field(
        (), max_length=64, description="Names in intel.feeds; any for all that are enabled."
    )
    confidence: int = Field(
        80, ge=1, le=100, description="Only what a feed is at least so sure of, in percent."
    )
    both: bool = Field(
        default=True, description="Drop packets to them as well, not only packets from them."
    )


class PolicySettings(Section):
    """What follows from findings, and what can never be blocked."""

    enforce: bool = Field(
        default=False,
        description="Carry decisions out. While this is off nothing is ever blocked: each decision "
        'is recorded with what would have been done ("would have banned ...").',
    )
    rules: tuple[Path, ...] = Field(
        (), description="Rule files, and folders of them; empty: rules/ in the state folder."
    )
    allow: tuple[Protected, ...] = Field(
        (),
        max_length=10_000,
        description="Never decided against, besides what this machine depends on (its own "
        "addresses, routers, name, DHCP and time servers, who is logged in here or to the "
        "dashboard): addresses, networks, MAC addresses, domains with all below them.",
    )
    admin_ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = Field(
        (22,),
        max_length=64,
        description="TCP ports by which this machine is administered; who is logged in by them is "
        "never blocked.",
    )
    budget: BudgetSettings = BudgetSettings()
    block_lists: BlockListsSettings = BlockListsSettings()
    ipv6_prefix: int = Field(
        64,
        ge=32,
        le=128,
        description="Strangers' IPv6 addresses are banned by networks of this length.",
    )


class RespondSettings(Section):
    """Who carries decisions out, when policy.enforce is on; `phage plugins list` names them."""

    responders: tuple[str, ...] = Field(
        ("nftables",),
        max_length=32,
        description="Responders, by name; nftables for this machine's kernel, ipset where iptables "
        "filters.",
    )
    settings: dict[str, dict[str, JsonValue]] = Field(
        {}, description="Settings of responders by name, for example {rtbh: {next_hop4: self}}."
    )
    scripts: dict[str, dict[str, JsonValue]] = Field(
        {},
        description="Scripts that rules run by name (action: run), each with the settings of the "
        "responder `script`, for example {trigger: {path: /etc/phage/trigger.sh, style: phalanx}}.",
    )


class StoreSettings(Section):
    """Where findings and flows are kept."""

    url: str = Field(
        "",
        description="postgresql://USER@HOST/NAME or sqlite:///PATH; empty: in the state folder.",
    )
    password: SecretStr = Field(
        SecretStr(""), description="Password of the database; better in password_file."
    )
    password_file: Path | None = Field(None, description="File whose first line is the password.")
    flows: bool = Field(default=True, description="Keep flows, not only findings.")
    queue: int = Field(
        20_000,
        ge=100,
        le=10**7,
        description="Rows that wait to be written; more are dropped and counted.",
    )


class RetentionSettings(Section):
    """How long and how much is kept; the oldest goes first."""

    findings: Duration = Field(
        180 * 86_400.0, ge=3600, description="Closed findings are kept this long."
    )
    flows: Duration = Field(7 * 86_400.0, ge=60, description="Flows are kept this long.")
    counters: Duration = Field(
        90 * 86_400.0, ge=3600, description="Counters per minute are kept this long."
    )
    decisions: Duration = Field(
        365 * 86_400.0, ge=3600, description="Decisions are kept this long after they ended."
    )
    verdicts: Duration = Field(
        365 * 86_400.0, ge=3600, description="Verdicts on files are kept this long."
    )
    store_size: Size = Field(2 * 10**9, ge=10**6, description="The store is kept under this size.")
    captures_size: Size = Field(
        500 * 10**6, ge=10**6, description="Packets saved with findings, all together."
    )


class EveSettings(Section):
    """EVE JSON lines in the shape of Suricata's eve.json."""

    enabled: bool = Field(default=False, description="Write EVE JSON lines.")
    path: Path | None = Field(None, description="The file; null: eve.json in the state folder.")
    types: tuple[
        Literal["flow", "netflow", "dns", "tls", "http", "dhcp", "alert", "anomaly", "stats"], ...
    ] = Field(
        ("flow", "dns", "tls", "http", "dhcp", "alert", "anomaly", "stats"),
        description="Kinds of event to write.",
    )
    rotate_size: Size = Field(
        100 * 10**6, ge=10**4, description="A new file begins when the file is this large."
    )
    rotate_count: int = Field(5, ge=0, le=1000, description="Old files to keep.")
    stats_interval: Duration = Field(60.0, ge=1, description="Time between two stats events.")


class InfluxSettings(Section):
    """What each interface carries, in InfluxDB's line protocol."""

    url: str = Field(
        "",
        description="Where lines are posted: http://HOST:8086/write?db=NAME, or "
        ".../api/v2/write?org=ORG&bucket=BUCKET; empty: nowhere.",
    )
    token: SecretStr = Field(
        SecretStr(""), description="Token of InfluxDB 2; better in token_file."
    )
    token_file: Path | None = Field(None, description="File whose first line is the token.")
    every: Duration = Field(10.0, ge=1, le=3600, description="Time between two reports.")
    tags: dict[str, str] = Field({}, description="Tags of every line, besides host.")

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            message = "must begin with http:// or https://"
            raise ValueError(message)
        return value


class OutputSettings(Section):
    """What is written besides the store."""

    eve: EveSettings = Field(EveSettings(), description="EVE JSON lines.")
    influx: InfluxSettings = Field(InfluxSettings(), description="InfluxDB.")
    mqtt: MqttSettings = Field(MqttSettings(), description="MQTT and Home Assistant.")


class ApiSettings(Section):
    """What is served over HTTP: the dashboard, the API, metrics and health."""

    enabled: bool = Field(default=True, description="Serve them.")
    listen: Listen = Field(
        "127.0.0.1:8080",
        description="Address and port; for others than this machine, better with tls.",
    )
    hosts: tuple[str, ...] = Field(
        (),
        max_length=64,
        description="Names besides addresses and localhost by which browsers may ask.",
    )
    tls: Literal["off", "self-made", "given"] = Field(
        "off",
        description="TLS: with a certificate that phage makes for itself, or with a given one.",
    )
    certificate: Path | None = Field(
        None, description="PEM file with the certificate and those above it, for tls: given."
    )
    private_key: Path | None = Field(None, description="PEM file with its key, for tls: given.")
    session_idle: Duration = Field(
        12 * 3600.0,
        ge=60,
        le=30 * 86_400,
        description="A login ends after this time without a request.",
    )
    session_longest: Duration = Field(
        7 * 86_400.0, ge=60, le=365 * 86_400, description="A login ends after this time."
    )
    push: bool = Field(
        default=True,
        description="Tell browsers whose users asked for it of findings while no page is open, "
        "through the push services of the browsers' makers, which cannot read it.",
    )
    push_contact: str = Field(
        "",
        max_length=256,
        pattern=r"^((mailto:|https:)[!-~]+)?$",
        description="Whom a push service may write to (mailto:you@example.org); it sees this. "
        "Apple's asks for one.",
    )
    token: SecretStr = Field(
        SecretStr(""),
        description="Token that /metrics asks for; better in token_file. Without one /metrics is "
        "open to this machine only.",
    )
    token_file: Path | None = Field(None, description="File whose first line is the token.")


class LoggingSettings(Section):
    """Logs, on standard error or in a file."""

    format: Literal["text", "json"] = Field(
        "text", description="Lines for people, or JSON objects."
    )
    level: Level = Field("info", description="Least level to log.")
    levels: dict[str, Level] = Field(
        {}, description="Levels of packages, for example {phage.store: debug}."
    )
    file: Path | None = Field(
        None, description="File to write to, in a folder of phage's account; null: standard error."
    )
    rotate_size: Size = Field(
        10**7, ge=10**4, description="A new file begins when the file is this large."
    )
    rotate_count: int = Field(5, ge=0, le=1000, description="Old files to keep.")


class BusSettings(Section):
    """How roles on several machines reach one another."""

    url: SecretStr = Field(
        SecretStr(""),
        description="redis://[USER:PASSWORD@]HOST:PORT/NUMBER, or rediss:// for TLS; empty: all "
        "is in one process. `phage run` then also detects in what sensors count.",
    )
    prefix: str = Field("phage", description="Begins every key, so that fleets can share a server.")
    name: str = Field("", description="Name of this process; empty: host and process number.")
    sensors: bool = Field(
        default=False,
        description="Take the windows of sensors that joined (`phage sensors invite`).",
    )


class Settings(Section):
    """All settings of phage."""

    interfaces: tuple[InterfaceName, ...] = Field(
        (), description="Interfaces to watch; empty: the one of the default route."
    )
    home: Annotated[tuple[Network, ...], Field(min_length=1)] = Field(
        PRIVATE_NETWORKS, description="Networks that are ours."
    )
    state_dir: Path | None = Field(
        None,
        description="Folder of all state; null: /var/lib/phage for root, else the user's own.",
    )
    capture: CaptureSettings = CaptureSettings()
    limits: LimitSettings = LimitSettings()
    learning: LearningSettings = LearningSettings()
    detectors: DetectorSettings = DetectorSettings()
    volumes: VolumeSettings = VolumeSettings()
    collect: CollectSettings = CollectSettings()
    bus: BusSettings = BusSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    devices: DeviceSettings = DeviceSettings()
    intel: IntelSettings = IntelSettings()
    policy: PolicySettings = PolicySettings()
    respond: RespondSettings = RespondSettings()
    scan: ScanSettings = ScanSettings()
    store: StoreSettings = StoreSettings()
    retention: RetentionSettings = RetentionSettings()
    outputs: OutputSettings = OutputSettings()
    notify: dict[str, ChannelSettings] = Field(
        {}, description="Whom to tell, by names that rules can use: {ops: {type: webhook, ...}}."
    )
    api: ApiSettings = ApiSettings()
    logging: LoggingSettings = LoggingSettings()

    @property
    def state_folder(self) -> Path:
        """The folder of state: `state_dir`, else the platform's."""
        if self.state_dir is not None:
            return self.state_dir
        return default_state_dir(os.environ, Path.home(), os.geteuid())
