//! Scoring: a lane a row, weights broadcast.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "loops over the lengths of fixed arrays, unrolled by the compiler; iterators would hide the formulas"
)]

use std::ops::Range;

use super::grouping::{LARGEST, MOST};
use super::inner::TO_BITS;
use super::outer::{self, HIDDEN as OUTER_HIDDEN, HIGHEST};
use super::scaling::{Ranges, Scale};
use super::weights::{hidden, Weights, HIDDEN};
use crate::damped::{DAMPED, DAMPED_STRIDE};
use crate::simd::{Simd, Task};

/// One autoencoder. Its weights carry the factor of [`TO_BITS`].
#[derive(Clone, Copy)]
struct Small {
    inputs: usize,
    map: [u8; LARGEST],
    tied: [[f32; HIDDEN]; LARGEST],
    hidden_bias: [f32; HIDDEN],
    input_bias: [f32; LARGEST],
    inverse_size: f32,
    /// Range of its error: lower end, inverse width.
    range: (f32, f32),
}

impl Small {
    #[inline(always)]
    fn input<V: Copy>(&self, number: usize, columns: &[V; 128]) -> V {
        columns[usize::from(self.map[number]) & 127]
    }
}

/// Calls a function for an autoencoder's size: the compiler unrolls its loops.
macro_rules! by_size {
    ($call:ident($small:expr, $($with:expr),*)) => {
        match $small.inputs {
            0 | 1 => $call::<S, 1, { hidden(1) }>($small, $($with),*),
            2 => $call::<S, 2, { hidden(2) }>($small, $($with),*),
            3 => $call::<S, 3, { hidden(3) }>($small, $($with),*),
            4 => $call::<S, 4, { hidden(4) }>($small, $($with),*),
            5 => $call::<S, 5, { hidden(5) }>($small, $($with),*),
            6 => $call::<S, 6, { hidden(6) }>($small, $($with),*),
            7 => $call::<S, 7, { hidden(7) }>($small, $($with),*),
            8 => $call::<S, 8, { hidden(8) }>($small, $($with),*),
            9 => $call::<S, 9, { hidden(9) }>($small, $($with),*),
            _ => $call::<S, LARGEST, HIDDEN>($small, $($with),*),
        }
    };
}

/// Weights in the order in which scoring reads them.
pub(super) struct Prepared {
    scales: [Scale; DAMPED],
    small: Vec<Small>,
    hidden: usize,
    by_input: [[f32; OUTER_HIDDEN]; MOST],
    hidden_bias: [f32; OUTER_HIDDEN],
    input_bias: [f32; MOST],
    inverse_size: f32,
}

impl Prepared {
    pub(super) fn new(weights: &Weights, ranges: &Ranges) -> Self {
        let small = (0..weights.count).map(|lane| Small {
            inputs: weights.sizes[lane].min(LARGEST),
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
            scales: std::array::from_fn(|feature| Scale::new(ranges, feature)),
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
pub(super) struct Score<'a, F> {
    pub(super) prepared: &'a Prepared,
    pub(super) rows: &'a [[f32; DAMPED_STRIDE]],
    /// As many as rows.
    pub(super) errors: &'a mut [f32],
    /// Called for each row, between two steps of the computation.
    pub(super) beside: F,
}

/// Something that is done for each row of a block, spread evenly over the steps of its computation.
struct Beside<'a, F> {
    rows: Range<usize>,
    /// Grows by the rows of the block with each step, falls by the steps with each call.
    credit: usize,
    steps: usize,
    call: &'a mut F,
}

impl<'a, F: FnMut(usize)> Beside<'a, F> {
    fn new(rows: Range<usize>, steps: usize, call: &'a mut F) -> Self {
        Self {
            rows,
            credit: 0,
            steps,
            call,
        }
    }

    #[inline(always)]
    fn step(&mut self, count: usize) {
        self.credit += count;
        while self.credit >= self.steps {
            self.credit -= self.steps;
            if let Some(row) = self.rows.next() {
                (self.call)(row);
            }
        }
    }
}

impl<F: FnMut(usize)> Task for Score<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            prepared,
            rows,
            errors,
            mut beside,
        } = self;
        let mut columns = [s.splat(0.0); 128];
        let mut hidden = [[s.splat(0.0); HIDDEN]; MOST];
        let mut scores = [0.0; 16];
        let steps = DAMPED_STRIDE / S::WIDTH + 2 * prepared.small.len();
        let blocks = rows.chunks(S::WIDTH).zip(errors.chunks_mut(S::WIDTH));
        for (number, (rows, errors)) in blocks.enumerate() {
            let first = number * S::WIDTH;
            let mut beside = Beside::new(first..first + rows.len(), steps, &mut beside);
            transpose(s, prepared, rows, &mut columns, &mut beside);
            let score = block(s, prepared, &columns, &mut hidden, &mut beside);
            s.store(score, &mut scores);
            for (error, score) in errors.iter_mut().zip(&scores) {
                *error = *score;
            }
        }
    }
}

