//! What exporters told of each flow: one table for all engines of a process.
//!
//! Its entries are locked one by one, each for a few nanoseconds, and never waited for long: who
//! finds one locked for longer (its holder lost the processor) counts its record as new.

use std::hint::spin_loop;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI64, AtomicU16, AtomicU64};
use std::sync::OnceLock;

use phage_decode::export::FlowRecord;
use phage_decode::{keys, Secret};
use phage_memory::prefetch;

/// Flows remembered where nobody says otherwise, four megabytes.
pub(crate) const USUAL_ROOM: usize = 1 << 17;
/// Observers of one flow that are told apart.
const OBSERVERS: usize = 4;
/// Milliseconds in which half of what was told is forgotten.
const HALF_LIFE: f32 = 120_000.0;
/// Milliseconds between two times that some is forgotten: less is not worth its arithmetic.
const STEP: u32 = 500;
/// Milliseconds after which a flow is forgotten: next to nothing is left of it.
const FORGOTTEN: u32 = 20 * 60_000;
/// Nanoseconds for which an observer that is not heard counts as one of several.
const SEVERAL: i64 = 600 * 1_000_000_000;
/// Looks at a locked entry before it is given up.
const PATIENCE: usize = 200;
/// The bit of a head that tells of a lock; the tag has the other 31 bits above the time.
const LOCKED: u64 = 1 << 63;

/// One flow: its head, who told of it, and how many packets each.
#[derive(Debug, Default)]
#[repr(C, align(32))]
struct Place {
    /// From the top: a bit for a lock; 31 bits that tell flows apart that share a place, 0 for
    /// none; milliseconds, modulo 2**32, up to which was forgotten.
    head: AtomicU64,
    /// Four observers of 16 bits; 0 for none.
    observers: AtomicU64,
    /// A 32-bit float for each observer, two in a word.
    packets: [AtomicU64; OBSERVERS / 2],
}

const _: () = assert!(size_of::<Place>() == 32);

/// What the table says to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Packets that nobody told of before.
    pub(super) new: u64,
    /// Another flow was forgotten for want of room, or the flow's entry was taken for too long.
    pub(super) crowded: bool,
}

/// The table, and what engines know of one another.
#[derive(Debug)]
pub struct ToldFlows {
    secret: Secret,
    room: usize,
    places: OnceLock<Vec<Place>>,
    engines: AtomicU16,
    /// Who told last, and until when there are several.
    observer: AtomicU16,
    several: AtomicI64,
}

impl ToldFlows {
    /// Makes a table that takes no memory before several exporters tell of flows; the room is
    /// rounded up to a power of two.
    pub fn new(seed: u64, room: usize) -> Self {
        Self {
            secret: Secret::from_seed(seed),
            room: room.clamp(2, 1 << 28).next_power_of_two(),
            places: OnceLock::new(),
            engines: AtomicU16::new(0),
            observer: AtomicU16::new(0),
            several: AtomicI64::new(i64::MIN),
        }
    }

    /// A number for an engine that uses it: exporters have numbers of their own in each.
    pub(super) fn join(&self) -> u16 {
        self.engines.fetch_add(1, Relaxed)
    }

    /// Whether several observers tell of flows; true without a look at who does for a while.
    #[inline]
    pub(super) fn has_several(&self, time: i64) -> bool {
        time < self.several.load(Relaxed).saturating_sub(SEVERAL / 2)
    }

    /// Notes who tells; answers whether there are several.
    pub(super) fn heard(&self, observer: u16, time: i64) -> bool {
        let last = self.observer.swap(observer, Relaxed);
        if last != 0 && last != observer {
            self.several.store(time.saturating_add(SEVERAL), Relaxed);
        }
        time < self.several.load(Relaxed)
    }

    /// The key of a record's flow, and that of the way back; 0 where it tells of none.
    #[inline]
    pub(super) fn keys(&self, record: &FlowRecord) -> (u64, u64) {
        let src = keys::address(&record.src, &self.secret);
        let dst = keys::address(&record.dst, &self.secret);
        let [out, back] = [record.src_port, record.dst_port].map(u64::from);
        let key = |from: u64, to: u64, from_port: u64, to_port: u64| {
            let ports = from_port << 24 | to_port << 8 | u64::from(record.protocol);
            self.secret.hash(from ^ to.rotate_left(32), ports, 2)
        };
        let reverse = if record.packets[1] > 0 {
            key(dst, src, back, out)
        } else {
            0
        };
        (key(src, dst, out, back), reverse)
    }

    /// Begins to load the place of a key.
    #[inline]
    pub(super) fn prepare(&self, key: u64) {
        prefetch(self.places(), self.first(key));
    }

