//! `PPPoE` sessions (RFC 2516) and PPP (RFC 1661).

use super::walk::{Layer, Walk};
use super::{marks, Fault, Packet};

/// PPP protocol numbers (IANA) that are decoded.
mod number {
    pub(super) const IPV4: u16 = 0x0021;
    pub(super) const IPV6: u16 = 0x0057;
    pub(super) const MPLS: u16 = 0x0281;
    pub(super) const MPLS_MULTICAST: u16 = 0x0283;
}

/// Reads a `PPPoE` session header.
pub(super) fn pppoe(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let h = walk.header::<6>().ok_or(Fault::LinkTruncated)?;
    packet.ether_type = super::ether_type::PPPOE_SESSION;
    // Version 1, type 1, code 0: session data. Another version cannot be read.
    if (h[0], h[1]) != (0x11, 0) {
        walk.finish(packet, 0);
        return Ok(Layer::Done);
    }
    walk.at += 6;
    walk.limit(usize::from(u16::from_be_bytes([h[4], h[5]])));
    packet.marks |= marks::PPPOE;
    decode(walk, packet)
}

/// Reads a PPP header: optional HDLC address and control (RFC 1662, 3.1), then the protocol, in
/// one octet where that was agreed on (RFC 1661, 6.5).
pub(super) fn decode(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    if let Some([0xff, 0x03]) = walk.header::<2>() {
        walk.at += 2;
    }
    let first = *walk.rest().first().ok_or(Fault::LinkTruncated)?;
    let (protocol, length) = if first & 1 == 1 {
        (u16::from(first), 1)
    } else {
        let h = walk.header::<2>().ok_or(Fault::LinkTruncated)?;
        (u16::from_be_bytes(*h), 2)
    };
    walk.at += length;
    Ok(match protocol {
        number::IPV4 => Layer::Ipv4,
        number::IPV6 => Layer::Ipv6,
        number::MPLS | number::MPLS_MULTICAST => Layer::Mpls,
        _ => {
            walk.finish(packet, 0);
            Layer::Done
        }
    })
}
