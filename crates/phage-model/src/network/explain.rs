//! Which features a score comes from.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "lanes and inputs are below the lengths of the fixed arrays that they index"
)]

use super::grouping::{LARGEST, MOST};
use super::scaling::{from_scale, Ranges};
use super::train::{prepare, Laid};
use super::weights::{Lanes, Weights, ZERO};
use super::{inner, outer, Knowledge, Network};
use crate::damped::{DAMPED, DAMPED_STRIDE};
use crate::simd::{Simd, Task};

/// A feature's part in a score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Contribution {
    /// Number in the catalog.
    pub feature: u16,
    /// Share of the squared error, 0 to 1; the shares of all features add up to 1.
    pub weight: f32,
    /// The value, in the feature's unit.
    pub value: f32,
    /// The ends of the normal range, in the feature's unit.
    pub low: f32,
    /// Upper end.
    pub high: f32,
}

impl Network {
    /// The features that carry most of the error of a row, strongest first. Those of weight 0 are none: at the end, and all while
    /// surveying.
    ///
    /// The share of a feature is its part in the square error of its autoencoder, times the part of that in the outer
    /// one. Where some autoencoder's error is above what the others' lead to expect, those below it do not count:
    /// nobody wants to read what was too normal.
    pub fn contributions<const N: usize>(&self, row: &[f32; DAMPED_STRIDE]) -> [Contribution; N] {
        let mut strongest = [Contribution::default(); N];
        let Knowledge::Model(model) = &self.knowledge else {
            return strongest;
        };
        self.chosen.run(Shares {
            weights: &model.weights,
            ranges: &model.ranges,
            row,
            strongest: &mut strongest,
        });
        for one in strongest.iter_mut().filter(|one| one.weight > 0.0) {
            let feature = usize::from(one.feature);
            one.value = row[feature];
            one.low = in_unit(feature, model.ranges.low.0[feature]);
            one.high = in_unit(feature, model.ranges.high.0[feature]);
        }
        strongest
    }
}

/// A bound in the feature's unit, as the nearest finite number.
fn in_unit(feature: usize, bound: f32) -> f32 {
    (from_scale(feature, f64::from(bound)) as f32).clamp(f32::MIN, f32::MAX)
}

/// Finds the strongest features of a row.
struct Shares<'a> {
    weights: &'a Weights,
    ranges: &'a Ranges,
    row: &'a [f32; DAMPED_STRIDE],
    /// Features and weights are written.
    strongest: &'a mut [Contribution],
}

impl Task for Shares<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            weights,
            ranges,
            row,
            strongest,
        } = self;
        let mut laid = Laid([0.0; 128]);
        prepare(s, ranges, row, &mut laid.0);
        let mut inputs = [ZERO; LARGEST];
        inner::gather(s, weights, &laid.0, &mut inputs);
        let mut squares = [ZERO; LARGEST];
        let mut errors = ZERO;
        for lane in (0..MOST).step_by(S::WIDTH) {
            let mut step = inner::Step::encode(s, weights, &inputs, lane);
            step.squash(s, weights, lane);
            step.decode(s, weights, lane);
            step.squares(s, &mut squares, lane);
            s.store(step.error(s, weights, lane), &mut errors.0[lane..]);
        }
        let mut outer = outer::Step::new();
        outer.look(s, &weights.outer, &errors);
        choose(weights, &squares, outer.unexpected(), strongest);
    }
}

/// Keeps the strongest features: `squares` are the square errors of the inputs of all autoencoders, `off` how far the error of
/// each lies above what is expected.
fn choose(w: &Weights, squares: &[Lanes; LARGEST], off: &Lanes, strongest: &mut [Contribution]) {
    let above = off.0.iter().any(|off| *off > 0.0);
    let shares = off
        .0
        .map(|off| if off > 0.0 || !above { off * off } else { 0.0 });
    let all = shares.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    for lane in 0..w.count.min(MOST) {
        let total: f32 = squares.iter().map(|square| square.0[lane]).sum();
        let part = shares[lane] / all / total.max(f32::MIN_POSITIVE);
        for input in 0..w.sizes[lane].min(LARGEST) {
            let feature = w.map[input][lane] as u16;
            if usize::from(feature) < DAMPED {
                insert(strongest, feature, part * squares[input].0[lane]);
            }
        }
    }
}

/// Puts a feature in its place among the strongest; the weakest falls out.
#[inline(always)]
fn insert(strongest: &mut [Contribution], feature: u16, weight: f32) {
    let weaker = |one: &Contribution| {
        let by_weight = weight.total_cmp(&one.weight);
        by_weight.then(one.feature.cmp(&feature)).is_gt()
    };
    if weight <= 0.0 || !strongest.last().is_some_and(weaker) {
        return;
    }
    let place = strongest.partition_point(|one| !weaker(one));
    strongest[place..].rotate_right(1);
    strongest[place] = Contribution {
        feature,
        weight,
        ..Contribution::default()
    };
}
