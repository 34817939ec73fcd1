//! One set: two cache lines with the tags, scores and first packets of eight streams.

use super::Moment;

/// The first packet of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct First {
    /// Nanoseconds.
    pub(crate) time: i64,
    /// Octets, at most [`First::LONGEST`].
    pub(crate) length: u32,
    /// 1 if it goes from the higher end of the pair to the lower one.
    pub(crate) side: usize,
}

impl First {
    /// The longest length that is told apart: 1 MiB, four times the largest frame that is captured.
    pub(crate) const LONGEST: u32 = (1 << 20) - 1;
}

/// What stands in a way whose tag fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The first packet of the stream.
    Single(First),
    /// A full record, and the number that stands beside the tag.
    Full(usize),
    /// The first packet of another stream.
    Other,
}

/// What a new stream took the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    Free,
    Single {
        dead: bool,
    },
    /// A full record of this number.
    Full {
        dead: bool,
        record: usize,
    },
}

/// The set.
///
/// A mark with the top bit set is a first packet: direction (1 bit), check word (10 bits of the
/// key that are not in the tag), length (20 bits). Else it is the score of a full record.
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(128))]
pub(crate) struct Set {
    /// High half of the keys, lowest bit set; 0 is free.
    pub(crate) tags: [u32; 8],
    /// First packets or scores.
    pub(crate) marks: [u32; 8],
    /// Nanoseconds.
    pub(crate) times: [i64; 8],
}

const _: () = assert!(size_of::<Set>() == 128);

const SINGLE: u32 = 1 << 31;
const SIDE: u32 = 30;
const CHECK: u32 = 20;

impl Set {
    /// Streams of a set.
    pub(crate) const WAYS: usize = 8;
    /// Scores count units of 2^20 ns: 31 bits of them last 26 days, and two packets of a flood
    /// are seldom in the same one.
    pub(crate) const UNIT_BITS: u32 = 20;

    /// The tag of a key, never 0.
    #[inline(always)]
    pub(crate) fn tag(key: u64) -> u32 {
        (key >> 32) as u32 | 1
    }

    #[inline(always)]
    fn check(key: u64) -> u32 {
        (key >> 22) as u32 & 0x3ff
    }

    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
    fn slot<T>(slots: &mut [T; 8], index: usize) -> &mut T {
        &mut slots[index & 7]
    }

    /// Scores of all ways, free ones as `dead`.
    pub(crate) fn scores(&self, base: i64, dead: i32) -> [i32; 8] {
        let mut scores = [0; 8];
        let ways = self.tags.iter().zip(&self.marks).zip(&self.times);
        for (score, ((tag, mark), time)) in scores.iter_mut().zip(ways) {
            *score = if *tag == 0 {
                dead
            } else {
                score_of(*mark, *time, base)
            };
        }
        scores
    }

    /// Puts the first packet of a stream into a way.
    #[inline(always)]
    pub(super) fn begin(&mut self, way: usize, key: u64, first: First) {
        *Self::slot(&mut self.tags, way) = Self::tag(key);
        *Self::slot(&mut self.times, way) = first.time;
        *Self::slot(&mut self.marks, way) = SINGLE
            | (first.side as u32 & 1) << SIDE
            | Self::check(key) << CHECK
            | first.length.min(First::LONGEST);
    }

    /// The same, and tells what was there.
    #[inline(always)]
    pub(super) fn replace(
        &mut self,
        way: usize,
        key: u64,
        first: First,
        moment: &Moment,
    ) -> Replaced {
        let tag = *Self::slot(&mut self.tags, way);
        let mark = *Self::slot(&mut self.marks, way);
        let time = *Self::slot(&mut self.times, way);
        let dead = score_of(mark, time, moment.base) < moment.dead;
        self.begin(way, key, first);
        if tag == 0 {
            Replaced::Free
        } else if mark & SINGLE == 0 {
            let record = time as usize;
            Replaced::Full { dead, record }
        } else {
            Replaced::Single { dead }
        }
    }

    /// What stands in a way.
    #[inline(always)]
    pub(super) fn first(&mut self, way: usize, key: u64) -> Found {
        let mark = *Self::slot(&mut self.marks, way);
        if mark & SINGLE == 0 {
            Found::Full(*Self::slot(&mut self.times, way) as usize)
        } else if mark >> CHECK & 0x3ff == Self::check(key) {
            Found::Single(First {
                time: *Self::slot(&mut self.times, way),
                length: mark & First::LONGEST,
                side: (mark >> SIDE & 1) as usize,
            })
        } else {
            Found::Other
        }
    }

    /// The number that stands beside the tag of a full record.
    #[inline(always)]
    pub(super) fn record(&self, way: usize) -> Option<usize> {
        let way = way & (Self::WAYS - 1);
        let (mark, time) = (self.marks.get(way)?, self.times.get(way)?);
        (mark & SINGLE == 0).then_some(*time as usize)
    }

    /// The time of a way.
    #[inline(always)]
    pub(super) fn time(&mut self, way: usize) -> &mut i64 {
        Self::slot(&mut self.times, way)
    }

    /// Sets the score of a way with a full record.
    #[inline(always)]
    pub(super) fn rate(&mut self, way: usize, score: i32) {
        *Self::slot(&mut self.marks, way) = score.max(0) as u32;
    }

    /// See [`super::Table::shift`]. Answers how many first packets, and which full records, were
    /// forgotten.
    pub(super) fn shift(
        &mut self,
        base: i64,
        shift: i32,
        dead: i32,
        latest: (i32, i64),
    ) -> (u64, [Option<usize>; Self::WAYS]) {
        let (mut singles, mut full) = (0, [None; Self::WAYS]);
        let ways = self
            .tags
            .iter_mut()
            .zip(&mut self.marks)
            .zip(&mut self.times)
            .zip(&mut full);
        for (((tag, mark), time), full) in ways {
            let single = *mark & SINGLE != 0;
            let score = if single {
                *time = (*time).min(latest.1);
                score_of(*mark, (*time).max(base), base)
            } else {
                (*mark as i32).saturating_sub(shift).min(latest.0)
            };
            if *tag == 0 {
            } else if score < dead {
                *tag = 0;
                singles += u64::from(single);
                *full = (!single).then_some(*time as usize);
            } else if !single {
                *mark = score.max(0) as u32;
            }
        }
        (singles, full)
    }
}

/// The score of a way that is in use: the time of a first packet (its weight is 1), or what was set.
#[inline(always)]
fn score_of(mark: u32, time: i64, base: i64) -> i32 {
    if mark & SINGLE == 0 {
        mark as i32
    } else {
        (time.wrapping_sub(base) as u64 >> Set::UNIT_BITS) as i32
    }
}
