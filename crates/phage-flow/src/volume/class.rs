//! Classes of traffic: what attacks differ in, told by a few header fields.

use phage_decode::packet::{protocol, tcp};

/// Number of classes.
pub const CLASSES: usize = 10;

/// A class of traffic; the discriminant is its place in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// TCP segments that are none of the following: acknowledgements, data, FIN.
    Tcp = 0,
    /// SYN without ACK.
    Syn,
    /// SYN with ACK.
    SynAck,
    /// RST.
    Reset,
    /// UDP of any other kind.
    Udp,
    /// UDP from the port of a service that reflects and amplifies: its answers.
    Reply,
    /// UDP to the port of such a service: questions to it.
    Query,
    /// ICMP and `ICMPv6`.
    Icmp,
    /// Fragments without transport header.
    Fragment,
    /// Other protocols of IP.
    #[default]
    Other,
}

impl Class {
    /// Names in the order of the discriminants.
    pub const NAMES: [&'static str; CLASSES] = [
        "tcp", "syn", "syn_ack", "reset", "udp", "reply", "query", "icmp", "fragment", "other",
    ];

    /// The class of packets with these fields. Of flow records the flags are those of all packets,
    /// or-ed: what has data or an end besides its SYN is a connection.
    #[inline]
    pub(super) fn of(
        protocol: u8,
        flags: u8,
        src_port: u16,
        dst_port: u16,
        fragment: bool,
    ) -> Self {
        match protocol {
            _ if fragment => Self::Fragment,
            protocol::TCP => Self::of_flags(flags),
            protocol::UDP if src_port == 0 && dst_port == 0 => Self::Fragment,
            protocol::UDP if is_amplifier(src_port) => Self::Reply,
            protocol::UDP if is_amplifier(dst_port) => Self::Query,
            protocol::UDP | protocol::UDP_LITE => Self::Udp,
            protocol::ICMP | protocol::ICMPV6 => Self::Icmp,
            _ => Self::Other,
        }
    }

    #[inline]
    fn of_flags(flags: u8) -> Self {
        const KINDS: u8 = tcp::FIN | tcp::SYN | tcp::RST | tcp::PSH | tcp::ACK | tcp::URG;
        match flags & KINDS {
            tcp::SYN => Self::Syn,
            kinds if kinds == tcp::SYN | tcp::ACK => Self::SynAck,
            kinds if kinds & tcp::RST != 0 && kinds & (tcp::SYN | tcp::PSH) == 0 => Self::Reset,
            _ => Self::Tcp,
        }
    }

    /// Which count of octets the class belongs to.
    #[inline]
    pub(super) fn group(self) -> usize {
        match self {
            Self::Tcp | Self::Syn | Self::SynAck | Self::Reset => 0,
            Self::Udp | Self::Query => 1,
            Self::Reply => 2,
            Self::Fragment => 3,
            Self::Icmp | Self::Other => 4,
        }
    }
}

/// Number of counts of octets: TCP, UDP, replies, fragments, all else.
pub const GROUPS: usize = 5;

/// UDP ports of services that reflect and amplify (CISA, alert TA14-017A, and later reports):
/// TCP is reflected by SYN-ACKs instead.
const AMPLIFIERS: [u16; 30] = [
    17, 19, 53, 69, 111, 123, 137, 161, 177, 389, 427, 500, 520, 1194, 1434, 1900, 3283, 3389,
    3702, 5060, 5093, 5351, 5353, 5683, 10_001, 11_211, 27_015, 27_960, 37_810, 47_808,
];

/// One bit a port.
static IS_AMPLIFIER: [u64; 1024] = {
    let mut bits = [0_u64; 1024];
    let mut i = 0;
    while i < AMPLIFIERS.len() {
        #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
        {
            let port = AMPLIFIERS[i] as usize;
            bits[port / 64] |= 1 << (port % 64);
        }
        i += 1;
    }
    bits
};

#[inline]
fn is_amplifier(port: u16) -> bool {
    let word = IS_AMPLIFIER.get(usize::from(port) / 64).copied();
    word.unwrap_or(0) >> (port % 64) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_tell_what_a_segment_is() {
        let of = |flags| Class::of(protocol::TCP, flags, 1, 2, false);
        assert_eq!(of(0x02), Class::Syn);
        // With ECE and CWR: still a SYN.
        assert_eq!(of(0xc2), Class::Syn);
        assert_eq!(of(0x12), Class::SynAck);
        assert_eq!(of(0x04), Class::Reset);
        assert_eq!(of(0x14), Class::Reset);
        // Or-ed flags of a whole connection.
        assert_eq!(of(0x1b), Class::Tcp);
        assert_eq!(of(0x1e), Class::Tcp);
        assert_eq!(of(0x10), Class::Tcp);
        assert_eq!(of(0x00), Class::Tcp);
    }

    #[test]
    fn ports_tell_questions_from_answers() {
        let of = |src, dst| Class::of(protocol::UDP, 0, src, dst, false);
        assert_eq!(of(53, 40_000), Class::Reply);
        assert_eq!(of(40_000, 53), Class::Query);
        assert_eq!(of(123, 123), Class::Reply);
        assert_eq!(of(443, 40_000), Class::Udp);
        assert_eq!(of(0, 0), Class::Fragment);
        assert_eq!(
            Class::of(protocol::UDP, 0, 53, 40_000, true),
            Class::Fragment
        );
        assert_eq!(Class::of(47, 0, 0, 0, false), Class::Other);
        assert_eq!(Class::of(58, 0, 0, 0, false), Class::Icmp);
    }
}
