//! One device: who it is, what it did in this window, and how it behaves.

use std::mem::offset_of;

use phage_decode::packet::Packet;

use super::damped::{fast, slow, Damped};
use super::events;
use super::novelty::Birth;
use super::pending::Pending;
use super::sketch::{Bitmaps, Sketch};
use crate::flow::{touch, FlowTouch};
use crate::rows::{host, HostRow};
use crate::table::side;

/// Bits of [`Device::traits`].
pub(super) mod traits {
    /// The slot holds a device.
    pub(in crate::host) const LIVE: u8 = 1;
    /// Its MAC carries the addresses of others: a router.
    pub(in crate::host) const ROUTER: u8 = 1 << 1;
    /// Known by its address: it has no MAC on this link.
    pub(in crate::host) const BY_ADDRESS: u8 = 1 << 2;
    /// Seen often and long enough to stay.
    pub(in crate::host) const KNOWN: u8 = 1 << 3;
    /// On the list of the window.
    pub(in crate::host) const LISTED: u8 = 1 << 4;
    /// No window has shown it yet.
    pub(in crate::host) const NEW: u8 = 1 << 5;
    /// Its own address was told by what it sent.
    pub(in crate::host) const SPOKE: u8 = 1 << 6;
}

/// Places of a device's sketches.
pub(super) mod sketches {
    /// Peers it contacted.
    pub(in crate::host) const PEERS_OUT: usize = 0;
    /// Pairs of peer and port it contacted.
    pub(in crate::host) const ENDPOINTS_OUT: usize = 1;
    /// Peers that contacted it.
    pub(in crate::host) const PEERS_IN: usize = 2;
    /// Own ports that were contacted.
    pub(in crate::host) const PORTS_IN: usize = 3;
    /// Addresses it asked for by ARP.
    pub(in crate::host) const ARP_TARGETS: usize = 4;
}

/// The bitmaps of a device's sketches, apart from what every packet needs.
pub(super) type Sketches = [Bitmaps; 5];

/// What most packets count in a window; `[0]` sent, `[1]` received.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usual {
    first: i64,
    last: i64,
    packets: [u64; 2],
    octets: [u64; 2],
    udp: [u32; 2],
}

/// What few packets count in a window, as in [`HostRow`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rare {
    syn: [u32; 2],
    syn_ack: [u32; 2],
    rst: [u32; 2],
    unanswered: [u32; 2],
    echo: [u32; 2],
    unreachable: [u32; 2],
    arp_request: [u32; 2],
    arp_reply: [u32; 2],
    flows: [u32; 2],
    pub(super) dns_queries: u32,
    pub(super) dns_failures: u32,
    pub(super) new_peers: u32,
}

/// A device: seven cache lines, of which most packets touch five.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Device {
    pub(super) key: u64,
    pub(super) mac: u64,
    pub(super) address: [u8; 16],
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) birth: Birth,
    /// Packets sent since it was first seen.
    pub(super) seen: u32,
    /// Part of the hash of the address seen last, so that a repeated one costs nothing.
    pub(super) carried: u32,
    /// VLAN of the first packet of the window.
    pub(super) vlan: u16,
    pub(super) traits: u8,
    pub(super) damped: Damped,
    pub(super) sketches: [Sketch; 5],
    pub(super) usual: Usual,
    pub(super) pending: Pending,
    pub(super) generation: u32,
    pub(super) rare: Rare,
}

const _: () = assert!(size_of::<Device>() == 7 * 64);
const _: () = assert!(Device::OFTEN <= 5 * 64);

impl Device {
    /// Bytes from the beginning that every packet reads or changes: up to the second for which
    /// handshakes wait.
    pub(super) const OFTEN: usize = offset_of!(Self, pending) + size_of::<u32>();

    /// A slot that holds nothing.
    pub(super) fn vacant() -> Self {
        Self {
            key: 0,
            mac: 0,
            address: [0; 16],
            first: 0,
            last: 0,
            generation: 0,
            birth: Birth::default(),
            seen: 0,
            carried: 0,
            sketches: [Sketch::default(); 5],
            pending: Pending::default(),
            traits: 0,
            vlan: 0,
            damped: Damped::default(),
            usual: Usual::default(),
            rare: Rare::default(),
        }
    }

    /// Whether a bit of [`traits`] is set.
    #[inline(always)]
    pub(super) fn is(&self, bit: u8) -> bool {
        self.traits & bit != 0
    }

    /// Moves all that depends on time to a packet's time.
    #[inline]
    pub(super) fn advance(&mut self, time: i64, second: u32) {
        self.damped.advance(time);
        let [out, inbound] = self.pending.advance(second);
        if out | inbound != 0 {
            let [mine, theirs] = &mut self.rare.unanswered;
            *mine = mine.saturating_add(out);
            *theirs = theirs.saturating_add(inbound);
            self.damped.slow[slow::FAILURES] += out as f32;
        }
    }

