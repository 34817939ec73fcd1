//! One flow in the table: three cache lines.

use phage_decode::packet::{protocol, Packet};

use super::limits::FlowLimits;
use crate::rows::{end_reason, state, FlowRow, NO_DEVICE};

/// Bits of [`Flow::traits`].
pub(super) mod traits {
    /// The endpoints are MAC addresses: there is no IP layer.
    pub(in crate::flow) const LINK: u16 = 1;
    /// The slot is on the list of the window.
    pub(in crate::flow) const LISTED: u16 = 1 << 1;
    /// Who began was guessed.
    pub(in crate::flow) const GUESSED: u16 = 1 << 2;
    /// FIN of the initiator was seen; the next bit is that of the responder.
    pub(in crate::flow) const FIN: u16 = 1 << 3;
    /// An acknowledgement of the initiator was seen; the next bit is that of the responder.
    pub(in crate::flow) const ACKNOWLEDGED: u16 = 1 << 5;
    /// The initiator's SYN was seen.
    pub(in crate::flow) const BEGUN: u16 = 1 << 7;
    /// Both ends have sent.
    pub(in crate::flow) const ANSWERED: u16 = 1 << 8;
    /// An exporter told of it: `syn_time` is the time of its last packet, `last` when it was told.
    pub(in crate::flow) const TOLD: u16 = 1 << 9;
    /// It was counted as a use of the initiator; the next bit is that of the responder.
    pub(in crate::flow) const USED: u16 = 1 << 10;
}

/// The flow that a slot holds; `id` 0 is an empty slot.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Flow {
    // Line 1: who. Read by every look-up, hardly written.
    pub(super) key: u64,
    pub(super) src: [u8; 16],
    pub(super) dst: [u8; 16],
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) vlan: u16,
    pub(super) inner_vlan: u16,
    pub(super) ether_type: u16,
    pub(super) protocol: u8,
    pub(super) ip_version: u8,
    pub(super) home: u8,
    pub(super) application: u8,
    pub(super) event: u8,
    pub(super) traits: u16,
    pub(super) device: u32,
    // Line 2: what every packet writes.
    pub(super) last: i64,
    pub(super) packets: [u64; 2],
    pub(super) octets: [u64; 2],
    pub(super) payload: [u64; 2],
    pub(super) longest: u32,
    pub(super) flags: [u8; 2],
    pub(super) state: u8,
    pub(super) errors: u8,
    // Line 3: what is written at the beginning, and by TCP.
    pub(super) id: u64,
    pub(super) start: i64,
    pub(super) src_mac: u64,
    pub(super) dst_mac: u64,
    /// When the last SYN was seen.
    pub(super) syn_time: i64,
    /// The last acknowledgement number of each side.
    pub(super) acknowledged: [u32; 2],
    /// Sequence number of the initiator's SYN.
    pub(super) initial: u32,
    pub(super) handshake: u32,
    /// When its row was last told, and how it stood then.
    pub(super) told: Told,
}

/// What a row told, as far as a change of it is news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Units of 2^20 ns, wrapping.
    at: u32,
    state: u8,
    errors: u8,
    application: u8,
    answered: bool,
}

impl Told {
    /// A flow that is as it was, but for its counts, is told once in so many units: a second.
    const SELDOM: u32 = (SECOND >> 20) as u32;

    /// Whether a flow that stands so now has to be told again.
    pub(super) fn is_old(self, now: Self) -> bool {
        let at = now.at;
        at.wrapping_sub(self.at) >= Self::SELDOM || Self { at, ..self } != now
    }
}

const _: () = assert!(size_of::<Flow>() == 192);

/// How a packet relates to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Not of this flow.
    Other,
    /// From the initiator.
    Forward,
    /// From the responder.
    Reverse,
}

/// The two halves of an address, compared without a loop.
#[inline(always)]
fn halves(address: &[u8; 16]) -> u128 {
    u128::from_ne_bytes(*address)
}

/// Whether the key of a packet is made of MAC addresses.
#[inline(always)]
pub(super) fn is_link(packet: &Packet) -> bool {
    packet.ip_version == 0 && halves(&packet.src) == 0
}

/// Ports as far as they are part of the flow's key: ICMP and frames without IP have none.
#[inline(always)]
pub(super) fn key_ports(packet: &Packet) -> (u16, u16) {
    if packet.ip_version == 0 || matches!(packet.protocol, protocol::ICMP | protocol::ICMPV6) {
        (0, 0)
    } else {
        (packet.src_port, packet.dst_port)
    }
}

impl Flow {
    /// How it stands at a time, nanoseconds.
    pub(super) fn standing(&self, time: i64) -> Told {
        Told {
            at: (time >> 20) as u32,
            state: self.state,
            errors: self.errors,
            application: self.application,
            answered: self.traits & traits::ANSWERED != 0,
        }
    }

    /// Compares the packet's endpoints with those of the flow, not their hashes.
    #[inline(always)]
    pub(super) fn way(&self, packet: &Packet) -> Way {
        let same = self.protocol == packet.protocol
            && self.ip_version == packet.ip_version
            && self.ether_type == packet.ether_type
            && self.vlan == packet.vlan
            && self.inner_vlan == packet.inner_vlan;
        if !same {
            return Way::Other;
        }
        if self.traits & traits::LINK != 0 || is_link(packet) {
            return self.link_way(packet);
        }
        let (from, to) = key_ports(packet);
        let (source, target) = (halves(&packet.src), halves(&packet.dst));
        let (src, dst) = (halves(&self.src), halves(&self.dst));
        let ports = if self.is_portless() {
            (0, 0)
        } else {
            (self.src_port, self.dst_port)
        };
        if (source, target, from, to) == (src, dst, ports.0, ports.1) {
            Way::Forward
        } else if (source, target, from, to) == (dst, src, ports.1, ports.0) {
            Way::Reverse
        } else {
            Way::Other
        }
    }

