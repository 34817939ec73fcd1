//! From values in their units to inputs: logarithm, range, clipping.

use std::f32::consts::LN_2;
use std::sync::LazyLock;

use phage_decode::catalog;

use crate::damped::{DAMPED_CATALOG, DAMPED_STRIDE};
use crate::simd::Simd;

/// Inputs are clipped to this; 0 to 1 is the normal range.
pub(super) const CLIP: (f32, f32) = (-1.0, 2.0);

/// How far a bound moves, in widths of the range, for a value beyond it; every [`STRIDE`]th row
/// is looked at. So one outlier moves a bound by 2 % at most.
const STEP: f32 = 0.02;
/// The share of values that lies beyond a bound where it comes to rest.
pub(super) const BEYOND: f32 = 0.001;
/// Rows from one that adapts ranges to the next.
pub(super) const STRIDE: u64 = 8;

/// A block of 16 features with its alignment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Aligned<const N: usize>(pub(super) [f32; N]);

/// 1 for features on a logarithmic scale, 0 for linear ones; the padding counts as logarithmic.
static LOGARITHMIC: LazyLock<Aligned<DAMPED_STRIDE>> = LazyLock::new(|| {
    let mut mask = Aligned([1.0; DAMPED_STRIDE]);
    for (lane, feature) in mask.0.iter_mut().zip(&DAMPED_CATALOG) {
        *lane = f32::from(u8::from(feature.scale == catalog::Scale::Logarithmic));
    }
    mask
});

/// The scale of a feature: `sign(x) ln(1 + |x|)`, or x itself.
pub(super) fn to_scale(feature: usize, x: f64) -> f64 {
    match DAMPED_CATALOG.get(feature).map(|feature| feature.scale) {
        Some(catalog::Scale::Logarithmic) => x.abs().ln_1p().copysign(x),
        _ => x,
    }
}

/// The value in its unit again.
pub(super) fn from_scale(feature: usize, x: f64) -> f64 {
    match DAMPED_CATALOG.get(feature).map(|feature| feature.scale) {
        Some(catalog::Scale::Logarithmic) => x.abs().exp_m1().copysign(x),
        _ => x,
    }
}

/// Ranges of all features, on their scales.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranges {
    /// Lower and upper bounds now.
    pub(super) low: Aligned<DAMPED_STRIDE>,
    pub(super) high: Aligned<DAMPED_STRIDE>,
    /// 1 / (high - low).
    pub(super) inverse: Aligned<DAMPED_STRIDE>,
    /// The bounds of the survey, inside which they never shrink.
    pub(super) first_low: Aligned<DAMPED_STRIDE>,
    pub(super) first_high: Aligned<DAMPED_STRIDE>,
}

impl Ranges {
    /// Ranges with the bounds of a survey, each at least as wide as the floor in the catalog.
    pub(super) fn new(bounds: &[(f64, f64)]) -> Self {
        let (mut low, mut high) = (Aligned([0.0; DAMPED_STRIDE]), Aligned([1.0; DAMPED_STRIDE]));
        let features = bounds.iter().zip(&DAMPED_CATALOG).enumerate();
        for ((number, (bounds, feature)), (low, high)) in
            features.zip(low.0.iter_mut().zip(&mut high.0))
        {
            let (from, to) = (from_scale(number, bounds.0), from_scale(number, bounds.1));
            let lacks = (f64::from(feature.floor) - (to - from)).max(0.0) / 2.0;
            *low = to_scale(number, from - lacks) as f32;
            *high = to_scale(number, to + lacks) as f32;
            // Where the values are so large that the floor drowns, a float's precision is the floor.
            let least = (low.abs().max(high.abs()) * 1e-5).max(1e-6);
            if *high - *low < least {
                *low -= least;
                *high += least;
            }
        }
        let mut ranges = Self {
            low,
            high,
            inverse: Aligned([0.0; DAMPED_STRIDE]),
            first_low: low,
            first_high: high,
        };
        ranges.invert();
        ranges
    }

