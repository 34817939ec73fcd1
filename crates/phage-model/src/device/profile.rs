//! What is known of one device, and of all devices together.

use std::mem::offset_of;

use phage_memory::prefetch_within;

use super::ensemble::{Ensemble, Look};
use super::kernel::{DeviceKernel, Sixteen, Work};
use super::lanes::{halves, Row, INPUTS};
use super::range::{InputMap, Range};
use super::scaling::Scaling;
use crate::tail::{position, Curve, Histogram};

/// Rows between two refreshes of the input map while training: it moves by little in between.
const REFRESH_ROWS: u32 = 64;
/// The learning rate falls from the first to the second over about so many rows.
const FIRST_RATE: f32 = 0.15;
const LAST_RATE: f32 = 0.03;
const RATE_ROWS: f32 = 4096.0;

/// Who a device is: what outlives its index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// MAC; 0 where the device is known by its address.
    pub mac: u64,
    /// Address (the last one used, where the device is known by its MAC).
    pub address: [u8; 16],
    /// Grows each time an index is given to another device.
    pub generation: u32,
}

impl Identity {
    /// What the device is found by: its MAC, else its address.
    pub fn key(&self) -> (u64, [u8; 16]) {
        if self.mac == 0 {
            (0, self.address)
        } else {
            (self.mac, [0; 16])
        }
    }
}

/// A histogram of scores and the curve read from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// Scores of normal packets.
    pub histogram: Histogram,
    /// Surprise as a function of the score.
    pub curve: Curve,
}

impl Calibration {
    /// Reads the curve from the histogram anew.
    pub fn fit(&mut self, pool: Option<&Self>) {
        self.curve = Curve::fit(
            &self.histogram,
            pool.map(|pool| (&pool.histogram, &pool.curve)),
        );
    }
}

/// An ensemble with the ranges of its inputs.
///
/// In the order in which scoring and training read it: whole cache lines, one after the other.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub struct Model {
    /// The map made from the ranges.
    pub map: InputMap,
    /// The autoencoders.
    pub ensemble: Ensemble,
    /// Normal ranges of the inputs.
    pub range: Range,
}

impl Model {
    /// Scores a scaled row: where the score lies on the axis of the histograms.
    #[inline(always)]
    pub fn position(&self, kernel: DeviceKernel, row: &Row) -> f32 {
        position(kernel.run(Score { model: self, row }))
    }

    /// The same for a row of features that is not scaled yet.
    #[inline(always)]
    pub(crate) fn position_of(
        &self,
        kernel: DeviceKernel,
        scaling: &Scaling,
        features: &[f32; INPUTS],
    ) -> f32 {
        let [position] = Self::positions_of(kernel, scaling, [self], [features]);
        position
    }

    /// [`Model::position_of`] of several models, each for its row, in little more time than of one.
    #[inline(always)]
    pub(crate) fn positions_of<const N: usize>(
        kernel: DeviceKernel,
        scaling: &Scaling,
        models: [&Self; N],
        features: [&[f32; INPUTS]; N],
    ) -> [f32; N] {
        let scores = kernel.run(ScoreFeatures {
            models,
            scaling,
            features,
        });
        scores.map(position)
    }

    /// The share of each input in the score of a scaled row.
    #[inline]
    pub(crate) fn shares(&self, kernel: DeviceKernel, row: &Row) -> Row {
        kernel.run(Shares { model: self, row })
    }

    /// Asks for the lines that a score reads.
    #[inline(always)]
    pub(crate) fn fetch_for_score(&self) {
        for line in (0..offset_of!(InputMap, width)).step_by(64) {
            prefetch_within(&self.map, line);
        }
        for line in (0..offset_of!(Ensemble, typical)).step_by(64) {
            prefetch_within(&self.ensemble, line);
        }
    }

    /// Asks for the lines that a step of training reads.
    #[inline(always)]
    pub(crate) fn fetch_for_training(&self) {
        self.fetch_for_score();
        prefetch_within(&self.ensemble.typical, 0);
        for line in (0..size_of::<Range>()).step_by(64) {
            prefetch_within(&self.range, line);
        }
    }

    /// One training step on a scaled row; `rate` 0 leaves the schedule of learning rates to the
    /// number of rows. The ranges follow the row as far as it was believed, times `pace`.
    #[inline(always)]
    pub fn train(&mut self, kernel: DeviceKernel, row: &Row, rate: f32, pace: f32) {
        let rates = [self.rate(rate)];
        kernel.run(Train {
            models: [self],
            row,
            rates,
            pace,
        });
    }

    /// [`Model::train`] of two models on the same row, in little more time than of one.
    #[inline(always)]
    pub(crate) fn train_both(
        &mut self,
        other: &mut Self,
        kernel: DeviceKernel,
        row: &Row,
        rate: f32,
        pace: f32,
    ) {
        let rates = [self.rate(rate), other.rate(rate)];
        kernel.run(Train {
            models: [self, other],
            row,
            rates,
            pace,
        });
    }

    /// A learning rate; that of the schedule for 0.
    #[inline(always)]
    fn rate(&self, rate: f32) -> f32 {
        if rate > 0.0 {
            rate
        } else {
            let progress = self.ensemble.rows as f32 / RATE_ROWS;
            LAST_RATE + (FIRST_RATE - LAST_RATE) / (1.0 + progress)
        }
    }

    /// Takes a scaled row into the ranges.
    #[inline(always)]
    pub fn survey(&mut self, kernel: DeviceKernel, row: &Row) {
        kernel.run(Track {
            range: &mut self.range,
            row,
        });
    }

    /// Whether the map is due to be made from the ranges again.
    #[inline]
    pub fn is_refresh_due(&self) -> bool {
        self.range.rows.is_multiple_of(REFRESH_ROWS) || self.range.rows < 4
    }

