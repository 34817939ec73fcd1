//! The network's ensemble of autoencoders over the damped statistics (`KitNET`'s kind; Mirsky et
//! al., NDSS 2018, section V), which learns online.
//!
//! It first *surveys*: from a sample of rows it takes robust ranges of the features and groups them by
//! correlation. Then it *trains*: one step of stochastic gradient descent a row, for up to 16
//! small autoencoders and one over their errors. A score is the error of the last one.
//!
//! Every input is laid on a scale by quantiles and clipped to [-1, 2], where [0, 1] is what is
//! normal, so no constant feature and no outlier can blow a score up. **A score lies in 0 to 8**: the last
//! autoencoder's inputs are clipped to [-1, 8].
//!
//! It fails when what it learns from is not normal: what was there while it trained, it takes for normal.
//! Scores of networks that were trained apart cannot be compared; they must be calibrated.

mod explain;
mod grouping;
mod inner;
mod outer;
mod scaling;
mod score;
mod state;
mod survey;
mod train;
mod weights;

pub use explain::Contribution;

use crate::damped::DAMPED_STRIDE;
use crate::simd::{Chosen, Kernel};
use scaling::Ranges;
use score::{Prepared, Score};
use survey::Survey;
use train::Train;
use weights::Weights;

/// No score is above this.
pub const HIGHEST_SCORE: f32 = outer::HIGHEST;

/// How a network learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkConfig {
    /// Rows that are surveyed before training begins.
    pub survey: u64,
    /// Rows of training after which the network counts as trained.
    pub train: u64,
    /// Seed of the sample and of the first weights: the same seed and rows give the same network.
    pub seed: u64,
    /// Size of a step of gradient descent.
    pub rate: f32,
    /// The kernel to use; the best that the CPU has where it is `None` or not available.
    pub kernel: Option<Kernel>,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            survey: 10_000,
            train: 50_000,
            seed: 0,
            rate: 0.1,
            kernel: None,
        }
    }
}

/// What a network knows.
enum Knowledge {
    /// It still samples rows.
    Survey(Survey),
    /// It has ranges, groups and weights.
    Model(Box<Model>),
}

struct Model {
    ranges: Ranges,
    weights: Weights,
    /// Weights as scoring wants them; made anew after training.
    prepared: Option<Box<Prepared>>,
    /// Rows trained on.
    trained: u64,
}

/// The ensemble.
pub struct Network {
    config: NetworkConfig,
    chosen: Chosen,
    knowledge: Knowledge,
}

impl Network {
    /// Makes a network that knows nothing.
    pub fn new(config: &NetworkConfig) -> Self {
        Self {
            config: *config,
            chosen: Chosen::new(config.kernel),
            knowledge: Knowledge::Survey(Survey::new(config.seed)),
        }
    }

    /// Learns from rows of [`DAMPED_STRIDE`] floats: surveys, then trains one step a row. Writes
    /// the error of each row before its step; 0 while surveying. After 131,072 rows of training only every
    /// second one is trained on; the others' errors are NaN.
    ///
    /// Handles the smallest of `count`, the rows and the room for errors. Goes on training for as long as it is
    /// called. Values that are not finite count as clipped.
    pub fn learn(&mut self, rows: &[f32], count: usize, errors: &mut [f32]) {
        let (rows, errors) = cut(rows, count, errors);
        let mut done = 0;
        if let Knowledge::Survey(survey) = &mut self.knowledge {
            let wanted = self.config.survey.max(1).saturating_sub(survey.seen());
            done = rows
                .len()
                .min(usize::try_from(wanted).unwrap_or(usize::MAX));
            for (row, error) in rows.iter().zip(&mut *errors).take(done) {
                survey.add(row);
                *error = 0.0;
            }
            if survey.seen() >= self.config.survey.max(1) {
                let (ranges, groups) = survey.conclude();
                let weights = Weights::new(&groups, self.config.seed);
                self.knowledge = Knowledge::Model(Box::new(Model {
                    ranges,
                    weights,
                    prepared: None,
                    trained: 0,
                }));
            }
        }
        let (_, rows) = rows.split_at(done);
        let (_, errors) = errors.split_at_mut(done);
        if let (Knowledge::Model(model), false) = (&mut self.knowledge, rows.is_empty()) {
            model.prepared = None;
            self.chosen.run(Train {
                weights: &mut model.weights,
                ranges: &mut model.ranges,
                rows,
                errors,
                rate: self.config.rate,
                pace: 1.0,
                trained: model.trained,
            });
            model.trained += rows.len() as u64;
        }
    }

