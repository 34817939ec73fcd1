//! The weights, laid out for training: a lane an autoencoder.

use super::grouping::{LARGEST, MOST};
use super::outer::Outer;
use super::scaling::Aligned;
use super::survey::Random;
use crate::damped::DAMPED;

/// Hidden units of the largest autoencoder: three quarters of its inputs.
pub(super) const HIDDEN: usize = hidden(LARGEST);
/// A lane without a feature reads this place of a row, which is always 0.
pub(super) const NOWHERE: u32 = DAMPED as u32;

/// One value for each of 16 autoencoders.
pub(super) type Lanes = Aligned<MOST>;

pub(super) const ZERO: Lanes = Aligned([0.0; MOST]);

/// Hidden units for so many inputs: three quarters, rounded up.
pub(super) const fn hidden(inputs: usize) -> usize {
    (inputs * 3).div_ceil(4)
}

/// All weights. The arrays are indexed input first, then hidden unit, then autoencoder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    /// Autoencoders in use.
    pub(super) count: usize,
    /// Inputs of each.
    pub(super) sizes: [usize; MOST],
    /// The feature that is input i of each.
    pub(super) map: [[u32; MOST]; LARGEST],
    /// 1 where there is such an input, or hidden unit.
    pub(super) input_mask: [Lanes; LARGEST],
    pub(super) hidden_mask: [Lanes; HIDDEN],
    /// 1 / inputs.
    pub(super) inverse_size: Lanes,
    /// Tied weights: the decoder uses the encoder's.
    pub(super) tied: [[Lanes; HIDDEN]; LARGEST],
    pub(super) hidden_bias: [Lanes; HIDDEN],
    pub(super) input_bias: [Lanes; LARGEST],
    /// The autoencoder over the errors.
    pub(super) outer: Outer,
}

impl Weights {
    /// First weights for groups of features: uniform within the reciprocal of the inputs.
    pub(super) fn new(groups: &[Vec<u16>], seed: u64) -> Self {
        let mut weights = Self::empty(groups);
        let mut random = Random(seed ^ 0x6b69_746e_6574_2d31);
        for (lane, group) in groups.iter().enumerate() {
            let inverse = 1.0 / group.len().max(1) as f32;
            for input in weights.tied.iter_mut().take(group.len()) {
                for cell in input.iter_mut().take(hidden(group.len())) {
                    if let Some(cell) = cell.0.get_mut(lane) {
                        *cell = random.symmetric() * inverse;
                    }
                }
            }
        }
        weights.outer = Outer::new(groups.len(), &mut random);
        weights
    }

    /// The shape for groups of features, with all weights 0.
    pub(super) fn empty(groups: &[Vec<u16>]) -> Self {
        let mut weights = Self {
            count: groups.len().min(MOST),
            sizes: [0; MOST],
            map: [[NOWHERE; MOST]; LARGEST],
            input_mask: [ZERO; LARGEST],
            hidden_mask: [ZERO; HIDDEN],
            inverse_size: ZERO,
            tied: [[ZERO; HIDDEN]; LARGEST],
            hidden_bias: [ZERO; HIDDEN],
            input_bias: [ZERO; LARGEST],
            outer: Outer::empty(groups.len()),
        };
        let lanes = weights.sizes.iter_mut().zip(&mut weights.inverse_size.0);
        for (lane, (group, (size, inverse))) in groups.iter().zip(lanes).enumerate() {
            *size = group.len();
            *inverse = 1.0 / group.len().max(1) as f32;
            let inputs = weights.map.iter_mut().zip(&mut weights.input_mask);
            for (feature, (map, mask)) in group.iter().zip(inputs) {
                set(map, lane, u32::from(*feature));
                set(&mut mask.0, lane, 1.0);
            }
            for mask in weights.hidden_mask.iter_mut().take(hidden(group.len())) {
                set(&mut mask.0, lane, 1.0);
            }
        }
        weights
    }

    /// The features of each autoencoder.
    pub(super) fn groups(&self) -> Vec<Vec<u16>> {
        let lanes = self.sizes.iter().enumerate().take(self.count);
        lanes
            .map(|(lane, size)| {
                let inputs = self.map.iter().take(*size);
                inputs
                    .filter_map(|map| map.get(lane).map(|feature| *feature as u16))
                    .collect()
            })
            .collect()
    }
}

fn set<T>(lanes: &mut [T; MOST], lane: usize, value: T) {
    if let Some(cell) = lanes.get_mut(lane) {
        *cell = value;
    }
}
