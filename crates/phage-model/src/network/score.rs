//! Scoring: a lane a row, weights broadcast.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "loops over the lengths of fixed arrays, unrolled by the compiler; iterators would hide the formulas"
)]

use super::grouping::{LARGEST, MOST};
use super::inner::TO_BITS;
use super::outer::{self, HIDDEN as OUTER_HIDDEN, HIGHEST};
use super::scaling::{lay, Ranges};
use super::weights::{hidden, Weights, HIDDEN};
use crate::damped::DAMPED_STRIDE;
use crate::simd::{Simd, Task};

/// One autoencoder. Its weights carry the factor of [`TO_BITS`].
#[derive(Clone, Copy)]
struct Small {
    inputs: usize,
    hidden: usize,
    map: [u8; LARGEST],
    tied: [[f32; HIDDEN]; LARGEST],
    hidden_bias: [f32; HIDDEN],
    input_bias: [f32; LARGEST],
    inverse_size: f32,
    /// Range of its error: lower end, inverse width.
    range: (f32, f32),
}

/// Weights in the order in which scoring reads them.
pub(super) struct Prepared {
    small: Vec<Small>,
    hidden: usize,
    by_input: [[f32; OUTER_HIDDEN]; MOST],
    hidden_bias: [f32; OUTER_HIDDEN],
    input_bias: [f32; MOST],
    inverse_size: f32,
}

impl Prepared {
    pub(super) fn new(weights: &Weights) -> Self {
        let small = (0..weights.count).map(|lane| Small {
            inputs: weights.sizes[lane].min(LARGEST),
            hidden: hidden(weights.sizes[lane]).min(HIDDEN),
            map: weights.map.map(|map| map[lane] as u8),
            tied: weights
                .tied
                .map(|row| row.map(|cell| cell.0[lane] * TO_BITS)),
            hidden_bias: weights.hidden_bias.map(|bias| bias.0[lane] * TO_BITS),
            input_bias: weights.input_bias.map(|bias| bias.0[lane] * TO_BITS),
            inverse_size: weights.inverse_size.0[lane],
            range: weights.outer.range(lane),
        });
        let first = |lanes: &[f32; MOST]| {
            let mut kept = [0.0; OUTER_HIDDEN];
            for (kept, x) in kept.iter_mut().zip(lanes) {
                *kept = x * TO_BITS;
            }
            kept
        };
        let outer = &weights.outer;
        Self {
            small: small.collect(),
            hidden: hidden(weights.count),
            by_input: outer.by_input.map(|row| first(&row.0)),
            hidden_bias: first(&outer.hidden_bias.0),
            input_bias: outer.input_bias.0.map(|bias| bias * TO_BITS),
            inverse_size: outer.inverse_size,
        }
    }
}

/// Scores rows.
pub(super) struct Score<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) ranges: &'a Ranges,
    pub(super) rows: &'a [[f32; DAMPED_STRIDE]],
    /// As many as rows.
    pub(super) errors: &'a mut [f32],
}

impl Task for Score<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            prepared,
            ranges,
            rows,
            errors,
        } = self;
        let mut columns = [s.splat(0.0); 128];
        let mut scores = [0.0; 16];
        for (rows, errors) in rows.chunks(S::WIDTH).zip(errors.chunks_mut(S::WIDTH)) {
            transpose(s, ranges, rows, &mut columns);
            s.store(block(s, prepared, &columns), &mut scores);
            for (error, score) in errors.iter_mut().zip(&scores) {
                *error = *score;
            }
        }
    }
}

