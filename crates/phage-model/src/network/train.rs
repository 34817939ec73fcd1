//! Training: one step of gradient descent a row, for all autoencoders.

use super::grouping::{LARGEST, MOST};
use super::scaling::{lay, Ranges, STRIDE};
use super::weights::{Lanes, Weights, ZERO};
use super::{inner, outer};
use crate::damped::DAMPED_STRIDE;
use crate::simd::{Simd, Task};

/// After so many rows every second one is trained on: rows that follow each other say nearly the same,
/// and what they teach beyond this many is small corrections.
const DENSE: u64 = 131_072;
const EVERY: u64 = 2;
// What happens every so many rows happens on those that are trained on.
const _: () = assert!(STRIDE.is_multiple_of(EVERY));

/// Trains on rows.
pub(super) struct Train<'a> {
    pub(super) weights: &'a mut Weights,
    pub(super) ranges: &'a mut Ranges,
    pub(super) rows: &'a [[f32; DAMPED_STRIDE]],
    /// As many as rows: the error of each before its step; NaN where the row was not trained on.
    pub(super) errors: &'a mut [f32],
    pub(super) rate: f32,
    /// How fast ranges follow: 1 for training, less for slow learning.
    pub(super) pace: f32,
    /// Rows trained on before.
    pub(super) trained: u64,
}

/// A row on the scale of inputs, with room for any index of 7 bits.
#[repr(C, align(64))]
pub(super) struct Laid(pub(super) [f32; 128]);

impl Task for Train<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            weights,
            ranges,
            rows,
            errors,
            rate,
            pace,
            trained,
        } = self;
        let mut laid = Laid([0.0; 128]);
        let mut inputs = [ZERO; LARGEST];
        // The outer step of a row begins within its inner step and ends within that of the next row.
        let mut begun: Option<(outer::Step, &mut f32)> = None;
        for (number, (row, error)) in rows.iter().zip(errors).enumerate() {
            let count = trained + number as u64;
            if pace >= 1.0 && count >= DENSE && !count.is_multiple_of(EVERY) {
                *error = f32::NAN;
                continue;
            }
            prepare(simd, ranges, row, &mut laid.0);
            if count.is_multiple_of(STRIDE) {
                ranges.adapt(simd, &laid.0, pace);
            }
            inner::gather(simd, weights, &laid.0, &mut inputs);
            let follow = outer::follow(count, pace);
            let step = step(simd, weights, &inputs, begun.take(), rate, follow);
            begun = Some((step, error));
        }
        if let Some((mut step, error)) = begun {
            let outer = &mut weights.outer;
            *error = step.decode(simd, outer);
            step.back(simd, outer, rate);
            step.update(simd, outer, rate);
        }
    }
}

/// Lays a row on the scale of inputs.
#[inline(always)]
pub(super) fn prepare<S: Simd>(
    simd: S,
    ranges: &Ranges,
    row: &[f32; DAMPED_STRIDE],
    laid: &mut [f32; 128],
) {
    for at in (0..DAMPED_STRIDE).step_by(S::WIDTH) {
        let x = simd.load(row.split_at(at).1);
        simd.store(lay(simd, ranges, at, x), laid.split_at_mut(at).1);
    }
}

/// The inner step of a row; between its parts, the end of the outer step of the row before, and the beginning of this
/// row's. Either chain of operations leaves the CPU idle where it stands alone.
#[inline(always)]
fn step<S: Simd>(
    s: S,
    weights: &mut Weights,
    inputs: &[Lanes; LARGEST],
    begun: Option<(outer::Step, &mut f32)>,
    rate: f32,
    follow: f32,
) -> outer::Step {
    let mut errors = ZERO;
    let mut next = outer::Step::new();
    let many = s.splat(rate);
    // On 8 lanes there are two halves: the old outer step goes with the first, the new one with the second.
    let mut begun = begun;
    for lane in (0..MOST).step_by(S::WIDTH) {
        let last = lane + S::WIDTH == MOST;
        let mut old = begun.take();
        let mut inner = inner::Step::encode(s, weights, inputs, lane);
        if let Some((outer, error)) = &mut old {
            **error = outer.decode(s, &weights.outer);
        }
        inner.squash(s, weights, lane);
        if let Some((outer, _)) = &mut old {
            outer.back(s, &weights.outer, rate);
        }
        inner.decode(s, weights, lane);
        s.store(inner.error(s, weights, lane), errors.0.split_at_mut(lane).1);
        if let Some((outer, _)) = &mut old {
            outer.update(s, &mut weights.outer, rate);
        }
        if last {
            next.take(s, &mut weights.outer, &errors, follow);
        }
        inner.back(s, weights, lane, many);
        if last {
            next.encode(s, &weights.outer);
        }
        inner.update(s, weights, lane, many);
    }
    next
}
