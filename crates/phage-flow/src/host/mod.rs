//! Hosts: counters and behaviour of the devices at home, counters of remote hosts.

mod admission;
pub mod catalog;
mod damped;
mod device;
mod dns;
mod events;
mod features;
mod identity;
mod limits;
mod memo;
mod names;
mod neighbours;
mod novelty;
mod packet;
mod pending;
mod remote;
mod sketch;
#[cfg(test)]
mod tests;
mod window;

pub use limits::{HostCounters, HostLimits};

use phage_decode::packet::Packet;
use phage_decode::{Keys, Secret};
use phage_memory::{prefetch, prefetch_line, Pages};

use crate::flow::{touch, FlowTouch};
use crate::home::Home;
use crate::rows::{HostRow, NO_DEVICE};
use crate::table::index::SetIndex;
use admission::Admission;
use catalog::BEHAVIOUR;
use device::{traits, Device, Sketches};
use dns::Lookups;
use identity::{mac_key, Addresses};
use memo::{End, Memo};
use neighbours::Neighbours;
use novelty::{peer_key, service_key, Newness, Relations, Service};
use remote::Remotes;
use sketch::{Estimates, HALF};

/// Packets ahead for which memos and indexes are asked for, and records after that.
const INDEX_AHEAD: usize = 12;
const RECORD_AHEAD: usize = 6;
/// Packets of which the events are worked out ahead: a power of two above [`RECORD_AHEAD`].
const RING: usize = 8;
/// Nanoseconds of a second, and those that a clock may go back before it is taken as set anew.
const SECOND: i64 = 1_000_000_000;
const SET_BACK: i64 = 3600 * SECOND;

/// Who a device is. The index and the generation together name it: an index is used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Its MAC; 0 where it stands behind a router or the link has none.
    pub mac: u64,
    /// Its address at home (the last one used, where it is known by its MAC).
    pub address: [u8; 16],
    /// Counts the devices that have had this index, from 1.
    pub generation: u32,
}

/// Addresses of a MAC, apart from what every packet needs.
#[derive(Clone, Copy, Debug, Default)]
struct Station {
    addresses: Addresses,
}

/// The table of hosts.
pub struct HostTable {
    secret: Secret,
    rows: usize,
    index: SetIndex,
    devices: Vec<Device>,
    bitmaps: Vec<Sketches>,
    stations: Vec<Station>,
    admission: Admission,
    remotes: Remotes,
    relations: Relations,
    newness: Newness,
    lookups: Lookups,
    neighbours: Neighbours,
    /// By slot of the flow.
    memos: Vec<Memo>,
    /// The router by which a packet of the world came or went last: a hint.
    router: u32,
    /// Of `devices`, `bitmaps`, `memos`.
    pages: [Pages; 3],
    estimates: Estimates,
    listed: Vec<u32>,
    retired: Vec<HostRow>,
    counters: HostCounters,
    /// Time of the first packet, from which seconds count.
    base: Option<i64>,
    now: i64,
    second: u32,
    half: u32,
    /// Share of the running half-minute that is still to come.
    left: f32,
}

impl HostTable {
    /// Makes an empty table. What is at home is told by the flow of each packet, so `_home` has to
    /// be that of the flow table.
    pub fn new(limits: &HostLimits, _home: &Home, secret: Secret) -> Self {
        let devices = limits.devices.clamp(8, 1 << 20);
        Self {
            secret,
            rows: limits.rows.max(1),
            // Four times the ways: a set never overflows unless an attacker knew the secret.
            index: SetIndex::new(devices * 4),
            devices: Vec::new(),
            bitmaps: Vec::new(),
            stations: Vec::new(),
            admission: Admission::new(devices),
            remotes: Remotes::new(limits.remotes),
            relations: Relations::new(limits.relations),
            newness: Newness::new(),
            lookups: Lookups::default(),
            neighbours: Neighbours::new(limits.neighbours),
            memos: Vec::new(),
            router: NO_DEVICE,
            pages: [Pages::default(); 3],
            estimates: Estimates::new(),
            listed: Vec::new(),
            retired: Vec::new(),
            counters: HostCounters::default(),
            base: None,
            now: i64::MIN,
            second: 0,
            half: 0,
            left: 1.0,
        }
    }

    /// Updates both ends of each packet, and writes the index of its subject device and the
    /// [`BEHAVIOUR`] features of that (zeros where there is none) to `subjects` and `features`.
    ///
    /// The subject is the device that sent the packet, else the one that receives it.
    pub fn observe(
        &mut self,
        packets: &[Packet],
        keys: &[Keys],
        touches: &[FlowTouch],
        subjects: &mut [u32],
        features: &mut [f32],
    ) {
        let count = packets.len().min(keys.len()).min(touches.len());
        let mut events = [0; RING];
        for i in 0..INDEX_AHEAD.min(count) {
            self.prefetch_index(i, (packets, keys, touches));
        }
        for i in 0..RECORD_AHEAD.min(count) {
            self.prefetch_record(i, (packets, keys, touches), &mut events);
        }
        let rows = features.chunks_exact_mut(BEHAVIOUR);
        let work = packets
            .iter()
            .zip(keys)
            .zip(touches)
            .zip(subjects)
            .zip(rows);
        for (i, ((((packet, key), answer), subject), row)) in work.enumerate() {
            self.prefetch_index(i + INDEX_AHEAD, (packets, keys, touches));
            self.prefetch_record(i + RECORD_AHEAD, (packets, keys, touches), &mut events);
            self.tick(packet.time);
            let events = events.get(i % RING).copied().unwrap_or_default();
            *subject = self.add(packet, key, answer, events, row);
            // Not once a batch: what is new must not depend on where batches end.
            self.newness.saw();
        }
    }

