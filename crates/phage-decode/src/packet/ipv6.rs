//! IPv6 with its extension headers (RFC 8200).

use super::walk::{Layer, Walk};
use super::{ether_type, marks, protocol, Fault, Packet};

/// Extension headers (IANA, "IPv6 Extension Header Types").
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION_OPTIONS: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HOST_IDENTITY: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

/// There is nothing behind this header.
const NO_NEXT_HEADER: u8 = 59;

/// Options that are looked at for a jumbo payload. It is the first or second one in practice; the
/// bound keeps a header of 2,048 one-byte paddings cheap.
const OPTIONS_LIMIT: usize = 8;

/// Reads an IPv6 header and the chain of extension headers behind it.
#[inline]
pub(super) fn decode(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let h = walk.header::<40>().ok_or(Fault::Ipv6Truncated)?;
    if h[0] >> 4 != 6 {
        return Err(Fault::Ipv6Malformed);
    }
    walk.begin_network(packet);
    packet.ether_type = ether_type::IPV6;
    packet.ip_version = 6;
    packet.network_offset = walk.at as u32;
    packet.traffic_class = h[0] << 4 | h[1] >> 4;
    packet.ttl = h[7];
    packet.protocol = h[6];
    let (_, addresses) = h.split_at(8);
    if let Some((source, rest)) = addresses.split_first_chunk::<16>() {
        packet.src = *source;
        if let Some(destination) = rest.first_chunk::<16>() {
            packet.dst = *destination;
        }
    }
    // ff00::/8 (RFC 4291, 2.7).
    if h[24] == 0xff {
        packet.marks |= marks::GROUP;
    }
    walk.at += 40;
    let payload = usize::from(u16::from_be_bytes([h[4], h[5]]));
    if payload != 0 {
        walk.limit_packet(packet, payload, Fault::Ipv6Malformed);
    } else if h[6] == NO_NEXT_HEADER {
        walk.limit(0);
    } else if let Some(length) = jumbo(walk, h[6]) {
        walk.limit_packet(packet, length, Fault::Ipv6Malformed);
    }
    if is_extension(h[6]) {
        return chain(walk, packet, h[6]);
    }
    Ok(Layer::Transport(h[6]))
}

#[inline]
fn is_extension(next: u8) -> bool {
    use extension::{
        AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, HOST_IDENTITY, MOBILITY,
        ROUTING, SHIM6,
    };
    matches!(
        next,
        HOP_BY_HOP
            | ROUTING
            | FRAGMENT
            | AUTHENTICATION
            | DESTINATION_OPTIONS
            | MOBILITY
            | HOST_IDENTITY
            | SHIM6
    )
}

/// The payload length of a jumbogram (RFC 2675), from the option in its hop-by-hop header. Without
/// one, a payload length of 0 is a segment that the network card was to cut.
fn jumbo(walk: &Walk<'_>, next: u8) -> Option<usize> {
    if next != extension::HOP_BY_HOP {
        return None;
    }
    let header = walk.rest();
    let length = (usize::from(*header.get(1)?) + 1) * 8;
    let mut options = header.get(2..length)?;
    for _ in 0..OPTIONS_LIMIT {
        match options {
            // Type 194, four octets.
            [0xc2, 4, a, b, c, d, ..] => return Some(u32::from_be_bytes([*a, *b, *c, *d]) as usize),
            [0, rest @ ..] => options = rest,
            [_, size, rest @ ..] => options = rest.get(usize::from(*size)..)?,
            _ => return None,
        }
    }
    None
}

/// Follows the extension headers to the transport header.
#[inline(never)]
fn chain(walk: &mut Walk<'_>, packet: &mut Packet, first: u8) -> Result<Layer, Fault> {
    packet.marks |= marks::OPTIONS;
    walk.begin_chain();
    let mut next = first;
    while is_extension(next) {
        packet.protocol = next;
        if !walk.link() {
            return Err(Fault::Ipv6Malformed);
        }
        let h = walk.header::<8>().ok_or_else(|| short(walk, 8))?;
        let follows = h[0];
        let length = match next {
            extension::FRAGMENT => 8,
            // In words of four octets, minus 2 (RFC 4302, 2.2).
            extension::AUTHENTICATION => (usize::from(h[1]) + 2) * 4,
            _ => (usize::from(h[1]) + 1) * 8,
        };
        // These three are messages of their own when nothing follows (RFC 6275, 7401, 5533).
        if follows == NO_NEXT_HEADER
            && matches!(
                next,
                extension::MOBILITY | extension::HOST_IDENTITY | extension::SHIM6
            )
        {
            break;
        }
        if walk.rest().len() < length {
            return Err(short(walk, length));
        }
        walk.at += length;
        if next == extension::FRAGMENT {
            // Offset in the upper 13 bits, "more" in the lowest; a fragment that is whole
            // (RFC 6946) is none.
            let place = u16::from_be_bytes([h[2], h[3]]);
            if place & 0xfff9 != 0 {
                packet.marks |= marks::FRAGMENT;
            }
            if place & 0xfff8 != 0 {
                packet.marks |= marks::LATER_FRAGMENT;
                packet.protocol = follows;
                walk.finish(packet, 0);
                return Ok(Layer::Done);
            }
        }
        next = follows;
    }
    packet.protocol = next;
    Ok(Layer::Transport(next))
}

/// Tells an extension header that the IP length has no room for from one that was not captured.
fn short(walk: &Walk<'_>, length: usize) -> Fault {
    if walk.remaining() < length {
        Fault::Ipv6Malformed
    } else {
        Fault::Ipv6Truncated
    }
}

/// Reads an authentication header behind IPv4 (RFC 4302); behind IPv6 it is part of the chain.
pub(super) fn authentication(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    if !walk.link() {
        return Err(Fault::Ipv4Malformed);
    }
    let h = walk.header::<8>().ok_or(Fault::Ipv4Truncated)?;
    let length = (usize::from(h[1]) + 2) * 4;
    if walk.rest().len() < length {
        return Err(Fault::Ipv4Truncated);
    }
    walk.at += length;
    packet.marks |= marks::OPTIONS;
    packet.protocol = h[0];
    Ok(match h[0] {
        protocol::ICMPV6 | NO_NEXT_HEADER => {
            walk.finish(packet, 0);
            Layer::Done
        }
        next => Layer::Transport(next),
    })
}
