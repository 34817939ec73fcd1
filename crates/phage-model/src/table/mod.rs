//! A bounded set-associative table whose streams begin small.
//!
//! Eight ways a set. The first packet of a stream stands in 16 bytes of the set (tag, time,
//! length, direction); only the second one begins the full record in an arena, from what the first
//! left. A flood of spoofed sources, each seen once, touches two cache lines a stream. Records stand
//! one after the other as they were begun, so that a few streams take a few pages of memory.
//!
//! A stream that finds no free way takes the place of the one with the smallest decayed weight.
//! Nothing is moved or aged, there are no tombstones: the cost of a packet does not depend on what
//! the table holds, and the memory is fixed at construction and touched only as it is used.

mod arena;
mod set;

pub(crate) use arena::Arena;
pub(crate) use set::{First, Set};

use phage_memory::prefetch_within;

use crate::simd::Simd;

/// The most ways of one table: 4 Mi sets, so that set number, tag and check word cover the whole
/// key between them.
pub(crate) const LARGEST: usize = 8 << 22;

/// The full record of a stream. All bits zero is a record in which nothing was counted.
pub(crate) trait Record: Copy + Default + bytemuck::Pod {
    /// Whether the time beside the tag is used once there is a record. Else the record's number
    /// stands there; a timed record stands where its way stands.
    const TIMED: bool;
    /// Begins the record with the first packet of the stream, and the low half of its key.
    fn begin(&mut self, check: u32, first: First);
    /// The low half of the key that the record was begun with.
    fn check(&self) -> u32;
    /// Asks for the lines that a packet of a side (0 or 1) will touch.
    fn fetch(&self, side: usize);
}

/// When a packet comes, in the table's terms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Nanoseconds that scores count from.
    pub(crate) base: i64,
    /// Now, in units of 2^20 ns since the base.
    pub(crate) now: i32,
    /// A stream with a score below this is forgotten: its way counts as free, and is taken before one that was never used, so that
    /// memory stays near what the last hours needed.
    pub(crate) dead: i32,
}

/// Where a packet's stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It begins with this packet; there is no record yet.
    New,
    /// It has a record.
    Known(Stream),
}

/// Where a stream that has a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Number of its way among those of all sets.
    way: usize,
    /// Number of its record.
    record: usize,
}

/// What happened in a table since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounters {
    /// Packets whose stream was known.
    pub hits: u64,
    /// Streams that began.
    pub inserts: u64,
    /// Streams that were driven out by others while they still had weight.
    pub evictions: u64,
    /// Streams idle for two hours that made room.
    pub expired: u64,
    /// Streams that had the tag of another and took its place.
    pub collisions: u64,
    /// Ways in use.
    pub used: u64,
    /// Full records in use.
    pub records: u64,
    /// Ways that there are.
    pub capacity: u64,
}

/// The table.
pub(crate) struct Table<R> {
    sets: Arena<Set>,
    records: Arena<R>,
    /// Numbers of records that streams gave back, and how many were ever taken.
    free: Vec<u32>,
    begun: usize,
    counters: TableCounters,
}

impl<R: Record> Table<R> {
    /// Bytes of one way.
    pub(crate) const WAY: usize = size_of::<Set>() / Set::WAYS + size_of::<R>();

    /// Makes a table of at most `capacity` ways, rounded down to a power of two, at least 8.
    pub(crate) fn new(capacity: usize) -> Self {
        let mut sets = (capacity.clamp(Set::WAYS, LARGEST) / Set::WAYS).max(1);
        sets = 1 << sets.ilog2();
        let (sets, records) = loop {
            // Address space may be limited; half a table is better than none.
            match (Arena::new(sets), Arena::new(sets * Set::WAYS)) {
                (Some(sets), Some(records)) => break (sets, records),
                _ if sets > 1 => sets /= 2,
                _ => break (Arena::one(), Arena::of(Set::WAYS)),
            }
        };
        let counters = TableCounters {
            capacity: sets.len() as u64 * Set::WAYS as u64,
            ..TableCounters::default()
        };
        Self {
            sets,
            records,
            free: Vec::new(),
            begun: 0,
            counters,
        }
    }

    /// What happened so far.
    pub(crate) fn counters(&self) -> TableCounters {
        self.counters
    }

    /// Asks for the set of a key.
    #[inline(always)]
    pub(crate) fn fetch_set(&self, key: u64) {
        let set = self.sets.get(key as usize);
        prefetch_within(set, 0);
        if !R::TIMED {
            prefetch_within(set, 64);
        }
    }

    /// Asks for the record of a key, if the table has one now, or for what else of the set a new stream needs.
    #[inline(always)]
    pub(crate) fn fetch_record<S: Simd>(&self, simd: S, key: u64, side: usize) {
        let set = self.sets.get(key as usize);
        let ways = simd.equal(&set.tags, Set::tag(key));
        if ways != 0 {
            let way = index(self.sets.len(), key, ways);
            let record = if R::TIMED { Some(way) } else { set.record(way) };
            if let Some(record) = record {
                self.records.get(record).fetch(side);
            }
        }
        if R::TIMED {
            prefetch_within(set, 64);
        }
    }

