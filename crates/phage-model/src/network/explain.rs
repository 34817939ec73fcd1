//! Which features a score comes from.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "lanes and inputs are below the lengths of the fixed arrays that they index"
)]

use super::grouping::{LARGEST, MOST};
use super::outer::{HIDDEN as OUTER_HIDDEN, HIGHEST, RESOLUTION};
use super::scaling::{from_scale, to_scale, Ranges, CLIP};
use super::weights::{Weights, HIDDEN};
use super::{Knowledge, Network};
use crate::damped::{DAMPED, DAMPED_STRIDE};

/// A feature's part in a score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Contribution {
    /// Number in the catalog.
    pub feature: u16,
    /// Share of the squared error, 0 to 1; all shares add up to 1.
    pub weight: f32,
    /// The value, in the feature's unit.
    pub value: f32,
    /// The ends of the normal range, in the feature's unit.
    pub low: f32,
    /// Upper end.
    pub high: f32,
}

impl Network {
    /// Tells which features carry the error of a row, strongest first. Empty while surveying, or for a row that is too short.
    ///
    /// The share of a feature is its part in the square error of its autoencoder, times the part of that in the outer
    /// one. Where some autoencoder's error is above what the others' lead to expect, those below it do not count:
    /// nobody wants to read what was too normal.
    pub fn contributions(&self, row: &[f32], into: &mut Vec<Contribution>) {
        into.clear();
        let (Knowledge::Model(model), Some(row)) = (&self.knowledge, row.first_chunk()) else {
            return;
        };
        let (weights, ranges) = (&model.weights, &model.ranges);
        let inputs = lay(row, ranges);
        let parts: [[f64; LARGEST]; MOST] =
            std::array::from_fn(|lane| squares(weights, &inputs, lane));
        let totals = parts.map(|part| part.iter().sum::<f64>());
        let shares = outer_shares(weights, &totals);
        let sum: f64 = shares.iter().sum();
        for lane in 0..weights.count {
            for input in 0..weights.sizes[lane].min(LARGEST) {
                let feature = weights.map[input][lane] as usize;
                let weight = shares[lane] / sum * parts[lane][input] / totals[lane];
                if feature < DAMPED {
                    into.push(Contribution {
                        feature: feature as u16,
                        weight: if weight.is_finite() {
                            weight as f32
                        } else {
                            0.0
                        },
                        value: row[feature],
                        low: in_unit(feature, ranges.low.0[feature]),
                        high: in_unit(feature, ranges.high.0[feature]),
                    });
                }
            }
        }
        into.sort_by(|a, b| {
            b.weight
                .total_cmp(&a.weight)
                .then(a.feature.cmp(&b.feature))
        });
    }
}

/// A bound in the feature's unit, as the nearest finite number.
fn in_unit(feature: usize, bound: f32) -> f32 {
    (from_scale(feature, f64::from(bound)) as f32).clamp(f32::MIN, f32::MAX)
}

/// A row on the scale of inputs.
fn lay(row: &[f32; DAMPED_STRIDE], ranges: &Ranges) -> [f64; DAMPED_STRIDE] {
    std::array::from_fn(|feature| {
        let x = to_scale(feature, f64::from(row[feature]));
        let x = (x - f64::from(ranges.low.0[feature])) * f64::from(ranges.inverse.0[feature]);
        // As `lay` of the kernels: what is not a number counts as the upper end.
        x.min(f64::from(CLIP.1)).max(f64::from(CLIP.0))
    })
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The square error of each input of an autoencoder.
fn squares(w: &Weights, row: &[f64; DAMPED_STRIDE], lane: usize) -> [f64; LARGEST] {
    let size = w.sizes[lane].min(LARGEST);
    let x = |input: usize| row.get(w.map[input][lane] as usize).copied().unwrap_or(0.0);
    let y: [f64; HIDDEN] = std::array::from_fn(|j| {
        let sum: f64 = (0..size)
            .map(|i| f64::from(w.tied[i][j].0[lane]) * x(i))
            .sum();
        logistic(sum + f64::from(w.hidden_bias[j].0[lane])) * f64::from(w.hidden_mask[j].0[lane])
    });
    let mut squares = [0.0; LARGEST];
    for (i, square) in squares.iter_mut().enumerate().take(size) {
        let sum: f64 = (0..HIDDEN)
            .map(|j| f64::from(w.tied[i][j].0[lane]) * y[j])
            .sum();
        *square = (x(i) - logistic(sum + f64::from(w.input_bias[i].0[lane]))).powi(2);
    }
    squares
}

/// The square error of each input of the outer autoencoder; of those above expectation alone, if there are any.
fn outer_shares(w: &Weights, totals: &[f64; MOST]) -> [f64; MOST] {
    let outer = &w.outer;
    let inputs: [f64; MOST] = std::array::from_fn(|lane| {
        let (low, inverse) = outer.range(lane);
        let error = (totals[lane] * f64::from(w.inverse_size.0[lane])).sqrt();
        let x = ((f64::from(RESOLUTION) * error).ln_1p() - f64::from(low)) * f64::from(inverse);
        x.clamp(-1.0, f64::from(HIGHEST)) * f64::from(outer.input_mask.0[lane])
    });
    let y: [f64; OUTER_HIDDEN] = std::array::from_fn(|j| {
        let sum: f64 = (0..MOST)
            .map(|i| f64::from(outer.by_input[i].0[j]) * inputs[i])
            .sum();
        logistic(sum + f64::from(outer.hidden_bias.0[j])) * f64::from(outer.hidden_mask.0[j])
    });
    let off: [f64; MOST] = std::array::from_fn(|i| {
        let sum: f64 = (0..OUTER_HIDDEN)
            .map(|j| f64::from(outer.by_hidden[j].0[i]) * y[j])
            .sum();
        let z = logistic(sum + f64::from(outer.input_bias.0[i]));
        (inputs[i] - z) * f64::from(outer.input_mask.0[i])
    });
    let above = off.iter().any(|off| *off > 0.0);
    off.map(|off| if off > 0.0 || !above { off * off } else { 0.0 })
}
