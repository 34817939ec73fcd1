"""The interface of the Rust core, as phage-py defines it."""

from typing import TypeAlias, final

BEHAVIOUR_CATALOG: tuple[tuple[str, str, str], ...]
"""Name, unit and meaning of each behaviour feature."""

DAMPED_CATALOG: tuple[tuple[str, str, str], ...]
"""Name, unit and meaning of each damped statistic."""

FAULTS: tuple[str, ...]
"""Names of the kinds of malformed packets."""

RawValue: TypeAlias = str | int | float | bool | tuple[str, ...]
RawObservation: TypeAlias = tuple[
    str, int, int, bytes, bytes, int, int, int, int, int, int, int, int, list[tuple[str, RawValue]]
]
RawRows: TypeAlias = memoryview | bytes
RawWindow: TypeAlias = tuple[
    int, int, int, int, RawRows, RawRows, RawRows, bytes, list[RawObservation], bool
]

def build() -> dict[str, str]:
    """Return version, SIMD kernel and target of the core."""

def row_sizes() -> tuple[int, int, int, int, int]:
    """Return the sizes in octets of a flow, host, score, match and use row."""

@final
class Engine:
    """One shard of the hot loop. Not to be used from two threads at once."""

    def __init__(self, config: str) -> None:
        """Make an engine from settings in JSON (see `EngineConfig` in crates/phage-engine).

        Raises ValueError on an unknown or wrong setting.
        """

    def open_files(self, paths: list[str], expression: str | None = None) -> None:
        """Read capture files in a row; "-" is standard input."""

    def open_interface(
        self,
        name: str,
        *,
        expression: str | None = None,
        ring_mib: int = 64,
        promiscuous: bool = True,
        fanout_group: int | None = None,
    ) -> None:
        """Watch an interface."""

    def next(self, wait: float) -> RawWindow | None:
        """Return the next window; None when `wait` seconds passed or the input ended."""

    def finish(self) -> None:
        """End here: every flow ends, and `next` hands out the windows that are left."""

    def ended(self) -> bool:
        """Tell whether the input has ended and every window was handed out."""

    def take_scores(self) -> bytes:
        """Return and forget the scores (f32, NaN while learning) since the last call."""

    def take_requests(self) -> bytes:
        """Return the REQUEST rows of the window that `next` returned last, once."""

    def take_files(
        self,
    ) -> list[tuple[int, bytes, bytes, int, int, int, str, str, bytes]]:
        """Return and forget the window's files, each as `phage.records.carved` has it."""

    def take_uses(self) -> bytes:
        """Return the USE rows of the window that `next` returned last, once."""

    def take_volumes(self) -> tuple[bytes, bytes]:
        """Return and forget the volumes (VOLUME rows) and traffic (TRAFFIC rows) of the window."""

    def frames(
        self, since: int, until: int, addresses: list[bytes], macs: list[int], limit: int
    ) -> bytes:
        """Return the kept frames with one of the addresses or MACs, as a pcap file."""

    def counters(self) -> dict[str, int]:
        """Return every counter, cumulative since the start."""

    def faults(self) -> list[str]:
        """Return what was wrong with the source, a line each."""

    def phase(self) -> str:
        """Return the phase of the model: surveying, training, calibrating or watching."""

    def save_model(self) -> bytes:
        """Return the state of the model."""

    def load_model(self, state: bytes) -> None:
        """Take over a saved state. Raises ValueError when it is damaged or of another version."""

    def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Take a device's behaviour in a time range as normal (a false positive)."""

    def distrust(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Learn nothing of a device's traffic in a time range: it is under attack, or attacks."""

    def replace_prefixes(self, set: PrefixSet) -> None:  # noqa: A002  The core's name.
        """Put another set of prefixes in force: flows are looked up when they begin and go on."""

    def close(self) -> None:
        """Close the source."""

@final
class ExportDecoder:
    """Decodes NetFlow 1, 5, 7, 9, IPFIX and sFlow 5. Not to be used from two threads at once.

    Addresses are 16 octets, IPv4 mapped (::ffff:a.b.c.d); times are nanoseconds since the epoch.
    """

    ROW_SIZE: int
    """Octets of a record."""

    def __init__(
        self,
        *,
        domains: int | None = None,
        fields: int | None = None,
        pending: int | None = None,
        correct_clocks: bool = False,
        options: bool = False,
    ) -> None:
        """Make a decoder that remembers at most so much.

        `domains` observation domains, `fields` fields of all templates, `pending` octets of data
        whose template has not come. `correct_clocks` shifts the times of exporters whose clock is
        wrong; `options` makes `describe` tell options records too.
        """

    def feed(self, datagram: bytes, address: bytes, time: int, port: int = 0) -> bytes:
        """Decode a datagram; return its records (EXPORT rows of `phage.records.columns`)."""

    def feed_many(self, datagrams: list[bytes], address: bytes, time: int, port: int = 0) -> bytes:
        """Decode datagrams of one exporter; return their records."""

    def count(self, datagrams: list[bytes], address: bytes, time: int, port: int = 0) -> int:
        """Decode datagrams of one exporter; return how many records they hold."""

    def describe(self, datagram: bytes, address: bytes, time: int, port: int = 0) -> str:
        """Decode a datagram; return a line of JSON for each record."""

    def open_file(self, path: str, expression: str | None = None) -> None:
        """Read datagrams from a capture file. Raises ValueError if it is none."""

    def describe_next(self) -> str | None:
        """Describe the records in the next frames of the capture file; None at its end."""

    def save(self) -> bytes:
        """Return templates and rates of sampling, to be loaded after a restart."""

    def load(self, state: bytes) -> None:
        """Take over a saved state. Raises ValueError when it is damaged or of another version."""

    def counters(self) -> dict[str, int]:
        """Return what was decoded, dropped and malformed."""

    def exporters(self) -> list[dict[str, int | bytes]]:
        """Return what is known and was counted of each observation domain."""

@final
class Volumes:
    """Counts what hosts and prefixes receive and send, in slots of half a second.

    Times are nanoseconds since the epoch and go forward.
    """

    ROW_SIZE: int
    """Octets of a VOLUME row."""

    TRAFFIC_SIZE: int
    """Octets of a TRAFFIC row."""

    CLASSES: list[str]
    """Names of the classes of packets, in the order of a row."""

    def __init__(
        self, home: list[str], seed: int, *, hosts: int | None = None, rows: int | None = None
    ) -> None:
        """Make counters for own networks (CIDR); hashes are keyed by the seed.

        `hosts` are counted at most at a time, `rows` handed on at most for one slot. Raises
        ValueError for what is no network.
        """

    def feed(
        self,
        decoder: ExportDecoder,
        datagrams: list[bytes],
        address: bytes,
        time: int,
        port: int = 0,
    ) -> int:
        """Decode datagrams of one exporter that arrived at a time; return how many records came."""

    def advance(self, time: int) -> None:
        """Let time pass: close the slots that are over."""

    def finish(self) -> None:
        """Close the open slot: the input has ended."""

    def take(self) -> tuple[int, bytes, bytes] | None:
        """Return the oldest closed slot: its end, VOLUME rows, TRAFFIC rows; None for none."""

    def counters(self) -> dict[str, int]:
        """Return what was counted and left out."""

@final
class PrefixSet:
    """An immutable set of prefixes: which one holds an address, the longest if several do."""

    def __init__(self, addresses: bytes, lengths: bytes, values: bytes) -> None:
        """Build a set of columns: 16 octets, one, and four (little-endian) for each prefix.

        An IPv4 address is mapped (::ffff:a.b.c.d), its prefix 96 bits longer. Of equal prefixes the
        later counts. Raises ValueError when the columns are not of the same length.
        """

    def lookup(self, address: bytes) -> int | None:
        """Return the value of the longest prefix that holds an address of 16 octets."""

    def lookup_all(self, addresses: bytes) -> bytes:
        """Look up addresses of 16 octets each; return a number each, four octets, little-endian.

        2**32 - 1 stands for an address in no prefix. Raises ValueError for a part of an address.
        """

    def octets(self) -> int:
        """Return how much memory the set holds."""

@final
class Filter:
    """A compiled packet filter in the pcap filter language."""

    def __init__(self, expression: str, link: int = 1) -> None:
        """Compile an expression. Raises ValueError with the position of the mistake."""

    def matches(self, frame: bytes) -> bool:
        """Tell whether a frame passes."""

@final
class Transmitter:
    """Sends prepared frames on an interface; for tests and benchmarks."""

    def __init__(self, interface: str) -> None:
        """Open an interface for sending."""

    def send(self, frames: list[bytes], *, count: int, seconds: float, rate: float = 0.0) -> int:
        """Send frames in turn until the count or the time is reached; return how many went out."""

@final
class ToldFlows:
    """What exporters told of flows, shared by the engines of a process."""

    def __init__(self, seed: int, room: int) -> None:
        """Make a table for so many flows, 32 octets each once several exporters are heard."""

@final
class ExportEngine:
    """One shard of the hot loop for flow exports. Not to be used from two threads at once."""

    def __init__(self, config: str, told: ToldFlows | None = None) -> None:
        """Make an engine from settings in JSON; with `told`, one that compares with others.

        Raises ValueError for settings that are wrong.
        """

    def listen(
        self,
        udp: list[str],
        tcp: list[str],
        *,
        receive_buffer: int | None = None,
        shared_by: int = 1,
        connections: int | None = None,
    ) -> tuple[list[str], list[str]]:
        """Listen at addresses ("[::]:2055"); return them with the ports that were chosen.

        `receive_buffer` is in octets for each socket, `shared_by` the engines that share the
        addresses, `connections` those of IPFIX over TCP at a time. Raises OSError.
        """

    def read_files(self, paths: list[str], exporter: bytes) -> None:
        """Read files of datagrams, as sent by an exporter (16 octets)."""

    def read_captures(self, paths: list[str], expression: str | None = None) -> None:
        """Read captures whose UDP payloads are exports."""

    def next(self, wait: float) -> RawWindow | None:
        """Return the next window; None when `wait` seconds passed or the input ended."""

    def finish(self) -> None:
        """End here: every flow ends, and `next` hands out the windows that are left."""

    def ended(self) -> bool:
        """Tell whether the input has ended and every window was handed out."""

    def describe(self, wait: float, *, options: bool = False) -> str | None:
        """Return the next records as lines of JSON, '' when `wait` seconds passed; None at the end.

        From then on records are told in this way only, and there are no windows.
        """

    def take_uses(self) -> bytes:
        """Return the USE rows of the window that `next` returned last, once."""

    def take_volumes(self) -> tuple[bytes, bytes]:
        """Return VOLUME and TRAFFIC rows of the window that `next` returned last, once."""

    def counters(self) -> dict[str, int]:
        """Return every counter, cumulative since the start."""

    def exporters(self) -> list[dict[str, int | bytes]]:
        """Return what is known and was counted of each observation domain."""

    def faults(self) -> list[str]:
        """Return what was wrong with files, a line each."""

    def replace_prefixes(self, set: PrefixSet) -> None:  # noqa: A002  The core's name.
        """Put another set of prefixes in force."""

    def save(self) -> bytes:
        """Return templates and rates of sampling, to be loaded after a restart."""

    def load(self, state: bytes) -> None:
        """Take over a saved state. Raises ValueError when it is damaged or of another version."""

    def close(self) -> None:
        """Close the source."""

@final
class DatagramSender:
    """Sends datagrams to a collector, for tests and benchmarks."""

    def __init__(self, to: str) -> None:
        """Open a socket to an address with a port. Raises ValueError, OSError."""

    def send(self, datagrams: list[bytes], *, count: int, seconds: float, rate: float = 0.0) -> int:
        """Send datagrams in a circle, `rate` a second (0: as fast as it goes); return how many."""
