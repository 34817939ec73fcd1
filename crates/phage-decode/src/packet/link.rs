//! Link layers: Ethernet with its tags, LLC, cooked captures, loopback, raw IP.

use super::walk::{Layer, Walk};
use super::{ether_type, marks, Fault, Packet};
use crate::frame::{FrameHeader, LinkType};

/// The link types that libpcap writes for raw IP on hosts where its own number differs.
const RAW_ON_BSD: LinkType = LinkType(12);
/// The same on `OpenBSD`.
const RAW_ON_OPENBSD: LinkType = LinkType(14);
/// PPP in HDLC-like framing (RFC 1662).
const PPP_HDLC: LinkType = LinkType(50);

/// The bits of a tag's control information that are the VLAN identifier (IEEE 802.1Q, 9.6).
pub(super) const VLAN_MASK: u16 = 0x0fff;

/// Bytes of the tag that the capturing interface took off, which still count in the length.
#[inline(always)]
pub(super) fn removed_tag(header: &FrameHeader) -> u32 {
    4 * u32::from(header.vlan & VLAN_MASK != 0)
}

/// The layer that frames of a link type start with.
#[inline(always)]
pub(super) fn first(link: LinkType) -> Layer {
    if link == LinkType::ETHERNET {
        return Layer::Ethernet;
    }
    match link {
        LinkType::RAW | RAW_ON_BSD | RAW_ON_OPENBSD => Layer::RawIp,
        LinkType::IPV4 => Layer::Ipv4,
        LinkType::IPV6 => Layer::Ipv6,
        LinkType::LINUX_SLL => Layer::Cooked,
        LinkType::LINUX_SLL2 => Layer::Cooked2,
        LinkType::NULL | LinkType::LOOP => Layer::Loopback,
        LinkType::PPP | PPP_HDLC => Layer::Ppp,
        LinkType::PPP_ETHER => Layer::Pppoe,
        _ => Layer::Unknown,
    }
}

/// Reads an Ethernet header (IEEE 802.3, 3.1.1).
#[inline(always)]
pub(super) fn ethernet(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let Some(h) = walk.header::<14>() else {
        return Err(cut_ethernet(walk, packet));
    };
    walk.begin_link(packet);
    packet.dst_mac = mac([h[0], h[1], h[2], h[3], h[4], h[5]]);
    packet.src_mac = mac([h[6], h[7], h[8], h[9], h[10], h[11]]);
    // The lowest bit of the first octet: group address (IEEE 802, 8.2.2).
    packet.marks |= u16::from(h[0] & 1) * marks::GROUP;
    packet.ether_type = u16::from_be_bytes([h[12], h[13]]);
    walk.at += 14;
    Ok(match packet.ether_type {
        ether_type::IPV4 => Layer::Ipv4,
        ether_type::IPV6 => Layer::Ipv6,
        other => Layer::Type(other),
    })
}

