//! Volumes: what hosts and prefixes receive and send, in slots of half a second.
//!
//! [`Volume`] counts packets ([`Volume::packets`]) and flow records ([`Volume::records`]) by the same
//! code. A record is booked at the time it arrives; one that tells of a longer time is paid out over
//! as long ([`instalment`]). What is counted of whom: of addresses at home both directions; where
//! neither end is at home, what the destination receives. Prefixes are summed up at the end of a
//! slot ([`rollup`]). A slot hands on a row for each host and prefix that moved more than a floor,
//! and some of the traffic itself, chosen in proportion to packets ([`choice`]).
//!
//! Everything is bounded ([`VolumeLimits`]); where there are more hosts than fit, newcomers are
//! counted by their prefix, so that a flood over a large network is still seen whole.

mod choice;
mod class;
mod distinct;
mod hosts;
mod instalment;
mod limits;
mod line;
mod rollup;
mod rows;
#[cfg(test)]
mod tests;
mod traffic;
mod watch;

use std::collections::VecDeque;

use phage_decode::export::{present, FlowRecord};
use phage_decode::{Keys, Packet, Secret};

pub use class::{Class, CLASSES, GROUPS};
pub use limits::{VolumeCounters, VolumeLimits};
pub use rows::{TrafficRow, VolumeRow};
pub use watch::{
    parse_service, Group, Service, Watch, WatchFault, FIRST_SERVICE, GROUP, MOST_GROUPS,
    MOST_SERVICES,
};

use crate::flow::FlowTouch;
use crate::home::Home;
use choice::Choice;
use hosts::{Booked, Hosts};
use instalment::Instalments;
use line::narrow;
use rollup::SLOTS_A_SECOND;
use traffic::Traffic;

/// Length of a slot in nanoseconds.
pub const SLOT: i64 = 1_000_000_000 / SLOTS_A_SECOND as i64;
/// Slots that are made up for at most when nothing came for a while: as long as a record is paid out.
const MOST_MISSED: i64 = 600;
/// Slots by which time has to go back for the clock to have been set; less is disorder.
const SET_BACK: i64 = 3600 * SLOTS_A_SECOND as i64;
/// Slots that wait to be taken; older ones go.
const MOST_WAITING: usize = 64;
/// Records that are looked up together, so that the memory is on its way.
const BATCH: usize = 32;
/// Packets ahead for which the index is asked for, and the host after that.
const INDEX_AHEAD: usize = 12;
const HOST_AHEAD: usize = 6;

/// What was counted in one slot.
#[derive(Clone, Debug, Default)]
pub struct VolumeSlot {
    /// End of the slot, nanoseconds since the Unix epoch.
    pub time: i64,
    /// Hosts and prefixes.
    pub rows: Vec<VolumeRow>,
    /// Some of the traffic.
    pub traffic: Vec<TrafficRow>,
}

/// One traffic with what is known of its ends.
#[derive(Clone, Copy, Debug, Default)]
struct Located {
    traffic: Traffic,
    src: u64,
    dst: u64,
    home: u8,
}

/// The counters.
pub struct Volume {
    limits: VolumeLimits,
    home: Home,
    watch: Watch,
    hosts: Hosts,
    choice: Choice,
    instalments: Instalments,
    due: Vec<Traffic>,
    batch: Vec<Located>,
    closed: VecDeque<VolumeSlot>,
    /// Number of the slot since the epoch; 0 before anything came.
    slot: i64,
    counters: VolumeCounters,
}

impl Volume {
    /// Makes counters without hosts. `secret` keys the hashes: random for each run.
    pub fn new(limits: VolumeLimits, home: &Home, secret: Secret) -> Self {
        Self {
            limits,
            home: home.clone(),
            watch: Watch::default(),
            hosts: Hosts::new(limits.hosts, secret),
            choice: Choice::new(limits.traffic, secret.hash(1, 1, 0)),
            instalments: Instalments::new(limits.instalments),
            due: Vec::new(),
            batch: Vec::with_capacity(BATCH),
            closed: VecDeque::new(),
            slot: 0,
            counters: VolumeCounters::default(),
        }
    }

