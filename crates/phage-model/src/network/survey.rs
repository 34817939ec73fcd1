//! The first rows: a sample from which ranges and groups are taken.

use super::grouping::group;
use super::scaling::{to_scale, Ranges, BEYOND, CLIP};
use crate::damped::{DAMPED, DAMPED_STRIDE};

/// Rows in the sample: 0.1 % of it is still several rows, and it takes 1.6 MB.
const SAMPLE: usize = 4_096;

/// No value counts as larger than this, so that ranges and their widths stay finite.
const LIMIT: f32 = 1e30;

/// A generator of random numbers (splitmix64; Steele, Lea, Flood 2014).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// A number in -1 to 1.
    pub(super) fn symmetric(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

/// A uniform sample of the rows seen (reservoir sampling; Vitter 1985, algorithm R).
pub(super) struct Survey {
    pub(super) sample: Vec<[f32; DAMPED]>,
    pub(super) seen: u64,
    pub(super) random: Random,
}

impl Survey {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            sample: Vec::new(),
            seen: 0,
            random: Random(seed),
        }
    }

    /// The most rows that a sample holds.
    pub(super) const fn capacity() -> usize {
        SAMPLE
    }

    /// Rows seen.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Adds a row; what is not finite counts as 0.
    pub(super) fn add(&mut self, row: &[f32; DAMPED_STRIDE]) {
        self.seen += 1;
        let mut kept = [0.0; DAMPED];
        for (kept, x) in kept.iter_mut().zip(row) {
            *kept = if x.is_finite() {
                x.clamp(-LIMIT, LIMIT)
            } else {
                0.0
            };
        }
        if self.sample.len() < SAMPLE {
            self.sample.push(kept);
        } else if let Some(row) = usize::try_from(self.random.below(self.seen))
            .ok()
            .and_then(|at| self.sample.get_mut(at))
        {
            *row = kept;
        }
    }

    /// The ranges of the features, and their groups.
    pub(super) fn conclude(&self) -> (Ranges, Vec<Vec<u16>>) {
        let columns: Vec<Vec<f32>> = (0..DAMPED)
            .map(|feature| {
                let values = self.sample.iter().filter_map(|row| row.get(feature));
                values
                    .map(|x| to_scale(feature, f64::from(*x)) as f32)
                    .collect()
            })
            .collect();
        let bounds: Vec<(f64, f64)> = columns.iter().map(|column| quantiles(column)).collect();
        let ranges = Ranges::new(&bounds);
        let scales = ranges.low.0.iter().zip(&ranges.inverse.0);
        let laid: Vec<Vec<f32>> = columns
            .into_iter()
            .zip(scales)
            .map(|(column, (low, inverse))| {
                let lay = |x: f32| ((x - low) * inverse).clamp(CLIP.0, CLIP.1);
                standardise(column.into_iter().map(lay).collect())
            })
            .collect();
        let groups = group(DAMPED, |a, b| match (laid.get(a), laid.get(b)) {
            (Some(a), Some(b)) => 1.0 - dot(a, b).abs().min(1.0),
            _ => 1.0,
        });
        (ranges, groups)
    }
}

/// The bounds beyond which [`BEYOND`] of the values lie on each side, and at least one of a hundred values or more:
/// the extremes may be outliers.
fn quantiles(column: &[f32]) -> (f64, f64) {
    let mut sorted = column.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let least = usize::from(sorted.len() >= 100);
    let skip = ((sorted.len() as f32 * BEYOND).ceil() as usize).clamp(least, sorted.len() / 4);
    let at = |index: usize| sorted.get(index).copied().map_or(0.0, f64::from);
    (at(skip), at(sorted.len().saturating_sub(1 + skip)))
}

/// Shifts and scales to mean 0 and length 1; all zeros for a constant.
fn standardise(mut column: Vec<f32>) -> Vec<f32> {
    let count = column.len().max(1) as f64;
    let mean = column.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let square: f64 = column.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum();
    let scale = if square > 1e-9 * count {
        1.0 / square.sqrt()
    } else {
        0.0
    };
    for x in &mut column {
        *x = ((f64::from(*x) - mean) * scale) as f32;
    }
    column
}

/// The scalar product, in sixteen sums so that it vectorises.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
