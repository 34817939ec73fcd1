//! A set-associative index: 64-bit keys to slots of an arena, of fixed size.
//!
//! One set is one cache line: eight words of tag and score, eight of slot. A look-up costs one
//! line, whatever the table holds; nothing is rehashed and there are no tombstones. A full set
//! names its least valuable entry as victim.

use phage_memory::{prefetch, Pages, Words};

/// Entries of one set.
const WAYS: usize = 8;
/// Words of one set: a cache line.
const LINE: usize = 2 * WAYS;

/// How valuable an entry is when one must go: by class first, then the one used last.
///
/// Packed with 14 bits of time in seconds; entries older than 4.5 hours look younger than they
/// are, which costs a better victim, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Score(u16);

impl Score {
    /// Classes 0 (goes first) to 3.
    #[inline]
    pub(crate) fn new(class: u8, second: u32) -> Self {
        Self(u16::from(class & 3) << 14 | (second & 0x3fff) as u16)
    }

    /// Its order among the entries of a set at a time.
    #[inline]
    fn order(self, second: u32) -> u16 {
        let age = second.wrapping_sub(u32::from(self.0)) & 0x3fff;
        (self.0 & 0xc000) | (0x3fff - age as u16)
    }
}

/// Keys to slots.
pub(crate) struct SetIndex {
    words: Words,
    mask: u64,
    pages: Pages,
}

