//! The normal range of each input, tracked as a pair of extreme quantiles.

use super::kernel::{Plain, Sixteen};
use super::lanes::{halves, halves_mut, Row, INPUTS};
use super::scaling::Scaling;

/// So many rows define the range by their smallest and largest values.
const YOUNG: u32 = 128;
/// Share of the rows that may lie beyond each end.
const BEYOND: f32 = 0.001;
/// A row beyond an end moves the end by at most this share of the width.
const STEP: f32 = 0.05;
/// Rows with which the prior's range speaks beside a device's own.
const PRIOR_WEIGHT: f32 = 256.0;
/// Inputs are clipped to this: seven widths below and above the normal range.
const LOWEST_INPUT: f32 = -7.0;
const HIGHEST_INPUT: f32 = 8.0;
/// Residuals below this share of the normal range are noise whatever their history ...
const RESOLUTION: f32 = 0.05;
/// ... and so are those below this share of the catalog's floor.
const FLOOR_RESOLUTION: f32 = 0.5;

/// Ends of the normal range of each input on its scale.
///
/// The first [`YOUNG`] rows set the ends; then each end follows its quantile by stochastic
/// approximation (Robbins and Monro, 1951) in steps of the width, so that one outlier moves an
/// end by 5 % of the width and not to itself.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Range {
    pub(crate) low: Row,
    pub(crate) high: Row,
    pub(crate) rows: u32,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            low: [0.0; INPUTS],
            high: [0.0; INPUTS],
            rows: 0,
        }
    }
}

impl Range {
    /// Takes a row into account; `rate` scales the steps (1 while learning, less when watching).
    #[inline(always)]
    pub fn track(&mut self, row: &Row, rate: f32) {
        if self.rows == 0 {
            self.low = *row;
            self.high = *row;
        } else if self.rows < YOUNG {
            for ((low, high), &x) in self.low.iter_mut().zip(&mut self.high).zip(row) {
                *low = low.min(x);
                *high = high.max(x);
            }
        } else {
            let step = STEP * rate;
            for ((low, high), &x) in self.low.iter_mut().zip(&mut self.high).zip(row) {
                let width = *high - *low;
                let outwards = step * (width + 0.01 * high.abs().max(low.abs()) + 1e-3);
                let inwards = outwards * -BEYOND;
                *high += if x > *high {
                    outwards.min(x - *high)
                } else {
                    inwards
                };
                *low -= if x < *low {
                    outwards.min(*low - x)
                } else {
                    inwards
                };
            }
        }
        self.rows = self.rows.saturating_add(1);
    }

    /// The map to inputs, shrunk to the prior's range while this one is young.
    pub fn map(&self, prior: Option<&Self>, scaling: &Scaling) -> InputMap {
        let own = match prior {
            Some(_) => self.rows as f32 / (self.rows as f32 + PRIOR_WEIGHT),
            None => 1.0,
        };
        let prior = prior.unwrap_or(self);
        let mut map = InputMap {
            low: [0.0; INPUTS],
            inverse: [1.0; INPUTS],
            resolution: [1.0; INPUTS],
            width: [1.0; INPUTS],
        };
        let mut tops = [0.0; INPUTS];
        let ends = self.low.iter().zip(&self.high);
        let prior_ends = prior.low.iter().zip(&prior.high);
        for ((ends, prior_ends), (low, top)) in
            ends.zip(prior_ends).zip(map.low.iter_mut().zip(&mut tops))
        {
            *low = prior_ends.0 + own * (ends.0 - prior_ends.0);
            *top = (prior_ends.1 + own * (ends.1 - prior_ends.1)).max(*low);
        }
        let floors = scaling.floors(&tops);
        let fields = map.low.iter_mut().zip(&mut map.width);
        let fields = fields.zip(map.inverse.iter_mut().zip(&mut map.resolution));
        for ((top, floor), ((low, width), (inverse, resolution))) in
            tops.iter().zip(floors).zip(fields)
        {
            let floor = floor.max(1e-6);
            *width = (top - *low).max(floor);
            *low = (*low + top - *width) * 0.5;
            *inverse = 1.0 / *width;
            *resolution = resolution_of(floor, *width);
        }
        map
    }
}

/// The square of the smallest residual that means something.
fn resolution_of(floor: f32, width: f32) -> f32 {
    let resolution = RESOLUTION + FLOOR_RESOLUTION * floor / width;
    resolution * resolution
}

/// From scaled values to inputs: 0 to 1 is the normal range, clipped far outside it.
///
/// In the order in which a score reads it; the widths are read by explanations alone.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct InputMap {
    pub(crate) low: Row,
    inverse: Row,
    /// Squares of the smallest residuals that mean something.
    pub(crate) resolution: Row,
    pub(crate) width: Row,
}

impl InputMap {
    /// A map of given ranges; `None` where a width is not positive.
    pub fn new(low: Row, width: Row, resolution: Row) -> Option<Self> {
        let positive = |row: &Row| row.iter().all(|&value| value > 0.0);
        (positive(&width) && positive(&resolution)).then(|| Self {
            low,
            width,
            inverse: width.map(|width| 1.0 / width),
            resolution,
        })
    }

    /// The inputs of a scaled row.
    #[inline(always)]
    pub(crate) fn inputs<S: Sixteen>(&self, s: S, row: [S::V; 2]) -> [S::V; 2] {
        let mut inputs = row;
        let fields = halves(&self.low).iter().zip(halves(&self.inverse));
        for (input, (low, inverse)) in inputs.iter_mut().zip(fields) {
            let input_of = s.mul(s.sub(*input, s.load(low)), s.load(inverse));
            *input = s.clamp(input_of, LOWEST_INPUT, HIGHEST_INPUT);
        }
        inputs
    }

    /// The same on any processor.
    pub fn inputs_of(&self, row: &Row) -> Row {
        let mut inputs = [0.0; INPUTS];
        let halves_of_inputs = self.inputs(Plain, *halves(row));
        for (to, from) in halves_mut(&mut inputs).iter_mut().zip(halves_of_inputs) {
            *to = from;
        }
        inputs
    }
}