    /// Takes what an observer tells of a flow.
    #[inline]
    pub(super) fn tell(&self, key: u64, observer: u16, packets: u64, now: u32) -> Answer {
        let tag = (key >> 33) | 1;
        let first = self.first(key);
        let pair = self.places().get(first..first + 2).unwrap_or(&[]);
        for _ in 0..PATIENCE {
            let heads = pair.iter().map(|place| place.head.load(Relaxed));
            let Some((place, head)) = choose(pair.iter().zip(heads), tag, now) else {
                break;
            };
            if head & LOCKED == 0
                && place
                    .head
                    .compare_exchange_weak(head, head | LOCKED, Acquire, Relaxed)
                    .is_ok()
            {
                let is_known = is_of(head, tag, now);
                if !is_known {
                    place.clear();
                }
                let since = if is_known { head as u32 } else { now };
                let (new, at) = place.add(observer, packets, since, now);
                place.head.store(tag << 32 | u64::from(at), Release);
                let was_alive = tag_of(head) != 0 && age(head, now) < HALF_LIFE as u32;
                return Answer {
                    new,
                    crowded: !is_known && was_alive,
                };
            }
            spin_loop();
        }
        Answer {
            new: packets,
            crowded: true,
        }
    }

    /// The first of the two places of a key.
    #[inline]
    fn first(&self, key: u64) -> usize {
        key as usize & (self.room - 2)
    }

    #[inline]
    fn places(&self) -> &[Place] {
        let make = || (0..self.room).map(|_| Place::default()).collect();
        self.places.get_or_init(make)
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.places.get().map_or(0, Vec::len)
    }
}

impl Place {
    fn clear(&self) {
        self.observers.store(0, Relaxed);
        for pair in &self.packets {
            pair.store(0, Relaxed);
        }
    }

    /// Adds to what an observer told; answers what of it is new, and up to when was forgotten.
    fn add(&self, observer: u16, packets: u64, since: u32, now: u32) -> (u64, u32) {
        let mut counts = self.counts();
        let passed = now.wrapping_sub(since);
        let mut at = since;
        if (STEP..u32::MAX / 2).contains(&passed) {
            let left = (-(passed as f32) / HALF_LIFE).exp2();
            for count in &mut counts {
                *count *= left;
            }
            at = now;
        }
        let most = counts.iter().copied().fold(0.0, f32::max);
        let observers = self.observers.load(Relaxed);
        let name = |slot: usize| (observers >> (16 * slot)) as u16;
        let slot = (0..OBSERVERS).find(|&slot| name(slot) == observer);
        let slot = slot
            .or_else(|| (0..OBSERVERS).find(|&slot| name(slot) == 0))
            .unwrap_or(OBSERVERS - 1);
        let others = observers & !(0xffff << (16 * slot));
        self.observers
            .store(others | u64::from(observer) << (16 * slot), Relaxed);
        let mut new = packets;
        if let Some(count) = counts.get_mut(slot) {
            *count += packets as f32;
            let more = f64::from(*count - most).clamp(0.0, packets as f64);
            // Half a packet is what fading away leaves, not one that nobody told of.
            new = (more + 0.5) as u64;
        }
        self.set_counts(counts);
        (new, at)
    }

    fn counts(&self) -> [f32; OBSERVERS] {
        let [a, b] = [0, 1].map(|pair: usize| {
            let word = self.packets.get(pair).map_or(0, |word| word.load(Relaxed));
            [
                f32::from_bits(word as u32),
                f32::from_bits((word >> 32) as u32),
            ]
        });
        [a[0], a[1], b[0], b[1]]
    }

    fn set_counts(&self, [a, b, c, d]: [f32; OBSERVERS]) {
        for (word, [low, high]) in self.packets.iter().zip([[a, b], [c, d]]) {
            let bits = u64::from(low.to_bits()) | u64::from(high.to_bits()) << 32;
            word.store(bits, Relaxed);
        }
    }
}

#[inline]
fn tag_of(head: u64) -> u64 {
    (head & !LOCKED) >> 32
}

/// Milliseconds since a head was written; none where another engine's clock is ahead.
#[inline]
fn age(head: u64, now: u32) -> u32 {
    let passed = now.wrapping_sub(head as u32);
    if passed > u32::MAX / 2 {
        0
    } else {
        passed
    }
}

#[inline]
fn is_of(head: u64, tag: u64, now: u32) -> bool {
    tag_of(head) == tag && age(head, now) < FORGOTTEN
}

/// The place of a flow; else one that is free, else the older one.
#[inline]
fn choose<'a>(
    pair: impl Iterator<Item = (&'a Place, u64)> + Clone,
    tag: u64,
    now: u32,
) -> Option<(&'a Place, u64)> {
    let mut pair = pair;
    let (one, other) = (pair.next()?, pair.next()?);
    if is_of(one.1, tag, now) {
        return Some(one);
    }
    if is_of(other.1, tag, now) {
        return Some(other);
    }
    let worth = |head: u64| {
        if tag_of(head) == 0 {
            u32::MAX
        } else {
            age(head, now)
        }
    };
    Some(if worth(other.1) > worth(one.1) {
        other
    } else {
        one
    })
}
