//! Flows that several routers on their way tell of, and those told when they come and when they go.
//!
//! Of each flow it is remembered how many packets each observer (exporter and direction) told of,
//! fading away by half every two minutes. What an observer tells counts as far as it exceeds what
//! another one told already: the flow counts as often as whoever saw most of it. Where its way
//! changes, the new router counts once it has told of more than the old one, which is two minutes
//! later at most; parts of a flow that take different ways at a time count as the largest of them.
//!
//! Sampled records are left as they are: observers look at different packets, and of short flows
//! at none. There the interfaces that count are to be set. The table is bounded; where flows come
//! and go faster than it has room for, duplicates are counted, and so is that.

use phage_decode::export::FlowRecord;
use phage_decode::{keys, Secret};

/// Flows remembered, four megabytes.
const ROOM: usize = 1 << 17;
/// Observers of one flow that are told apart.
const OBSERVERS: usize = 4;
/// Milliseconds in which half of what was told is forgotten.
const HALF_LIFE: f32 = 120_000.0;
/// Milliseconds after which a flow is forgotten: next to nothing is left of it.
const FORGOTTEN: u32 = 20 * 60_000;

#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(32))]
struct Told {
    /// Tells flows apart that share a place; 0 for none.
    tag: u32,
    /// Milliseconds, modulo 2**32.
    at: u32,
    observers: [u16; OBSERVERS],
    packets: [f32; OBSERVERS],
}

const _: () = assert!(size_of::<Told>() == 32);

/// Nanoseconds for which an observer that is not heard counts as one of several.
const SEVERAL: i64 = 600 * 1_000_000_000;
/// Records a second of a single observer that are remembered, for another may come; beyond it what
/// there is no other for would cost a third of the rate.
const FEW: usize = 20_000;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DuplicateCounters {
    /// Records of which another observer had told all.
    pub(super) records: u64,
    /// Packets that were told again, of these and of records that were told in part.
    pub(super) packets: u64,
    /// Flows that were forgotten for want of room.
    pub(super) crowded: u64,
}

/// Finds what was told already.
pub(super) struct Duplicates {
    secret: Secret,
    table: Vec<Told>,
    /// Keys of the records of a datagram.
    keys: Vec<u64>,
    /// What was loaded ahead, so that it is.
    loaded: u32,
    /// Who told last, and until when there are several.
    observer: u16,
    several: i64,
    /// Records in this second.
    second: i64,
    looked: usize,
    pub(super) counters: DuplicateCounters,
}

