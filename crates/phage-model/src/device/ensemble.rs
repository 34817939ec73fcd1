//! Four small autoencoders over the behaviour features of one device.

use super::kernel::{Plain, Sixteen};
use super::lanes::{halves, halves_mut, Neurons, Row, GROUPS, HIDDEN, INPUTS, NEURONS, VISIBLE};

/// The neurons do not see how far an input lies outside the normal range beyond this: one input
/// far off must not disturb the reconstruction of the others, nor training.
const SEEN_LOW: f32 = -0.25;
const SEEN_HIGH: f32 = 1.25;
/// Rows that score beyond so many times what is typical are believed less ...
const BELIEVED: f32 = 3.0;
/// ... which is a mean over about so many rows, from so many rows on.
const TYPICAL_ROWS: f32 = 256.0;
const YOUNG: u32 = 64;
/// A residual counts at most so many times its usual spread; squared.
const MOST: f32 = 400.0;
/// The spread of residuals is an exponential mean over about so many rows.
const SPREAD_ROWS: f32 = 1024.0;

/// Four autoencoders 8-4-8 with tied weights and logistic neurons, side by side in the lanes.
///
/// The arithmetic of `KitNET` (Kitsune, NDSS 2018, section IV), one stochastic gradient step a row.
/// Unlike there the score is not the mean residual: each residual is measured against its own
/// usual spread, so that an input that never deviated and now does outweighs one that always
/// does a little; and it counts at most 20 spreads, so that several inputs that deviate together
/// outweigh one that is beyond all bounds. A score is the root of their mean square: 0 to 20.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Ensemble {
    /// `weights[v][h * 4 + g]`: from input `v` to hidden neuron `h` of group `g`, and back.
    pub(crate) weights: [Neurons; VISIBLE],
    pub(crate) hidden_bias: Neurons,
    pub(crate) visible_bias: Row,
    /// Mean square residual of each input.
    pub(crate) spread: Row,
    /// Score of a typical row in training.
    pub(crate) typical: f32,
    /// Rows trained on.
    pub(crate) rows: u32,
}

