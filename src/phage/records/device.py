"""A device: a thing on our network whose identity outlives its addresses."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class Attribute(enum.StrEnum):
    """What a trait tells of a device."""

    NAME = "name"
    """What it calls itself."""
    VENDOR = "vendor"
    PRODUCT = "product"
    CATEGORY = "category"
    """One of `CATEGORIES`."""
    SYSTEM = "system"
    """Operating system."""
    KIND = "kind"
    """The kind that it behaves like, of those that were learned from examples."""
    VERSION = "version"
    """Version of its firmware."""
    SERIAL = "serial"
    SOFTWARE = "software"
    """A program that runs on it, as a CPE 2.3 name; there may be many."""
    MUD = "mud"
    """Address of its description of usage (RFC 8520)."""


CONCLUDED = (
    Attribute.VENDOR,
    Attribute.PRODUCT,
    Attribute.CATEGORY,
    Attribute.SYSTEM,
    Attribute.KIND,
)
"""What is concluded from all traits together; a person's word on them is final."""

CATEGORIES = (
    "alarm", "appliance", "bulb", "camera", "car", "computer", "console", "doorbell", "fridge",
    "hub", "kettle", "lock", "microcontroller", "nas", "phone", "plug", "printer", "reader",
    "robot", "router", "scale", "sensor", "server", "speaker", "storage", "switch", "tablet",
    "telephone", "thermostat", "tv", "ups", "virtual machine", "wearable", "access point",
)  # fmt: skip
"""Categories of devices; `switch` switches power or light, a network's is an `access point`'s kin
and counts as `router`."""

PERSONAL = frozenset({"car", "computer", "console", "phone", "reader", "server", "tablet"})
"""Categories whose behaviour follows a person: it is never fenced in by itself."""


@frozen
class Trait:
    """What one identifier makes of something that was seen.

    Attributes:
        attribute: What it tells.
        value: What the attribute is, bounded and without control characters.
        weight: 0 to 1: how often this is right where nothing else is known.
        source: Name of the identifier.
        evidence: What was seen, for people: "vendor class 'MSFT 5.0'".
        seen: When last, in nanoseconds since the Unix epoch; 0 for what does not age.
    """

    attribute: Attribute
    value: str
    weight: float
    source: str
    evidence: str = ""
    seen: int = 0


class MarkKind(enum.StrEnum):
    """By what a device is known again when its address has changed."""

    CLIENT_ID = "client_id"
    """DHCP option 61, where it is more than the MAC address."""
    DUID = "duid"
    """DHCPv6's client identifier."""
    UUID = "uuid"
    """A number that UPnP, mDNS or another protocol gives to one unit."""
    SERIAL = "serial"
    HOSTNAME = "hostname"
    INSTANCE = "instance"
    """The name of a service's instance in mDNS."""
    JA4 = "ja4"
    """The fingerprint of a TLS client."""
    OPTIONS = "options"
    """The order of the DHCP options that it asks for (option 55)."""


@frozen
class Mark:
    """Something by which a device is known again."""

    kind: MarkKind
    value: str


@frozen
class Reading:
    """What an identifier reads of one observation: of whom, and what.

    `mac` and `ip` name the device; one of them may be ''. `bound` says that the message itself
    proves that the address belongs to that MAC (ARP, a lease), not only that a packet came so;
    `alive` that the device is here now.
    `words` are features for the classifier: short texts such as "opt55:1,3,6".
    """

    mac: str = ""
    ip: str = ""
    traits: tuple[Trait, ...] = ()
    marks: tuple[Mark, ...] = ()
    words: tuple[str, ...] = ()
    bound: bool = False
    alive: bool = True


@frozen
class Seen:
    """An address (MAC or IP) of a device, and from when to when it was seen, in nanoseconds."""

    value: str
    first: int
    last: int


@frozen
class Guess:
    """What is concluded about one attribute from all that is known.

    Attributes:
        value: The conclusion; '' where it is unknown. Twins are joined: "iKettle2 / SmarterCoffee".
        confidence: 0 to 1; 1 for a person's word.
        why: The evidence, the strongest first.
        rivals: Other values that something speaks for, with their confidence.
    """

    value: str = ""
    confidence: float = 0.0
    why: tuple[str, ...] = ()
    rivals: tuple[tuple[str, float], ...] = ()