    /// Makes the map from the ranges again.
    pub fn refresh(&mut self, prior: Option<&Range>, scaling: &Scaling) {
        self.map = self.range.map(prior, scaling);
    }
}

struct Score<'a> {
    model: &'a Model,
    row: &'a Row,
}

impl Work for Score<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Sixteen>(self, s: S) -> f32 {
        let [first, second] = halves(self.row);
        let row = [s.load(first), s.load(second)];
        let inputs = self.model.map.inputs(s, row);
        self.model
            .ensemble
            .score_with(s, inputs, &self.model.map.resolution)
    }
}

struct Shares<'a> {
    model: &'a Model,
    row: &'a Row,
}

impl Work for Shares<'_> {
    type Output = Row;

    #[inline(always)]
    fn run<S: Sixteen>(self, s: S) -> Row {
        let [first, second] = halves(self.row);
        let map = &self.model.map;
        let inputs = map.inputs(s, [s.load(first), s.load(second)]);
        self.model.ensemble.shares_with(s, inputs, &map.resolution)
    }
}

struct ScoreFeatures<'a, const N: usize> {
    models: [&'a Model; N],
    scaling: &'a Scaling,
    features: [&'a [f32; INPUTS]; N],
}

impl<const N: usize> Work for ScoreFeatures<'_, N> {
    type Output = [f32; N];

    #[inline(always)]
    fn run<S: Sixteen>(self, s: S) -> [f32; N] {
        let mut inputs = [[s.splat(0.0); 2]; N];
        for (inputs, features) in inputs.iter_mut().zip(self.features) {
            *inputs = self.scaling.lay(s, features);
        }
        for (inputs, model) in inputs.iter_mut().zip(self.models) {
            *inputs = model.map.inputs(s, *inputs);
        }
        // References alone: closures over them need no instructions of the kernel.
        let ensembles = self.models.map(|model| &model.ensemble);
        let resolutions = self.models.map(|model| &model.map.resolution);
        Ensemble::score_each(s, ensembles, inputs, resolutions)
    }
}

struct Train<'a, const N: usize> {
    models: [&'a mut Model; N],
    row: &'a Row,
    rates: [f32; N],
    pace: f32,
}

impl<const N: usize> Work for Train<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Sixteen>(self, s: S) {
        let Self {
            mut models,
            row,
            rates,
            pace,
        } = self;
        // Not by `map`: a closure would be compiled without the instructions of the kernel.
        let [first, second] = halves(row);
        let mut inputs = [[s.load(first), s.load(second)]; N];
        for (inputs, model) in inputs.iter_mut().zip(&models) {
            *inputs = model.map.inputs(s, *inputs);
        }
        let mut looks = [Look::nothing(s); N];
        for (look, (model, inputs)) in looks.iter_mut().zip(models.iter().zip(inputs)) {
            *look = model.ensemble.look(s, inputs, &model.map.resolution);
        }
        for ((model, rate), (inputs, look)) in models
            .iter_mut()
            .zip(rates)
            .zip(inputs.into_iter().zip(looks))
        {
            let believed = model.ensemble.learn(s, inputs, look, rate);
            if pace > 0.0 {
                model.range.track(row, pace * believed);
            }
        }
    }
}

struct Track<'a> {
    range: &'a mut Range,
    row: &'a Row,
}

impl Work for Track<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Sixteen>(self, _: S) {
        self.range.track(self.row, 1.0);
    }
}

/// The behaviour of the whole network: where each device starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    /// Trained on all devices, none with more than twice its fair share.
    pub model: Model,
    /// Scores of all devices under the prior.
    pub calibration: Calibration,
    /// Rows of all devices that it was trained on.
    pub rows: u64,
}

impl Prior {
    /// Makes it ready for another row to train on.
    #[inline(always)]
    pub(crate) fn count(&mut self, scaling: &Scaling) {
        self.rows += 1;
        if self.model.is_refresh_due() {
            self.model.refresh(None, scaling);
        }
    }

    /// Makes an untrained prior.
    pub fn new(seed: u64, scaling: &Scaling) -> Self {
        let range = Range::default();
        let map = range.map(None, scaling);
        Self {
            model: Model {
                ensemble: Ensemble::new(seed),
                range,
                map,
            },
            calibration: Calibration::default(),
            rows: 0,
        }
    }
}

/// What is known of one device.
///
/// What every packet reads beside the model stands at the end, in one line with what follows.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub struct Profile {
    /// Its own ensemble.
    pub model: Model,
    /// Scores of its own ensemble.
    pub own: Calibration,
    /// Scores of the network's ensemble for its packets.
    pub network: Calibration,
    /// Who it is.
    pub identity: Identity,
    /// Time of its first packet, nanoseconds since the Unix epoch.
    pub first: i64,
    /// Rows of it that the prior was trained on.
    pub lent: u64,
    /// Time of its last packet.
    pub last: i64,
    /// Whether its own ensemble speaks, and not the prior.
    pub mature: bool,
}

impl Profile {
    /// Makes the profile of a device from the prior, and from how all devices score under the
    /// network's ensemble.
    pub fn new(identity: Identity, prior: &Prior, network: &Curve, time: i64) -> Self {
        let mut model = prior.model.clone();
        model.range = Range::default();
        model.ensemble.rows = 0;
        Self {
            identity,
            first: time,
            last: time,
            model,
            own: Calibration {
                histogram: Histogram::default(),
                curve: prior.calibration.curve.clone(),
            },
            network: Calibration {
                histogram: Histogram::default(),
                curve: network.clone(),
            },
            lent: 0,
            mature: false,
        }
    }
}
