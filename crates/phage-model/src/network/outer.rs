//! The autoencoder over the errors of the others: a lane a unit.
#![expect(
    clippy::indexing_slicing,
    reason = "loops over the lengths of fixed arrays, unrolled by the compiler; iterators would hide the formulas"
)]

use super::grouping::MOST;
use super::inner::TO_BITS;
use super::survey::Random;
use super::weights::{hidden, Lanes, ZERO};
use crate::simd::Simd;

/// Hidden units.
pub(super) const HIDDEN: usize = hidden(MOST);
/// Inputs are clipped to this when scoring, and so are scores.
pub(super) const HIGHEST: f32 = 8.0;
/// While training, the upper clip: one row that is far off must not throw the weights about.
const HIGHEST_TRAINING: f32 = 2.0;
const LOWEST: f32 = -1.0;
/// Errors are laid on a scale of `ln(1 + 100 r)`: even below 0.01, logarithmic above.
const RESOLUTION: f32 = 100.0;
/// The least spread of an error on that scale.
const SPREAD: f32 = 0.05;
/// Mean and spread of the errors follow the last 10,000 rows.
const SLOWEST: f32 = 1e-4;

/// Weights, and the ranges of the errors.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outer {
    /// 1 / inputs.
    pub(super) inverse_size: f32,
    /// 1 where there is such an input, or hidden unit.
    pub(super) input_mask: Lanes,
    pub(super) hidden_mask: Lanes,
    /// Weights by input (lanes: hidden units), and the same by hidden unit (lanes: inputs).
    pub(super) by_input: [Lanes; MOST],
    pub(super) by_hidden: [Lanes; HIDDEN],
    pub(super) hidden_bias: Lanes,
    pub(super) input_bias: Lanes,
    /// Moving mean and variance of the errors on their scale.
    pub(super) mean: Lanes,
    pub(super) variance: Lanes,
}

impl Outer {
    /// The shape for so many inputs, all weights 0.
    pub(super) fn empty(inputs: usize) -> Self {
        let mask = |count: usize| {
            let mut mask = ZERO;
            mask.0.iter_mut().take(count).for_each(|lane| *lane = 1.0);
            mask
        };
        Self {
            inverse_size: 1.0 / inputs.max(1) as f32,
            input_mask: mask(inputs),
            hidden_mask: mask(hidden(inputs)),
            by_input: [ZERO; MOST],
            by_hidden: [ZERO; HIDDEN],
            hidden_bias: ZERO,
            input_bias: ZERO,
            mean: ZERO,
            variance: ZERO,
        }
    }

    /// First weights.
    pub(super) fn new(inputs: usize, random: &mut Random) -> Self {
        let mut outer = Self::empty(inputs);
        for i in 0..inputs.min(MOST) {
            for j in 0..hidden(inputs).min(HIDDEN) {
                let weight = random.symmetric() * outer.inverse_size;
                outer.by_input[i].0[j] = weight;
                outer.by_hidden[j].0[i] = weight;
            }
        }
        outer
    }

    /// Lower end of the range of an error on its scale, and the inverse of its width: two
    /// standard deviations to both sides of the mean are 0 to 1.
    pub(super) fn range(&self, lane: usize) -> (f32, f32) {
        let spread = self.variance.0[lane].sqrt().max(SPREAD);
        (self.mean.0[lane] - 2.0 * spread, 0.25 / spread)
    }
}

/// An error on the scale of the outer autoencoder's inputs.
#[inline(always)]
pub(super) fn lay<S: Simd>(s: S, error: S::V, low: S::V, inverse: S::V, highest: f32) -> S::V {
    let scaled = s.log1p(s.mul(error, s.splat(RESOLUTION)));
    let x = s.mul(s.sub(scaled, low), inverse);
    s.max(s.min(x, s.splat(highest)), s.splat(LOWEST))
}

/// A scaled error against its mean and variance: two standard deviations to both sides are 0 to 1.
#[inline(always)]
fn relate<S: Simd>(s: S, scaled: S::V, mean: S::V, variance: S::V, highest: f32) -> S::V {
    let spread = s.max(s.root(variance), s.splat(SPREAD));
    let low = s.sub(mean, s.add(spread, spread));
    let width = s.mul(spread, s.splat(4.0));
    let x = s.mul(s.sub(scaled, low), s.reciprocal(width));
    s.max(s.min(x, s.splat(highest)), s.splat(LOWEST))
}

/// What is kept between the parts of a step.
pub(super) struct Step {
    x: Lanes,
    y: Lanes,
    e: Lanes,
    g: Lanes,
}

#[inline(always)]
fn at<S: Simd>(s: S, lanes: &Lanes, lane: usize) -> S::V {
    s.load(&lanes.0[lane..])
}

/// `start + sum over n of values[n] * rows[n]`, for one vector of lanes; four sums, so that the
/// chain of additions is a quarter as long.
#[inline(always)]
fn weigh<S: Simd>(s: S, start: S::V, rows: &[Lanes], values: &[f32; MOST], lane: usize) -> S::V {
    let zero = s.splat(0.0);
    let mut sums = [start, zero, zero, zero];
    for n in 0..rows.len() {
        let row = at(s, &rows[n], lane);
        sums[n % 4] = s.mul_add(row, s.splat(values[n]), sums[n % 4]);
    }
    let [a, b, c, d] = sums;
    s.add(s.add(a, b), s.add(c, d))
}

impl Step {
    pub(super) fn new() -> Self {
        Self {
            x: ZERO,
            y: ZERO,
            e: ZERO,
            g: ZERO,
        }
    }

