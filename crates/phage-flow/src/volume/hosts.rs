//! The counters of hosts: four cache lines each, found by the address.

use std::mem::offset_of;

use phage_decode::keys;
use phage_decode::Secret;
use phage_memory::{prefetch, prefetch_line, Pages};

use super::class::Class;
use super::distinct::Distinct;
use super::line::{narrow, Line};
use super::traffic::Traffic;
use crate::table::index::{Score, SetIndex};
use crate::table::side;

/// Slots without traffic after which a host's counters go to another.
const IDLE_SLOTS: u32 = 60;
/// Slots after which half of the SYN-ACKs that nobody asked for are forgotten: ten minutes.
const HALVED_AFTER: u32 = 1200;
/// Packets of a host in one slot from which on some of them are shown.
const SHOWN_FROM: u32 = 64;
/// SYN-ACKs that nobody asked for from which on a host is handed on.
pub(super) const UNASKED: u32 = 64;
/// Of so many packets of a host one is shown, at least.
const SHOWN_SHARE: u32 = 40;

/// Length of the prefix by which newcomers are counted when there are too many hosts.
const SHARED_V4: u8 = 96 + 24;
const SHARED_V6: u8 = 56;

/// A host, or a prefix that stands for many.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Host {
    pub(super) address: [u8; 16],
    /// SYN-ACKs received beyond the SYNs sent, over the last minutes: kept from slot to slot.
    pub(super) unasked: u32,
    /// Of those in `unasked`, how many packets somebody has really seen.
    pub(super) unasked_samples: u32,
    /// Received, sent.
    pub(super) octets: [u64; 2],
    pub(super) samples: [u32; 2],
    /// Packets up to the one that was last shown.
    shown: [u32; 2],
    /// Slot of the counts.
    slot: u32,
    pub(super) length: u8,
    pub(super) lines: [Line; 2],
    pub(super) sources: Distinct,
}

const _: () = assert!(size_of::<Host>() == 256);

impl Host {
    /// Adds traffic to one direction; returns for how many packets it is to be shown, 0 for not.
    #[inline]
    fn add(&mut self, traffic: &Traffic, sent: bool, peer: u64) -> u32 {
        side(&mut self.lines, sent).add(traffic.class, traffic.packets, traffic.octets);
        let octets = side(&mut self.octets, sent);
        *octets = octets.saturating_add(traffic.octets);
        let samples = side(&mut self.samples, sent);
        *samples = samples.saturating_add(traffic.seen);
        let count = *samples;
        if !sent {
            self.sources.insert(peer);
        }
        if matches!(traffic.class, Class::Syn | Class::SynAck) {
            self.ask(traffic, sent);
        }
        // The samples are a count that sampling cannot blow up: dense where packets are few.
        let shown = side(&mut self.shown, sent);
        let gap = (*shown / SHOWN_SHARE).max(1);
        if count < SHOWN_FROM && traffic.packets < u64::from(SHOWN_FROM) {
            return 0;
        }
        if count < shown.saturating_add(gap) {
            return 0;
        }
        let stands = count - *shown;
        *shown = count;
        narrow(u64::from(stands) * traffic.packets / u64::from(traffic.seen.max(1)))
    }

    fn ask(&mut self, traffic: &Traffic, sent: bool) {
        let packets = narrow(traffic.packets);
        match (traffic.class, sent) {
            (Class::SynAck, false) => {
                self.unasked = self.unasked.saturating_add(packets);
                self.unasked_samples = self.unasked_samples.saturating_add(traffic.seen);
            }
            (Class::Syn, true) => {
                self.unasked = self.unasked.saturating_sub(packets);
                self.unasked_samples = self.unasked_samples.saturating_sub(traffic.seen);
            }
            _ => {}
        }
    }

    fn clear(&mut self, slot: u32) {
        let halvings = slot / HALVED_AFTER - self.slot.min(slot) / HALVED_AFTER;
        *self = Self {
            address: self.address,
            unasked: self.unasked.checked_shr(halvings).unwrap_or(0),
            unasked_samples: self.unasked_samples.checked_shr(halvings).unwrap_or(0),
            length: self.length,
            slot,
            ..Self::default()
        };
    }
}

/// How booking an end came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Booked {
    /// By the host; its packets to show the traffic for, 0 for not.
    Host(u32),
    /// By a prefix.
    Shared,
    /// Not at all.
    Nowhere,
}

