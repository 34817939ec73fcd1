//! One step of gradient descent of up to 16 small autoencoders at once: a lane an autoencoder.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "loops over the lengths of fixed arrays, unrolled by the compiler; iterators would hide the formulas"
)]

use super::grouping::{LARGEST, MOST};
use super::weights::{Lanes, Weights, HIDDEN};
use crate::simd::Simd;

/// `-log2(e)`: turns the argument of the logistic function into that of `1 / (1 + 2^x)`.
pub(super) const TO_BITS: f32 = -std::f32::consts::LOG2_E;

/// The inputs of all autoencoders for one row; `row` is on the scale of inputs.
#[inline(always)]
pub(super) fn gather(
    simd: impl Simd,
    weights: &Weights,
    row: &[f32; 128],
    inputs: &mut [Lanes; LARGEST],
) {
    gather_on(simd, weights, row, inputs);
}

#[inline(always)]
fn gather_on<S: Simd>(s: S, weights: &Weights, row: &[f32; 128], inputs: &mut [Lanes; LARGEST]) {
    for i in 0..LARGEST {
        for lane in (0..MOST).step_by(S::WIDTH) {
            let x = s.gather(row, &weights.map[i][lane..]);
            s.store(x, &mut inputs[i].0[lane..]);
        }
    }
}

/// What is kept between the parts of a step, for one vector of lanes.
///
/// The parts are separate so that those of the outer autoencoder can stand between them: either is a
/// chain of dependent operations that alone leaves the CPU idle.
pub(super) struct Step<V> {
    x: [V; LARGEST],
    y: [V; HIDDEN],
    e: [V; LARGEST],
    g: [V; HIDDEN],
}

#[inline(always)]
fn at<S: Simd>(s: S, lanes: &Lanes, lane: usize) -> S::V {
    s.load(&lanes.0[lane..])
}

impl<V: Copy> Step<V> {
    /// Encodes: `y = logistic(W x + b)`.
    #[inline(always)]
    pub(super) fn encode<S: Simd<V = V>>(
        s: S,
        w: &Weights,
        inputs: &[Lanes; LARGEST],
        lane: usize,
    ) -> Self {
        let zero = s.splat(0.0);
        let mut step = Self {
            x: [zero; LARGEST],
            y: [zero; HIDDEN],
            e: [zero; LARGEST],
            g: [zero; HIDDEN],
        };
        for i in 0..LARGEST {
            step.x[i] = s.mul(at(s, &inputs[i], lane), at(s, &w.input_mask[i], lane));
        }
        for j in 0..HIDDEN {
            step.y[j] = at(s, &w.hidden_bias[j], lane);
        }
        for i in 0..LARGEST {
            for j in 0..HIDDEN {
                step.y[j] = s.mul_add(at(s, &w.tied[i][j], lane), step.x[i], step.y[j]);
            }
        }
        step
    }

    /// The logistic function of the hidden units.
    #[inline(always)]
    pub(super) fn squash<S: Simd<V = V>>(&mut self, s: S, w: &Weights, lane: usize) {
        let to_bits = s.splat(TO_BITS);
        for j in 0..HIDDEN {
            let y = s.logistic(s.mul(self.y[j], to_bits));
            self.y[j] = s.mul(y, at(s, &w.hidden_mask[j], lane));
        }
    }

    /// Decodes: `e = x - logistic(W' y + c)`.
    #[inline(always)]
    pub(super) fn decode<S: Simd<V = V>>(&mut self, s: S, w: &Weights, lane: usize) {
        let to_bits = s.splat(TO_BITS);
        for i in 0..LARGEST {
            // Two sums, so that the chain of additions is half as long.
            let mut even = at(s, &w.input_bias[i], lane);
            let mut odd = s.splat(0.0);
            for j in (0..HIDDEN).step_by(2) {
                even = s.mul_add(at(s, &w.tied[i][j], lane), self.y[j], even);
                odd = s.mul_add(at(s, &w.tied[i][j + 1], lane), self.y[j + 1], odd);
            }
            self.e[i] = s.mul(s.add(even, odd), to_bits);
        }
        for i in 0..LARGEST {
            let e = s.sub(self.x[i], s.logistic(self.e[i]));
            self.e[i] = s.mul(e, at(s, &w.input_mask[i], lane));
        }
    }

    /// The square error of each input.
    #[inline(always)]
    pub(super) fn squares<S: Simd<V = V>>(
        &self,
        s: S,
        squares: &mut [Lanes; LARGEST],
        lane: usize,
    ) {
        for i in 0..LARGEST {
            s.store(s.mul(self.e[i], self.e[i]), &mut squares[i].0[lane..]);
        }
    }

    /// The root of the mean square error.
    #[inline(always)]
    pub(super) fn error<S: Simd<V = V>>(&self, s: S, w: &Weights, lane: usize) -> V {
        let (mut even, mut odd) = (s.splat(0.0), s.splat(0.0));
        for i in (0..LARGEST).step_by(2) {
            even = s.mul_add(self.e[i], self.e[i], even);
            odd = s.mul_add(self.e[i + 1], self.e[i + 1], odd);
        }
        s.root(s.mul(s.add(even, odd), at(s, &w.inverse_size, lane)))
    }

    /// The gradient at the hidden units: `g = rate (W e) y (1 - y)`.
    #[inline(always)]
    pub(super) fn back<S: Simd<V = V>>(&mut self, s: S, w: &Weights, lane: usize, rate: V) {
        for i in 0..LARGEST {
            for j in 0..HIDDEN {
                self.g[j] = s.mul_add(self.e[i], at(s, &w.tied[i][j], lane), self.g[j]);
            }
        }
        let one = s.splat(1.0);
        for j in 0..HIDDEN {
            let slope = s.mul(self.y[j], s.sub(one, self.y[j]));
            self.g[j] = s.mul(s.mul(self.g[j], rate), slope);
        }
    }

    /// The step: `W += x g + rate e y`, and the biases. (No slope of the outputs: the gradient is
    /// that of cross entropy, as in the published method.)
    #[inline(always)]
    pub(super) fn update<S: Simd<V = V>>(&self, s: S, w: &mut Weights, lane: usize, rate: V) {
        for j in 0..HIDDEN {
            let bias = s.add(at(s, &w.hidden_bias[j], lane), self.g[j]);
            s.store(bias, &mut w.hidden_bias[j].0[lane..]);
        }
        for i in 0..LARGEST {
            let e = s.mul(self.e[i], rate);
            let bias = s.add(at(s, &w.input_bias[i], lane), e);
            s.store(bias, &mut w.input_bias[i].0[lane..]);
            for j in 0..HIDDEN {
                let tied = s.mul_add(self.x[i], self.g[j], at(s, &w.tied[i][j], lane));
                let tied = s.mul_add(e, self.y[j], tied);
                s.store(tied, &mut w.tied[i][j].0[lane..]);
            }
        }
    }
}
