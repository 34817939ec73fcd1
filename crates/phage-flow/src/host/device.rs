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

/// A device: eight cache lines, of which most packets touch six.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Device {
    pub(super) key: u64,
    pub(super) mac: u64,
    pub(super) address: [u8; 16],
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) generation: u32,
    pub(super) birth: Birth,
    /// Packets sent since it was first seen.
    pub(super) seen: u32,
    /// Part of the hash of the address seen last, so that a repeated one costs nothing.
    pub(super) carried: u32,
    pub(super) traits: u8,
    /// VLAN of the first packet of the window.
    pub(super) vlan: u16,
    pub(super) sketches: [Sketch; 5],
    pub(super) pending: Pending,
    pub(super) damped: Damped,
    pub(super) row: HostRow,
}

const _: () = assert!(size_of::<Device>() == 8 * 64);

impl Device {
    /// Bytes from the beginning that every packet reads or changes: up to the octets of the window.
    pub(super) const OFTEN: usize = offset_of!(Self, row) + offset_of!(HostRow, syn);

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
            row: HostRow::default(),
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
            let [mine, theirs] = &mut self.row.unanswered;
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
        if self.row.first == 0 {
            self.row.first = packet.time;
            self.vlan = packet.vlan;
        }
        self.row.last = packet.time;
        *side(&mut self.row.packets, received) += 1;
        *side(&mut self.row.octets, received) += u64::from(packet.length);
        if events != 0 {
            if events & events::UDP != 0 {
                *side(&mut self.row.udp, received) += 1;
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
        let row = &mut self.row;
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
        let mut row = std::mem::take(&mut self.row);
        row.mac = if self.is(traits::BY_ADDRESS) {
            0
        } else {
            self.mac
        };
        row.address = self.address;
        if row.packets != [0; 2] {
            row.vlan = u32::from(self.vlan);
        }
        row.device = index;
        row.marks = host::HOME | host::DEVICE;
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
        let row = &self.row;
        row.packets != [0; 2]
            || row.unanswered != [0; 2]
            || row.dns_queries != 0
            || row.dns_failures != 0
    }
}