@frozen
class Join:
    """Two MAC addresses are held to be one device: which, how sure, why; a person may undo it."""

    mac: str
    confidence: float
    why: str
    at: int
    by: str = "phage"


@frozen
class Device:
    """One device.

    Attributes:
        id: The first MAC address (else address) it was seen with; it never changes.
        name: What a person calls it; ''.
        labels: A person's labels, which rules can ask for.
        macs: Its MAC addresses, the one seen last first.
        addresses: Its IP addresses, the one seen last first.
        first_seen: When it was seen first, in nanoseconds since the Unix epoch.
        last_seen: When last.
        present: It is here now, as far as that can be told.
        traits: What identifiers made of it.
        marks: By what it is known again.
        words: Features for the classifier.
        given: A person's word on attributes; it is final.
        guesses: What is concluded, by attribute of `CONCLUDED`.
        joins: MAC addresses that were held to be this device's.
        apart: MAC addresses that a person, or their presence at one time, says are another's.
        vlan: VLAN where it was seen last; 0 for none.
        packets: How many it sent and received.
        octets: The same in octets.
        gap: The longest silence that is usual for it, in nanoseconds.
    """

    id: str
    name: str = ""
    labels: tuple[str, ...] = ()
    macs: tuple[Seen, ...] = ()
    addresses: tuple[Seen, ...] = ()
    first_seen: int = 0
    last_seen: int = 0
    present: bool = False
    traits: tuple[Trait, ...] = ()
    marks: tuple[Mark, ...] = ()
    words: tuple[str, ...] = ()
    given: Mapping[Attribute, str] = field(default_factory=dict)
    guesses: Mapping[Attribute, Guess] = field(default_factory=dict)
    joins: tuple[Join, ...] = ()
    apart: tuple[str, ...] = ()
    vlan: int = 0
    packets: int = 0
    octets: int = 0
    gap: int = 0

    def guess(self, attribute: Attribute) -> Guess:
        """Return what is concluded about an attribute."""
        return self.guesses.get(attribute, _UNKNOWN)

    @property
    def vendor(self) -> str:
        """Who made it; '' where unknown."""
        return self.guess(Attribute.VENDOR).value

    @property
    def product(self) -> str:
        """What it is, as its maker calls it; '' where unknown."""
        return self.guess(Attribute.PRODUCT).value

    @property
    def category(self) -> str:
        """What kind of thing it is; '' where unknown."""
        return self.guess(Attribute.CATEGORY).value

    @property
    def system(self) -> str:
        """Its operating system; '' where unknown."""
        return self.guess(Attribute.SYSTEM).value

    @property
    def kind(self) -> str:
        """The kind that it behaves like; '' where unknown."""
        return self.guess(Attribute.KIND).value

    @property
    def mac(self) -> str:
        """The MAC address that was seen last; ''."""
        return self.macs[0].value if self.macs else ""

    @property
    def ip(self) -> str:
        """The IP address that was seen last, a link-local one only where there is no other; ''."""
        wide = (seen.value for seen in self.addresses if not seen.value.startswith("fe80:"))
        return next(wide, self.addresses[0].value if self.addresses else "")

    @property
    def shown(self) -> str:
        """The name to show: a person's, else its own, else its product, else its address."""
        own = max(
            (trait for trait in self.traits if trait.attribute is Attribute.NAME),
            key=lambda trait: (trait.weight, trait.seen),
            default=None,
        )
        return self.name or (own.value if own else "") or self.product or self.ip or self.id


_UNKNOWN = Guess()


class DeviceSummary(NamedTuple):
    """A device as lists show it: what is concluded, not from what. Fields are those of `Device`."""

    id: str
    mac: str
    ip: str
    first_seen: int
    last_seen: int
    packets: int
    octets: int
    name: str
    vendor: str
    product: str
    category: str
    system: str
    present: bool
    shown: str
    labels: tuple[str, ...]


@frozen
class DeviceEvent:
    """Something that happened to a device: it is new, back, away, was renamed, merged, ...

    `what` is one word ("new", "back", "away", "address", "renamed", "labelled", "merged", "split",
    "identified", "joined", ...), `detail` tells it to people.
    """

    device: str
    at: int
    what: str
    detail: str = ""
    by: str = "phage"
