//! ARP over any hardware with IPv4 addresses (RFC 826).

use super::ipv4::mapped;
use super::walk::{Layer, Walk};
use super::{marks, Fault, Packet};

/// Protocol type of IPv4 in ARP.
const IPV4: u16 = 0x0800;

/// Reads an ARP body. Addresses are filled for IPv4; the payload is the whole ARP body.
pub(super) fn decode(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    packet.marks |= marks::ARP;
    let h = walk.header::<8>().ok_or(Fault::ArpMalformed)?;
    packet.dst_port = u16::from_be_bytes([h[6], h[7]]);
    let hardware = usize::from(h[4]);
    let protocol = usize::from(h[5]);
    // Ethernet (1) and the 802 networks (6) have addresses of six octets; others vary.
    let ethernet = matches!(u16::from_be_bytes([h[0], h[1]]), 1 | 6);
    let ipv4 = u16::from_be_bytes([h[2], h[3]]) == IPV4;
    if ethernet && hardware != 6 || ipv4 && protocol != 4 {
        return Err(Fault::ArpMalformed);
    }
    let length = 8 + 2 * (hardware + protocol);
    let body = walk.rest();
    if ipv4 {
        let address = |at: usize| body.get(at..)?.first_chunk::<4>().copied();
        if let Some(sender) = address(8 + hardware) {
            packet.src = mapped(sender);
        }
        if let Some(target) = address(12 + 2 * hardware) {
            packet.dst = mapped(target);
        }
    }
    if body.len() < length {
        return Err(Fault::ArpMalformed);
    }
    walk.limit(length);
    walk.finish(packet, 0);
    Ok(Layer::Done)
}
