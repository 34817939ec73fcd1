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

/// Activations, residuals and score of a row.
///
/// Training is a chain of dependent operations that alone leaves the processor idle. It is in two
/// parts, so that the parts of two ensembles can stand between each other.
#[derive(Clone, Copy)]
pub(crate) struct Look<V> {
    hidden: V,
    residual: [V; 2],
    score: f32,
}

impl<V: Copy> Look<V> {
    /// A look at nothing.
    #[inline(always)]
    pub(crate) fn nothing<S: Sixteen<V = V>>(s: S) -> Self {
        Self {
            hidden: s.splat(0.0),
            residual: [s.splat(0.0); 2],
            score: 0.0,
        }
    }
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

    /// Hidden activations.
    #[inline(always)]
    fn encode<S: Sixteen>(&self, s: S, inputs: [S::V; 2]) -> S::V {
        let mut sums = [s.load(&self.hidden_bias), s.splat(0.0)];
        let weights = self.weights.as_chunks::<HIDDEN>().0;
        for (weights, input) in weights.iter().zip(inputs) {
            let seen = s.spread(s.clamp(input, SEEN_LOW, SEEN_HIGH));
            for (place, (weights, seen)) in weights.iter().zip(seen).enumerate() {
                if let Some(sum) = sums.get_mut(place % 2) {
                    *sum = s.mul_add(s.load(weights), seen, *sum);
                }
            }
        }
        s.logistic(s.add(sums[0], sums[1]))
    }

    /// Residuals (input minus reconstruction).
    #[inline(always)]
    fn decode<S: Sixteen>(&self, s: S, inputs: [S::V; 2], hidden: S::V) -> [S::V; 2] {
        let weights = self.weights.as_chunks::<HIDDEN>().0;
        // Not by `map`: a closure would be compiled without the instructions of the kernel.
        let mut residual = inputs;
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
        residual
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
    pub(crate) fn score_with<S: Sixteen>(&self, s: S, inputs: [S::V; 2], resolution: &Row) -> f32 {
        let [score] = Self::score_each(s, [self], [inputs], [resolution]);
        score
    }

    /// [`Ensemble::score_with`] of several ensembles, each on its row.
    ///
    /// A score is a chain of dependent operations that alone leaves the processor idle; the parts of
    /// several stand between each other.
    #[inline(always)]
    pub(crate) fn score_each<S: Sixteen, const N: usize>(
        s: S,
        ensembles: [&Self; N],
        inputs: [[S::V; 2]; N],
        resolutions: [&Row; N],
    ) -> [f32; N] {
        let mut hidden = [s.splat(0.0); N];
        for ((hidden, ensemble), inputs) in hidden.iter_mut().zip(ensembles).zip(inputs) {
            *hidden = ensemble.encode(s, inputs);
        }
        let mut residuals = inputs;
        for ((residual, ensemble), hidden) in residuals.iter_mut().zip(ensembles).zip(hidden) {
            *residual = ensemble.decode(s, *residual, hidden);
        }
        let mut scores = [0.0; N];
        let rows = residuals.into_iter().zip(resolutions);
        for ((score, ensemble), (residual, resolution)) in
            scores.iter_mut().zip(ensembles).zip(rows)
        {
            *score = ensemble.score_of(s, residual, resolution);
        }
        scores
    }

    #[inline(always)]
    fn score_of<S: Sixteen>(&self, s: S, residual: [S::V; 2], resolution: &Row) -> f32 {
        let [a, b] = self.deviations(s, residual, resolution);
        let sum = s.sum(s.add(a, b));
        (sum * (1.0 / INPUTS as f32)).sqrt()
    }

    /// [`Ensemble::score_with`] on any processor.
    pub fn score(&self, inputs: &Row, resolution: &Row) -> f32 {
        self.score_with(Plain, *halves(inputs), resolution)
    }

    /// The share of each input in the score, summing to 1.
    #[inline(always)]
    pub(crate) fn shares_with<S: Sixteen>(&self, s: S, inputs: [S::V; 2], resolution: &Row) -> Row {
        let residual = self.decode(s, inputs, self.encode(s, inputs));
        let [a, b] = self.deviations(s, residual, resolution);
        let sum = s.splat(s.sum(s.add(a, b)).max(f32::MIN_POSITIVE));
        let mut shares = [0.0; INPUTS];
        for (shares, deviations) in halves_mut(&mut shares).iter_mut().zip([a, b]) {
            s.store(s.div(deviations, sum), shares);
        }
        shares
    }

    /// [`Ensemble::shares_with`] on any processor.
    pub fn shares(&self, inputs: &Row, resolution: &Row) -> Row {
        self.shares_with(Plain, *halves(inputs), resolution)
    }

    /// What the neurons make of a row of inputs, before a step of training.
    #[inline(always)]
    pub(crate) fn look<S: Sixteen>(&self, s: S, inputs: [S::V; 2], resolution: &Row) -> Look<S::V> {
        let hidden = self.encode(s, inputs);
        let residual = self.decode(s, inputs, hidden);
        Look {
            hidden,
            residual,
            score: self.score_of(s, residual, resolution),
        }
    }

    /// One step of gradient descent on a row of inputs that was looked at; answers how far the row
    /// was believed.
    ///
    /// A row that scores beyond three times what is typical takes a step that is smaller by the
    /// square of its excess (as a redescending estimator does): what happens often is learned
    /// nevertheless, a burst of something else hardly.
    #[inline(always)]
    pub(crate) fn learn<S: Sixteen>(
        &mut self,
        s: S,
        inputs: [S::V; 2],
        look: Look<S::V>,
        rate: f32,
    ) -> f32 {
        let Look {
            hidden,
            residual,
            score,
        } = look;
        let pace = self.believe(score);
        let rate = rate * pace;
        let mut seen = inputs;
        let mut residual = residual;
        for (input, residual) in seen.iter_mut().zip(&mut residual) {
            let clipped = s.clamp(*input, SEEN_LOW, SEEN_HIGH);
            *residual = s.add(*residual, s.sub(clipped, *input));
            *input = clipped;
        }
        let mut gradient = [s.splat(0.0); 2];
        let weights = self.weights.as_chunks::<HIDDEN>().0;
        for (weights, error) in weights.iter().zip(residual) {
            for (place, (weights, error)) in weights.iter().zip(s.spread(error)).enumerate() {
                if let Some(sum) = gradient.get_mut(place % 2) {
                    *sum = s.mul_add(s.load(weights), error, *sum);
                }
            }
        }
        let rate_of_all = s.splat(rate);
        let slope = s.mul(hidden, s.sub(s.splat(1.0), hidden));
        let gradient = s.mul(s.mul(s.add(gradient[0], gradient[1]), slope), rate_of_all);
        let hidden = s.mul(hidden, rate_of_all);
        let weights = self.weights.as_chunks_mut::<HIDDEN>().0;
        for ((weights, input), error) in weights.iter_mut().zip(seen).zip(residual) {
            let steps = s.spread(input).into_iter().zip(s.spread(error));
            for (weights, (input, error)) in weights.iter_mut().zip(steps) {
                let step = s.mul_add(gradient, input, s.mul(hidden, error));
                s.store(s.add(s.load(weights), step), weights);
            }
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