    /// Takes the errors of a row, lays them on their scale, and follows their ranges.
    #[inline(always)]
    pub(super) fn take<S: Simd>(&mut self, s: S, o: &mut Outer, errors: &Lanes, follow: f32) {
        let follow = s.splat(follow);
        for lane in (0..MOST).step_by(S::WIDTH) {
            let error = at(s, errors, lane);
            let scaled = s.log1p(s.mul(error, s.splat(RESOLUTION)));
            let off = s.sub(scaled, at(s, &o.mean, lane));
            let mean = s.mul_add(follow, off, at(s, &o.mean, lane));
            let old = at(s, &o.variance, lane);
            let square = s.mul(off, s.sub(scaled, mean));
            // Not down to denormal numbers, which are slow.
            let variance = s.max(s.mul_add(follow, s.sub(square, old), old), s.splat(1e-9));
            s.store(mean, &mut o.mean.0[lane..]);
            s.store(variance, &mut o.variance.0[lane..]);
            let x = relate(s, scaled, mean, variance, HIGHEST_TRAINING);
            s.store(s.mul(x, at(s, &o.input_mask, lane)), &mut self.x.0[lane..]);
        }
    }

    /// Encodes and decodes the errors of a row, and leaves everything as it is.
    #[inline(always)]
    pub(super) fn look<S: Simd>(&mut self, s: S, o: &Outer, errors: &Lanes) {
        for lane in (0..MOST).step_by(S::WIDTH) {
            let scaled = s.log1p(s.mul(at(s, errors, lane), s.splat(RESOLUTION)));
            let (mean, variance) = (at(s, &o.mean, lane), at(s, &o.variance, lane));
            let x = relate(s, scaled, mean, variance, HIGHEST);
            s.store(s.mul(x, at(s, &o.input_mask, lane)), &mut self.x.0[lane..]);
        }
        self.encode(s, o);
        self.decode(s, o);
    }

    /// How far each error lies above what the others lead to expect, after decoding.
    pub(super) fn unexpected(&self) -> &Lanes {
        &self.e
    }

    /// Encodes.
    #[inline(always)]
    pub(super) fn encode<S: Simd>(&mut self, s: S, o: &Outer) {
        for lane in (0..MOST).step_by(S::WIDTH) {
            let y = weigh(s, at(s, &o.hidden_bias, lane), &o.by_input, &self.x.0, lane);
            let y = s.logistic(s.mul(y, s.splat(TO_BITS)));
            s.store(s.mul(y, at(s, &o.hidden_mask, lane)), &mut self.y.0[lane..]);
        }
    }

    /// Decodes; answers the root of the mean square error.
    #[inline(always)]
    pub(super) fn decode<S: Simd>(&mut self, s: S, o: &Outer) -> f32 {
        let mut square = 0.0;
        for lane in (0..MOST).step_by(S::WIDTH) {
            let z = weigh(s, at(s, &o.input_bias, lane), &o.by_hidden, &self.y.0, lane);
            let z = s.logistic(s.mul(z, s.splat(TO_BITS)));
            let e = s.mul(s.sub(at(s, &self.x, lane), z), at(s, &o.input_mask, lane));
            square += s.sum(s.mul(e, e));
            s.store(e, &mut self.e.0[lane..]);
        }
        (square * o.inverse_size).sqrt()
    }

    /// The gradient at the hidden units.
    #[inline(always)]
    pub(super) fn back<S: Simd>(&mut self, s: S, o: &Outer, rate: f32) {
        for lane in (0..MOST).step_by(S::WIDTH) {
            let g = weigh(s, s.splat(0.0), &o.by_input, &self.e.0, lane);
            let y = at(s, &self.y, lane);
            let slope = s.mul(y, s.sub(s.splat(1.0), y));
            s.store(s.mul(s.mul(g, s.splat(rate)), slope), &mut self.g.0[lane..]);
        }
    }

    /// The step, in both layouts of the weights.
    #[inline(always)]
    pub(super) fn update<S: Simd>(&self, s: S, o: &mut Outer, rate: f32) {
        for lane in (0..MOST).step_by(S::WIDTH) {
            let (x, y) = (at(s, &self.x, lane), at(s, &self.y, lane));
            let e = s.mul(at(s, &self.e, lane), s.splat(rate));
            let (g, step) = (at(s, &self.g, lane), s.mul(y, s.splat(rate)));
            s.store(
                s.add(at(s, &o.hidden_bias, lane), g),
                &mut o.hidden_bias.0[lane..],
            );
            s.store(
                s.add(at(s, &o.input_bias, lane), e),
                &mut o.input_bias.0[lane..],
            );
            for i in 0..MOST {
                let row = at(s, &o.by_input[i], lane);
                let row = s.mul_add(s.splat(self.x.0[i]), g, row);
                let row = s.mul_add(s.splat(self.e.0[i]), step, row);
                s.store(row, &mut o.by_input[i].0[lane..]);
            }
            for j in 0..HIDDEN {
                let row = at(s, &o.by_hidden[j], lane);
                let row = s.mul_add(x, s.splat(self.g.0[j]), row);
                let row = s.mul_add(e, s.splat(self.y.0[j]), row);
                s.store(row, &mut o.by_hidden[j].0[lane..]);
            }
        }
    }
}

/// How fast ranges of errors follow, after so many rows: they forget the errors of the first, untrained
/// weights, and come to rest at [`SLOWEST`].
#[inline(always)]
pub(super) fn follow(trained: u64, pace: f32) -> f32 {
    (4.0 / (trained as f32 + 4.0)).max(SLOWEST) * pace
}
