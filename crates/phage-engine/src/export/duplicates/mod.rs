//! Flows that several routers on their way tell of, and those told when they come and when they go.
//!
//! Of each flow it is remembered how many packets each observer (exporter and direction) told of,
//! fading away by half every two minutes. What an observer tells counts as far as it exceeds what
//! another one told already: the flow counts as often as whoever saw most of it. Where its way
//! changes, the new router counts once it has told of more than the old one, which is two minutes
//! later at most; parts of a flow that take different ways at a time count as the largest of them.
//!
//! Sampled records are left as they are: observers look at different packets, and of short flows
//! at none. There the interfaces that count are to be set. Engines of one process share the
//! [`ToldFlows`], since exporters are spread over them. It is bounded; where flows come and go
//! faster than it has room for, duplicates are counted, and so is that.

mod told;

use std::sync::Arc;

use phage_decode::export::FlowRecord;

pub use told::ToldFlows;
pub(super) use told::USUAL_ROOM;

/// Records a second of a single observer that are remembered, for another may come; beyond it what
/// there is no other for would cost a part of the rate.
const FEW: usize = 20_000;
/// What keeps the observers of engines apart: odd, and far from a simple part of 2**16.
const APART: u64 = 0x9e37;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DuplicateCounters {
    /// Records of which another observer had told all.
    pub(super) records: u64,
    /// Packets that were told again, of these and of records that were told in part.
    pub(super) packets: u64,
    /// Flows that were forgotten, or not remembered, for want of room.
    pub(super) crowded: u64,
}

impl DuplicateCounters {
    fn add(&mut self, more: Self) {
        self.records += more.records;
        self.packets += more.packets;
        self.crowded += more.crowded;
    }
}

/// Finds what was told already, for one engine.
pub(super) struct Duplicates {
    told: Arc<ToldFlows>,
    engine: u64,
    /// Keys of the records of a datagram, of both their ways.
    keys: Vec<(u64, u64)>,
    /// Records in this second.
    second: i64,
    looked: usize,
    pub(super) counters: DuplicateCounters,
}

impl Duplicates {
    pub(super) fn new(told: Arc<ToldFlows>) -> Self {
        Self {
            engine: u64::from(told.join()),
            told,
            keys: Vec::new(),
            second: 0,
            looked: 0,
            counters: DuplicateCounters::default(),
        }
    }

    /// Takes out of the records of a datagram, which arrived at a time, what others told already;
    /// answers what that was.
    pub(super) fn remove(&mut self, records: &mut Vec<FlowRecord>, time: i64) -> DuplicateCounters {
        let mut found = DuplicateCounters::default();
        if !self.looks(records, time) {
            return found;
        }
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        for record in records.iter() {
            let pair = self.told.keys(record);
            // What follows finds the lines there.
            self.told.prepare(pair.0);
            keys.push(pair);
        }
        let now = (time / 1_000_000) as u32;
        let mut next = keys.iter();
        records.retain_mut(|record| {
            let pair = next.next().copied().unwrap_or_default();
            self.take(record, pair, now, &mut found)
        });
        self.keys = keys;
        self.counters.add(found);
        found
    }

    /// Whether records are to be looked at: there are several observers, or few records.
    fn looks(&mut self, records: &[FlowRecord], time: i64) -> bool {
        if records.is_empty() {
            return false;
        }
        if self.told.has_several(time) {
            return true;
        }
        let mut several = false;
        let mut last = 0;
        for record in records {
            let observer = self.observer(record);
            if observer != last {
                last = observer;
                several = self.told.heard(observer, time);
            }
        }
        let second = time.div_euclid(1_000_000_000);
        if second != self.second {
            (self.second, self.looked) = (second, 0);
        }
        self.looked += records.len();
        several || self.looked <= FEW
    }

    /// Leaves of a record what is new; tells whether that is anything.
    #[inline]
    fn take(
        &self,
        record: &mut FlowRecord,
        (key, reverse): (u64, u64),
        now: u32,
        found: &mut DuplicateCounters,
    ) -> bool {
        if record.sampling > 1 || record.ip_version == 0 {
            return true;
        }
        let observer = self.observer(record);
        let [forth, back] = record.packets;
        // Others may tell of the way back as of a flow of its own.
        let ways = [(forth.max(u64::from(back == 0)), key), (back, reverse)];
        let mut is_new = false;
        for (way, (packets, key)) in ways.into_iter().enumerate() {
            if packets == 0 {
                continue;
            }
            let answer = self.told.tell(key, observer, packets, now);
            found.crowded += u64::from(answer.crowded);
            found.packets += packets - answer.new;
            is_new |= answer.new > 0;
            if answer.new < packets {
                for counts in [&mut record.packets, &mut record.octets] {
                    if let Some(count) = counts.get_mut(way) {
                        *count = (u128::from(*count) * u128::from(answer.new) / u128::from(packets))
                            as u64;
                    }
                }
            }
        }
        found.records += u64::from(!is_new);
        is_new
    }

    /// Who tells of a record: an exporter, of what comes in or of what goes out; never 0.
    #[inline]
    fn observer(&self, record: &FlowRecord) -> u16 {
        let number = u64::from(record.exporter) << 1 | u64::from(record.direction & 1);
        ((number + self.engine * APART) % u64::from(u16::MAX)) as u16 + 1
    }
}

#[cfg(test)]
mod tests;