/// The table of hosts.
pub(super) struct Hosts {
    secret: Secret,
    index: SetIndex,
    pages: Pages,
    entries: Vec<Host>,
    capacity: usize,
    free: Vec<u32>,
    /// Those that moved in this slot.
    active: Vec<u32>,
    slot: u32,
}

impl Hosts {
    pub(super) fn new(capacity: usize, secret: Secret) -> Self {
        let capacity = capacity.clamp(16, 1 << 24);
        Self {
            secret,
            // Twice the room, so that few sets are full before the table is.
            index: SetIndex::new(capacity * 2),
            pages: Pages::default(),
            // Reserved, not touched: it costs nothing until there are hosts.
            entries: Vec::with_capacity(capacity),
            capacity,
            free: Vec::new(),
            active: Vec::new(),
            slot: 1,
        }
    }

    /// The key of an address.
    #[inline]
    pub(super) fn key(&self, address: &[u8; 16]) -> u64 {
        keys::address(address, &self.secret)
    }

    /// Begins to load what leads to the hosts at the ends of traffic that are counted; `home` as in
    /// [`super::TrafficRow::home`].
    #[inline(always)]
    pub(super) fn prefetch_index(&self, src: u64, dst: u64, home: u8) {
        if home & 1 != 0 {
            self.index.prefetch(src);
        }
        if home != 1 {
            self.index.prefetch(dst);
        }
    }

    /// Begins to load these hosts; what leads to them is loaded by now.
    #[inline(always)]
    pub(super) fn prefetch_hosts(&self, src: u64, dst: u64, home: u8) {
        if home & 1 != 0 {
            self.prefetch_host(src, true);
        }
        if home != 1 {
            self.prefetch_host(dst, false);
        }
    }

    /// Begins to load the lines of a host that [`Host::add`] changes.
    #[inline(always)]
    fn prefetch_host(&self, key: u64, sent: bool) {
        let Some(slot) = self.index.peek(key).map(|slot| slot as usize) else {
            return;
        };
        prefetch_line(&self.entries, slot, 0);
        let line = offset_of!(Host, lines) + usize::from(sent) * size_of::<Line>();
        prefetch_line(&self.entries, slot, line);
        if !sent {
            prefetch_line(&self.entries, slot, offset_of!(Host, sources));
        }
    }

    /// Counts one end of traffic: what `address` sent or received. One that is not known is begun
    /// unless `known` is asked for.
    #[inline]
    pub(super) fn book(
        &mut self,
        traffic: &Traffic,
        key: u64,
        peer: u64,
        sent: bool,
        known: bool,
    ) -> Booked {
        let address = if sent { &traffic.src } else { &traffic.dst };
        if let Some(slot) = self.find(key, address, 128) {
            return Booked::Host(self.add(slot, traffic, sent, peer));
        }
        if known {
            return Booked::Nowhere;
        }
        self.book_new(traffic, key, peer, sent)
    }

    /// Counts one end of traffic to a service, besides its host; tells whether there was room.
    #[inline]
    pub(super) fn book_service(
        &mut self,
        traffic: &Traffic,
        key: u64,
        peer: u64,
        sent: bool,
        service: u8,
    ) -> bool {
        let address = if sent { &traffic.src } else { &traffic.dst };
        let key = turned(key, service);
        let slot = self
            .find(key, address, service)
            .or_else(|| self.begin(*address, service, key));
        if let Some(slot) = slot {
            self.add(slot, traffic, sent, peer);
        }
        slot.is_some()
    }

    #[inline]
    fn find(&mut self, key: u64, address: &[u8; 16], length: u8) -> Option<u32> {
        let entries = &self.entries;
        let (place, slot) = self.index.find(key, |slot| {
            entries
                .get(slot as usize)
                .is_some_and(|host| host.address == *address && host.length == length)
        })?;
        let host = self.entries.get_mut(slot as usize)?;
        if host.slot != self.slot {
            host.clear(self.slot);
            self.active.push(slot);
            self.index.rate(place, Score::new(1, self.slot));
        }
        Some(slot)
    }

    #[inline]
    fn add(&mut self, slot: u32, traffic: &Traffic, sent: bool, peer: u64) -> u32 {
        self.entries
            .get_mut(slot as usize)
            .map_or(0, |host| host.add(traffic, sent, peer))
    }

