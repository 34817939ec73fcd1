//! Who began a flow, judged by its first packet.

use phage_decode::packet::{marks, protocol, tcp, Packet};

/// The judgement on a first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The packet was sent by the responder.
    pub(super) reverse: bool,
    /// Guessed rather than seen.
    pub(super) guessed: bool,
}

/// Says which end of the first packet is the initiator.
///
/// A SYN names its sender, a SYN-ACK or a reply (ICMP echo, ARP) its receiver. Without them the
/// end with the port that services use is the responder; between two of a kind the sender is the
/// initiator, unless only the receiver is at home. Fails where a service listens on a port above
/// 32767 and its answer is the first packet seen.
pub(super) fn judge(packet: &Packet, home: u8) -> Beginning {
    let seen = |reverse| Beginning {
        reverse,
        guessed: false,
    };
    let guess = |reverse| Beginning {
        reverse,
        guessed: true,
    };
    // Whoever speaks to a group was not asked by it.
    if packet.has(marks::GROUP) && packet.protocol != protocol::TCP {
        return seen(false);
    }
    match packet.protocol {
        protocol::TCP if packet.tcp_flags & tcp::SYN != 0 => seen(packet.tcp_flags & tcp::ACK != 0),
        protocol::TCP => {
            // A reset or acknowledgement without a flow, between ports of one kind: a stray
            // answer, most often to a forged source.
            let reset = packet.tcp_flags & tcp::RST != 0;
            guess(by_ports(packet).unwrap_or(reset || home == 0b10))
        }
        protocol::UDP | protocol::SCTP => match by_ports(packet) {
            Some(true) => guess(true),
            Some(false) => seen(false),
            None => guess(false),
        },
        protocol::ICMP => seen(packet.src_port == 0),
        protocol::ICMPV6 => seen(packet.src_port == 129),
        0 if packet.has(marks::ARP) => seen(packet.dst_port == 2 && packet.src != packet.dst),
        _ => seen(false),
    }
}

/// Whether the ports say that the sender is the service; nothing where they are of one kind.
fn by_ports(packet: &Packet) -> Option<bool> {
    if packet.has(marks::LATER_FRAGMENT) {
        return None;
    }
    let (from, to) = (rank(packet.src_port), rank(packet.dst_port));
    (from != to).then_some(from < to)
}

/// System ports (RFC 6335), then registered ports below the ephemeral range that systems use
/// (Linux: from 32768), then the rest.
fn rank(port: u16) -> u8 {
    match port {
        0..=1023 => 0,
        1024..=32767 => 1,
        _ => 2,
    }
}

/// ICMP type and code of the initiator's message, as the row gives them, told from any packet.
pub(super) fn icmp_ports(packet: &Packet, reverse: bool) -> (u16, u16) {
    if !reverse {
        return (packet.src_port, packet.dst_port);
    }
    if packet.protocol == protocol::ICMPV6 {
        (128, 0)
    } else {
        (8, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, ports: (u16, u16), flags: u8) -> Packet {
        Packet {
            protocol: kind,
            ip_version: 4,
            src_port: ports.0,
            dst_port: ports.1,
            tcp_flags: flags,
            ..Packet::default()
        }
    }

    #[test]
    fn handshakes_name_the_initiator_whatever_the_ports() {
        let syn = packet(protocol::TCP, (80, 50_000), tcp::SYN);
        assert!(!judge(&syn, 0).reverse);
        let answer = packet(protocol::TCP, (50_000, 80), tcp::SYN | tcp::ACK);
        assert!(judge(&answer, 0).reverse);
        assert!(!judge(&answer, 0).guessed);
    }

    #[test]
    fn ports_decide_in_the_middle() {
        for (kind, ports, reverse) in [
            (protocol::TCP, (443, 51_000), true),
            (protocol::TCP, (51_000, 443), false),
            (protocol::TCP, (8080, 51_000), true),
            (protocol::UDP, (53, 40_000), true),
            (protocol::UDP, (40_000, 53), false),
            (protocol::UDP, (123, 123), false),
        ] {
            assert_eq!(
                judge(&packet(kind, ports, tcp::ACK), 1).reverse,
                reverse,
                "{ports:?}"
            );
        }
        // From outside to inside between two ephemeral ports: we began.
        assert!(judge(&packet(protocol::TCP, (50_000, 51_000), tcp::ACK), 0b10).reverse);
    }

    #[test]
    fn replies_point_back() {
        assert!(judge(&packet(protocol::ICMP, (0, 0), 0), 0).reverse);
        assert!(!judge(&packet(protocol::ICMP, (8, 0), 0), 0).reverse);
        assert!(judge(&packet(protocol::ICMPV6, (129, 0), 0), 0).reverse);
        let mut reply = packet(0, (0, 2), 0);
        reply.ip_version = 0;
        reply.marks = marks::ARP;
        reply.src = [1; 16];
        assert!(judge(&reply, 0).reverse);
        reply.dst = [1; 16];
        assert!(!judge(&reply, 0).reverse, "gratuitous");
    }
}