impl Duplicates {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            secret,
            table: Vec::new(),
            keys: Vec::new(),
            loaded: 0,
            observer: 0,
            several: i64::MIN,
            second: 0,
            looked: 0,
            counters: DuplicateCounters::default(),
        }
    }

    /// Takes out of records, which arrived at a time, what others told already.
    pub(super) fn remove(&mut self, records: &mut Vec<FlowRecord>, time: i64) {
        if !self.looks(records, time) {
            return;
        }
        if self.table.is_empty() {
            self.table = vec![Told::default(); ROOM];
        }
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        keys.extend(records.iter().map(|record| self.key(record)));
        // Loads that do not wait for one another: what follows finds the lines there.
        let places = keys.iter().map(|&key| key as usize & (ROOM - 2));
        self.loaded = places
            .filter_map(|place| self.table.get(place))
            .fold(0, |sum, told| sum ^ told.tag);
        let now = (time / 1_000_000) as u32;
        let mut next = keys.iter();
        records.retain_mut(|record| {
            let key = next.next().copied().unwrap_or(0);
            self.take(record, key, now)
        });
        self.keys = keys;
    }

    /// Whether records are to be looked at: there are several observers, or few records.
    fn looks(&mut self, records: &[FlowRecord], time: i64) -> bool {
        for record in records {
            let observer = observer(record);
            if observer != self.observer {
                let is_first = self.observer == 0;
                self.observer = observer;
                if !is_first {
                    self.several = time.saturating_add(SEVERAL);
                }
            }
        }
        let second = time.div_euclid(1_000_000_000);
        if second != self.second {
            (self.second, self.looked) = (second, 0);
        }
        self.looked += records.len();
        !records.is_empty() && (time < self.several || self.looked <= FEW)
    }

    /// Leaves of a record what is new; tells whether that is anything.
    #[inline]
    fn take(&mut self, record: &mut FlowRecord, key: u64, now: u32) -> bool {
        if record.sampling > 1 || record.ip_version == 0 {
            return true;
        }
        let [forth, back] = record.packets;
        let packets = forth.saturating_add(back).max(1);
        let new = self.new_packets(key, observer(record), packets, now);
        self.counters.packets += packets - new;
        if new == 0 {
            self.counters.records += 1;
            return false;
        }
        if new < packets {
            for count in record.packets.iter_mut().chain(&mut record.octets) {
                *count = (u128::from(*count) * u128::from(new) / u128::from(packets)) as u64;
            }
        }
        true
    }

    fn key(&self, record: &FlowRecord) -> u64 {
        let ends = keys::address(&record.src, &self.secret)
            ^ keys::address(&record.dst, &self.secret).rotate_left(32);
        let ports = u64::from(record.src_port) << 24
            | u64::from(record.dst_port) << 8
            | u64::from(record.protocol);
        self.secret.hash(ends, ports, 2)
    }

    /// How many of the packets that an observer tells of nobody told before.
    fn new_packets(&mut self, key: u64, observer: u16, packets: u64, now: u32) -> u64 {
        let tag = (key >> 32) as u32 | 1;
        let place = key as usize & (ROOM - 2);
        let Some(pair) = self.table.get_mut(place..place + 2) else {
            return packets;
        };
        let age = |told: &Told| now.wrapping_sub(told.at);
        let is_ours = |told: &Told| told.tag == tag && age(told) < FORGOTTEN;
        let at = pair.iter().position(is_ours).unwrap_or_else(|| {
            let oldest = |at: &usize| pair.get(*at).map_or(0, age);
            let free = pair.iter().position(|told| told.tag == 0);
            free.or_else(|| (0..2).max_by_key(oldest)).unwrap_or(0)
        });
        let Some(told) = pair.get_mut(at) else {
            return packets;
        };
        if told.tag != tag || age(told) >= FORGOTTEN {
            self.counters.crowded += u64::from(told.tag != 0 && age(told) < HALF_LIFE as u32);
            *told = Told {
                tag,
                at: now,
                ..Told::default()
            };
        }
        told.add(observer, packets, now)
    }
}

impl Told {
    fn add(&mut self, observer: u16, packets: u64, now: u32) -> u64 {
        let passed = now.wrapping_sub(self.at);
        if passed > 0 {
            let left = (-(passed as f32) / HALF_LIFE).exp2();
            for count in &mut self.packets {
                *count *= left;
            }
            self.at = now;
        }
        let most = self.packets.iter().copied().fold(0.0, f32::max);
        let known = self.observers.iter().position(|&known| known == observer);
        let at = known
            .or_else(|| self.observers.iter().position(|&known| known == 0))
            .unwrap_or(OBSERVERS - 1);
        if let (Some(name), Some(count)) = (self.observers.get_mut(at), self.packets.get_mut(at)) {
            *name = observer;
            *count += packets as f32;
            let new = f64::from(*count - most).clamp(0.0, packets as f64);
            // Half a packet is what fading away leaves, not one that nobody told of.
            return (new + 0.5) as u64;
        }
        packets
    }
}

