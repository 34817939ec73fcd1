//! The decoded packet: the addresses, ports and lengths of the innermost IP layer.
//!
//! [`decode`] walks from the link layer inwards. Every layer is a function in a file of its own: it
//! reads one header, writes what the record keeps of it, and says which layer comes next. The walk
//! is a loop, not a recursion, and every chain in it (tags, labels, extension headers, tunnels) is
//! bounded, so the cost of a packet is bounded whatever its bytes are.

mod arp;
pub mod ether_type;
mod ipv4;
mod ipv6;
mod link;
mod mpls;
mod ppp;
mod transport;
mod tunnel;
mod walk;

use crate::frame::FrameHeader;
pub(crate) use ipv4::mapped as ipv4_mapped;
use walk::{Layer, Walk};

/// What was wrong with a packet: the first thing, counted by kind.
///
/// Decoding stops where a header is cut short or cannot be trusted, and keeps what stood before
/// it. A length that only claims more than the frame carries does not stop it: the headers behind
/// are read. It is a fault unless the frame ends right behind its transport header, as in captures
/// whose payloads were taken out; these are only [`marks::CUT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fault {
    /// Nothing: the packet was decoded down to its transport header.
    #[default]
    None = 0,
    /// The link type is not one that is decoded.
    LinkUnknown,
    /// The frame ends inside its link-layer header, tags or labels.
    LinkTruncated,
    /// The frame ends inside an ARP body, or the body lies about its address lengths.
    ArpMalformed,
    /// The IPv4 header is cut short.
    Ipv4Truncated,
    /// The IPv4 header lies: version, header length or total length.
    Ipv4Malformed,
    /// The IPv6 header or an extension header is cut short.
    Ipv6Truncated,
    /// The IPv6 version or the chain of extension headers is wrong or too long.
    Ipv6Malformed,
    /// The TCP header is cut short or its data offset lies.
    TcpMalformed,
    /// The UDP header is cut short or its length lies.
    UdpMalformed,
    /// The ICMP or `ICMPv6` header is cut short.
    IcmpMalformed,
    /// The SCTP header is cut short.
    SctpMalformed,
    /// A GRE, VXLAN or IP-in-IP header is cut short or lies.
    TunnelMalformed,
    /// More tunnels, tags or labels in one another than are followed.
    TunnelTooDeep,
}

impl Fault {
    /// How many kinds there are, [`Fault::None`] included.
    pub const COUNT: usize = 14;

    /// Names in the order of the discriminants, as they stand in counters and reports.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "none",
        "link_unknown",
        "link_truncated",
        "arp_malformed",
        "ipv4_truncated",
        "ipv4_malformed",
        "ipv6_truncated",
        "ipv6_malformed",
        "tcp_malformed",
        "udp_malformed",
        "icmp_malformed",
        "sctp_malformed",
        "tunnel_malformed",
        "tunnel_too_deep",
    ];
}

/// Bits of [`Packet::marks`].
pub mod marks {
    /// An IP fragment, first or later.
    pub const FRAGMENT: u16 = 1;
    /// A later fragment: there is no transport header, ports are 0.
    pub const LATER_FRAGMENT: u16 = 1 << 1;
    /// The addresses are those inside a tunnel (GRE, VXLAN, Geneve, IP-in-IP).
    pub const TUNNELLED: u16 = 1 << 2;
    /// The captured bytes end before the packet does (snap length, or payload taken out).
    pub const CUT: u16 = 1 << 3;
    /// The destination is a broadcast or multicast address (link layer or IP).
    pub const GROUP: u16 = 1 << 4;
    /// IPv4 options or IPv6 extension headers are present.
    pub const OPTIONS: u16 = 1 << 5;
    /// MPLS labels were removed.
    pub const MPLS: u16 = 1 << 6;
    /// A `PPPoE` session header was removed.
    pub const PPPOE: u16 = 1 << 7;
    /// The frame carries an ARP request or reply; addresses are the protocol addresses in it.
    pub const ARP: u16 = 1 << 8;
    /// An ICMP error: the embedded packet's addresses are not this packet's.
    pub const ICMP_ERROR: u16 = 1 << 9;
}

/// TCP flag bits (RFC 9293, section 3.1).
pub mod tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 1;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 1 << 1;
    /// Reset the connection.
    pub const RST: u8 = 1 << 2;
    /// Push.
    pub const PSH: u8 = 1 << 3;
    /// The acknowledgement field counts.
    pub const ACK: u8 = 1 << 4;
    /// The urgent pointer counts.
    pub const URG: u8 = 1 << 5;
}