    /// Counts services and groups too.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = watch;
    }

    /// Counts packets, closing slots by their times.
    ///
    /// `keys` are made under the secret of the counters. Where flows are followed, `touches` tell
    /// which ends are at home; without them (empty) the addresses do.
    pub fn packets(&mut self, packets: &[Packet], keys: &[Keys], touches: &[FlowTouch]) {
        for (at, (packet, key)) in packets.iter().zip(keys).enumerate() {
            if let Some(ahead) = keys.get(at + INDEX_AHEAD) {
                let home = touches
                    .get(at + INDEX_AHEAD)
                    .map_or(0b11, |touch| touch.home);
                self.hosts.prefetch_index(ahead.src, ahead.dst, home);
            }
            if let Some(ahead) = keys.get(at + HOST_AHEAD) {
                let home = touches
                    .get(at + HOST_AHEAD)
                    .map_or(0b11, |touch| touch.home);
                self.hosts.prefetch_hosts(ahead.src, ahead.dst, home);
            }
            if packet.time.div_euclid(SLOT) != self.slot {
                self.advance(packet.time);
            }
            let Some(traffic) = Traffic::of_packet(packet) else {
                self.counters.foreign += 1;
                continue;
            };
            let home = match touches.get(at) {
                Some(touch) => touch.home,
                None => self.places(&traffic),
            };
            self.book(&Located {
                traffic,
                src: key.src,
                dst: key.dst,
                home,
            });
        }
    }

    /// Counts flow records that arrived at `time`; counts are multiplied by each record's
    /// `sampling`, so whoever knows better sets that before.
    pub fn records(&mut self, records: &[FlowRecord], time: i64) {
        self.advance(time);
        for record in records {
            for reverse in [false, true] {
                if reverse && !record.has(present::REVERSE) {
                    break;
                }
                let Some(traffic) = Traffic::of_record(record, reverse) else {
                    self.counters.foreign += u64::from(!reverse);
                    continue;
                };
                let slots = record.last.saturating_sub(record.start) / SLOT;
                // What lasts no longer than exporters wait between two datagrams is booked at once.
                if slots > i64::from(SLOTS_A_SECOND) {
                    let (now, hurried) = self.instalments.take(traffic, slots);
                    self.counters.hurried += u64::from(hurried);
                    self.put(now);
                } else {
                    self.put(traffic);
                }
            }
        }
        self.flush();
    }

    /// Lets time pass: closes the slots that are over.
    pub fn advance(&mut self, time: i64) {
        let slot = time.div_euclid(SLOT);
        if self.slot == 0 {
            self.slot = slot;
            return;
        }
        if self.slot.saturating_sub(slot) > SET_BACK {
            self.close();
            self.slot = slot;
            return;
        }
        if slot <= self.slot {
            return;
        }
        let last = slot.min(self.slot + MOST_MISSED);
        while self.slot < last {
            self.close();
            self.slot += 1;
            self.pay();
            if self.instalments.is_empty() && self.hosts.are_quiet() {
                break;
            }
        }
        self.hosts.turn(narrow((slot - self.slot) as u64));
        self.slot = slot;
    }

    /// Closes the open slot, whether it is over or not: the input has ended.
    pub fn finish(&mut self) {
        self.close();
    }

    /// The oldest slot that is complete.
    pub fn take(&mut self) -> Option<VolumeSlot> {
        self.closed.pop_front()
    }

    /// Appends the rows of all slots that are complete.
    pub fn hand_over(&mut self, rows: &mut Vec<VolumeRow>, traffic: &mut Vec<TrafficRow>) {
        for slot in self.closed.drain(..) {
            join(rows, slot.rows);
            join(traffic, slot.traffic);
        }
        self.hosts.settle();
    }

    /// What was counted and left out.
    pub fn counters(&self) -> &VolumeCounters {
        &self.counters
    }

    /// Hosts that have counters.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Books the instalments of a slot that begins.
    fn pay(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.instalments.pay(&mut due);
        for traffic in due.drain(..) {
            self.put(traffic);
        }
        self.flush();
        self.due = due;
    }

    /// Which ends of traffic are at home, as in [`TrafficRow::home`].
    #[inline]
    fn places(&self, traffic: &Traffic) -> u8 {
        u8::from(self.home.contains(&traffic.src)) | u8::from(self.home.contains(&traffic.dst)) << 1
    }

    /// Puts traffic into the batch.
    #[inline]
    fn put(&mut self, traffic: Traffic) {
        let home = self.places(&traffic);
        let (src, dst) = (self.hosts.key(&traffic.src), self.hosts.key(&traffic.dst));
        self.hosts.prefetch_index(src, dst, home);
        self.batch.push(Located {
            traffic,
            src,
            dst,
            home,
        });
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    /// Books the batch.
    fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        for located in &batch {
            self.hosts
                .prefetch_hosts(located.src, located.dst, located.home);
        }
        for located in &batch {
            self.book(located);
        }
        batch.clear();
        self.batch = batch;
    }

    #[inline]
    fn book(&mut self, located: &Located) {
        let Located {
            traffic,
            src,
            dst,
            home,
        } = located;
        self.counters.counted += 1;
        self.counters.packets += traffic.packets;
        self.counters.octets += traffic.octets;
        self.choice.see(traffic, *home);
        // Between strangers the victim counts; who sends to it may be anybody, or everybody.
        let strangers = *home == 0;
        self.counters.foreign += u64::from(strangers);
        if *home != 1 {
            self.book_end(located, *dst, *src, false, false);
        }
        if *home & 1 != 0 || strangers {
            self.book_end(located, *src, *dst, true, strangers);
        }
    }

    #[inline]
    fn book_end(&mut self, located: &Located, key: u64, peer: u64, sent: bool, known: bool) {
        let service = self
            .watch
            .service(located.traffic.protocol, located.traffic.dst_port);
        if service != 0 && !known {
            let booked = self
                .hosts
                .book_service(&located.traffic, key, peer, sent, service);
            self.counters.services_omitted += u64::from(!booked);
        }
        match self.hosts.book(&located.traffic, key, peer, sent, known) {
            Booked::Host(0) => {}
            Booked::Host(shown) => {
                self.choice
                    .add_own(&located.traffic, u64::from(shown), located.home, sent);
            }
            Booked::Shared => self.counters.shared += 1,
            Booked::Nowhere => self.counters.uncounted += u64::from(!known),
        }
    }

    /// Hands the open slot on.
    fn close(&mut self) {
        let time = (self.slot + 1).saturating_mul(SLOT);
        let mut rows = Vec::new();
        self.counters.rows_omitted +=
            rollup::roll_up(&self.hosts, &self.watch, &self.limits, time, &mut rows);
        let traffic = self.choice.take(time);
        self.hosts.turn(1);
        if rows.is_empty() && traffic.is_empty() {
            return;
        }
        if self.closed.len() >= MOST_WAITING {
            let lost = self.closed.pop_front();
            self.counters.rows_omitted += lost.map_or(0, |slot| slot.rows.len() as u64);
        }
        self.closed.push_back(VolumeSlot {
            time,
            rows,
            traffic,
        });
    }
}

/// Appends rows, without copying them where they are the first.
fn join<T>(all: &mut Vec<T>, mut more: Vec<T>) {
    if all.is_empty() {
        *all = more;
    } else {
        all.append(&mut more);
    }
}
