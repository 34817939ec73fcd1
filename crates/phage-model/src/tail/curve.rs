//! The survival function of normal scores, as surprise at the edges of the bins.

use phage_memory::prefetch_within;

use super::histogram::{bin, Histogram, BINS};

/// No surprise is higher: one packet in 10^12 is more than any calibration can support.
pub const HIGHEST_SURPRISE: f32 = 12.0;

/// Pseudo-packets with which the pool speaks beside a device's own packets.
const POOL_WEIGHT: f32 = 64.0;
/// The tail begins where this share of the packets lies above ...
const TAIL_SHARE: f32 = 0.03;
/// ... or at least so many packets, or a slope could not be read from them.
const TAIL_PACKETS: f32 = 24.0;
/// Exceedances with which the pool's slope speaks beside a device's own.
const SLOPE_WEIGHT: f32 = 16.0;
/// Slope where nothing is known, in bins for a factor e of probability: an exponent of 2.
const SLOPE: f32 = 4.3;
/// Steeper slopes are not believed: an exponent of 6 (probability falls with the sixth power).
const STEEPEST: f32 = 1.5;
/// With at least so many packets above, the rank is believed as well as the slope.
const RANKED: f32 = 5.0;

/// Surprise as a function of the position of a score; non-decreasing, within 0 to 12.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    edges: [f32; BINS + 1],
    slope: f32,
}

impl Default for Curve {
    fn default() -> Self {
        Self {
            edges: [0.0; BINS + 1],
            slope: SLOPE,
        }
    }
}

impl Curve {
    /// Reads the curve from a histogram, shrunk to a pool while the histogram is small.
    ///
    /// With neither own packets nor a pool every surprise is 0.
    pub fn fit(own: &Histogram, pool: Option<(&Histogram, &Curve)>) -> Self {
        let pool = pool.filter(|(histogram, _)| histogram.total() > 0.0);
        let mut counts = *own.counts();
        if let Some((histogram, _)) = pool {
            let weight = POOL_WEIGHT / histogram.total();
            for (count, pooled) in counts.iter_mut().zip(histogram.counts()) {
                *count += pooled * weight;
            }
        }
        let total: f32 = counts.iter().sum();
        if total <= 0.0 {
            return Self::default();
        }
        let above = cumulate(&counts);
        let threshold = threshold(&above, total);
        let expected = pool.map_or(SLOPE, |(_, curve)| curve.slope);
        let slope = slope(&counts, &above, threshold, expected);
        Self {
            edges: edges(&above, total, threshold, slope),
            slope,
        }
    }

    /// Surprise at the lower edge of each bin, and at the upper end.
    pub fn edges(&self) -> &[f32; BINS + 1] {
        &self.edges
    }

    /// Bins for a factor e of probability in the tail.
    pub fn slope(&self) -> f32 {
        self.slope
    }

    /// A curve of given parts; `None` unless it is non-decreasing and within its bounds.
    pub fn from_parts(edges: [f32; BINS + 1], slope: f32) -> Option<Self> {
        let bounded = edges
            .iter()
            .all(|edge| (0.0..=HIGHEST_SURPRISE).contains(edge));
        (bounded && edges.is_sorted() && slope.is_finite() && slope > 0.0)
            .then_some(Self { edges, slope })
    }

    /// Asks for the line that [`Curve::surprise`] reads.
    #[inline(always)]
    pub(crate) fn fetch(&self, position: f32) {
        prefetch_within(&self.edges, bin(position) * size_of::<f32>());
    }

    /// The surprise of a score that lies at `position`.
    #[inline]
    pub fn surprise(&self, position: f32) -> f32 {
        let bin = bin(position);
        match self.edges.get(bin..bin + 2) {
            Some(&[low, high]) => low + (high - low) * (position - bin as f32),
            _ => 0.0,
        }
    }
}

/// How much lies above the lower edge of each bin.
fn cumulate(counts: &[f32; BINS]) -> [f32; BINS + 1] {
    let mut above = [0.0; BINS + 1];
    let mut sum = 0.0;
    for (edge, count) in above.iter_mut().rev().skip(1).zip(counts.iter().rev()) {
        sum += count;
        *edge = sum;
    }
    above
}

/// The highest edge with enough above it to read a slope from.
fn threshold(above: &[f32; BINS + 1], total: f32) -> usize {
    let wanted = (TAIL_SHARE * total).max(TAIL_PACKETS).min(total);
    above
        .iter()
        .rposition(|&count| count >= wanted)
        .unwrap_or_default()
}

/// The mean excess over the threshold in bins: Hill's estimator, shrunk to what is expected.
fn slope(counts: &[f32; BINS], above: &[f32; BINS + 1], threshold: usize, expected: f32) -> f32 {
    let mut excess = 0.0;
    for (steps, count) in counts.iter().skip(threshold).enumerate() {
        excess += count * (steps as f32 + 0.5);
    }
    let packets = above.get(threshold).copied().unwrap_or_default();
    let mean = (excess + SLOPE_WEIGHT * expected) / (packets + SLOPE_WEIGHT);
    mean.max(STEEPEST)
}

fn edges(above: &[f32; BINS + 1], total: f32, threshold: usize, slope: f32) -> [f32; BINS + 1] {
    let rank = |count: f32| -((count + 1.0) / (total + 1.0)).min(1.0).log10();
    let start = rank(above.get(threshold).copied().unwrap_or(total));
    let step = std::f32::consts::LOG10_E / slope;
    let mut edges = [0.0_f32; BINS + 1];
    let mut highest = 0.0_f32;
    for (bin, (edge, &count)) in edges.iter_mut().zip(above).enumerate() {
        let mut surprise = if bin <= threshold {
            rank(count)
        } else {
            start + (bin - threshold) as f32 * step
        };
        if count >= RANKED {
            surprise = surprise.min(rank(count));
        }
        // A rank may lie below the slope's line for one bin and above it for the next.
        highest = highest.max(surprise.clamp(0.0, HIGHEST_SURPRISE));
        *edge = highest;
    }
    edges
}
