//! Scores of normal traffic, counted on a logarithmic axis.

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
    // NaN and negative numbers end at 0 here: `max` answers with the other operand.
    let bits = score.max(0.0).to_bits();
    let octave = bits as f32 * (1.0 / 8_388_608.0) - 127.0;
    ((octave - LOWEST_OCTAVE) * BINS_PER_OCTAVE).clamp(0.0, BINS as f32)
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
        if let Some(count) = self.counts.get_mut((position as usize).min(BINS - 1)) {
            *count += weight;
            self.total += weight;
        }
    }

    /// Adds another histogram and, when full, halves everything.
    pub fn merge(&mut self, other: &Self, weight: f32) {
        for (count, added) in self.counts.iter_mut().zip(&other.counts) {
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
        let counts = counts.map(|count| {
            if count.is_finite() && count > 0.0 {
                count.min(FULL)
            } else {
                0.0
            }
        });
        Self {
            counts,
            total: counts.iter().sum(),
        }
    }
}