/// Turns up to a vector's width of rows into columns on the scale of inputs. Missing rows repeat the last.
#[inline(always)]
fn transpose<S: Simd, F: FnMut(usize)>(
    s: S,
    prepared: &Prepared,
    rows: &[[f32; DAMPED_STRIDE]],
    columns: &mut [S::V; 128],
    beside: &mut Beside<'_, F>,
) {
    // Row after row, so that memory is read in its order.
    for lane in 0..S::WIDTH {
        let row = &rows[lane.min(rows.len().saturating_sub(1))];
        for at in (0..DAMPED_STRIDE).step_by(S::WIDTH) {
            columns[at + lane] = s.load(&row[at..]);
        }
    }
    for at in (0..DAMPED_STRIDE).step_by(S::WIDTH) {
        let columns = &mut columns[at..at + S::WIDTH];
        s.transpose(columns);
        // The padding is nobody's input.
        for (column, scale) in columns.iter_mut().zip(&prepared.scales[at.min(DAMPED)..]) {
            *column = scale.lay(s, *column);
        }
        beside.step(S::WIDTH);
    }
}

/// The scores of a block of rows.
///
/// One part of the work after the other for all autoencoders: a whole one is a chain of dependent operations that is
/// longer than what the processor looks ahead.
#[inline(always)]
fn block<S: Simd, F: FnMut(usize)>(
    s: S,
    prepared: &Prepared,
    columns: &[S::V; 128],
    hidden: &mut [[S::V; HIDDEN]; MOST],
    beside: &mut Beside<'_, F>,
) -> S::V {
    for (small, y) in prepared.small.iter().zip(&mut *hidden) {
        by_size!(encode(small, s, columns, y));
        beside.step(S::WIDTH);
    }
    let mut inputs = [s.splat(0.0); MOST];
    for ((small, y), input) in prepared.small.iter().zip(&*hidden).zip(&mut inputs) {
        *input = by_size!(decode(small, s, columns, y));
        beside.step(S::WIDTH);
    }
    for (small, input) in prepared.small.iter().zip(&mut inputs) {
        let error = s.root(s.mul(*input, s.splat(small.inverse_size)));
        let (low, inverse) = small.range;
        *input = outer::lay(s, error, s.splat(low), s.splat(inverse), HIGHEST);
    }
    let count = prepared.small.len().min(MOST);
    let mut y = [s.splat(0.0); OUTER_HIDDEN];
    for j in 0..OUTER_HIDDEN {
        y[j] = s.splat(prepared.hidden_bias[j]);
    }
    for i in 0..count {
        for j in 0..OUTER_HIDDEN {
            y[j] = s.mul_add(inputs[i], s.splat(prepared.by_input[i][j]), y[j]);
        }
    }
    // The weights of units that are not there are 0.
    s.logistics(&mut y[..prepared.hidden.min(OUTER_HIDDEN)]);
    let mut z = [s.splat(0.0); MOST];
    for i in 0..count {
        z[i] = weigh(s, prepared.input_bias[i], &prepared.by_input[i], &y);
    }
    s.logistics(&mut z[..count]);
    let mut square = s.splat(0.0);
    for i in 0..count {
        let e = s.sub(inputs[i], z[i]);
        square = s.mul_add(e, e, square);
    }
    s.root(s.mul(square, s.splat(prepared.inverse_size)))
}

/// The hidden units of one autoencoder of N inputs and H hidden units.
#[inline(always)]
fn encode<S: Simd, const N: usize, const H: usize>(
    small: &Small,
    s: S,
    columns: &[S::V; 128],
    hidden: &mut [S::V; HIDDEN],
) {
    let mut y = [s.splat(0.0); H];
    for j in 0..H {
        y[j] = s.splat(small.hidden_bias[j]);
    }
    for i in 0..N {
        let x = small.input(i, columns);
        for j in 0..H {
            y[j] = s.mul_add(x, s.splat(small.tied[i][j]), y[j]);
        }
    }
    s.logistics(&mut y);
    hidden[..H].copy_from_slice(&y);
}

/// The square error of what it makes of its hidden units.
#[inline(always)]
fn decode<S: Simd, const N: usize, const H: usize>(
    small: &Small,
    s: S,
    columns: &[S::V; 128],
    hidden: &[S::V; HIDDEN],
) -> S::V {
    let mut z = [s.splat(0.0); N];
    for i in 0..N {
        z[i] = weigh(s, small.input_bias[i], &small.tied[i], &hidden[..H]);
    }
    s.logistics(&mut z);
    let mut squares = [s.splat(0.0); 2];
    for i in 0..N {
        let e = s.sub(small.input(i, columns), z[i]);
        squares[i % 2] = s.mul_add(e, e, squares[i % 2]);
    }
    s.add(squares[0], squares[1])
}

/// `bias + sum over j of weights[j] * y[j]`; two sums, so that the chain of additions is half as long.
#[inline(always)]
fn weigh<S: Simd>(s: S, bias: f32, weights: &[f32], y: &[S::V]) -> S::V {
    let mut sums = [s.splat(bias), s.splat(0.0)];
    for (j, (y, weight)) in y.iter().zip(weights).enumerate() {
        sums[j % 2] = s.mul_add(*y, s.splat(*weight), sums[j % 2]);
    }
    s.add(sums[0], sums[1])
}