    /// Counts a packet that it sent or received.
    #[inline]
    pub(super) fn count(
        &mut self,
        packet: &Packet,
        answer: &FlowTouch,
        events: u16,
        received: bool,
    ) {
        let octets = f64::from(packet.length);
        *side(&mut self.damped.packets, received) += 1.0;
        *side(&mut self.damped.octets, received) += octets;
        *side(&mut self.damped.volume, received) += octets;
        let usual = &mut self.usual;
        if usual.first == 0 {
            usual.first = packet.time;
            self.vlan = packet.vlan;
        }
        usual.last = packet.time;
        *side(&mut usual.packets, received) += 1;
        *side(&mut usual.octets, received) += u64::from(packet.length);
        if events != 0 {
            if events & events::UDP != 0 {
                *side(&mut usual.udp, received) += 1;
            }
            if events & events::GROUP != 0 && !received {
                self.damped.fast[fast::GROUP] += 1.0;
            }
            if events & events::RARE != 0 {
                self.count_rare(answer, events, received);
            }
        }
        if !received {
            self.seen = self.seen.saturating_add(1);
            self.last = self.last.max(packet.time);
        }
    }

    fn count_rare(&mut self, answer: &FlowTouch, events: u16, received: bool) {
        let row = &mut self.rare;
        let fast = &mut self.damped.fast;
        let slow = &mut self.damped.slow;
        // Whether the other end is the initiator of the flow.
        let serves = received != answer.has(touch::REVERSE);
        for (bit, pair) in [
            (events::SYN, &mut row.syn),
            (events::SYN_ACK, &mut row.syn_ack),
            (events::RST, &mut row.rst),
            (events::ECHO, &mut row.echo),
            (events::UNREACHABLE, &mut row.unreachable),
            (events::ARP_REQUEST, &mut row.arp_request),
            (events::ARP_REPLY, &mut row.arp_reply),
        ] {
            *side(pair, received) += u32::from(events & bit != 0);
        }
        if events & events::BEGUN != 0 {
            *side(&mut row.flows, serves) += 1;
            if serves {
                fast[fast::FLOWS_IN] += 1.0;
            } else {
                fast[fast::FLOWS_OUT] += 1.0;
            }
        }
        if events & events::ATTEMPT != 0 {
            self.pending.begin(serves);
            if serves {
                fast[fast::OPEN_IN] += 1.0;
            } else {
                fast[fast::OPEN_OUT] += 1.0;
                slow[slow::ATTEMPTS] += 1.0;
            }
        }
        if events & events::ANSWER != 0 && self.pending.answer(serves, answer.age_ms / 1000) {
            let left = Damped::left(answer.age_ms as f32 / 1000.0);
            let open = if serves {
                &mut fast[fast::OPEN_IN]
            } else {
                &mut fast[fast::OPEN_OUT]
            };
            *open = (*open - left).max(0.0);
        }
        if events & events::REFUSED != 0 && !serves {
            slow[slow::FAILURES] += 1.0;
        }
        let odd = f32::from(u8::from(events & events::ODD != 0));
        fast[fast::ODD] += odd;
        if received {
            if events & events::RST != 0 {
                fast[fast::RESETS_IN] += 1.0;
            }
            if events & events::UNREACHABLE != 0 {
                fast[fast::UNREACHABLE_IN] += 1.0;
            }
        } else {
            if events & events::RST != 0 {
                fast[fast::RESETS_OUT] += 1.0;
            }
            if events & events::ECHO != 0 {
                fast[fast::ECHO_OUT] += 1.0;
            }
            if events & events::ARP_REQUEST != 0 {
                fast[fast::ARP_OUT] += 1.0;
            }
        }
    }

    /// The row of the window, and a fresh one for the next.
    pub(super) fn take_row(&mut self, index: u32) -> HostRow {
        let usual = std::mem::take(&mut self.usual);
        let rare = std::mem::take(&mut self.rare);
        let mut row = HostRow {
            first: usual.first,
            last: usual.last,
            mac: if self.is(traits::BY_ADDRESS) {
                0
            } else {
                self.mac
            },
            address: self.address,
            packets: usual.packets,
            octets: usual.octets,
            syn: rare.syn,
            syn_ack: rare.syn_ack,
            rst: rare.rst,
            unanswered: rare.unanswered,
            udp: usual.udp,
            echo: rare.echo,
            unreachable: rare.unreachable,
            arp_request: rare.arp_request,
            arp_reply: rare.arp_reply,
            flows: rare.flows,
            peers: [0.0; 2],
            ports: [0.0; 2],
            dns_queries: rare.dns_queries,
            dns_failures: rare.dns_failures,
            new_peers: rare.new_peers,
            device: index,
            marks: host::HOME | host::DEVICE,
            vlan: if usual.packets == [0; 2] {
                0
            } else {
                u32::from(self.vlan)
            },
        };
        if self.is(traits::ROUTER) {
            row.marks |= host::ROUTER;
        }
        if self.is(traits::NEW) {
            row.marks |= host::NEW;
            self.traits &= !traits::NEW;
        }
        row
    }

    /// Whether the row of the window says anything.
    pub(super) fn has_news(&self) -> bool {
        let rare = &self.rare;
        self.usual.packets != [0; 2]
            || rare.unanswered != [0; 2]
            || rare.dns_queries != 0
            || rare.dns_failures != 0
    }

    /// Forgets what the window counted.
    pub(super) fn clear(&mut self) {
        self.usual = Usual::default();
        self.rare = Rare::default();
    }
}