    /// Finds the stream of a packet, or begins it with the packet.
    #[inline(always)]
    pub(crate) fn touch<S: Simd>(
        &mut self,
        simd: S,
        key: u64,
        first: First,
        moment: &Moment,
    ) -> Place {
        let sets = self.sets.len();
        let set = self.sets.get_mut(key as usize);
        let ways = simd.equal(&set.tags, Set::tag(key));
        if ways == 0 {
            let way = simd.weakest(set, moment.base, moment.dead);
            self.counters.inserts += 1;
            match set.replace(way, key, first, moment) {
                set::Replaced::Free => self.counters.used += 1,
                set::Replaced::Single { dead: true } => self.counters.expired += 1,
                set::Replaced::Single { dead: false } => self.counters.evictions += 1,
                set::Replaced::Full { dead, record } => {
                    self.give_back(record);
                    self.counters.expired += u64::from(dead);
                    self.counters.evictions += u64::from(!dead);
                }
            }
            return Place::New;
        }
        let way = index(sets, key, ways);
        match set.first(way, key) {
            set::Found::Full(number) => {
                let record = if R::TIMED { way } else { number };
                if self.records.get(record).check() != key as u32 {
                    self.give_back(number);
                    return self.collide(key, way, first);
                }
                self.counters.hits += 1;
                Place::Known(Stream { way, record })
            }
            set::Found::Single(left) => {
                let record = self.take(way);
                self.records.get_mut(record).begin(key as u32, left);
                self.counters.records += 1;
                self.counters.hits += 1;
                Place::Known(Stream { way, record })
            }
            set::Found::Other => self.collide(key, way, first),
        }
    }

    /// The number of a record for the stream of a way.
    #[inline]
    fn take(&mut self, way: usize) -> usize {
        if R::TIMED {
            return way;
        }
        // There are as many records as ways.
        let record = self.free.pop().map_or(self.begun, |number| number as usize);
        self.begun = self.begun.max(record + 1);
        *self.sets.get_mut(way / Set::WAYS).time(way) = record as i64;
        record
    }

    /// Takes back the record of a stream that is forgotten.
    #[inline]
    fn give_back(&mut self, record: usize) {
        self.counters.records = self.counters.records.saturating_sub(1);
        if !R::TIMED {
            self.free.push(record as u32);
        }
    }

    /// Two streams of one tag in one set: the newer one begins anew in its place.
    #[cold]
    fn collide(&mut self, key: u64, way: usize, first: First) -> Place {
        self.counters.collisions += 1;
        self.counters.inserts += 1;
        self.sets.get_mut(key as usize).begin(way, key, first);
        Place::New
    }

    /// The record of a stream.
    #[inline(always)]
    pub(crate) fn record(&mut self, stream: Stream) -> &mut R {
        self.records.get_mut(stream.record)
    }

    /// The time that stands beside the tag of a timed stream: of the first packet, then what was set.
    #[inline(always)]
    pub(crate) fn time(&mut self, stream: Stream) -> &mut i64 {
        debug_assert!(R::TIMED);
        self.sets.get_mut(stream.way / Set::WAYS).time(stream.way)
    }

    /// Sets the score of a full record, in units of 2^20 ns.
    #[inline(always)]
    pub(crate) fn rate(&mut self, stream: Stream, score: i32) {
        self.sets
            .get_mut(stream.way / Set::WAYS)
            .rate(stream.way, score);
    }

    /// Lays all scores `shift` units lower, forgets what falls below `dead`, and brings what lies
    /// after `latest` (units, nanoseconds) down to it: for a new base, or after a step of the clock.
    pub(crate) fn shift(&mut self, base: i64, shift: i32, dead: i32, latest: (i32, i64)) {
        for number in 0..self.sets.len() {
            let (singles, full) = self.sets.get_mut(number).shift(base, shift, dead, latest);
            let mut forgotten = singles;
            for record in full.into_iter().flatten() {
                self.give_back(record);
                forgotten += 1;
            }
            self.counters.used = self.counters.used.saturating_sub(forgotten);
            self.counters.expired += forgotten;
        }
    }

    /// Goes one step towards huge pages.
    pub(crate) fn settle(&mut self) {
        self.records.settle();
        self.sets.settle();
    }
}

/// The number of the first way that fits.
#[inline(always)]
fn index(sets: usize, key: u64, ways: u32) -> usize {
    let way = ways.trailing_zeros() as usize & (Set::WAYS - 1);
    (key as usize & (sets - 1)) * Set::WAYS + way
}

#[cfg(test)]
mod tests;
