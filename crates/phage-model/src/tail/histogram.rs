//! Scores of normal traffic, counted on a logarithmic axis.

use phage_memory::prefetch_within;

/// Bins of a histogram: six an octave from 2^-10 to 2^6, so one is 12 % wide.
pub const BINS: usize = 96;

const BINS_PER_OCTAVE: f32 = 6.0;
/// Scores below this power of two are all the same.
const LOWEST_OCTAVE: f32 = -10.0;
/// Counts are halved above this total, so that the last weeks weigh more than the first.
const FULL: f32 = 65_536.0;

/// Where a score lies on the axis: 0 to [`BINS`], non-decreasing in the score.
///
/// The logarithm is read from the float's bits (linear within an octave). It errs by up to 0.086
/// octaves, the same for what is counted and what is asked, which is all that a rank needs.
/// Anything that is not a positive number lies at 0.
#[inline]
pub fn position(score: f32) -> f32 {
    let positive = if score > 0.0 { score } else { 0.0 };
    // As a signed number: that has an instruction of its own.
    let bits = positive.to_bits() as i32;
    let octave = bits as f32 * (1.0 / 8_388_608.0) - 127.0;
    ((octave - LOWEST_OCTAVE) * BINS_PER_OCTAVE).clamp(0.0, BINS as f32)
}

/// The bin of a position.
#[inline(always)]
pub(crate) fn bin(position: f32) -> usize {
    // By way of the smallest type: the bounds of a cast are looked at, and these in two instructions.
    usize::from(position as u8).min(BINS - 1)
}

/// A histogram of scores with bounded memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    counts: [f32; BINS],
    total: f32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [0.0; BINS],
            total: 0.0,
        }
    }
}

impl Histogram {
    /// Counts a score that lies at `position`, with a weight.
    #[inline]
    pub fn add(&mut self, position: f32, weight: f32) {
        if let Some(count) = self.counts.get_mut(bin(position)) {
            *count += weight;
            self.total += weight;
        }
    }

    /// Adds another histogram and, when full, halves everything.
    pub fn merge(&mut self, other: &Self, weight: f32) {
        self.merge_counts(&other.counts, weight);
    }

    /// The same for a tally.
    pub(crate) fn merge_tally(&mut self, tally: &Tally) {
        self.merge_counts(&tally.counts, 1.0);
    }

    fn merge_counts(&mut self, counts: &[f32; BINS], weight: f32) {
        for (count, added) in self.counts.iter_mut().zip(counts) {
            *count += added * weight;
        }
        self.bound();
    }

    /// Halves the counts while they are too many, and sums them anew.
    pub fn bound(&mut self) {
        self.total = self.counts.iter().sum();
        while self.total > FULL {
            self.scale(0.5);
        }
    }

    /// Multiplies every count.
    pub fn scale(&mut self, factor: f32) {
        for count in &mut self.counts {
            *count *= factor;
        }
        self.total = self.counts.iter().sum();
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The sum of all weights.
    pub fn total(&self) -> f32 {
        self.total
    }

    /// The counts, lowest scores first.
    pub fn counts(&self) -> &[f32; BINS] {
        &self.counts
    }

    /// A histogram of given counts; those that are not finite and positive count as none.
    pub fn from_counts(counts: [f32; BINS]) -> Self {
        let counts = counts.map(sound);
        Self {
            counts,
            total: counts.iter().sum(),
        }
    }
}

/// A count that was read; none where it is not finite and positive.
fn sound(count: f32) -> f32 {
    if count.is_finite() && count > 0.0 {
        count.min(FULL)
    } else {
        0.0
    }
}

/// Counts of a histogram without their sum: to add to them touches one cache line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tally {
    counts: [f32; BINS],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            counts: [0.0; BINS],
        }
    }
}

impl Tally {
    /// Counts a score that lies at `position`.
    #[inline(always)]
    pub(crate) fn add(&mut self, position: f32) {
        if let Some(count) = self.counts.get_mut(bin(position)) {
            *count += 1.0;
        }
    }

    /// Asks for the line that [`Tally::add`] changes.
    #[inline(always)]
    pub(crate) fn fetch(&self, position: f32) {
        prefetch_within(&self.counts, bin(position) * size_of::<f32>());
    }

    /// Whether nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count <= 0.0)
    }

    /// The counts, lowest scores first.
    pub(crate) fn counts(&self) -> &[f32; BINS] {
        &self.counts
    }

    /// A tally of given counts; those that are not finite and positive count as none.
    pub(crate) fn from_counts(counts: &[f32; BINS]) -> Self {
        Self {
            counts: counts.map(sound),
        }
    }
}
