//! A set-associative table of small entries: a tag and three words under a 64-bit key.
//!
//! Four entries make one cache line. What goes when a set is full is the entry of the least
//! worth, as the caller weighs it: an attacker who fills the table with things seen once loses
//! those first.

use phage_memory::{prefetch, Pages, Words};

/// Entries of one set.
const WAYS: usize = 4;
/// Words of one set: a cache line.
const LINE: usize = 16;

/// The payload of an entry.
pub(crate) type Payload = [u32; 3];

/// Small entries by key. Two keys of one set whose upper halves are equal but for the lowest bit
/// share an entry: one pair in 2^31.
pub(crate) struct Entries {
    words: Words,
    mask: u64,
    pages: Pages,
    /// Entries that went for others.
    pub(crate) evicted: u64,
}

impl Entries {
    /// Makes room for at least `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(WAYS).next_power_of_two();
        Self {
            words: Words::zeroed(sets * LINE),
            mask: sets as u64 - 1,
            pages: Pages::default(),
            evicted: 0,
        }
    }

    /// Goes one step towards huge pages.
    pub(crate) fn settle(&mut self) {
        self.pages.settle(&self.words);
    }

    #[inline(always)]
    fn base(&self, key: u64) -> usize {
        (key & self.mask) as usize * LINE
    }

    #[inline(always)]
    fn set_of(&self, key: u64) -> &[u32; LINE] {
        self.words
            .get(self.base(key)..)
            .and_then(<[u32]>::first_chunk)
            .unwrap_or(&[0; LINE])
    }

    /// Begins to load the set of a key.
    #[inline(always)]
    pub(crate) fn prefetch(&self, key: u64) {
        prefetch(&self.words, self.base(key));
    }

    /// The payload under a key and its place.
    #[inline]
    pub(crate) fn get(&self, key: u64) -> Option<(Payload, usize)> {
        let tag = tag(key);
        for (way, entry) in self.set_of(key).chunks_exact(4).enumerate() {
            match *entry {
                [held, a, b, c] if held == tag => {
                    return Some(([a, b, c], self.base(key) + way * 4));
                }
                _ => {}
            }
        }
        None
    }

    /// Enters a key that is not there; where its set is full the entry of the least `worth` goes.
    pub(crate) fn insert(&mut self, key: u64, payload: Payload, worth: impl Fn(&Payload) -> u64) {
        let mut place = self.base(key);
        let mut least = u64::MAX;
        for (way, entry) in self.set_of(key).chunks_exact(4).enumerate() {
            let value = match *entry {
                [0, ..] => 0,
                [_, a, b, c] => worth(&[a, b, c]).saturating_add(1),
                _ => u64::MAX,
            };
            if value < least {
                least = value;
                place = self.base(key) + way * 4;
            }
        }
        self.evicted += u64::from(least > 0);
        if let Some(word) = self.words.get_mut(place) {
            *word = tag(key);
        }
        self.set(place, payload);
    }

    /// Writes the payload at a place that `get` named.
    #[inline]
    pub(crate) fn set(&mut self, place: usize, payload: Payload) {
        if let Some(words) = self.words.get_mut(place + 1..place + 4) {
            words.copy_from_slice(&payload);
        }
    }
}

/// The upper half of a key, never 0: that is an empty entry.
#[inline(always)]
fn tag(key: u64) -> u32 {
    (key >> 32) as u32 | 1
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;

    #[test]
    fn the_least_worth_goes_first() {
        let mut entries = Entries::new(4);
        let worth = |payload: &Payload| u64::from(payload[0]);
        for (i, value) in [5, 3, 9, 7].into_iter().enumerate() {
            entries.insert((i as u64 + 1) << 33, [value, 0, 0], worth);
        }
        assert_eq!(entries.evicted, 0);
        entries.insert(9 << 33, [1, 0, 0], worth);
        assert_eq!(entries.evicted, 1);
        assert!(entries.get(2 << 33).is_none());
        // 3 went for 1; then 1 goes for 4.
        entries.insert(2 << 33, [4, 0, 0], worth);
        for (i, value) in [(1, 5), (2, 4), (3, 9), (4, 7)] {
            assert_eq!(entries.get(i << 33).unwrap().0[0], value);
        }
    }
}