    /// Computes the inverse widths.
    pub(super) fn invert(&mut self) {
        let bounds = self.low.0.iter().zip(&self.high.0);
        for (inverse, (low, high)) in self.inverse.0.iter_mut().zip(bounds) {
            *inverse = 1.0 / (high - low);
        }
    }

    /// Lets bounds creep towards where a share of [`BEYOND`] of the values lies outside; `laid` is a
    /// row on the scale of inputs, `pace` is 1 for training, less for slow learning.
    ///
    /// A bound never passes the value that moves it, and never shrinks inside that of the survey.
    #[inline(always)]
    pub(super) fn adapt<S: Simd>(&mut self, s: S, laid: &[f32; 128], pace: f32) {
        let out = s.splat(pace * STEP * (1.0 - BEYOND));
        let back = s.splat(-pace * STEP * BEYOND);
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        for at in (0..DAMPED_STRIDE).step_by(S::WIDTH) {
            let part = |values: &[f32]| s.load(values.split_at(at).1);
            let (low, high) = (part(&self.low.0), part(&self.high.0));
            let (width, x) = (s.sub(high, low), part(laid));
            let over = s.sub(x, one);
            let high = s.mul_add(width, s.select(over, s.min(over, out), back), high);
            let high = s.max(high, part(&self.first_high.0));
            let under = s.sub(zero, x);
            let step = s.select(under, s.min(under, out), back);
            let low = s.sub(low, s.mul(width, step));
            let low = s.min(low, part(&self.first_low.0));
            s.store(low, self.low.0.split_at_mut(at).1);
            s.store(high, self.high.0.split_at_mut(at).1);
            let inverse = s.reciprocal(s.sub(high, low));
            s.store(inverse, self.inverse.0.split_at_mut(at).1);
        }
    }
}

/// Lays one vector of features, beginning at `at`, on the scale of inputs.
#[inline(always)]
pub(super) fn lay<S: Simd>(simd: S, ranges: &Ranges, at: usize, x: S::V) -> S::V {
    let part = |values: &Aligned<DAMPED_STRIDE>| simd.load(values.0.split_at(at).1);
    let log = simd.log1p(x);
    // The correlations, 75 to 84, are the only linear features.
    let scaled = if at < 85 && at + S::WIDTH > 75 {
        simd.select(part(&LOGARITHMIC), log, x)
    } else {
        log
    };
    let x = simd.mul(simd.sub(scaled, part(&ranges.low)), part(&ranges.inverse));
    simd.max(simd.min(x, simd.splat(CLIP.1)), simd.splat(CLIP.0))
}

/// How one feature of many rows is laid on the scale of inputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    logarithmic: bool,
    slope: f32,
    offset: f32,
}

impl Scale {
    /// The scale of a feature, as [`lay`] lays it.
    pub(super) fn new(ranges: &Ranges, feature: usize) -> Self {
        let at = |row: &Aligned<DAMPED_STRIDE>| row.0.get(feature).copied().unwrap_or_default();
        let logarithmic = at(&LOGARITHMIC) > 0.0;
        let inverse = at(&ranges.inverse);
        // The logarithm is one to the base 2.
        let unit = if logarithmic { LN_2 } else { 1.0 };
        Self {
            logarithmic,
            slope: inverse * unit,
            offset: -at(&ranges.low) * inverse,
        }
    }

    /// Lays the feature of many rows on it.
    #[inline(always)]
    pub(super) fn lay<S: Simd>(&self, s: S, x: S::V) -> S::V {
        let scaled = if self.logarithmic { s.log2_1p(x) } else { x };
        let x = s.mul_add(scaled, s.splat(self.slope), s.splat(self.offset));
        s.max(s.min(x, s.splat(CLIP.1)), s.splat(CLIP.0))
    }
}