    /// Begins to load what leads to the ends of a packet to come: what is remembered of its flow,
    /// and where that may not be enough, the indexes.
    #[inline(always)]
    fn prefetch_index(
        &self,
        i: usize,
        (packets, keys, touches): (&[Packet], &[Keys], &[FlowTouch]),
    ) {
        let (Some(packet), Some(key), Some(answer)) = (packets.get(i), keys.get(i), touches.get(i))
        else {
            return;
        };
        prefetch(&self.memos, answer.slot as usize);
        if !answer.has(touch::FRESH | touch::CONTINUED) {
            return;
        }
        self.index.prefetch(mac_key(&self.secret, packet.src_mac));
        if answer.home & 1 == 0 {
            self.remotes.prefetch(key.src);
        }
        if answer.home & 2 == 0 {
            self.remotes.prefetch(key.dst);
        } else {
            self.index.prefetch(mac_key(&self.secret, packet.dst_mac));
        }
    }

    /// Begins to load what is known of a packet's ends, and works out its events;
    /// `prefetch_index` was called for it before.
    #[inline(always)]
    fn prefetch_record(
        &self,
        i: usize,
        (packets, keys, touches): (&[Packet], &[Keys], &[FlowTouch]),
        events: &mut [u16; RING],
    ) {
        let (Some(packet), Some(key), Some(answer), Some(events)) = (
            packets.get(i),
            keys.get(i),
            touches.get(i),
            events.get_mut(i % RING),
        ) else {
            return;
        };
        *events = events::of(packet, answer);
        let detailed = *events & !events::GROUP != 0;
        let memo = self.memos.get(answer.slot as usize);
        let ends = match memo.filter(|memo| memo.id == answer.id as u32) {
            Some(memo) => memo.ends(answer.has(touch::REVERSE)),
            None => self.peek_ends(packet, key, answer),
        };
        for end in ends {
            if end.is_remote() {
                self.remotes.prefetch_record(end.as_remote(), detailed);
            } else {
                for line in (0..Device::OFTEN).step_by(64) {
                    prefetch_line(&self.devices, end.as_device() as usize, line);
                }
            }
        }
        if answer.has(touch::FRESH) {
            self.prefetch_relations(packet, key, answer, ends);
        }
    }

    /// Where the ends of a packet will most likely be found, as the indexes have it.
    #[inline]
    fn peek_ends(&self, packet: &Packet, key: &Keys, answer: &FlowTouch) -> [End; 2] {
        let peek = |home: bool, mac: u64, address: u64| {
            if home {
                let slot = self.index.peek(mac_key(&self.secret, mac));
                slot.map_or(End::NONE, End::device)
            } else {
                let slot = self.remotes.peek(address, self.second);
                slot.map_or(End::NONE, End::remote)
            }
        };
        [
            peek(answer.home & 1 != 0, packet.src_mac, key.src),
            peek(answer.home & 2 != 0, packet.dst_mac, key.dst),
        ]
    }

    /// Begins to load what is known of the subject's peer and service, as `describe` will ask.
    #[inline]
    fn prefetch_relations(
        &self,
        packet: &Packet,
        key: &Keys,
        answer: &FlowTouch,
        [src, dst]: [End; 2],
    ) {
        let sent = answer.home & 1 != 0;
        let (end, mac, peer, peer_home) = if sent {
            (src, packet.src_mac, key.dst, answer.home & 2 != 0)
        } else {
            (dst, packet.dst_mac, key.src, false)
        };
        prefetch(&self.bitmaps, end.as_device() as usize);
        let device = mac_key(&self.secret, mac);
        self.relations
            .prefetch(peer_key(&self.secret, device, peer));
        let service = Service::of(packet, answer, sent, peer_home);
        self.relations
            .prefetch(service_key(&self.secret, device, service));
    }

    /// Moves the clock to a packet's time.
    #[inline(always)]
    fn tick(&mut self, time: i64) {
        if time > self.now {
            self.now = time;
        } else if self.now.saturating_sub(time) > SET_BACK {
            // The clock was set back: time runs on from here without a jump.
            let passed = self.now.saturating_sub(self.base.unwrap_or(time));
            self.base = Some(time.saturating_sub(passed));
            self.now = time;
        } else {
            return;
        }
        let base = *self.base.get_or_insert(time);
        let passed = self.now.saturating_sub(base).max(0) / SECOND;
        let second = passed.min(i64::from(i32::MAX)) as u32;
        if second != self.second || self.half == 0 {
            self.second = second;
            // Half-minutes of the epoch, as the flow table has them.
            let seconds = self.now.div_euclid(SECOND);
            self.half = seconds.div_euclid(HALF) as u32;
            self.left = 1.0 - seconds.rem_euclid(HALF) as f32 / HALF as f32;
        }
    }

    /// Who the device with an index is.
    pub fn device(&self, index: u32) -> Option<DeviceIdentity> {
        let device = self
            .devices
            .get(index as usize)
            .filter(|device| device.is(traits::LIVE))?;
        Some(DeviceIdentity {
            mac: device.mac,
            address: device.address,
            generation: device.generation,
        })
    }

    /// What was counted since the table was made.
    pub fn counters(&self) -> HostCounters {
        HostCounters {
            devices: self.devices.len() as u64,
            devices_known: self.admission.known() as u64,
            remotes: self.remotes.len() as u64,
            remotes_evicted: self.remotes.counters.evicted,
            remotes_refused: self.remotes.counters.refused,
            relations_forgotten: self.relations.forgotten(),
            rows_omitted: self.counters.rows_omitted + self.remotes.counters.omitted,
            ..self.counters
        }
    }
}