impl SetIndex {
    /// Makes room for at least `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(WAYS).next_power_of_two();
        Self {
            words: Words::zeroed(sets * LINE),
            mask: sets as u64 - 1,
            pages: Pages::default(),
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
    fn set(&self, key: u64) -> (&[u32; WAYS], &[u32; WAYS]) {
        let line = self.words.get(self.base(key)..).unwrap_or(&[]);
        match line.split_first_chunk::<WAYS>() {
            Some((tags, rest)) => (tags, rest.first_chunk().unwrap_or(&[0; WAYS])),
            None => (&[0; WAYS], &[0; WAYS]),
        }
    }

    /// Begins to load the set of a key.
    #[inline(always)]
    pub(crate) fn prefetch(&self, key: u64) {
        prefetch(&self.words, self.base(key));
    }

    /// The slot that a look-up of the key will most likely end at: the first with its tag.
    #[inline]
    pub(crate) fn peek(&self, key: u64) -> Option<u32> {
        let (tags, slots) = self.set(key);
        match matching(tags, key) {
            0 => None,
            bits => slots.get(bits.trailing_zeros() as usize).copied(),
        }
    }

    /// The same; without such a slot, the one that would have to go.
    #[inline]
    pub(crate) fn peek_victim(&self, key: u64, second: u32) -> Option<u32> {
        self.peek(key)
            .or_else(|| self.victim(key, second).map(|(_, slot)| slot))
    }

    /// The place and slot of a key whose entry the caller recognises.
    #[inline(always)]
    pub(crate) fn find(&self, key: u64, mut is: impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        let (tags, slots) = self.set(key);
        let mut bits = matching(tags, key);
        while bits != 0 {
            let way = bits.trailing_zeros() as usize;
            if let Some(&slot) = slots.get(way) {
                if is(slot) {
                    return Some((self.base(key) + way, slot));
                }
            }
            bits &= bits - 1;
        }
        None
    }

    /// Enters a key if its set has room.
    #[inline]
    pub(crate) fn insert(&mut self, key: u64, slot: u32, score: Score) -> bool {
        let (tags, _) = self.set(key);
        let Some(way) = tags.iter().position(|&tag| tag == 0) else {
            return false;
        };
        let place = self.base(key) + way;
        self.write(place, key, slot, score);
        true
    }

    /// The place and slot of the least valuable entry in the set of a key; none if it is empty.
    #[inline]
    pub(crate) fn victim(&self, key: u64, second: u32) -> Option<(usize, u32)> {
        let (tags, slots) = self.set(key);
        let way = least(tags, second);
        match tags.get(way) {
            None | Some(0) => None,
            Some(_) => Some((self.base(key) + way, *slots.get(way)?)),
        }
    }

    /// Notes how valuable an entry has become.
    #[inline(always)]
    pub(crate) fn rate(&mut self, place: usize, score: Score) {
        if let Some(word) = self.words.get_mut(place) {
            *word = *word & 0xffff_0000 | u32::from(score.0);
        }
    }

    /// Whether the set of a key has no room.
    #[inline]
    pub(crate) fn is_full(&self, key: u64) -> bool {
        !self.set(key).0.contains(&0)
    }

    /// Empties a place.
    #[inline]
    pub(crate) fn clear(&mut self, place: usize) {
        if let Some(word) = self.words.get_mut(place) {
            *word = 0;
        }
    }

    /// Removes the entry of a key that leads to a slot.
    pub(crate) fn remove(&mut self, key: u64, slot: u32) {
        if let Some((place, _)) = self.find(key, |found| found == slot) {
            self.clear(place);
        }
    }

    #[inline]
    fn write(&mut self, place: usize, key: u64, slot: u32, score: Score) {
        if let Some(word) = self.words.get_mut(place) {
            *word = tag(key) << 16 | u32::from(score.0);
        }
        if let Some(word) = self.words.get_mut(place + WAYS) {
            *word = slot;
        }
    }
}

/// The upper bits of a key, never 0: a word of 0 is an empty way.
#[inline(always)]
fn tag(key: u64) -> u32 {
    (key >> 48) as u32 | 1
}

/// One bit for each way with the tag of the key.
#[inline(always)]
fn matching(tags: &[u32; WAYS], key: u64) -> u32 {
    let tag = tag(key);
    let mut bits = 0;
    for (way, &word) in tags.iter().enumerate() {
        bits |= u32::from(word >> 16 == tag) << way;
    }
    bits
}

/// The way that goes first: that of the least score, an empty one only where all are.
#[inline]
fn least(tags: &[u32; WAYS], second: u32) -> usize {
    let mut best = u32::MAX;
    for (way, &word) in tags.iter().enumerate() {
        let order = if word == 0 {
            1 << 16
        } else {
            u32::from(Score(word as u16).order(second))
        };
        best = best.min(order << 3 | way as u32);
    }
    (best & 7) as usize
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;

    #[test]
    fn finds_what_was_entered_and_only_that() {
        let mut index = SetIndex::new(64);
        for slot in 0..8_u32 {
            // All in set 3, two with the same tag.
            let key = 3 | u64::from(slot / 2 + 1) << 49;
            assert!(index.insert(key, slot, Score::new(0, slot)));
        }
        assert!(!index.insert(3 | 99 << 49, 8, Score::new(0, 0)));
        for slot in 0..8_u32 {
            let key = 3 | u64::from(slot / 2 + 1) << 49;
            assert_eq!(index.find(key, |found| found == slot).unwrap().1, slot);
            assert!(index.find(key, |_| false).is_none());
        }
        index.remove(3 | 1 << 49, 1);
        assert!(index.find(3 | 1 << 49, |slot| slot == 1).is_none());
        assert!(index.find(3 | 1 << 49, |slot| slot == 0).is_some());
        assert!(index.insert(3 | 99 << 49, 8, Score::new(0, 0)));
    }

    #[test]
    fn the_victim_is_of_the_lowest_class_then_the_oldest() {
        let mut index = SetIndex::new(8);
        let scores = [
            (2, 5),
            (0, 90),
            (1, 1),
            (0, 80),
            (3, 0),
            (0, 95),
            (1, 2),
            (2, 2),
        ];
        for (slot, (class, second)) in scores.into_iter().enumerate() {
            assert!(index.insert((slot as u64) << 50, slot as u32, Score::new(class, second)));
        }
        let mut order = Vec::new();
        while let Some((_, slot)) = index.victim(0, 100) {
            order.push(slot);
            index.remove(u64::from(slot) << 50, slot);
        }
        assert_eq!(order, [3, 1, 5, 2, 6, 7, 0, 4]);
    }

    #[test]
    fn time_wraps_without_confusion() {
        let mut index = SetIndex::new(8);
        for (slot, second) in [0x3ff0_u32, 0x4005, 0x3ffe, 0x4001].into_iter().enumerate() {
            assert!(index.insert((slot as u64) << 50, slot as u32, Score::new(1, second)));
        }
        for slot in 4..8_u32 {
            assert!(index.insert(u64::from(slot) << 50, slot, Score::new(2, 0x4006)));
        }
        assert_eq!(index.victim(0, 0x4006).unwrap().1, 0);
    }
}
