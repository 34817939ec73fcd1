"""The rule language: what a rule file says, as records.

A rule file is YAML that reads like sentences:

    objects:
      office:  [198.51.100.0/28, "2001:db8:1::/48"]
      cameras: {category: ip-camera}
      night:   {time: {days: [mon-fri], from: "22:00", to: "06:00"}}

    rules:
      - name: Cameras stay at home
        match: {source: cameras, destination: internet, time: night}
        action: drop
        mode: enforce
      - name: Guessing passwords
        match: {finding: bruteforce, severity: high, not: {source: office}}
        action: [ban, notify]
        for: {first: 10m, times: 4, longest: 7d}

Three things hold everywhere: **a list means any of them, keys beside each other mean all of them,
`not` means none of them.** Rules are asked in the order of their priority (the lowest first), then
as they stand; the first that decides wins. `log`, `notify`, `run`, `synproxy` and, for packets,
`limit` do not decide: the next rule is asked. A rule is in dry run until it says `mode: enforce`. A
rule without a match is an error, unless it says `match: everything`.

A rule whose match names a finding is asked about findings: its `source` is who attacks and its
`destination` who is attacked. Any other is asked about the first packet of each connection. One
that bans, notifies or runs what exceeds a `rate` is asked about packets too, and acts on who sends
them (`phage.policy.excess`).
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.intent import Duration
from phage.policy.place import Place

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from phage.records.decision import Direction, Pattern, Rate
    from phage.records.finding import Severity
    from phage.records.packetrule import Hook, Network, PacketAction, Service

PRIORITY = 100
"""Of a rule that names none: there is room before and behind."""


class Verb(enum.StrEnum):
    """What a rule does."""

    ACCEPT = "accept"
    """Let packets pass; decide nothing about a finding."""
    DROP = "drop"
    REJECT = "reject"
    """Refuse with an answer (TCP reset, ICMP unreachable)."""
    LOG = "log"
    LIMIT = "limit"
    """Let through as many as `rate` allows."""
    BAN = "ban"
    """Drop everything of the target for a time, and cut the connections that stand."""
    QUARANTINE = "quarantine"
    """Let the device reach only what it needs to be mended: DHCP, DNS, ping of the router."""
    SYNPROXY = "synproxy"
    """Answer for a TCP service with SYN cookies, so that forged sources cost it nothing."""
    NOTIFY = "notify"
    RUN = "run"


class Mode(enum.StrEnum):
    """Whether a rule acts."""

    ENFORCE = "enforce"
    DRY_RUN = "dry-run"
    """It is counted and recorded what it would have done."""
    OFF = "off"


class Way(enum.StrEnum):
    """Which way traffic goes, seen from the networks at home and this machine."""

    IN = "in"
    """From the internet to what is ours."""
    OUT = "out"
    """From what is ours to the internet."""
    INSIDE = "inside"
    """Between what is ours."""
    FORWARD = "forward"
    """Through this machine, neither from it nor to it."""


class Role(enum.StrEnum):
    """Who is acted against when a finding meets a rule."""

    SOURCE = "source"
    """Who attacks."""
    VICTIM = "victim"
    """Who is attacked."""
    SUBJECT = "subject"
    """Whom the finding is about."""
    DEVICE = "device"
    """The same by its MAC address, whatever address it takes; by that where it has none."""
    PEERS = "peers"
    """All others that it names."""
    SERVICE = "service"
    """What is attacked of the victim: only packets to these ports of it."""
    DOMAIN = "domain"
    """The domain that the finding names."""


class Kind(enum.StrEnum):
    """What a selector selects by."""

    NETWORK = "network"
    WELL_KNOWN = "place"
    """self, home, internet, gateway or admin."""
    OBJECT = "object"
    DEVICE = "device"
    CATEGORY = "category"
    LABEL = "label"
    SOFTWARE = "software"
    MAC = "mac"
    COUNTRY = "country"
    AS = "as"
    DOMAIN = "domain"
    LIST = "list"


DEVICE_KINDS = frozenset({Kind.DEVICE, Kind.CATEGORY, Kind.LABEL, Kind.SOFTWARE, Kind.MAC})
"""What the inventory of devices answers."""

WELL_KNOWN = ("self", "home", "internet", "gateway", "admin")
"""Names that every file may use: this machine, the networks at home, all that is not ours, the
routers, and whoever is logged in to administer."""


@frozen
class Selector:
    """One way to say which addresses are meant.

    Attributes:
        kind: By what.
        value: Canonical text: "192.0.2.0/24", "FR", "64496", "spamhaus-drop".
        network: Of NETWORK.
        confidence: Of LIST: only indicators that are at least so sure, 0 to 100.
        place: Where it stands.
    """

    kind: Kind
    value: str
    network: Network | None = None
    confidence: int = 0
    place: Place = field(default=Place(), compare=False)

    def __str__(self) -> str:
        """Return it as people read it: "office", "country FR"."""
        if self.kind in {Kind.NETWORK, Kind.WELL_KNOWN, Kind.OBJECT}:
            return self.value
        sure = f" (confidence {self.confidence})" if self.confidence else ""
        return f"{self.kind} {self.value}{sure}"


@frozen
class Clause:
    """One of several ways for an address to be meant.

    It holds when each group of `all_of` has a selector that holds, and nothing in `none_of` does.
    """

    all_of: tuple[tuple[Selector, ...], ...] = ()
    none_of: tuple[Clause, ...] = ()


Parties = tuple[Clause, ...]
"""Addresses that are meant: one of these clauses holds; () for any address."""


@frozen
class TimeWindow:
    """A time of the week; `start` > `end` goes over midnight, and belongs to the day it begins on.

    Attributes:
        days: 0 for Monday to 6 for Sunday.
        start: Seconds since midnight.
        end: Seconds since midnight, not included; 86,400 for the end of the day.
        zone: Its time zone; None for the rule set's.
    """

    days: frozenset[int] = frozenset(range(7))
    start: int = 0
    end: int = 86_400
    zone: datetime.tzinfo | None = None


@frozen
class ObjectName:
    """The name of an object, where a time or service is asked for."""

    name: str
    place: Place = field(default=Place(), compare=False)


@frozen
class Match:
    """Conditions; all that are set must hold. Empty ones hold always.

    Attributes:
        everything: The rule says `match: everything`.
        source: Who sends; of a finding: who attacks.
        destination: Who is sent to; of a finding: who is attacked.
        near: Devices of ours on either side (`device`, `category`, `label`, `mac`).
        far: The other side (`country`, `as`, `domain`, `list`).
        services: Protocols and destination ports, or names of objects.
        source_ports: Ranges of source ports, both ends included.
        interfaces: Either in or out by one of these.
        in_interfaces: In by one of these.
        out_interfaces: Out by one of these.
        vlans: VLAN ids.
        ways: Directions.
        times: Windows, or names of objects.
        findings: Names of detectors; "any" for all.
        severity: At least so bad.
        score: At least so sure.
        rate: Only what exceeds this.
        per: Whose packets are counted for `rate`: "source", "destination" or "" for all together.
        connections: Only of sources with more connections open; 0 for no such condition.
        excluded: None of these conditions may hold (`not`).
    """

    everything: bool = False
    source: Parties = ()
    destination: Parties = ()
    near: Parties = ()
    far: Parties = ()
    services: tuple[Service | ObjectName, ...] = ()
    source_ports: tuple[tuple[int, int], ...] = ()
    interfaces: tuple[str, ...] = ()
    in_interfaces: tuple[str, ...] = ()
    out_interfaces: tuple[str, ...] = ()
    vlans: tuple[int, ...] = ()
    ways: frozenset[Way] = frozenset()
    times: tuple[TimeWindow | ObjectName, ...] = ()
    findings: tuple[str, ...] = ()
    severity: Severity | None = None
    score: float | None = None
    rate: Rate | None = None
    per: str = ""
    connections: int = 0
    excluded: Match | None = None

    @property
    def is_about_findings(self) -> bool:
        """Tell whether it is asked about findings rather than packets."""
        return bool(self.findings) or self.severity is not None or self.score is not None


@frozen
class Rule:
    """A condition and what follows from it.

    Attributes:
        name: Unique among all files.
        match: The condition.
        actions: What is done, in the order written.
        place: Where its name stands.
        priority: The lowest is asked first; among equals the order of the files.
        mode: Whether it acts.
        comment: For people.
        duration: How long a decision about a finding lasts (`for`).
        target: Who is acted against when a finding meets it.
        packets: Which packets of the target are meant; None for what suits the finding.
        pattern: Which of these; None for what suits the target.
        rate: What LIMIT lets through.
        per: Whose packets are counted for `rate`: "source", "destination" or "" for all together.
        hooks: Only there (`scope: {hooks: …}`); empty for wherever it can apply.
        responders: Only by these (`scope: {responders: …}`); () for all that can.
        notify: Notifiers that NOTIFY tells; () for all.
        run: Scripts that RUN starts, by the names that the settings give them.
    """

    name: str
    match: Match
    actions: tuple[Verb, ...]
    place: Place = field(default=Place(), compare=False)
    priority: int = PRIORITY
    mode: Mode = Mode.DRY_RUN
    comment: str = ""
    duration: Duration = field(default_factory=Duration)
    target: Role = Role.SOURCE
    packets: Direction | None = None
    pattern: Pattern | None = None
    rate: Rate | None = None
    per: str = ""
    hooks: frozenset[Hook] = frozenset()
    responders: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    run: tuple[str, ...] = ()

    @property
    def is_about_findings(self) -> bool:
        """Tell whether it is asked about findings rather than packets."""
        return self.match.is_about_findings


@frozen
class NamedObject:
    """A piece of a match that has a name: addresses, services or times, one kind of them."""

    name: str
    place: Place = field(default=Place(), compare=False)
    parties: Parties = ()
    services: tuple[Service | ObjectName, ...] = ()
    times: tuple[TimeWindow | ObjectName, ...] = ()

    @property
    def kind(self) -> str:
        """Return what it stands for: "addresses", "services" or "times"."""
        if self.services:
            return "services"
        return "times" if self.times else "addresses"


@frozen
class GivenDevice:
    """A device that tests know."""

    name: str
    addresses: tuple[str, ...] = ()
    mac: str = ""
    category: str = ""
    labels: tuple[str, ...] = ()


@frozen
class Given:
    """What tests take for known (`given`): nothing of it is used when the rules are in force.

    Attributes:
        own: Addresses of this machine (`self`).
        home: Networks at home.
        gateways: Addresses of routers.
        admins: Addresses of who administers.
        devices: Devices.
        sets: Members of lists, countries, ASs and domains, by kind and name.
    """

    own: tuple[Network, ...] = ()
    home: tuple[Network, ...] = ()
    gateways: tuple[Network, ...] = ()
    admins: tuple[Network, ...] = ()
    devices: tuple[GivenDevice, ...] = ()
    sets: Mapping[tuple[Kind, str], tuple[Network, ...]] = field(default_factory=dict)


@frozen
class TrafficCase:
    """What a test sends: the first packet of a connection.

    `source` and `destination` are addresses, "self", "gateway", "admin", or names of given devices.
    """

    source: str
    destination: str
    protocol: int = 6
    port: int | None = None
    source_port: int | None = None
    in_interface: str = ""
    out_interface: str = ""
    vlan: int = 0
    connections: int = 0
    exceeds: bool = False


@frozen
class FindingCase:
    """What a test reports: a finding of a detector; parties as in TrafficCase, '' for unknown."""

    detector: str
    source: str = ""
    destination: str = ""
    severity: Severity | None = None
    score: float = 1.0
    services: tuple[str, ...] = ()
    domain: str = ""
    spoofable: bool = False


@frozen
class RuleTest:
    """A test in a rule file: traffic or a finding in, a decision out.

    Tests ask what the rules say, whatever their mode.

    Attributes:
        case: What happens.
        expect: The actions that must follow; () for nothing.
        rule: The rule that must decide; '' for any.
        at: When, with its time zone; None for a Wednesday at noon.
        place: Where it stands.
    """

    case: TrafficCase | FindingCase
    expect: tuple[Verb, ...]
    rule: str = ""
    at: datetime.datetime | None = None
    place: Place = field(default=Place(), compare=False)


@frozen
class RuleFile:
    """All that one file says.

    Attributes:
        source: The file's name.
        zone: Time zone of windows that name none; None for the machine's.
        objects: Objects by name.
        defaults: What happens to packets that no rule decided, with its place.
        rules: Rules as they stand.
        given: What tests take for known.
        tests: Tests as they stand.
        text: The file as it was read.
    """

    source: str
    zone: ZoneInfo | None = None
    objects: Mapping[str, NamedObject] = field(default_factory=dict)
    defaults: Mapping[Hook, tuple[PacketAction, Place]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    given: Given = field(default_factory=Given)
    tests: tuple[RuleTest, ...] = ()
    text: str = field(default="", repr=False, compare=False)
