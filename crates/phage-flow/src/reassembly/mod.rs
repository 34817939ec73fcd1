//! The first octets of TCP streams, in order: bounded in length, number and memory.
//!
//! What arrives first wins where segments overlap, so that nobody can rewrite what was read. A
//! direction whose beginning was not seen is given up: its octets would be read as something they
//! are not.

mod direction;
mod following;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::table::{side, NIL};
use direction::{Direction, Outcome};
pub use following::{Followed, Following};

/// Nanoseconds without a segment after which a stream is dropped.
const IDLE: i64 = 60_000_000_000;
/// Idle streams dropped at most for one segment, so that no segment pays for many.
const DROPPED_AT_ONCE: usize = 4;

/// Bounds of reassembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReassemblyLimits {
    /// Streams at a time.
    pub streams: usize,
    /// Octets that all streams may hold.
    pub memory: usize,
    /// Octets from the beginning of each direction that are put in order: what today's
    /// `ClientHello`s, HTTP headers and banners need, with room to spare.
    pub prefix: usize,
    /// Segments of one direction that wait for an earlier one.
    pub waiting: usize,
}

impl Default for ReassemblyLimits {
    fn default() -> Self {
        Self {
            streams: 4096,
            memory: 16 << 20,
            prefix: 16 * 1024,
            waiting: 32,
        }
    }
}

/// What reassembly counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReassemblyCounters {
    /// Streams held now.
    pub streams: u64,
    /// Octets held now.
    pub octets: u64,
    /// Segments that were pushed.
    pub segments: u64,
    /// Segments of directions whose beginning was not seen.
    pub missing_start: u64,
    /// Segments that arrived before an earlier one.
    pub out_of_order: u64,
    /// Segments of which some octets had arrived before.
    pub overlapping: u64,
    /// Segments dropped because too many waited.
    pub dropped: u64,
    /// Streams dropped for want of room.
    pub evicted: u64,
    /// Streams dropped because they fell silent.
    pub idle: u64,
}

/// Flow numbers count up: a multiplication spreads them well enough, and no one outside chooses
/// them.
#[derive(Clone, Copy, Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(26);
    }
}

struct Stream {
    flow: u64,
    directions: [Direction; 2],
    /// Octets accounted for.
    octets: usize,
    last: i64,
    before: u32,
    after: u32,
}

/// Puts the beginnings of streams in order.
pub struct Reassembler {
    limits: ReassemblyLimits,
    places: HashMap<u64, u32, BuildHasherDefault<Spread>>,
    streams: Vec<Stream>,
    free: Vec<u32>,
    /// The stream used last, and the one used least recently.
    newest: u32,
    oldest: u32,
    octets: usize,
    counters: ReassemblyCounters,
}

impl Reassembler {
    /// Makes an empty one.
    pub fn new(limits: &ReassemblyLimits) -> Self {
        Self {
            limits: ReassemblyLimits {
                streams: limits.streams.max(1),
                prefix: limits.prefix.clamp(1, 1 << 20),
                ..limits.clone()
            },
            places: HashMap::default(),
            streams: Vec::new(),
            free: Vec::new(),
            newest: NIL,
            oldest: NIL,
            octets: 0,
            counters: ReassemblyCounters::default(),
        }
    }

