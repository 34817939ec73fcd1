//! IPv4 (RFC 791).

use super::walk::{Layer, Walk};
use super::{ether_type, marks, Fault, Packet};

/// An IPv4 address as 16 bytes, `::ffff:a.b.c.d`.
#[inline(always)]
pub(crate) fn mapped(address: [u8; 4]) -> [u8; 16] {
    (0xffff_0000_0000_u128 | u128::from(u32::from_be_bytes(address))).to_be_bytes()
}

/// Reads an IPv4 header and its options' length.
#[inline(always)]
pub(super) fn decode(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let h = walk.header::<20>().ok_or(Fault::Ipv4Truncated)?;
    let header = usize::from(h[0] & 0x0f) * 4;
    if h[0] >> 4 != 4 || header < 20 {
        return Err(Fault::Ipv4Malformed);
    }
    walk.begin_network(packet);
    packet.ether_type = ether_type::IPV4;
    packet.ip_version = 4;
    packet.network_offset = walk.at as u32;
    packet.traffic_class = h[1];
    packet.ttl = h[8];
    packet.protocol = h[9];
    packet.src = mapped([h[12], h[13], h[14], h[15]]);
    packet.dst = mapped([h[16], h[17], h[18], h[19]]);
    let mut marked = packet.marks;
    // 224.0.0.0/4 (RFC 5771) and the limited broadcast (RFC 919).
    if h[16] >> 4 == 14 || [h[16], h[17], h[18], h[19]] == [255; 4] {
        marked |= marks::GROUP;
    }
    if header > 20 {
        marked |= marks::OPTIONS;
    }
    packet.marks = marked;
    let total = usize::from(u16::from_be_bytes([h[2], h[3]]));
    // A total length of 0 is a segment that the sender's network card was to cut: it is as long
    // as the frame says.
    if total != 0 {
        if total < header {
            return Err(Fault::Ipv4Malformed);
        }
        walk.limit_packet(packet, total, Fault::Ipv4Malformed);
    }
    if walk.bytes.len() < walk.at + header {
        return Err(Fault::Ipv4Truncated);
    }
    walk.at += header;
    let fragment = u16::from_be_bytes([h[6], h[7]]) & 0x3fff;
    if fragment != 0 {
        packet.marks |= marks::FRAGMENT;
        if fragment & 0x1fff != 0 {
            packet.marks |= marks::LATER_FRAGMENT;
            walk.finish(packet, 0);
            return Ok(Layer::Done);
        }
    }
    Ok(Layer::Transport(h[9]))
}