/// IP protocol numbers that are decoded (IANA).
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// Generic routing encapsulation.
    pub const GRE: u8 = 47;
    /// Authentication header.
    pub const AUTHENTICATION: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
}

/// One decoded packet: two cache lines, copied freely, never allocated.
///
/// Addresses are 16 bytes in network order; IPv4 stands as `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2).
/// A packet without IP and ARP has `ip_version` 0 and zero addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Packet {
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    /// Source link-layer address in the low 48 bits; 0 where the link has none.
    pub src_mac: u64,
    /// Destination link-layer address in the low 48 bits; 0 where the link has none.
    pub dst_mac: u64,
    /// Source address (ARP: sender protocol address).
    pub src: [u8; 16],
    /// Destination address (ARP: target protocol address).
    pub dst: [u8; 16],
    /// Bytes on the wire, link layer included.
    pub length: u32,
    /// Bytes captured.
    pub captured: u32,
    /// Where the transport header starts in the captured bytes.
    pub transport_offset: u32,
    /// Where the payload of the transport layer starts in the captured bytes. ICMP: after its 8
    /// bytes; `ICMPv6`: after type, code and checksum (RFC 4443, 2.1); ARP: at the ARP header;
    /// without an IP layer: behind the link layer.
    pub payload_offset: u32,
    /// Payload bytes of the transport layer that were captured (padding and what lies beyond the
    /// IP length excluded).
    pub payload_captured: u32,
    /// Payload bytes of the transport layer on the wire, by the IP length, even where that claims
    /// more than the frame carries.
    pub payload_length: u32,
    /// TCP sequence number; 0 otherwise.
    pub tcp_sequence: u32,
    /// TCP acknowledgement number; 0 otherwise.
    pub tcp_acknowledgement: u32,
    /// VXLAN or Geneve network identifier, GRE key or outermost MPLS label; 0 where there is none.
    pub tunnel: u32,
    /// Where the IP header starts in the captured bytes; 0 where there is none or it is the first.
    pub network_offset: u32,
    /// TCP window, unscaled.
    pub tcp_window: u16,
    /// `EtherType` of what the link layer carries, after tags and labels; 0 for 802.2 frames
    /// without SNAP and for link types that name none.
    pub ether_type: u16,
    /// Outer VLAN identifier; 0 where there is none. With Ethernet in a tunnel, link-layer
    /// addresses and VLAN identifiers are those of the innermost Ethernet header.
    pub vlan: u16,
    /// Inner VLAN identifier (`QinQ`); 0 where there is none.
    pub inner_vlan: u16,
    /// Source port; ICMP: type; ARP: 0.
    pub src_port: u16,
    /// Destination port; ICMP: code; ARP: operation.
    pub dst_port: u16,
    /// Bits of [`marks`].
    pub marks: u16,
    /// Interface of the source.
    pub interface: u16,
    /// 4, 6, or 0 where there is no IP layer.
    pub ip_version: u8,
    /// IP protocol of the transport layer, after extension headers; 0 where there is no IP layer.
    /// Where the chain of extension headers is at fault, the header that it stopped at.
    pub protocol: u8,
    /// TCP flags; 0 otherwise.
    pub tcp_flags: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub traffic_class: u8,
    /// What was wrong.
    pub fault: Fault,
}

const _: () = assert!(size_of::<Packet>() == 128);

impl Packet {
    /// Whether the packet was decoded without fault.
    #[inline]
    pub fn is_sound(&self) -> bool {
        matches!(self.fault, Fault::None)
    }

    /// Notes what is wrong; the first fault stays.
    #[inline]
    fn note(&mut self, fault: Fault) {
        if self.is_sound() {
            self.fault = fault;
        }
    }

    /// Whether a bit of [`marks`] is set.
    #[inline]
    pub fn has(&self, mark: u16) -> bool {
        self.marks & mark != 0
    }

    /// Whether this is a TCP segment with SYN set and ACK clear.
    #[inline]
    pub fn is_syn(&self) -> bool {
        self.protocol == protocol::TCP && self.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN
    }
}

/// Decodes a captured frame into `packet`, down to the innermost transport header.
///
/// Fills every field; nothing of an earlier use of `packet` remains. `bytes` are the captured
/// bytes of the frame. Takes any bytes under any link type: what is wrong with them is told by
/// [`Packet::fault`]. `transport_offset`, `payload_offset` and `payload_offset +
/// payload_captured` never lie beyond the captured bytes.
pub fn decode(bytes: &[u8], header: &FrameHeader, packet: &mut Packet) {
    let mut walk = begin(bytes, header, packet);
    if let Err(fault) = follow(&mut walk, packet, link::first(header.link)) {
        walk.stop(packet, fault);
    }
}

