//! The tree that a filter expression is parsed to.

use std::net::Ipv6Addr;

/// A condition. Chains of the same operator are flat, so that a list of a thousand hosts is one
/// level deep.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Every one holds.
    All(Vec<Node>),
    /// At least one holds.
    Any(Vec<Node>),
    /// The other does not hold.
    Not(Box<Node>),
    /// One test, and where it stands in the expression.
    Test(usize, Primitive),
}

/// Protocols that qualify an address, a port or a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The link layer (`ether`, `link`).
    Link,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Found by its `EtherType`.
    EtherType(u16),
    /// Found by its LLC service access point.
    Llc(u8),
    /// Found by its IP protocol number, in IPv4 only, IPv6 only, or either.
    Transport(u8, Carrier),
}

/// Which IP versions carry a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Ip,
    Ip6,
    Either,
}

/// Address Resolution Protocol (RFC 826).
pub(super) const ARP: Protocol = Protocol::EtherType(0x0806);
/// Reverse ARP (RFC 903).
pub(super) const RARP: Protocol = Protocol::EtherType(0x8035);

/// Which end of a packet a test looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

/// One test.
#[derive(Clone, Debug)]
pub(super) enum Primitive {
    /// The packet is of a protocol.
    Is(Protocol),
    /// An IPv4 address lies in a network; `None` looks at IPv4, ARP and RARP.
    Ipv4 {
        protocol: Option<Protocol>,
        direction: Direction,
        address: u32,
        mask: u32,
    },
    /// An IPv6 address lies in a network.
    Ipv6 {
        direction: Direction,
        address: Ipv6Addr,
        bits: u32,
    },
    /// An Ethernet address.
    Ethernet {
        direction: Direction,
        address: [u8; 6],
    },
    /// A port lies in a range; `None` looks at TCP, UDP and SCTP.
    Port {
        transport: Option<u8>,
        direction: Direction,
        low: u16,
        high: u16,
    },
    /// The link layer carries a protocol: an `EtherType`, or up to 1,500 a service access point.
    Carries(u16),
    /// The link-layer destination is the broadcast address.
    Broadcast,
    /// The destination is a multicast address of a layer.
    Multicast(Protocol),
    /// A VLAN tag comes next; what follows in the expression looks behind it.
    Vlan(Option<u32>),
    /// An MPLS label comes next; what follows looks behind it.
    Mpls(Option<u32>),
    /// `PPPoE` discovery.
    PppoeDiscovery,
    /// A `PPPoE` session; what follows looks into it.
    PppoeSession(Option<u32>),
    /// The packet came in (false: went out).
    Inbound(bool),
    /// Two numbers compare.
    Relation(Relation, Arithmetic, Arithmetic),
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A number: 32 bits, unsigned, wrapping.
#[derive(Clone, Debug)]
pub(super) enum Arithmetic {
    Number(u32),
    /// Bytes of the packet on the wire.
    Length,
    /// 1, 2 or 4 bytes at an offset from the start of a protocol's header.
    Slice {
        at: usize,
        protocol: Protocol,
        index: Box<Arithmetic>,
        size: u32,
    },
    Negative(Box<Arithmetic>),
    /// The operator, and where it stands.
    Binary(usize, Operator, Box<Arithmetic>, Box<Arithmetic>),
}

/// Operators between numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    Xor,
    And,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}
