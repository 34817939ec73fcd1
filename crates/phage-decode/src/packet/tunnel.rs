//! Tunnels: GRE, VXLAN, Geneve, IP in IP. The inner packet takes the outer one's place in the record.

use super::mpls::is_ethernet;
use super::walk::{Layer, Walk};
use super::{ether_type, Fault, Packet};

/// Bits of the first word of a GRE header (RFC 1701, 2784, 2890, 2637).
mod gre_bits {
    pub(super) const CHECKSUM: u16 = 0x8000;
    pub(super) const ROUTING: u16 = 0x4000;
    pub(super) const KEY: u16 = 0x2000;
    pub(super) const SEQUENCE: u16 = 0x1000;
    pub(super) const ACKNOWLEDGEMENT: u16 = 0x0080;
    pub(super) const VERSION: u16 = 0x0007;
}

/// Reads an IP header in another one (RFC 2003, 2473, 4213).
pub(super) fn ip_in_ip(
    walk: &mut Walk<'_>,
    packet: &mut Packet,
    version: u8,
) -> Result<Layer, Fault> {
    let first = *walk.rest().first().ok_or(Fault::TunnelMalformed)?;
    if first >> 4 != version {
        return Err(Fault::TunnelMalformed);
    }
    walk.enter(packet)?;
    Ok(if version == 6 {
        Layer::Ipv6
    } else {
        Layer::Ipv4
    })
}

/// Reads a GRE header of version 0 or 1. What it carries is followed where it is IP, Ethernet,
/// MPLS, PPP or a mirrored frame (ERSPAN); else the packet ends with protocol 47.
pub(super) fn gre(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let h = walk.header::<4>().ok_or(Fault::TunnelMalformed)?;
    let flags = u16::from_be_bytes([h[0], h[1]]);
    let carried = u16::from_be_bytes([h[2], h[3]]);
    // Source routes were withdrawn (RFC 2784, 2.3); there is no version above 1.
    if flags & gre_bits::ROUTING != 0 || flags & gre_bits::VERSION > 1 {
        return Err(Fault::TunnelMalformed);
    }
    let point_to_point = flags & gre_bits::VERSION == 1;
    let checksum = 4 * usize::from(flags & gre_bits::CHECKSUM != 0);
    let key = 4 * usize::from(flags & gre_bits::KEY != 0);
    let sequence = 4 * usize::from(flags & gre_bits::SEQUENCE != 0);
    let acknowledgement = 4 * usize::from(point_to_point && flags & gre_bits::ACKNOWLEDGEMENT != 0);
    let length = 4 + checksum + key + sequence + acknowledgement;
    if walk.rest().len() < length {
        return Err(Fault::TunnelMalformed);
    }
    if key != 0 {
        let at = walk.at + 4 + checksum;
        if let Some(&key) = walk.bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) {
            let mask = if point_to_point { 0xffff } else { u32::MAX };
            packet.tunnel = u32::from_be_bytes(key) & mask;
        }
    }
    // The packet's transport header is GRE's, unless something inside takes its place.
    walk.finish(packet, length);
    let start = walk.at;
    walk.at += length;
    let inner = match carried {
        _ if walk.remaining() == 0 => Layer::Done,
        ether_type::ERSPAN | ether_type::ERSPAN_III => {
            walk.at += mirror_header(walk, carried, sequence != 0);
            Layer::Ethernet
        }
        ether_type::ETHERNET => Layer::Ethernet,
        ether_type::PPP => Layer::Ppp,
        ether_type::IPV4 => Layer::Ipv4,
        ether_type::IPV6 => Layer::Ipv6,
        ether_type::MPLS | ether_type::MPLS_MULTICAST => Layer::Mpls,
        _ => Layer::Done,
    };
    if inner == Layer::Done {
        return Ok(Layer::Done);
    }
    let entered = walk.enter(packet);
    if entered.is_err() {
        walk.at = start;
    }
    entered.map(|()| inner)
}

/// Length of the ERSPAN header: none in type I, which has no sequence number, 8 in type II, 12 in
/// type III and 8 more where its last bit says so.
fn mirror_header(walk: &Walk<'_>, carried: u16, sequence: bool) -> usize {
    if carried == ether_type::ERSPAN {
        return if sequence { 8 } else { 0 };
    }
    match walk.rest().get(11) {
        Some(last) if last & 1 == 1 => 20,
        _ => 12,
    }
}

/// Reads a VXLAN header (RFC 7348, 5). Where the port does not make it certain, the packet stays
/// plain UDP unless the reserved bits are 0 and an Ethernet frame follows.
pub(super) fn vxlan(
    walk: &mut Walk<'_>,
    packet: &mut Packet,
    certain: bool,
) -> Result<Layer, Fault> {
    /// Flag "I": the identifier is valid.
    const VALID: u8 = 0x08;
    let start = walk.at;
    walk.at += 8;
    let header = walk.header::<8>();
    if !certain {
        let frame = walk.bytes.get(walk.at + 8..).unwrap_or(&[]);
        let plain = matches!(header, Some([VALID, 0, 0, 0, _, _, _, 0])) && is_ethernet(frame);
        if !plain {
            return Ok(Layer::Done);
        }
    }
    let h = match header {
        Some(h) if h[0] & VALID != 0 => h,
        _ => {
            walk.at = start;
            return Err(Fault::TunnelMalformed);
        }
    };
    let entered = walk.enter(packet);
    if entered.is_err() {
        walk.at = start;
        return entered.map(|()| Layer::Done);
    }
    packet.tunnel = u32::from_be_bytes([0, h[4], h[5], h[6]]);
    walk.at += 8;
    Ok(Layer::Ethernet)
}

/// Reads a Geneve header (RFC 8926, 3.4). The packet stays plain UDP where the version is not 0
/// or something else than Ethernet or IP would follow.
pub(super) fn geneve(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let Some(h) = walk
        .bytes
        .get(walk.at + 8..)
        .and_then(<[u8]>::first_chunk::<8>)
    else {
        return Ok(Layer::Done);
    };
    let inner = match u16::from_be_bytes([h[2], h[3]]) {
        ether_type::ETHERNET => Layer::Ethernet,
        ether_type::IPV4 => Layer::Ipv4,
        ether_type::IPV6 => Layer::Ipv6,
        _ => return Ok(Layer::Done),
    };
    let length = 8 + 4 * usize::from(h[0] & 0x3f);
    if h[0] >> 6 != 0 || walk.remaining() < 8 + length {
        return Ok(Layer::Done);
    }
    walk.enter(packet)?;
    packet.tunnel = u32::from_be_bytes([0, h[4], h[5], h[6]]);
    walk.at += 8 + length;
    Ok(inner)
}
