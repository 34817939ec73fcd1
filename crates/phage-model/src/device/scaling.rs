//! From features in their units to the scaled inputs of an ensemble, and back.

use phage_decode::catalog::{Feature, Scale};

use super::kernel::{DeviceKernel, Sixteen, Work};
use super::lanes::{exponential, halves_mut, logarithm, Row, GROUPS, INPUTS, NEURONS, VISIBLE};

/// Values beyond this are no measurement; they stand for "far too much".
const LARGEST: f32 = 1e30;

/// How each behaviour feature is laid on its scale.
///
/// Inside the arrays the feature `f` stands at `(f % 8) * 4 + f / 8`: the catalog's features 0 to
/// 7 form the first autoencoder, 8 to 15 the second, and one vector holds the same input of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// 1 where the scale is logarithmic.
    logarithmic: [u32; INPUTS],
    floor: Row,
}

/// Where a feature stands inside the arrays.
pub fn place(feature: usize) -> usize {
    (feature % VISIBLE) * GROUPS + feature / VISIBLE
}

impl Scaling {
    /// Reads scales and floors from a catalog; what it does not name is linear.
    pub fn new(catalog: &[Feature]) -> Self {
        let mut scaling = Self {
            logarithmic: [0; INPUTS],
            floor: [1e-3; INPUTS],
        };
        for (index, feature) in catalog.iter().take(INPUTS).enumerate() {
            let place = place(index);
            if let (Some(logarithmic), Some(floor)) = (
                scaling.logarithmic.get_mut(place),
                scaling.floor.get_mut(place),
            ) {
                *logarithmic = u32::from(feature.scale == Scale::Logarithmic);
                *floor = feature.floor.abs().clamp(1e-6, LARGEST);
            }
        }
        scaling
    }

    /// Lays a row of features on their scales. What is not a number counts as 0.
    #[inline(always)]
    pub fn apply(&self, kernel: DeviceKernel, features: &[f32; INPUTS]) -> Row {
        kernel.run(Apply {
            scaling: self,
            features,
        })
    }

    /// The smallest meaningful widths at scaled values, on the scale.
    pub fn floors(&self, scaled: &Row) -> Row {
        let mut widths = [0.0; INPUTS];
        let settings = self.floor.iter().zip(&self.logarithmic);
        for ((width, scaled), (floor, logarithmic)) in widths.iter_mut().zip(scaled).zip(settings) {
            let small = floor * exponential(-scaled.abs().min(69.0));
            // Near 1 a float has few digits left for what is beyond 1: the series is closer there.
            let series = small * (1.0 - small * (0.5 - small * (1.0 / 3.0)));
            let log = logarithm(1.0 + small);
            let on_scale = if small < 0.01 { series } else { log };
            *width = if *logarithmic == 1 { on_scale } else { *floor };
        }
        widths
    }

    /// From the scale back to the feature's unit.
    pub fn value(&self, place: usize, scaled: f32) -> f32 {
        if self.logarithmic.get(place) == Some(&1) {
            scaled.abs().min(69.0).exp_m1().copysign(scaled)
        } else {
            scaled
        }
    }
}

struct Apply<'a> {
    scaling: &'a Scaling,
    features: &'a [f32; INPUTS],
}

impl Work for Apply<'_> {
    type Output = Row;

    #[inline(always)]
    fn run<S: Sixteen>(self, s: S) -> Row {
        let mut row = [0.0; INPUTS];
        let values = self.scaling.lay(s, self.features);
        for (half, value) in halves_mut(&mut row).iter_mut().zip(values) {
            s.store(value, half);
        }
        row
    }
}

impl Scaling {
    /// [`Scaling::apply`] with the instructions of a kernel, without a way through memory.
    #[inline(always)]
    pub(super) fn lay<S: Sixteen>(&self, s: S, features: &[f32; INPUTS]) -> [S::V; 2] {
        let mut features = *features;
        for feature in &mut features {
            *feature = if feature.is_nan() { 0.0 } else { *feature };
        }
        let mut values = s.arrange(&features);
        let masks = self.logarithmic.as_chunks::<NEURONS>().0;
        for (value, mask) in values.iter_mut().zip(masks) {
            *value = s.clamp(*value, -LARGEST, LARGEST);
            *value = s.select(mask, s.curve(*value), *value);
        }
        values
    }
}