    #[inline(always)]
    fn is_portless(&self) -> bool {
        self.ip_version == 0 || matches!(self.protocol, protocol::ICMP | protocol::ICMPV6)
    }

    #[cold]
    fn link_way(&self, packet: &Packet) -> Way {
        if self.traits & traits::LINK == 0 || !is_link(packet) {
            Way::Other
        } else if (packet.src_mac, packet.dst_mac) == (self.src_mac, self.dst_mac) {
            Way::Forward
        } else if (packet.src_mac, packet.dst_mac) == (self.dst_mac, self.src_mac) {
            Way::Reverse
        } else {
            Way::Other
        }
    }

    /// Whether only one end of the flow has sent.
    #[inline]
    pub(super) fn is_unanswered(&self) -> bool {
        self.traits & traits::ANSWERED == 0
    }

    /// Packets of both directions.
    #[inline]
    pub(super) fn total(&self) -> u64 {
        let [forward, reverse] = self.packets;
        forward + reverse
    }

    /// Octets of both directions.
    #[inline]
    pub(super) fn volume(&self) -> u64 {
        let [forward, reverse] = self.octets;
        forward + reverse
    }

    /// Nanoseconds of silence that end the flow.
    #[inline]
    pub(super) fn patience(&self, timeouts: &Timeouts) -> i64 {
        match self.state {
            state::CLOSED | state::REFUSED | state::RESET => timeouts.linger,
            state::SYN_SENT | state::SYN_RECEIVED => timeouts.unanswered,
            state::ESTABLISHED | state::CLOSING => timeouts.established,
            _ if self.total() <= 1 => timeouts.unanswered,
            _ => timeouts.answered,
        }
    }

    /// When the flow ends unless another packet comes.
    #[inline]
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> i64 {
        self.last.saturating_add(self.patience(timeouts))
    }

    /// How the flow ended that fell silent.
    pub(super) fn silent_reason(&self) -> u8 {
        match self.state {
            state::CLOSED | state::REFUSED | state::RESET => end_reason::END_OF_FLOW,
            _ => end_reason::IDLE_TIMEOUT,
        }
    }

    /// Class of its worth when room is needed: what nobody answered goes first, then what is
    /// over, then datagrams, then connections.
    #[inline]
    pub(super) fn class(&self) -> u8 {
        match self.state {
            state::ESTABLISHED | state::CLOSING => 3,
            state::CLOSED | state::REFUSED | state::RESET => 1,
            _ if self.is_unanswered() => u8::from(self.total() > 2),
            _ => 2,
        }
    }

    /// When its last packet was: an exporter tells of it later.
    pub(super) fn row_last(&self) -> i64 {
        if self.traits & traits::TOLD == 0 {
            self.last
        } else {
            self.told_last()
        }
    }

    /// Bits of the ends that it was counted as a use of, as in `home`.
    #[inline]
    pub(super) fn used(&self) -> u8 {
        (self.traits / traits::USED) as u8 & 3
    }

    /// Whether an end at home was not counted as a use yet.
    #[inline]
    pub(super) fn may_be_used(&self) -> bool {
        self.home & !self.used() != 0
    }

    /// The row of the flow.
    pub(super) fn row(&self, event: u8, end_reason: u8) -> FlowRow {
        FlowRow {
            id: self.id,
            start: self.start,
            last: self.row_last(),
            src: self.src,
            dst: self.dst,
            src_mac: self.src_mac,
            dst_mac: self.dst_mac,
            packets: self.packets,
            octets: self.octets,
            payload: self.payload,
            device: self.device,
            longest: self.longest,
            handshake: self.handshake,
            vlan: self.vlan,
            src_port: self.src_port,
            dst_port: self.dst_port,
            protocol: self.protocol,
            ip_version: self.ip_version,
            state: self.state,
            flags: self.flags,
            end_reason,
            event,
            home: self.home,
            application: self.application,
            errors: self.errors,
            ..FlowRow::default()
        }
    }

    /// Starts the next record of the same flow: counters at 0, all else goes on.
    pub(super) fn continue_as(&mut self, id: u64, time: i64) {
        self.id = id;
        self.traits &= !(3 * traits::USED);
        self.start = time;
        self.packets = [0; 2];
        self.octets = [0; 2];
        self.payload = [0; 2];
        self.longest = 0;
        self.flags = [0; 2];
        self.errors = 0;
    }

    /// A flow without device or packets.
    pub(super) fn vacant() -> Self {
        Self {
            device: NO_DEVICE,
            ..Self::default()
        }
    }
}

/// Timeouts in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) active: i64,
    pub(super) established: i64,
    pub(super) answered: i64,
    pub(super) unanswered: i64,
    pub(super) linger: i64,
}

/// Nanoseconds of a second.
pub(super) const SECOND: i64 = 1_000_000_000;

impl Timeouts {
    pub(super) fn of(limits: &FlowLimits) -> Self {
        let idle = |kind: u32| {
            i64::from(limits.idle_timeout_s.unwrap_or(kind).max(1)).saturating_mul(SECOND)
        };
        Self {
            active: i64::from(limits.active_timeout_s.max(1)).saturating_mul(SECOND),
            established: idle(limits.idle_established_s),
            answered: idle(limits.idle_answered_s),
            unanswered: idle(limits.idle_unanswered_s),
            linger: i64::from(limits.linger_s).saturating_mul(SECOND),
        }
    }
}