/// Who tells of a record: an exporter, of what comes in or of what goes out; never 0.
#[inline]
fn observer(record: &FlowRecord) -> u16 {
    let number = u64::from(record.exporter) << 1 | u64::from(record.direction & 1);
    (number % u64::from(u16::MAX)) as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn record(exporter: u32, port: u16, packets: u64) -> FlowRecord {
        FlowRecord {
            exporter,
            src_port: port,
            packets: [packets, 0],
            octets: [packets * 100, 0],
            protocol: 17,
            ip_version: 4,
            ..FlowRecord::default()
        }
    }

    fn counted(duplicates: &mut Duplicates, record: FlowRecord, time: i64) -> (u64, u64) {
        let mut records = vec![record];
        duplicates.remove(&mut records, time);
        records
            .first()
            .map_or((0, 0), |left| (left.packets[0], left.octets[0]))
    }

    fn duplicates() -> Duplicates {
        Duplicates::new(Secret::from_seed(3))
    }

    #[test]
    fn one_router_is_believed() {
        let mut made = duplicates();
        for second in 0..100 {
            let (packets, _) = counted(&mut made, record(1, 7, 5), second * SECOND);
            assert_eq!(packets, 5);
        }
        assert_eq!(made.counters.packets, 0);
    }

    #[test]
    fn a_flow_counts_as_often_as_who_saw_most_of_it() {
        let mut made = duplicates();
        assert_eq!(counted(&mut made, record(1, 7, 100), SECOND), (100, 10_000));
        assert_eq!(counted(&mut made, record(2, 7, 60), SECOND), (0, 0));
        assert_eq!(counted(&mut made, record(2, 7, 60), SECOND), (20, 2000));
        // A third one, and what goes out at the second.
        assert_eq!(counted(&mut made, record(3, 7, 110), SECOND), (0, 0));
        let going = FlowRecord {
            direction: 1,
            ..record(2, 7, 120)
        };
        assert_eq!(counted(&mut made, going, SECOND), (0, 0));
        // Another flow.
        assert_eq!(counted(&mut made, record(2, 8, 60), SECOND), (60, 6000));
        assert_eq!(made.counters.records, 3);
        assert_eq!(made.counters.packets, 60 + 40 + 110 + 120);
    }

    #[test]
    fn what_lasts_counts_once_however_reports_fall() {
        let mut made = duplicates();
        let mut sum = 0;
        for second in 0..3600 {
            for (exporter, every, at) in [(1, 60, 0), (2, 60, 30), (3, 45, 7)] {
                if second % every == at {
                    let told = record(exporter, 7, 1000 * every as u64);
                    sum += counted(&mut made, told, second * SECOND).0;
                }
            }
        }
        let once = 3_600_000.0;
        assert!((0.95..1.2).contains(&(sum as f64 / once)), "{sum}");
    }

    #[test]
    fn a_flow_that_takes_another_way_is_seen_there_within_minutes() {
        let mut made = duplicates();
        for second in 0..3600 {
            counted(&mut made, record(1, 7, 1000), second * SECOND);
        }
        let mut sum = 0;
        for second in 3600..3900 {
            sum += counted(&mut made, record(2, 7, 1000), second * SECOND).0;
        }
        assert!(sum > 170_000, "{sum}");
    }

    #[test]
    fn much_of_a_single_router_is_not_remembered() {
        let mut made = duplicates();
        for number in 0..30_000_u32 {
            counted(&mut made, record(1, number as u16, 5), SECOND);
        }
        // Another one is heard: from now on all is.
        assert_eq!(counted(&mut made, record(2, 100, 5), SECOND).0, 0);
        assert_eq!(counted(&mut made, record(2, 29_000, 5), SECOND).0, 5);
        assert_eq!(counted(&mut made, record(1, 29_000, 5), SECOND).0, 0);
    }

    #[test]
    fn samples_are_left_as_they_are() {
        let mut made = duplicates();
        for exporter in [1, 2] {
            let sampled = FlowRecord {
                sampling: 1000,
                ..record(exporter, 7, 5)
            };
            assert_eq!(counted(&mut made, sampled, SECOND).0, 5);
        }
    }

    #[test]
    fn a_flood_of_flows_takes_no_more_room_and_is_counted() {
        let mut made = duplicates();
        for number in 0..400_000_u32 {
            let mut forged = record(1 + number % 2, number as u16, 1);
            forged.src[12..].copy_from_slice(&number.to_be_bytes());
            assert_eq!(counted(&mut made, forged, SECOND).0, 1);
        }
        assert_eq!(made.table.len(), ROOM);
        assert!(made.counters.crowded > 100_000);
    }
}