/// Decodes as [`decode`] does, down to the outermost transport header: tunnels are not entered.
///
/// It is how exporters of flows read a packet, whose keys are those of the outer IP header.
pub fn decode_outer(bytes: &[u8], header: &FrameHeader, packet: &mut Packet) {
    let mut walk = begin(bytes, header, packet);
    if let Err(fault) = follow_outer(&mut walk, packet, link::first(header.link)) {
        walk.stop(packet, fault);
    }
}

/// Clears the record and starts the walk.
#[inline(always)]
fn begin<'a>(bytes: &'a [u8], header: &FrameHeader, packet: &mut Packet) -> Walk<'a> {
    let captured = bytes.len() as u32;
    // A record may claim that less was on the wire than was captured; the bytes are there.
    let length = header.length.max(captured);
    let removed = link::removed_tag(header);
    let within = length.saturating_sub(removed).max(captured);
    *packet = Packet {
        time: header.time,
        length,
        captured,
        interface: header.interface,
        vlan: header.vlan & link::VLAN_MASK,
        marks: if captured < within { marks::CUT } else { 0 },
        ..Packet::default()
    };
    Walk::new(bytes, within as usize, removed != 0)
}

/// Follows the layers until there is none that is decoded.
#[inline(always)]
fn follow(walk: &mut Walk<'_>, packet: &mut Packet, first: Layer) -> Result<(), Fault> {
    let mut layer = first;
    loop {
        layer = match layer {
            Layer::Ethernet => link::ethernet(walk, packet)?,
            Layer::Ipv4 => ipv4::decode(walk, packet)?,
            Layer::Ipv6 => ipv6::decode(walk, packet)?,
            Layer::Transport(protocol) => transport::decode(walk, packet, protocol)?,
            Layer::Done => return Ok(()),
            other => outer(walk, packet, other)?,
        };
    }
}

/// Follows the layers up to the first tunnel.
fn follow_outer(walk: &mut Walk<'_>, packet: &mut Packet, first: Layer) -> Result<(), Fault> {
    let mut layer = first;
    loop {
        layer = match layer {
            Layer::Ethernet => link::ethernet(walk, packet)?,
            Layer::Ipv4 => ipv4::decode(walk, packet)?,
            Layer::Ipv6 => ipv6::decode(walk, packet)?,
            Layer::Transport(protocol) => transport::decode(walk, packet, protocol)?,
            Layer::Gre | Layer::IpInIp(_) => {
                walk.finish(packet, 0);
                return Ok(());
            }
            Layer::Done | Layer::Vxlan { .. } | Layer::Geneve => return Ok(()),
            other => outer(walk, packet, other)?,
        };
    }
}

/// Decodes the layers that most frames do not have; kept out of the loop that every frame runs.
#[inline(never)]
fn outer(walk: &mut Walk<'_>, packet: &mut Packet, layer: Layer) -> Result<Layer, Fault> {
    match layer {
        Layer::Type(ether_type) => Ok(link::by_type(walk, packet, ether_type)),
        Layer::Llc => link::llc(walk, packet),
        Layer::Tag => link::tag(walk, packet),
        Layer::PortTag => link::port_tag(walk, packet),
        Layer::Arp => arp::decode(walk, packet),
        Layer::Mpls => mpls::decode(walk, packet),
        Layer::Pppoe => ppp::pppoe(walk, packet),
        Layer::Ppp => ppp::decode(walk, packet),
        Layer::Gre => tunnel::gre(walk, packet),
        Layer::Vxlan { certain } => tunnel::vxlan(walk, packet, certain),
        Layer::Geneve => tunnel::geneve(walk, packet),
        Layer::IpInIp(version) => tunnel::ip_in_ip(walk, packet, version),
        Layer::Cooked => link::cooked(walk, packet),
        Layer::Cooked2 => link::cooked2(walk, packet),
        Layer::Loopback => link::loopback(walk, packet),
        Layer::RawIp => link::raw_ip(walk),
        Layer::Unknown => Err(Fault::LinkUnknown),
        Layer::Ethernet | Layer::Ipv4 | Layer::Ipv6 | Layer::Transport(_) | Layer::Done => {
            Ok(layer)
        }
    }
}
