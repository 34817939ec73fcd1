//! Transport headers: TCP, UDP, UDP-Lite, ICMP, `ICMPv6`, SCTP; and the protocols that lead on.

use super::walk::{Layer, Walk};
use super::{ipv6, marks, protocol, Fault, Packet};

/// VXLAN (RFC 7348, 5).
const VXLAN_PORT: u16 = 4789;
/// The port that Linux used for VXLAN before it was assigned one, still its default.
const VXLAN_OLD_PORT: u16 = 8472;
/// Geneve (RFC 8926, 3.3).
const GENEVE_PORT: u16 = 6081;
/// Services below this port answer to whatever port a client has, VXLAN's too; a VXLAN endpoint
/// sends from a dynamic port (RFC 7348, 5).
const LAST_SYSTEM_PORT: u16 = 1023;

/// Reads the transport header of a protocol.
#[inline(always)]
pub(super) fn decode(walk: &mut Walk<'_>, packet: &mut Packet, number: u8) -> Result<Layer, Fault> {
    match number {
        protocol::TCP => tcp(walk, packet),
        protocol::UDP => udp(walk, packet),
        other => rarer(walk, packet, other),
    }
}

/// The protocols that few packets have.
#[inline(never)]
fn rarer(walk: &mut Walk<'_>, packet: &mut Packet, number: u8) -> Result<Layer, Fault> {
    match number {
        protocol::ICMP => icmp(walk, packet, 8),
        protocol::ICMPV6 => icmp(walk, packet, 4),
        protocol::SCTP => sctp(walk, packet),
        protocol::UDP_LITE => udp_lite(walk, packet),
        protocol::IPIP => Ok(Layer::IpInIp(4)),
        protocol::IPV6 => Ok(Layer::IpInIp(6)),
        protocol::GRE => Ok(Layer::Gre),
        protocol::AUTHENTICATION if packet.ip_version == 4 => ipv6::authentication(walk, packet),
        _ => {
            walk.finish(packet, 0);
            Ok(Layer::Done)
        }
    }
}

#[inline(always)]
fn ports(packet: &mut Packet, a: u8, b: u8, c: u8, d: u8) {
    packet.src_port = u16::from_be_bytes([a, b]);
    packet.dst_port = u16::from_be_bytes([c, d]);
}

/// Keeps the ports of a header that is cut behind them: a scan in tiny fragments shows them.
#[cold]
fn cut(walk: &Walk<'_>, packet: &mut Packet, fault: Fault) -> Fault {
    if let Some(&[a, b, c, d]) = walk.header::<4>() {
        ports(packet, a, b, c, d);
    }
    fault
}

/// Reads a TCP header (RFC 9293, 3.1). Options that the snap length cut off are no fault.
#[inline(always)]
fn tcp(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let Some(h) = walk.header::<20>() else {
        return Err(cut(walk, packet, Fault::TcpMalformed));
    };
    ports(packet, h[0], h[1], h[2], h[3]);
    packet.tcp_sequence = u32::from_be_bytes([h[4], h[5], h[6], h[7]]);
    packet.tcp_acknowledgement = u32::from_be_bytes([h[8], h[9], h[10], h[11]]);
    packet.tcp_flags = h[13];
    packet.tcp_window = u16::from_be_bytes([h[14], h[15]]);
    let header = usize::from(h[12] >> 4) * 4;
    if header < 20 || header > walk.remaining() {
        return Err(Fault::TcpMalformed);
    }
    walk.finish(packet, header);
    Ok(Layer::Done)
}

/// Reads a UDP header (RFC 768).
#[inline(always)]
fn udp(walk: &mut Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let Some(h) = walk.header::<8>() else {
        return Err(cut(walk, packet, Fault::UdpMalformed));
    };
    ports(packet, h[0], h[1], h[2], h[3]);
    let length = usize::from(u16::from_be_bytes([h[4], h[5]]));
    // The length of a whole datagram stands in its first fragment; 0 is a jumbogram's (RFC 2675,
    // section 4) or, behind IPv6, a segment for the network card to cut.
    let sound = if packet.has(marks::FRAGMENT) {
        length >= 8
    } else if length == 0 {
        packet.ip_version == 6
    } else {
        length >= 8 && walk.limit(length)
    };
    if !sound {
        packet.note(Fault::UdpMalformed);
    }
    walk.finish(packet, 8);
    let carries = match packet.dst_port {
        VXLAN_PORT => Layer::Vxlan {
            certain: packet.src_port > LAST_SYSTEM_PORT,
        },
        VXLAN_OLD_PORT => Layer::Vxlan { certain: false },
        GENEVE_PORT => Layer::Geneve,
        _ => return Ok(Layer::Done),
    };
    Ok(if sound && packet.payload_length > 0 {
        carries
    } else {
        Layer::Done
    })
}

/// Reads a UDP-Lite header (RFC 3828): where UDP has its length, the octets that are summed.
fn udp_lite(walk: &Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let Some(h) = walk.header::<8>() else {
        return Err(cut(walk, packet, Fault::UdpMalformed));
    };
    ports(packet, h[0], h[1], h[2], h[3]);
    let coverage = usize::from(u16::from_be_bytes([h[4], h[5]]));
    if coverage != 0 && coverage < 8 || coverage > walk.remaining() && !packet.has(marks::FRAGMENT)
    {
        packet.note(Fault::UdpMalformed);
    }
    walk.finish(packet, 8);
    Ok(Layer::Done)
}

/// Reads an ICMP header (RFC 792, RFC 4443); `header` bytes of it are not payload. The packet that
/// an error quotes is left alone.
fn icmp(walk: &Walk<'_>, packet: &mut Packet, header: usize) -> Result<Layer, Fault> {
    let Some(h) = walk.header::<4>() else {
        return Err(Fault::IcmpMalformed);
    };
    packet.src_port = u16::from(h[0]);
    packet.dst_port = u16::from(h[1]);
    let error = if packet.protocol == protocol::ICMPV6 {
        // RFC 4443, 2.1: errors have the highest bit clear.
        h[0] < 128
    } else {
        // Unreachable, source quench, redirect, time exceeded, parameter problem (RFC 1122, 3.2.2).
        matches!(h[0], 3 | 4 | 5 | 11 | 12)
    };
    if error {
        packet.marks |= marks::ICMP_ERROR;
    }
    // Every message of either version has at least eight octets.
    if walk.remaining() < 8 {
        return Err(Fault::IcmpMalformed);
    }
    walk.finish(packet, header);
    Ok(Layer::Done)
}

/// Reads the common header of SCTP (RFC 9260, 3.1).
fn sctp(walk: &Walk<'_>, packet: &mut Packet) -> Result<Layer, Fault> {
    let Some(h) = walk.header::<12>() else {
        return Err(cut(walk, packet, Fault::SctpMalformed));
    };
    ports(packet, h[0], h[1], h[2], h[3]);
    walk.finish(packet, 12);
    Ok(Layer::Done)
}
