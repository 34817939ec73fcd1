//! The walk over one frame: where the next header starts and where its layer ends.

use super::{marks, Fault, Packet};

/// Tags, labels and extension headers that are followed in one chain. Real stacks have up to four
/// tags or labels, and IPv6 stacks rarely pass five extension headers (RFC 8883 lets nodes refuse
/// more than eight).
pub(super) const CHAIN_LIMIT: u8 = 8;

/// Tunnels in one another that are followed: overlay in overlay over a provider's tunnel is three.
const TUNNEL_LIMIT: u8 = 4;

/// The layer that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// Nothing that is decoded.
    Done,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// What an IP layer carries.
    Transport(u8),
    /// An Ethernet header.
    Ethernet,
    /// What an `EtherType` says.
    Type(u16),
    /// 802.2 logical link control.
    Llc,
    /// A VLAN tag, from its control information on.
    Tag,
    /// A port tag, behind its type.
    PortTag,
    /// ARP.
    Arp,
    /// MPLS labels.
    Mpls,
    /// A `PPPoE` session header.
    Pppoe,
    /// PPP, from its optional HDLC address on.
    Ppp,
    /// GRE.
    Gre,
    /// VXLAN behind UDP; uncertain where the port alone does not tell.
    Vxlan {
        /// Whether the port is VXLAN's own.
        certain: bool,
    },
    /// Geneve behind UDP.
    Geneve,
    /// An IP header of this version in another one.
    IpInIp(u8),
    /// Linux cooked capture v1.
    Cooked,
    /// Linux cooked capture v2.
    Cooked2,
    /// BSD or `OpenBSD` loopback.
    Loopback,
    /// IP of either version.
    RawIp,
    /// A link type that is not decoded.
    Unknown,
}

/// Where the walk stands.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    /// The captured bytes, up to the end of the current layer.
    pub(super) bytes: &'a [u8],
    /// Where the next header starts. May pass the end of `bytes`.
    pub(super) at: usize,
    /// Where the current layer ends on the wire; at or behind the end of `bytes`.
    pub(super) end: usize,
    /// Whether the frame is one fragment of an outer packet, so that inner lengths may rightly
    /// pass its end.
    partial: bool,
    /// What a length that passes the end of the frame is, if it turns out to be a lie.
    exceeded: Fault,
    /// Links of the current chain that were followed.
    chain: u8,
    /// VLAN tags of the current link layer.
    vlans: u8,
    /// Tunnels that were entered.
    tunnels: u8,
}