    #[cold]
    fn book_new(&mut self, traffic: &Traffic, key: u64, peer: u64, sent: bool) -> Booked {
        let address = if sent { traffic.src } else { traffic.dst };
        if let Some(slot) = self.begin(address, 128, key) {
            return Booked::Host(self.add(slot, traffic, sent, peer));
        }
        let (address, length) = shared(&address);
        let key = key_of(&address, length, &self.secret);
        let slot = self
            .find(key, &address, length)
            .or_else(|| self.begin(address, length, key));
        match slot {
            Some(slot) => {
                self.add(slot, traffic, sent, peer);
                Booked::Shared
            }
            None => Booked::Nowhere,
        }
    }

    /// Begins a host, or a prefix that stands for many; the last eighth is kept for these.
    fn begin(&mut self, address: [u8; 16], length: u8, key: u64) -> Option<u32> {
        let used = self.entries.len() - self.free.len();
        if length >= 128 && used >= self.capacity / 8 * 7 {
            return None;
        }
        if self.index.is_full(key) {
            let (place, victim) = self.index.victim(key, self.slot)?;
            let host = self.entries.get(victim as usize)?;
            if self.slot.wrapping_sub(host.slot) < 2 {
                return None;
            }
            self.index.clear(place);
            self.free.push(victim);
        }
        let host = Host {
            address,
            length,
            slot: self.slot,
            ..Host::default()
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.entries.get_mut(slot as usize)? = host;
                slot
            }
            None if self.entries.len() < self.capacity => {
                self.entries.push(host);
                self.entries.len() as u32 - 1
            }
            None => return None,
        };
        self.index.insert(key, slot, Score::new(1, self.slot));
        self.active.push(slot);
        Some(slot)
    }

    /// Those that moved in this slot.
    pub(super) fn moved(&self) -> impl Iterator<Item = (u32, &Host)> + '_ {
        self.active
            .iter()
            .filter_map(|&slot| Some((slot, self.entries.get(slot as usize)?)))
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Host> {
        self.entries.get(slot as usize)
    }

    /// How many moved in this slot.
    pub(super) fn active(&self) -> usize {
        self.active.len()
    }

    /// Begins to load a host.
    #[inline(always)]
    pub(super) fn prefetch(&self, slot: u32) {
        prefetch(&self.entries, slot as usize);
    }

    /// Whether no host moved in this slot.
    pub(super) fn are_quiet(&self) -> bool {
        self.active.is_empty()
    }

    /// Begins the slot that is `slots` later; from time to time lets go of hosts that were quiet
    /// for long.
    pub(super) fn turn(&mut self, slots: u32) {
        if slots == 0 {
            return;
        }
        self.active.clear();
        let before = self.slot / IDLE_SLOTS;
        self.slot = self.slot.wrapping_add(slots);
        if self.slot / IDLE_SLOTS == before {
            return;
        }
        for (slot, host) in (0_u32..).zip(&mut self.entries) {
            let quiet = self.slot.wrapping_sub(host.slot);
            // Who is sent what it never asked for is remembered for longer.
            let kept = if host.unasked >= UNASKED {
                HALVED_AFTER
            } else {
                IDLE_SLOTS
            };
            if host.length != 0 && quiet > kept {
                let key = key_of(&host.address, host.length, &self.secret);
                self.index.remove(key, slot);
                // Not in use: no prefix has this length.
                host.length = 0;
                self.free.push(slot);
            }
        }
    }

    /// Goes one step towards huge pages.
    pub(super) fn settle(&mut self) {
        self.pages.settle(&self.entries);
        self.index.settle();
    }

    /// Hosts that have counters.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

/// The key of an entry; that of a prefix is not its first host's.
fn key_of(address: &[u8; 16], length: u8, secret: &Secret) -> u64 {
    turned(keys::address(address, secret), length)
}

/// The key of a host made that of what has another length: a prefix, or one of its services.
#[inline]
fn turned(key: u64, length: u8) -> u64 {
    key ^ u64::from(length ^ 128).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The prefix that stands for a host for which there is no room.
fn shared(address: &[u8; 16]) -> ([u8; 16], u8) {
    let v4 = address.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    let length = if v4 { SHARED_V4 } else { SHARED_V6 };
    let value = u128::from_be_bytes(*address) >> (128 - u32::from(length));
    ((value << (128 - u32::from(length))).to_be_bytes(), length)
}