#[inline]
fn mac(octets: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = octets;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// Keeps the addresses that stand before the cut.
#[cold]
fn cut_ethernet(walk: &Walk<'_>, packet: &mut Packet) -> Fault {
    if let Some((destination, rest)) = walk.rest().split_first_chunk::<6>() {
        walk.begin_link(packet);
        packet.dst_mac = mac(*destination);
        packet.marks |= u16::from(destination[0] & 1) * marks::GROUP;
        if let Some(source) = rest.first_chunk::<6>() {
            packet.src_mac = mac(*source);
        }
    }
    Fault::LinkTruncated
}

/// Chooses the layer by `EtherType`, or by the 802.3 length that stands in its place.
pub(super) fn by_type(walk: &mut Walk<'_>, packet: &mut Packet, value: u16) -> Layer {
    if value > ether_type::LARGEST_LENGTH {
        return by_protocol(walk, packet, value);
    }
    walk.limit(usize::from(value));
    Layer::Llc
}

/// Chooses the layer by a field that is always a type.
pub(super) fn by_protocol(walk: &mut Walk<'_>, packet: &mut Packet, value: u16) -> Layer {
    packet.ether_type = value;
    match value {
        ether_type::IPV4 => Layer::Ipv4,
        ether_type::IPV6 => Layer::Ipv6,
        ether_type::ARP => Layer::Arp,
        ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::STACKED_VLAN => Layer::Tag,
        ether_type::PORT_TAG => Layer::PortTag,
        ether_type::MPLS | ether_type::MPLS_MULTICAST => Layer::Mpls,
        ether_type::PPPOE_SESSION => Layer::Pppoe,
        _ => {
            walk.finish(packet, 0);
            Layer::Done
        }
    }
}

/// Reads a VLAN tag: control information and the next type (IEEE 802.1Q, 9.6). The two outermost
/// identifiers are kept.
pub(super) fn tag(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    if !walk.link() {
        return Err(Fault::TunnelTooDeep);
    }
    let h = walk.header::<4>().ok_or(Fault::LinkTruncated)?;
    let vlan = u16::from_be_bytes([h[0], h[1]]) & VLAN_MASK;
    match walk.vlan() {
        1 => packet.vlan = vlan,
        2 => packet.inner_vlan = vlan,
        _ => {}
    }
    walk.at += 4;
    Ok(by_type(walk, packet, u16::from_be_bytes([h[2], h[3]])))
}

/// Reads a port tag: four octets that only the switch needs, and the next type.
pub(super) fn port_tag(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    if !walk.link() {
        return Err(Fault::TunnelTooDeep);
    }
    let h = walk.header::<6>().ok_or(Fault::LinkTruncated)?;
    walk.at += 6;
    Ok(by_type(walk, packet, u16::from_be_bytes([h[4], h[5]])))
}

/// Reads an 802.2 header; SNAP leads on to an `EtherType` (RFC 1042), all else is not decoded and
/// has `ether_type` 0.
pub(super) fn llc(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    packet.ether_type = 0;
    let h = walk.header::<3>().ok_or(Fault::LinkTruncated)?;
    match *h {
        [0xaa, 0xaa, 0x03] => {
            let h = walk.header::<8>().ok_or(Fault::LinkTruncated)?;
            walk.at += 8;
            // Organisations 00-00-00 (RFC 1042) and 00-00-F8 (802.1H) number by EtherType.
            if matches!(h, [_, _, _, 0, 0, 0 | 0xf8, _, _]) {
                return Ok(by_protocol(walk, packet, u16::from_be_bytes([h[6], h[7]])));
            }
        }
        // Service access point 6 is IPv4 itself (IEEE 802 numbers, IANA).
        [0x06, 0x06, 0x03] => {
            walk.at += 3;
            return Ok(Layer::Ipv4);
        }
        _ => {}
    }
    walk.finish(packet, 0);
    Ok(Layer::Done)
}

/// Reads the header of a Linux cooked capture, v1 (`LINKTYPE_LINUX_SLL`).
pub(super) fn cooked(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let h = walk.header::<16>().ok_or(Fault::LinkTruncated)?;
    walk.at += 16;
    // An address longer than a MAC (InfiniBand) is no MAC.
    if (h[4], h[5]) == (0, 6) {
        packet.src_mac = mac([h[6], h[7], h[8], h[9], h[10], h[11]]);
    }
    cooked_kind(packet, u16::from_be_bytes([h[0], h[1]]));
    Ok(cooked_protocol(
        walk,
        packet,
        u16::from_be_bytes([h[14], h[15]]),
    ))
}

/// Reads the header of a Linux cooked capture, v2 (`LINKTYPE_LINUX_SLL2`).
pub(super) fn cooked2(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let h = walk.header::<20>().ok_or(Fault::LinkTruncated)?;
    walk.at += 20;
    if h[11] == 6 {
        packet.src_mac = mac([h[12], h[13], h[14], h[15], h[16], h[17]]);
    }
    cooked_kind(packet, u16::from(h[10]));
    Ok(cooked_protocol(
        walk,
        packet,
        u16::from_be_bytes([h[0], h[1]]),
    ))
}

/// Marks packets to everybody (1) and to a group (2).
fn cooked_kind(packet: &mut Packet, kind: u16) {
    if matches!(kind, 1 | 2) {
        packet.marks |= marks::GROUP;
    }
}

/// Linux numbers protocols below 1,536 itself; 4 is 802.2.
fn cooked_protocol(walk: &mut Walk<'_>, packet: &mut Packet, protocol: u16) -> Layer {
    if protocol == 4 {
        return Layer::Llc;
    }
    by_protocol(walk, packet, protocol)
}

/// Reads the address family of a loopback frame, in whichever byte order the host had.
pub(super) fn loopback(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let h = walk.header::<4>().ok_or(Fault::LinkTruncated)?;
    walk.at += 4;
    let big = u32::from_be_bytes(*h);
    // Families are small numbers, so only one of the two orders gives one.
    let family = if big > 0xffff { big.swap_bytes() } else { big };
    Ok(match family {
        2 => Layer::Ipv4,
        // NetBSD and OpenBSD, FreeBSD, macOS; Linux and Windows for captures made there.
        24 | 28 | 30 | 10 | 23 => Layer::Ipv6,
        _ => {
            walk.finish(packet, 0);
            Layer::Done
        }
    })
}

/// Chooses the IP version by the first four bits.
pub(super) fn raw_ip(walk: &Walk<'_>) -> Result<Layer, Fault> {
    match walk.rest().first().ok_or(Fault::LinkTruncated)? >> 4 {
        6 => Ok(Layer::Ipv6),
        // Anything else is IPv4 with a wrong version, and found out there.
        _ => Ok(Layer::Ipv4),
    }
}