impl<'a> Walk<'a> {
    /// Starts at the first byte of a frame; `tagged` where its outermost tag is not in the bytes.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], length: usize, tagged: bool) -> Self {
        Self {
            bytes,
            at: 0,
            end: length,
            partial: false,
            exceeded: Fault::None,
            chain: 0,
            vlans: u8::from(tagged),
            tunnels: 0,
        }
    }

    /// The next `N` bytes, or None where the captured layer ends before.
    #[inline(always)]
    pub(super) fn header<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.get(self.at..)?.first_chunk()
    }

    /// The captured bytes from the next header on.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or(&[])
    }

    /// Bytes of the current layer on the wire from the next header on.
    #[inline(always)]
    pub(super) fn remaining(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Ends the current layer `length` bytes after the next header's start, so that padding and
    /// trailers are left out. Where the frame does not carry that much, the layer ends where it
    /// ended before, and the answer is false.
    #[inline(always)]
    pub(super) fn limit(&mut self, length: usize) -> bool {
        let end = self.at + length;
        if end > self.end {
            return false;
        }
        self.end = end;
        if let Some(within) = self.bytes.get(..end) {
            self.bytes = within;
        }
        true
    }

    /// The same for an IP packet, which may claim more than the frame carries: it then ends where
    /// it says, and whether that is `fault` is decided when its payload is reached.
    #[inline(always)]
    pub(super) fn limit_packet(&mut self, packet: &mut Packet, length: usize, fault: Fault) {
        if !self.limit(length) {
            self.exceed(packet, length, fault);
        }
    }

    #[cold]
    fn exceed(&mut self, packet: &mut Packet, length: usize, fault: Fault) {
        self.end = self.at + length;
        packet.marks |= marks::CUT;
        // The rest of an inner packet stands in another fragment of the outer one.
        if !self.partial {
            self.exceeded = fault;
        }
    }

    /// Counts a link of a chain of tags, labels or extension headers; false where it is too long.
    #[inline]
    pub(super) fn link(&mut self) -> bool {
        self.chain += 1;
        self.chain <= CHAIN_LIMIT
    }

    /// Begins a chain of another kind.
    #[inline]
    pub(super) fn begin_chain(&mut self) {
        self.chain = 0;
    }

    /// Counts a VLAN tag of the current link layer.
    #[inline]
    pub(super) fn vlan(&mut self) -> u8 {
        self.vlans = self.vlans.saturating_add(1);
        self.vlans
    }

    /// Enters a tunnel.
    pub(super) fn enter(&mut self, packet: &Packet) -> Result<(), Fault> {
        if self.tunnels >= TUNNEL_LIMIT {
            return Err(Fault::TunnelTooDeep);
        }
        self.tunnels += 1;
        self.chain = 0;
        self.vlans = 0;
        self.partial |= packet.has(marks::FRAGMENT);
        Ok(())
    }

    /// Prepares the record for a network header inside a tunnel: what the outer one left there is
    /// not the inner one's.
    #[inline(always)]
    pub(super) fn begin_network(&self, packet: &mut Packet) {
        if self.tunnels > 0 {
            begin_inner(packet);
        }
    }

    /// Prepares the record for an Ethernet header inside a tunnel.
    #[inline(always)]
    pub(super) fn begin_link(&self, packet: &mut Packet) {
        if self.tunnels > 0 {
            begin_inner_link(packet);
        }
    }

    /// Ends the walk: the transport header starts here, its payload `header` bytes on.
    #[inline(always)]
    pub(super) fn finish(&self, packet: &mut Packet, header: usize) {
        let captured = self.bytes.len();
        let payload = self.at + header;
        let start = payload.min(captured);
        packet.transport_offset = self.at.min(captured) as u32;
        packet.payload_offset = start as u32;
        packet.payload_captured = (captured - start) as u32;
        packet.payload_length = self.end.saturating_sub(payload) as u32;
        // Captures without payloads, whose records do not tell what was taken out, end right
        // behind a transport header. Everything else that passes the end is a lie.
        if self.exceeded != Fault::None && start < captured {
            packet.note(self.exceeded);
        }
    }

    /// Ends the walk at a fault: there is no payload that could be trusted.
    pub(super) fn stop(&self, packet: &mut Packet, fault: Fault) {
        let at = self.at.min(self.bytes.len()) as u32;
        packet.transport_offset = at;
        packet.payload_offset = at;
        packet.payload_captured = 0;
        packet.payload_length = 0;
        if self.exceeded != Fault::None {
            packet.note(self.exceeded);
        }
        packet.note(fault);
    }
}

#[cold]
fn begin_inner(packet: &mut Packet) {
    /// What stays true of the frame whatever is inside.
    const OF_FRAME: u16 = marks::CUT | marks::MPLS | marks::PPPOE;
    let group = if packet.ip_version == 0 {
        // The innermost Ethernet header stands right before: its destination counts.
        packet.marks & marks::GROUP
    } else {
        0
    };
    packet.marks = packet.marks & OF_FRAME | group | marks::TUNNELLED;
    packet.src_port = 0;
    packet.dst_port = 0;
}

#[cold]
fn begin_inner_link(packet: &mut Packet) {
    *packet = Packet {
        time: packet.time,
        length: packet.length,
        captured: packet.captured,
        interface: packet.interface,
        tunnel: packet.tunnel,
        marks: packet.marks & (marks::CUT | marks::MPLS | marks::PPPOE) | marks::TUNNELLED,
        fault: packet.fault,
        ..Packet::default()
    };
}