impl Ensemble {
    /// Makes an ensemble with small random weights.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut weights = [[0.0; NEURONS]; VISIBLE];
        for weight in weights.iter_mut().flatten() {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            // Uniform in -1/2..1/2: smaller ones leave the hidden neurons alike for long.
            *weight = ((mixed ^ (mixed >> 31)) >> 40) as f32 / 16_777_216.0 - 0.5;
        }
        Self {
            weights,
            hidden_bias: [0.0; NEURONS],
            visible_bias: [0.0; INPUTS],
            spread: [0.01; INPUTS],
            typical: 0.0,
            rows: 0,
        }
    }

    /// Hidden activations and residuals (input minus reconstruction).
    #[inline(always)]
    fn run<S: Sixteen>(&self, s: S, inputs: &Row) -> (S::V, [S::V; 2]) {
        let mut seen = *inputs;
        for half in halves_mut(&mut seen) {
            s.store(s.clamp(s.load(half), SEEN_LOW, SEEN_HIGH), half);
        }
        let blocks = seen.as_chunks::<GROUPS>().0;
        let mut sums = [s.load(&self.hidden_bias), s.splat(0.0)];
        for (weights, inputs) in self
            .weights
            .as_chunks::<2>()
            .0
            .iter()
            .zip(blocks.as_chunks::<2>().0)
        {
            for ((sum, weights), inputs) in sums.iter_mut().zip(weights).zip(inputs) {
                *sum = s.mul_add(s.load(weights), s.repeat(inputs), *sum);
            }
        }
        let hidden = s.logistic(s.add(sums[0], sums[1]));
        // Not by `map`: a closure would be compiled without the instructions of the kernel.
        let [first, second] = halves(inputs);
        let mut residual = [s.load(first), s.load(second)];
        let weights = self.weights.as_chunks::<HIDDEN>().0;
        for ((residual, weights), bias) in residual
            .iter_mut()
            .zip(weights)
            .zip(halves(&self.visible_bias))
        {
            let [a, b, c, d] = weights;
            let sums = s.fold([
                s.mul(s.load(a), hidden),
                s.mul(s.load(b), hidden),
                s.mul(s.load(c), hidden),
                s.mul(s.load(d), hidden),
            ]);
            *residual = s.sub(*residual, s.logistic(s.add(sums, s.load(bias))));
        }
        (hidden, residual)
    }

    /// The squares of the residuals in units of their spread.
    #[inline(always)]
    fn deviations<S: Sixteen>(&self, s: S, residual: [S::V; 2], resolution: &Row) -> [S::V; 2] {
        let mut deviations = residual;
        let fields = halves(&self.spread).iter().zip(halves(resolution));
        for (deviation, (spread, resolution)) in deviations.iter_mut().zip(fields) {
            let square = s.mul(*deviation, *deviation);
            let usual = s.add(s.load(spread), s.load(resolution));
            *deviation = s.clamp(s.div(square, usual), 0.0, MOST);
        }
        deviations
    }

    /// The score of a row of inputs: 0 to 20, around 1 for what is normal.
    #[inline(always)]
    pub(crate) fn score_with<S: Sixteen>(&self, s: S, inputs: &Row, resolution: &Row) -> f32 {
        let (_, residual) = self.run(s, inputs);
        self.score_of(s, residual, resolution)
    }

    #[inline(always)]
    fn score_of<S: Sixteen>(&self, s: S, residual: [S::V; 2], resolution: &Row) -> f32 {
        let [a, b] = self.deviations(s, residual, resolution);
        let sum = s.sum(s.add(a, b));
        (sum * (1.0 / INPUTS as f32)).sqrt()
    }

    /// [`Ensemble::score_with`] on any processor.
    pub fn score(&self, inputs: &Row, resolution: &Row) -> f32 {
        self.score_with(Plain, inputs, resolution)
    }

    /// The share of each input in the score, summing to 1.
    pub fn shares(&self, inputs: &Row, resolution: &Row) -> Row {
        let (_, residual) = self.run(Plain, inputs);
        let mut shares = [0.0; INPUTS];
        let deviations = self.deviations(Plain, residual, resolution);
        for (share, deviation) in shares.iter_mut().zip(deviations.iter().flatten()) {
            *share = *deviation;
        }
        let sum = shares.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        for share in &mut shares {
            *share /= sum;
        }
        shares
    }

    /// One step of gradient descent on a row of inputs; answers how far the row was believed.
    ///
    /// A row that scores beyond three times what is typical takes a step that is smaller by the
    /// square of its excess (as a redescending estimator does): what happens often is learned
    /// nevertheless, a burst of something else hardly.
    #[inline(always)]
    pub(crate) fn train_with<S: Sixteen>(
        &mut self,
        s: S,
        inputs: &Row,
        resolution: &Row,
        rate: f32,
    ) -> f32 {
        let (hidden, residual) = self.run(s, inputs);
        let score = self.score_of(s, residual, resolution);
        let pace = self.believe(score);
        let rate = rate * pace;
        let mut clipped = *inputs;
        let mut errors = [0.0; INPUTS];
        let mut seen_residual = residual;
        let halves_of_both = halves_mut(&mut clipped)
            .iter_mut()
            .zip(halves_mut(&mut errors));
        for ((clipped, error), residual) in halves_of_both.zip(&mut seen_residual) {
            let input = s.load(clipped);
            let seen = s.clamp(input, SEEN_LOW, SEEN_HIGH);
            *residual = s.add(*residual, s.sub(seen, input));
            s.store(seen, clipped);
            s.store(*residual, error);
        }
        let residual = seen_residual;
        let blocks = clipped.as_chunks::<GROUPS>().0.iter();
        let steps = blocks.zip(errors.as_chunks::<GROUPS>().0);
        let mut gradient = [s.splat(0.0); 2];
        for (index, (weights, (_, error))) in self.weights.iter().zip(steps.clone()).enumerate() {
            if let Some(sum) = gradient.get_mut(index % 2) {
                *sum = s.mul_add(s.load(weights), s.repeat(error), *sum);
            }
        }
        let rate_of_all = s.splat(rate);
        let slope = s.mul(hidden, s.sub(s.splat(1.0), hidden));
        let gradient = s.mul(s.mul(s.add(gradient[0], gradient[1]), slope), rate_of_all);
        let hidden = s.mul(hidden, rate_of_all);
        for (weights, (input, error)) in self.weights.iter_mut().zip(steps) {
            let step = s.mul_add(gradient, s.repeat(input), s.mul(hidden, s.repeat(error)));
            s.store(s.add(s.load(weights), step), weights);
        }
        let bias = s.add(s.load(&self.hidden_bias), gradient);
        s.store(bias, &mut self.hidden_bias);
        let share = s.splat(pace / (self.rows as f32 + 16.0).min(SPREAD_ROWS));
        let fields = halves_mut(&mut self.visible_bias)
            .iter_mut()
            .zip(halves_mut(&mut self.spread));
        for ((bias, spread), residual) in fields.zip(residual) {
            s.store(s.mul_add(rate_of_all, residual, s.load(bias)), bias);
            let old = s.load(spread);
            let change = s.sub(s.mul(residual, residual), old);
            s.store(s.mul_add(share, change, old), spread);
        }
        self.rows = self.rows.saturating_add(1);
        pace
    }

    /// How far a row of this score is believed, 0 to 1; keeps what is typical up to date.
    #[inline(always)]
    fn believe(&mut self, score: f32) -> f32 {
        let limit = BELIEVED * self.typical;
        let share = 1.0 / (self.rows as f32 + 1.0).min(TYPICAL_ROWS);
        let counted = if self.rows < YOUNG {
            score
        } else {
            score.min(limit)
        };
        self.typical += share * (counted - self.typical);
        if self.rows < YOUNG || score <= limit {
            1.0
        } else {
            let excess = limit / score;
            excess * excess
        }
    }

    /// Whether every number is finite.
    pub fn is_sound(&self) -> bool {
        self.weights
            .iter()
            .flatten()
            .chain(&self.hidden_bias)
            .chain(&self.visible_bias)
            .all(|value| value.is_finite())
            && self.typical.is_finite()
            && self.typical >= 0.0
            && self
                .spread
                .iter()
                .all(|&value| value.is_finite() && value >= 0.0)
    }
}

const _: () = assert!(HIDDEN * GROUPS == NEURONS);
