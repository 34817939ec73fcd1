//! MPLS label stacks (RFC 3032) and what they carry.

use super::walk::{Layer, Walk};
use super::{ether_type, marks, Fault, Packet};

/// Label values that name what is below them (RFC 3032, 2.1).
const EXPLICIT_NULL_IPV4: u32 = 0;
const EXPLICIT_NULL_IPV6: u32 = 2;

/// Removes the labels. Nothing in the stack says what it carries: it is told by the first four
/// bits (RFC 4928), and where these may be those of a link-layer address, by what would follow.
pub(super) fn decode(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    walk.begin_chain();
    let mut bottom = label(walk)?;
    packet.marks |= marks::MPLS;
    packet.tunnel = bottom >> 12;
    // Bit 8 is set on the last label.
    while bottom & 0x100 == 0 {
        bottom = label(walk)?;
    }
    match bottom >> 12 {
        EXPLICIT_NULL_IPV4 => return Ok(Layer::Ipv4),
        EXPLICIT_NULL_IPV6 => return Ok(Layer::Ipv6),
        _ => {}
    }
    let payload = walk.rest();
    let ethernet = match payload {
        [first, ..] if first >> 4 == 4 => {
            if is_ipv4(payload, walk.remaining()) || !is_ethernet(payload) {
                return Ok(Layer::Ipv4);
            }
            0
        }
        [first, ..] if first >> 4 == 6 => {
            if !is_ethernet(payload) {
                return Ok(Layer::Ipv6);
            }
            0
        }
        // A control word without flags (RFC 4448, 4.6), then Ethernet.
        [0, 0, _, _, frame @ ..] if is_ethernet(frame) => 4,
        _ if is_ethernet(payload) => 0,
        [] => return Err(Fault::LinkTruncated),
        _ => {
            walk.finish(packet, 0);
            return Ok(Layer::Done);
        }
    };
    walk.enter(packet)?;
    walk.at += ethernet;
    Ok(Layer::Ethernet)
}

fn label(walk: &mut Walk<'_>) -> Result<u32, Fault> {
    if !walk.link() {
        return Err(Fault::TunnelTooDeep);
    }
    let h = walk.header::<4>().ok_or(Fault::LinkTruncated)?;
    walk.at += 4;
    Ok(u32::from_be_bytes(*h))
}

/// Whether bytes can be an IPv4 header by its lengths.
fn is_ipv4(bytes: &[u8], remaining: usize) -> bool {
    let [first, _, high, low, ..] = bytes else {
        return true;
    };
    let header = usize::from(first & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([*high, *low]));
    header >= 20 && (total == 0 || total >= header && total <= remaining)
}

/// Whether bytes can be an Ethernet frame that carries something known, judged by its type and
/// the first bits behind it.
pub(super) fn is_ethernet(bytes: &[u8]) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<14>() else {
        return false;
    };
    let version = rest.first().map_or(0, |first| first >> 4);
    match u16::from_be_bytes([header[12], header[13]]) {
        ether_type::IPV4 => version == 4,
        ether_type::IPV6 => version == 6,
        ether_type::ARP => rest.first() == Some(&0),
        ether_type::VLAN
        | ether_type::SERVICE_VLAN
        | ether_type::STACKED_VLAN
        | ether_type::MPLS
        | ether_type::PPPOE_SESSION => true,
        _ => false,
    }
}