    /// Adds a segment; returns the contiguous prefix of its direction when it grew.
    ///
    /// A SYN has to be pushed even if it carries nothing: it says where its direction begins.
    /// Payload of a SYN (RFC 7413) is the beginning of the stream. `time` in nanoseconds.
    pub fn push(
        &mut self,
        flow: u64,
        reverse: bool,
        sequence: u32,
        syn: bool,
        payload: &[u8],
        time: i64,
    ) -> Option<&[u8]> {
        self.counters.segments += 1;
        self.drop_idle(time);
        let slot = match self.places.get(&flow) {
            Some(&slot) => slot,
            None if syn => self.open(flow, time),
            None => {
                self.counters.missing_start += u64::from(!payload.is_empty());
                return None;
            }
        };
        self.unlink(slot);
        self.link(slot);
        let stream = self.streams.get_mut(slot as usize)?;
        stream.last = stream.last.max(time);
        let direction = side(&mut stream.directions, reverse);
        let outcome = direction.push(sequence, syn, payload, &self.limits);
        self.count(outcome);
        let stream = self.streams.get_mut(slot as usize)?;
        let held = stream.directions.iter().map(Direction::octets).sum();
        self.octets = self.octets - stream.octets + held;
        stream.octets = held;
        while self.octets > self.limits.memory && self.oldest != slot {
            self.counters.evicted += 1;
            self.close(self.oldest);
        }
        if self.octets > self.limits.memory {
            self.counters.evicted += 1;
            self.close(slot);
            return None;
        }
        let stream = self.streams.get_mut(slot as usize)?;
        outcome
            .grew
            .then(|| side(&mut stream.directions, reverse).prefix())
    }

    /// Whether the beginning of a stream was seen and is still kept.
    pub fn holds(&self, flow: u64) -> bool {
        self.places.contains_key(&flow)
    }

    /// Forgets a stream.
    pub fn release(&mut self, flow: u64) {
        if let Some(&slot) = self.places.get(&flow) {
            self.close(slot);
        }
    }

    /// What was counted since it was made.
    pub fn counters(&self) -> ReassemblyCounters {
        ReassemblyCounters {
            streams: self.places.len() as u64,
            octets: self.octets as u64,
            ..self.counters
        }
    }

    fn count(&mut self, outcome: Outcome) {
        self.counters.missing_start += u64::from(outcome.missing_start);
        self.counters.out_of_order += u64::from(outcome.out_of_order);
        self.counters.overlapping += u64::from(outcome.overlapping);
        self.counters.dropped += u64::from(outcome.dropped);
    }

    fn drop_idle(&mut self, time: i64) {
        for _ in 0..DROPPED_AT_ONCE {
            match self.streams.get(self.oldest as usize) {
                Some(stream) if time.saturating_sub(stream.last) > IDLE => {
                    self.counters.idle += 1;
                    self.close(self.oldest);
                }
                _ => return,
            }
        }
    }

    fn open(&mut self, flow: u64, time: i64) -> u32 {
        if self.places.len() >= self.limits.streams {
            self.counters.evicted += 1;
            self.close(self.oldest);
        }
        let stream = Stream {
            flow,
            directions: [Direction::default(), Direction::default()],
            octets: 0,
            last: time,
            before: NIL,
            after: NIL,
        };
        let slot = if let Some(slot) = self.free.pop() {
            if let Some(place) = self.streams.get_mut(slot as usize) {
                *place = stream;
            }
            slot
        } else {
            self.streams.push(stream);
            self.streams.len() as u32 - 1
        };
        self.places.insert(flow, slot);
        self.link(slot);
        slot
    }

    fn close(&mut self, slot: u32) {
        self.unlink(slot);
        let Some(stream) = self.streams.get_mut(slot as usize) else {
            return;
        };
        self.octets -= stream.octets;
        stream.octets = 0;
        stream.directions = [Direction::default(), Direction::default()];
        self.places.remove(&stream.flow);
        self.free.push(slot);
    }

    /// Puts a stream at the head of the list.
    fn link(&mut self, slot: u32) {
        let newest = std::mem::replace(&mut self.newest, slot);
        if let Some(stream) = self.streams.get_mut(slot as usize) {
            stream.before = NIL;
            stream.after = newest;
        }
        match self.streams.get_mut(newest as usize) {
            Some(next) => next.before = slot,
            None => self.oldest = slot,
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Some(stream) = self.streams.get_mut(slot as usize) else {
            return;
        };
        let (before, after) = (stream.before, stream.after);
        match self.streams.get_mut(before as usize) {
            Some(previous) => previous.after = after,
            None => self.newest = after,
        }
        match self.streams.get_mut(after as usize) {
            Some(next) => next.before = before,
            None => self.oldest = before,
        }
    }
}
