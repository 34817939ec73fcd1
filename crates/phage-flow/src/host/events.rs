//! What a packet is to the counters of both its ends, worked out once.

use phage_decode::packet::{marks, protocol, tcp, Packet};

use crate::flow::{touch, FlowTouch};
use crate::rows::state;

pub(super) const SYN: u16 = 1;
pub(super) const SYN_ACK: u16 = 1 << 1;
pub(super) const RST: u16 = 1 << 2;
pub(super) const UDP: u16 = 1 << 3;
pub(super) const ECHO: u16 = 1 << 4;
pub(super) const UNREACHABLE: u16 = 1 << 5;
pub(super) const ARP_REQUEST: u16 = 1 << 6;
pub(super) const ARP_REPLY: u16 = 1 << 7;
/// A flow begins.
pub(super) const BEGUN: u16 = 1 << 8;
/// A fragment, or TCP flags that no stack sends.
pub(super) const ODD: u16 = 1 << 9;
pub(super) const GROUP: u16 = 1 << 10;
/// A handshake begins: the first SYN of a flow.
pub(super) const ATTEMPT: u16 = 1 << 11;
/// A handshake is answered, by SYN-ACK or reset.
pub(super) const ANSWER: u16 = 1 << 12;
/// A connection is refused.
pub(super) const REFUSED: u16 = 1 << 13;

/// What most packets are not: worth a look of its own.
pub(super) const RARE: u16 = !(UDP | GROUP);

/// The bits of a packet.
#[inline]
pub(super) fn of(packet: &Packet, answer: &FlowTouch) -> u16 {
    let mut bits = 0;
    match packet.protocol {
        protocol::TCP => bits |= segment(packet, answer),
        protocol::UDP => bits |= UDP,
        protocol::ICMP => match packet.src_port {
            8 => bits |= ECHO,
            3 | 11 => bits |= UNREACHABLE,
            _ => {}
        },
        protocol::ICMPV6 => match packet.src_port {
            128 => bits |= ECHO,
            1 | 3 => bits |= UNREACHABLE,
            _ => {}
        },
        _ if packet.has(marks::ARP) => match packet.dst_port {
            1 => bits |= ARP_REQUEST,
            2 => bits |= ARP_REPLY,
            _ => {}
        },
        _ => {}
    }
    if packet.has(marks::FRAGMENT) {
        bits |= ODD;
    }
    if packet.has(marks::GROUP) {
        bits |= GROUP;
    }
    if answer.has(touch::NEW) {
        bits |= BEGUN;
    }
    bits
}

#[inline]
fn segment(packet: &Packet, answer: &FlowTouch) -> u16 {
    let flags = packet.tcp_flags;
    // The common case: data and acknowledgements.
    if flags & (tcp::SYN | tcp::RST) == 0
        && flags & tcp::ACK != 0
        && !answer.has(touch::NEW | touch::FIRST_REPLY)
    {
        return 0;
    }
    let mut bits = 0;
    if flags & tcp::SYN != 0 {
        bits |= if flags & tcp::ACK == 0 { SYN } else { SYN_ACK };
        if bits == SYN && answer.has(touch::NEW) {
            bits |= ATTEMPT;
        }
        // The SYN itself was not kept (evicted, or lost to the capture): still an answer.
        if bits == SYN_ACK && answer.has(touch::NEW) {
            bits |= ANSWER;
        }
    }
    if flags & tcp::RST != 0 {
        bits |= RST;
    }
    if answer.has(touch::FIRST_REPLY)
        && matches!(answer.state, state::SYN_RECEIVED | state::REFUSED)
    {
        bits |= ANSWER;
    }
    if answer.has(touch::REFUSED) {
        bits |= REFUSED;
    }
    if packet.is_sound() && !packet.has(marks::LATER_FRAGMENT) && is_odd(flags) {
        bits |= ODD;
    }
    bits
}

/// Flags that no stack sends (RFC 9293): none at all; FIN, PSH or URG without ACK; SYN with FIN
/// or RST.
fn is_odd(flags: u8) -> bool {
    let known = flags & 0x3f;
    let lone = known & (tcp::ACK | tcp::SYN | tcp::RST) == 0;
    let crossed = known & tcp::SYN != 0 && known & (tcp::FIN | tcp::RST) != 0;
    lone || crossed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_by_flags_are_odd_and_connections_are_not() {
        for flags in [
            0,
            tcp::FIN,
            tcp::FIN | tcp::PSH | tcp::URG,
            tcp::SYN | tcp::FIN,
        ] {
            assert!(is_odd(flags), "{flags:#x}");
        }
        for flags in [
            tcp::SYN,
            tcp::SYN | tcp::ACK,
            tcp::ACK,
            tcp::FIN | tcp::ACK,
            tcp::RST,
            tcp::RST | tcp::ACK,
            tcp::PSH | tcp::ACK | 0xc0,
            tcp::SYN | 0xc0,
        ] {
            assert!(!is_odd(flags), "{flags:#x}");
        }
    }
}