/// Lays up to a vector's width of rows on the scale of inputs and turns them into columns. Missing rows repeat the last.
#[inline(always)]
fn transpose<S: Simd>(
    s: S,
    ranges: &Ranges,
    rows: &[[f32; DAMPED_STRIDE]],
    columns: &mut [S::V; 128],
) {
    // Row after row, so that memory is read in its order.
    for lane in 0..S::WIDTH {
        let row = &rows[lane.min(rows.len().saturating_sub(1))];
        for at in (0..DAMPED_STRIDE).step_by(S::WIDTH) {
            columns[at + lane] = lay(s, ranges, at, s.load(&row[at..]));
        }
    }
    for at in (0..DAMPED_STRIDE).step_by(S::WIDTH) {
        s.transpose(&mut columns[at..at + S::WIDTH]);
    }
}

/// The scores of a block of rows.
#[inline(always)]
fn block<S: Simd>(s: S, prepared: &Prepared, columns: &[S::V; 128]) -> S::V {
    let mut inputs = [s.splat(0.0); MOST];
    for (small, input) in prepared.small.iter().zip(&mut inputs) {
        let square = match small.hidden {
            0..=4 => autoencoder::<S, 4>(s, small, columns),
            5 => autoencoder::<S, 5>(s, small, columns),
            6 => autoencoder::<S, 6>(s, small, columns),
            7 => autoencoder::<S, 7>(s, small, columns),
            _ => autoencoder::<S, 8>(s, small, columns),
        };
        let error = s.root(s.mul(square, s.splat(small.inverse_size)));
        let (low, inverse) = small.range;
        *input = outer::lay(s, error, s.splat(low), s.splat(inverse), HIGHEST);
    }
    let count = prepared.small.len().min(MOST);
    let hidden = prepared.hidden.min(OUTER_HIDDEN);
    let mut y = [s.splat(0.0); OUTER_HIDDEN];
    for j in 0..OUTER_HIDDEN {
        y[j] = s.splat(prepared.hidden_bias[j]);
    }
    for i in 0..count {
        for j in 0..OUTER_HIDDEN {
            y[j] = s.mul_add(inputs[i], s.splat(prepared.by_input[i][j]), y[j]);
        }
    }
    for j in 0..OUTER_HIDDEN {
        // The weights of units that are not there are 0.
        if j < hidden {
            y[j] = s.logistic(y[j]);
        }
    }
    let mut square = s.splat(0.0);
    for i in 0..count {
        let (mut even, mut odd) = (s.splat(prepared.input_bias[i]), s.splat(0.0));
        for j in (0..OUTER_HIDDEN).step_by(2) {
            even = s.mul_add(y[j], s.splat(prepared.by_input[i][j]), even);
            odd = s.mul_add(y[j + 1], s.splat(prepared.by_input[i][j + 1]), odd);
        }
        let e = s.sub(inputs[i], s.logistic(s.add(even, odd)));
        square = s.mul_add(e, e, square);
    }
    s.root(s.mul(square, s.splat(prepared.inverse_size)))
}

/// The square error of one autoencoder of H hidden units.
#[inline(always)]
fn autoencoder<S: Simd, const H: usize>(s: S, small: &Small, columns: &[S::V; 128]) -> S::V {
    let column = |i: usize| columns[usize::from(small.map[i]) & 127];
    let mut y = [s.splat(0.0); H];
    for j in 0..H {
        y[j] = s.splat(small.hidden_bias[j]);
    }
    let inputs = small.inputs.min(LARGEST);
    for i in 0..inputs {
        let x = column(i);
        for j in 0..H {
            y[j] = s.mul_add(x, s.splat(small.tied[i][j]), y[j]);
        }
    }
    for j in 0..H {
        y[j] = s.logistic(y[j]);
    }
    let mut square = s.splat(0.0);
    for i in 0..inputs {
        let (mut even, mut odd) = (s.splat(small.input_bias[i]), s.splat(0.0));
        for j in 0..H {
            let weight = s.splat(small.tied[i][j]);
            if j % 2 == 0 {
                even = s.mul_add(y[j], weight, even);
            } else {
                odd = s.mul_add(y[j], weight, odd);
            }
        }
        let e = s.sub(column(i), s.logistic(s.add(even, odd)));
        square = s.mul_add(e, e, square);
    }
    square
}
