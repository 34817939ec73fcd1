"""Finds data hidden in DNS: tunnels, other protocols at port 53, generated names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.lookups import FAST, SLOW, Lookups, Question, looks_random, question_of
from phage.detect.misuse import Misuse
from phage.detect.parties import is_group, mac_numbers
from phage.detect.rows import Flow, rows_of
from phage.detect.tables import Distinct, Recent, Usual
from phage.devices.domainnames import registered_domain
from phage.records.address import format_address, parse_mac
from phage.records.columns import UNKNOWN_APPLICATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge
    from phage.records import Finding, Observation, Subject, Window

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_DNS = 53

# Services that are asked by name for what they know of an address, a file's hash or a domain: their
# names are long, all different, and look drawn by lot. They get a larger allowance. Nobody else can
# register under them.
REPUTATION = frozenset(
    {
        "abuse.ch",
        "abusix.zone",
        "avast.com",
        "avcdn.net",
        "barracuda.com",
        "barracudacentral.org",
        "bitdefender.net",
        "cymru.com",
        "dnswl.org",
        "e5.sk",
        "eset.com",
        "f-secure.com",
        "fsapi.com",
        "habeas.com",
        "invaluement.com",
        "kaspersky-labs.com",
        "kaspersky.com",
        "mailspike.net",
        "mcafee-cloud.com",
        "mcafee.com",
        "nszones.com",
        "psbl.org",
        "sophosxl.com",
        "sophosxl.net",
        "sorbs.net",
        "spamcop.net",
        "spamhaus.net",
        "spamhaus.org",
        "spamrats.com",
        "surbl.org",
        "symantec.com",
        "team-cymru.com",
        "team-cymru.org",
        "trendmicro.com",
        "uceprotect.net",
        "uribl.com",
        "webroot.com",
        "wpbl.info",
    }
)


@dataclass(slots=True)
class _Failures:
    """One client's names that do not exist, and its domains that do."""

    missing: Distinct[str] = field(default_factory=lambda: Distinct(512))
    random: Distinct[str] = field(default_factory=lambda: Distinct(512))
    good: Distinct[str] = field(default_factory=lambda: Distinct(512))
    servers: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Dnstunnel:
    """Finds tunnels by how much information a client's names carry to one domain.

    What counts is the sum of the octets below the registered domain of all different names,
    decaying (Paxson et al., Practical comprehensive bounds on surreptitious communication over DNS,
    USENIX Security 2013, bound the same quantity). Records that hold text or arbitrary octets need
    less of it. Names that a domain's visitors always cause (content networks, reputation services)
    stay below or are usual for the client. Generated names are told by many different domains that
    do not exist (Antonakakis et al., From throw-away traffic to bots, USENIX Security 2012).

    Fails below about 4 octets a second for hours, for tunnels in encrypted DNS, and for generators
    that use dictionaries at low rates.
    """

    name: ClassVar[str] = "dnstunnel"
    summary: ClassVar[str] = "Data hidden in DNS: tunnels, strangers at port 53, generated names."

    fast_octets: float = 2500.0
    """Octets in different names, decaying by half in a minute: some 60 of the longest names that
    advertising uses (40 octets), far more than pages cause in a minute; a tunnel needs a second for
    it."""
    fast_names: float = 15.0
    """Different names for that."""
    mean_octets: float = 30.0
    """Their mean length: content networks use up to 25, and tunnels fill what they get (up to 250).
    """
    carrier_octets: float = 300.0
    """The same octets where most questions are for records that hold text (TXT, NULL, CNAME,
    MX...)."""
    carrier_names: float = 10.0
    """Different names for that: mail servers ask for two or three under one domain."""
    carrier_mean: float = 12.0
    """Their mean length."""
    carrier_down: float = 2000.0
    """Octets of such records, decaying by half in a minute, in answers to different names."""
    slow_octets: float = 15_000.0
    """Octets in different names, decaying by half in an hour."""
    slow_names: float = 100.0
    """Different names for that."""
    slow_mean: float = 40.0
    """Their mean length: over an hour the names of content networks add up, so it is larger."""
    slow_carrier_octets: float = 3000.0
    """The slow sum for records that hold text."""
    slow_carrier_names: float = 60.0
    """Different names for that: one a minute."""
    above_usual: float = 5.0
    """Times what the client's busiest minute under the domain carried before."""
    reputation_factor: float = 20.0
    """Allowance of services that are asked by long names: a mail server asks some hundred a minute.
    """
    strange_octets: int = 4000
    """Payload at port 53 in a flow in which nothing is DNS; a few malformed packets happen."""
    strange_packets: int = 10
    """Packets of such a flow."""
    missing: int = 20
    """Domains that do not exist, asked for within ten minutes; a misspelt name or a search list is
    a few."""
    missing_any: int = 150
    """The same whatever they look like."""
    random_share: float = 0.6
    """Part of them that looks drawn by lot."""
    quiet_s: float = 300.0
    """A case that rested for so long is over."""
    most_lookups: int = 1024
    """Clients and domains with state, about 3 kB each, 40 kB when 512 names are remembered: see
    `most_marks`."""
    most_clients: int = 256
    """Clients whose failures are counted."""

    _lookups: Recent[tuple[str, str], Lookups] = field(init=False, repr=False)
    _failures: Recent[str, _Failures] = field(init=False, repr=False)
    _cases: Recent[str, Misuse] = field(init=False, repr=False)
    _flows: Recent[int, None] = field(init=False, repr=False)
    _last_domain: Recent[tuple[str, str], str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        self._lookups = Recent(self.most_lookups)
        self._failures = Recent(self.most_clients)
        self._cases = Recent(256)
        self._flows = Recent(8192)
        self._last_domain = Recent(512)

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        return self._lookups.dropped + self._failures.dropped + self._cases.dropped

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        changed: dict[str, Misuse] = {}
        routers = mac_numbers(knowledge.routers)
        messages = [seen for seen in window.observations if seen.kind == "dns"]
        if len(messages) > 1:
            messages.sort(key=lambda seen: (seen.time, seen.packet, seen.flow, seen.src_port))
        touched: dict[tuple[str, str], tuple[Lookups, Subject]] = {}
        for seen in messages:
            self._flows.put(seen.flow, None)
            self._take(seen, routers, touched, changed)
        for (_, domain), (lookups, client) in touched.items():
            self._judge(lookups, client, domain, changed)
        # Messages that were left out would make honest flows look strange.
        if len(window.observations) < 4096:
            rows = rows_of(window)
            flows = rows.flow_columns
            many = flows["packets"][:, 0] >= self.strange_packets
            for row in rows.flows_where(many & (flows["dst_port"] == _DNS)):
                self._look_at_flow(row, routers, changed)
        for key, case in changed.items():
            yield case.finding(self.name, key, knowledge)

    def _take(
        self,
        seen: Observation,
        routers: frozenset[int],
        touched: dict[tuple[str, str], tuple[Lookups, Subject]],
        changed: dict[str, Misuse],
    ) -> None:
        question = question_of(seen)
        if question is None:
            return
        if question.is_answer:
            client, server = _client(seen.dst, seen.dst_mac, routers), seen.src
        else:
            client, server = _client(seen.src, seen.src_mac, routers), seen.dst
        domain = question.domain
        if domain:
            self._last_domain.put((client.device, server), domain)
        else:
            domain = self._last_domain.get((client.device, server)) or f"names sent to {server}"
        key = (client.device, domain)
        lookups = self._lookups.use(key)
        if lookups is None:
            lookups = self._lookups.put(key, Lookups(Usual(seen.time)))
        lookups.take(question, server, seen.time)
        touched[key] = (lookups, client)
        if question.is_answer:
            self._count_failure(question, client, server, seen.time, changed)

    def _judge(
        self, lookups: Lookups, client: Subject, domain: str, changed: dict[str, Misuse]
    ) -> None:
        now = lookups.last
        key = f"{client.device}/{domain}"
        case = self._cases.use(key)
        going_on = case is not None and now - case.last <= self.quiet_s * _SECOND
        if not going_on and not self._is_tunnel(lookups, domain, now):
            return
        lookups.usual.forgive()
        if case is None or not going_on:
            first = max(lookups.first, now - SLOW)
            case = self._cases.put(key, Misuse("tunnel", client, domain, first, now))
            case.usual = lookups.usual.highest
        case.last = now
        case.queries, case.names = lookups.queries, len(lookups.names) + lookups.names.dropped
        case.up, case.down, case.longest = lookups.up, lookups.down, lookups.longest
        case.entropy = lookups.entropy
        case.servers.update(lookups.servers)
        case.types = tuple(name for name, _ in sorted(lookups.types.items(), key=_by_count)[:4])
        case.samples = tuple(explain.clean(name) for name in lookups.samples)
        case.spoofable = not lookups.down and not lookups.queries
        changed[key] = case

    def _is_tunnel(self, lookups: Lookups, domain: str, now: int) -> bool:
        factor = self.reputation_factor if domain in REPUTATION else 1.0
        habit = lookups.usual.habit(now)
        usual = habit * self.above_usual
        names, octets = lookups.fast_names.at(now), lookups.fast.at(now)
        if octets >= usual and self._is_much(
            names,
            octets,
            lookups.fast_carriers.at(now),
            lookups.fast_down.at(now),
            (self.fast_names, self.fast_octets, self.mean_octets),
            (self.carrier_names, self.carrier_octets, self.carrier_down),
            factor,
        ):
            return True
        names, octets = lookups.slow_names.at(now), lookups.slow.at(now)
        # An hour's half-life gathers what 87 minutes bring.
        return octets >= habit * 3.0 * (SLOW / FAST) * 1.44 and self._is_much(
            names,
            octets,
            lookups.slow_carriers.at(now),
            0.0,
            (self.slow_names, self.slow_octets, self.slow_mean),
            (self.slow_carrier_names, self.slow_carrier_octets, 0.0),
            factor,
        )

    def _is_much(
        self,
        names: float,
        octets: float,
        carriers: float,
        down: float,
        plain: tuple[float, float, float],
        carrier: tuple[float, float, float],
        factor: float,
    ) -> bool:
        if names <= 0:
            return False
        mean = octets / names
        if carriers * 2 >= names >= carrier[0] * factor:
            if octets >= carrier[1] * factor and mean >= self.carrier_mean:
                return True
            if carrier[2] and down >= carrier[2] * factor:
                return True
        return names >= plain[0] * factor and octets >= plain[1] * factor and mean >= plain[2]

    def _count_failure(
        self, question: Question, client: Subject, server: str, now: int, changed: dict[str, Misuse]
    ) -> None:
        failures = self._failures.use(client.device)
        if failures is None:
            if not question.failed:
                return
            failures = self._failures.put(client.device, _Failures())
        domain = registered_domain(question.name)
        since = now - 10 * _MINUTE
        if not question.failed:
            failures.good.refresh(domain, now)
            return
        if domain in REPUTATION:
            return
        failures.missing.refresh(domain, now)
        if looks_random(domain.partition(".")[0]):
            failures.random.refresh(domain, now)
        if len(failures.servers) < 8:
            failures.servers[server] = None
        for domains in (failures.missing, failures.random, failures.good):
            domains.expire(since)
        missing, random, good = len(failures.missing), len(failures.random), len(failures.good)
        is_generated = missing >= self.missing and random >= self.random_share * missing > 0
        is_many = missing >= self.missing_any and missing > 4 * good
        if not ((is_generated and missing >= good) or is_many):
            return
        key = f"{client.device}/generated names"
        case = self._cases.use(key)
        if case is None or now - case.last > self.quiet_s * _SECOND:
            first = failures.missing.times[next(iter(failures.missing))]
            case = self._cases.put(key, Misuse("generated names", client, "", first, now))
        case.last = now
        case.queries += 1
        case.names = max(case.names, missing)
        case.servers.update(failures.servers)
        case.samples = tuple(explain.clean(name) for name in list(failures.random)[-3:])
        case.spoofable = False
        changed[key] = case

    def _look_at_flow(self, row: Flow, routers: frozenset[int], changed: dict[str, Misuse]) -> None:
        if row.protocol not in (6, 17) or is_group(row.dst, row.dst_mac):
            return
        if row.application not in (0, UNKNOWN_APPLICATION):
            return
        if row.payload_sent + row.payload_received < self.strange_octets:
            return
        if row.id in self._flows:
            self._flows.put(row.id, None)
            return
        subject = explain.subject_of(
            row.src, row.src_mac, home=bool(row.home & 1) and row.src_mac not in routers
        )
        server = format_address(row.dst)
        key = f"{subject.device}/{server}"
        case = self._cases.use(key)
        if case is None or row.last - case.last > self.quiet_s * _SECOND:
            case = self._cases.put(key, Misuse("not DNS", subject, server, row.start, row.last))
        case.last = max(case.last, row.last)
        case.queries = row.sent + row.received
        case.up, case.down = row.payload_sent, row.payload_received
        case.longest = row.longest
        case.servers[server] = None
        case.types = (explain.service(row.protocol, _DNS),)
        case.spoofable = not row.received
        changed[key] = case


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _client(ip: str, mac: str, routers: frozenset[int]) -> Subject:
    try:
        number = parse_mac(mac) if mac else 0
    except ValueError:
        number = 0
    return explain.subject_named(ip, "" if number in routers else mac)