    /// Follows a slow change: trains with a smaller rate, and lets the ranges move more slowly in
    /// proportion. Does nothing before the network is trained.
    ///
    /// `rate` lies between 0 and the rate of learning.
    pub fn learn_slowly(&mut self, rows: &[f32], count: usize, rate: f32) {
        let mut errors = vec![0.0; count.min(rows.len() / DAMPED_STRIDE)];
        let (rows, errors) = cut(rows, count, &mut errors);
        let trained = self.is_trained();
        let rate = if rate > 0.0 {
            rate.min(self.config.rate)
        } else {
            0.0
        };
        if let (Knowledge::Model(model), true, true) = (&mut self.knowledge, trained, rate > 0.0) {
            model.prepared = None;
            self.chosen.run(Train {
                weights: &mut model.weights,
                ranges: &mut model.ranges,
                rows,
                errors,
                rate,
                pace: rate / self.config.rate,
                trained: model.trained,
            });
        }
    }

    /// Scores rows of [`DAMPED_STRIDE`] floats; 0 while surveying. What the network knows stays as it is.
    ///
    /// Handles the smallest of `count`, the rows and the room for errors.
    pub fn score(&mut self, rows: &[f32], count: usize, errors: &mut [f32]) {
        self.score_beside(rows, count, errors, |_| ());
    }

    /// The same; calls `beside` with the number of each row, now and then: while a score is computed memory idles,
    /// and can be asked for what comes next. While surveying there is nothing to do, and it is not called.
    pub(crate) fn score_beside(
        &mut self,
        rows: &[f32],
        count: usize,
        errors: &mut [f32],
        beside: impl FnMut(usize),
    ) {
        let (rows, errors) = cut(rows, count, errors);
        let Knowledge::Model(model) = &mut self.knowledge else {
            errors.fill(0.0);
            return;
        };
        let Model {
            weights,
            ranges,
            prepared,
            ..
        } = &mut **model;
        let prepared = prepared.get_or_insert_with(|| Box::new(Prepared::new(weights, ranges)));
        self.chosen.run(Score {
            prepared,
            rows,
            errors,
            beside,
        });
    }

    /// Whether it has trained on as many rows as it was to.
    pub fn is_trained(&self) -> bool {
        match &self.knowledge {
            Knowledge::Survey(_) => false,
            Knowledge::Model(model) => model.trained >= self.config.train,
        }
    }

    /// Rows learned from so far: surveyed and trained on.
    pub fn learned(&self) -> (u64, u64) {
        match &self.knowledge {
            Knowledge::Survey(survey) => (survey.seen(), 0),
            Knowledge::Model(model) => (self.config.survey, model.trained),
        }
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.chosen.kernel()
    }

    /// The groups of features, one an autoencoder; none while surveying.
    pub fn groups(&self) -> Vec<Vec<u16>> {
        match &self.knowledge {
            Knowledge::Survey(_) => Vec::new(),
            Knowledge::Model(model) => model.weights.groups(),
        }
    }
}

/// Whole rows and as many errors: the smallest of what is there.
fn cut<'a, 'b>(
    rows: &'a [f32],
    count: usize,
    errors: &'b mut [f32],
) -> (&'a [[f32; DAMPED_STRIDE]], &'b mut [f32]) {
    let (rows, _) = rows.as_chunks::<DAMPED_STRIDE>();
    let count = count.min(rows.len()).min(errors.len());
    (rows.split_at(count).0, errors.split_at_mut(count).0)
}

#[cfg(test)]
mod tests;
