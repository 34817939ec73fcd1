//! How far learning has come.

use super::config::Convergence;
use super::ScoreInput;

/// Packets of a block whose mean error is compared with the next block's.
const BLOCK: u64 = 4096;
/// Where the end of a phase is found on the way, it is looked for after so many packets: not after
/// each batch, or it would depend on where batches end.
const LOOK: u64 = 256;
const _: () = assert!(BLOCK.is_multiple_of(LOOK));
/// With a fixed number of packets, the survey takes this part of them ...
const SURVEY_PART: u64 = 10;
/// ... but no more packets than this, and calibration this part, held out from training.
const SURVEY_MOST: u64 = 10_000;
const CALIBRATION_PART: u64 = 5;

/// What a scorer does with packets at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Ranges of the features and their correlations are collected.
    Surveying = 0,
    /// The ensembles are trained.
    Training = 1,
    /// The ensembles stand still; their scores of normal packets are collected.
    Calibrating = 2,
    /// Packets are scored.
    Watching = 3,
}

impl Phase {
    /// The name of the phase in counters and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Surveying => "surveying",
            Self::Training => "training",
            Self::Calibrating => "calibrating",
            Self::Watching => "watching",
        }
    }
}

/// The way from surveying to watching.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Schedule {
    pub(super) phase: Phase,
    /// Packets seen in this phase and before.
    pub(super) seen: u64,
    /// Packets at which the phases end; `u64::MAX` where the end is found on the way.
    pub(super) ends: [u64; 3],
    /// Time of the first packet, and of the first one of the phase; `i64::MIN` before.
    pub(super) phase_start: i64,
    pub(super) training_time: i64,
    pub(super) training_start: u64,
    /// Sum and number of errors of the open block, mean of the last, blocks without a fall.
    pub(super) sum: f64,
    pub(super) count: u64,
    pub(super) last_mean: f64,
    pub(super) flat: u32,
    pub(super) devices: u64,
}

impl Schedule {
    pub(super) fn new(train: Option<u64>, convergence: &Convergence) -> Self {
        let (phase, ends) = match train {
            Some(0) => (Phase::Watching, [0, 0, 0]),
            Some(packets) => {
                let survey = (packets / SURVEY_PART).clamp(1, SURVEY_MOST);
                let trained = packets - packets / CALIBRATION_PART;
                (Phase::Surveying, [survey, trained.max(survey), packets])
            }
            None => (
                Phase::Surveying,
                [convergence.survey_packets, u64::MAX, u64::MAX],
            ),
        };
        Self {
            phase,
            seen: 0,
            ends,
            phase_start: i64::MIN,
            training_time: 0,
            training_start: 0,
            sum: 0.0,
            count: 0,
            last_mean: f64::INFINITY,
            flat: 0,
            devices: 0,
        }
    }

    /// Packets that the survey takes.
    pub(super) fn survey(&self) -> u64 {
        self.ends[0]
    }

    /// How many packets may be taken before the phase has to be looked at again.
    pub(super) fn room(&self) -> u64 {
        let end = match self.phase {
            Phase::Surveying => self.ends[0],
            Phase::Training => self.ends[1],
            Phase::Calibrating => self.ends[2],
            Phase::Watching => u64::MAX,
        };
        let left = end.saturating_sub(self.seen).max(1);
        if end == u64::MAX && self.phase != Phase::Watching {
            LOOK - self.seen % LOOK
        } else {
            left
        }
    }

    /// Notes when the first packet came.
    pub(super) fn begin(&mut self, input: &ScoreInput<'_>) {
        if let (i64::MIN, Some(first)) = (self.phase_start, input.packets.first()) {
            self.phase_start = first.time;
        }
    }

    /// Adds packets that were taken; answers whether the phase changed.
    pub(super) fn advance(
        &mut self,
        packets: u64,
        time: i64,
        errors: &[f32],
        devices: u64,
        convergence: &Convergence,
    ) -> bool {
        self.seen += packets;
        let lasted = time.saturating_sub(self.phase_start);
        if self.phase == Phase::Training && self.ends[1] == u64::MAX {
            // One after the other: a sum of sums would be rounded by where batches end.
            for &error in errors.iter().filter(|error| !error.is_nan()) {
                self.sum += f64::from(error);
                self.count += 1;
            }
            let trained = self.seen - self.training_start;
            let is_whole = self.count >= BLOCK && self.seen.is_multiple_of(LOOK);
            if is_whole && self.has_converged(trained, lasted, devices, convergence) {
                self.ends[1] = self.seen;
                self.training_time = lasted;
            }
        }
        if self.phase == Phase::Calibrating && self.ends[2] == u64::MAX {
            let wanted = (self.ends[1] - self.training_start) / 4;
            let looks = self.seen.is_multiple_of(LOOK);
            if looks && self.seen - self.ends[1] >= wanted && lasted >= self.training_time / 4 {
                self.ends[2] = self.seen;
            }
        }
        let next = match self.phase {
            Phase::Surveying if self.seen >= self.ends[0] => Phase::Training,
            Phase::Training if self.seen >= self.ends[1] => Phase::Calibrating,
            Phase::Calibrating if self.seen >= self.ends[2] => Phase::Watching,
            _ => return false,
        };
        if next == Phase::Training {
            self.training_start = self.seen;
        }
        self.phase = next;
        self.phase_start = time;
        true
    }

    fn has_converged(
        &mut self,
        trained: u64,
        lasted: i64,
        devices: u64,
        convergence: &Convergence,
    ) -> bool {
        let mean = self.sum / self.count as f64;
        let fell = mean < self.last_mean * (1.0 - f64::from(convergence.plateau));
        self.flat = if fell { 0 } else { self.flat + 1 };
        let settled = devices <= self.devices;
        self.last_mean = mean;
        self.devices = devices;
        self.sum = 0.0;
        self.count = 0;
        let long_enough = lasted / 1_000_000_000 >= convergence.least_seconds as i64
            && trained >= convergence.least_packets;
        trained >= convergence.most_packets
            || (long_enough && self.flat >= 2 && settled && devices > 0)
    }
}
