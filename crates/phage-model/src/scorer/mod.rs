//! Everything between features and surprise: phases, ensembles, calibration, slow learning.
//!
//! The way of a packet: the network's ensemble scores its damped statistics, the ensemble of its
//! subject device its behaviour features. Each score is calibrated for that device to a surprise
//! (`-log10` of the probability that a normal packet of the device scores as high), and the two
//! are joined: the higher one, less what two chances cost (weighted Bonferroni).
//!
//! While watching the models follow slow changes, but never an attack's own packets: a sample
//! waits half an hour in quarantine and is dropped when its device was noisy around it; scores
//! enter the calibration after three quiet epochs; the number and size of updates a day is
//! bounded. A device that is noisy for twelve hours without a break has changed for good, and
//! what it does now is learned; that was reported all the while.
//!
//! When it fails: what an attacker does while the model learns for the first time is normal, if
//! it is frequent; a slow attack below one surprising packet in two hundred is learned in days.

mod codec;
mod config;
mod explain;
mod feedback;
mod learn;
mod peak;
mod quarantine;
mod schedule;
mod score;
mod state;
mod store;
mod watch;

use phage_decode::{Keys, Packet};

pub use config::{Convergence, ScorerConfig};
pub use feedback::Feedback;
pub use schedule::Phase;

use crate::device::{Calibration, DeviceKernel, Identity, Prior, Scaling, INPUTS};
use crate::network::{Network, NetworkConfig};
use crate::rows::ScoreRow;
use crate::DAMPED_STRIDE;
use peak::Peaks;
use quarantine::Quarantine;
use schedule::Schedule;
use store::Store;

/// The subject of a packet that belongs to no device.
pub const NO_SUBJECT: u32 = u32::MAX;

/// One batch of packets with all that the earlier stages found out.
///
/// All slices are as long as `packets`, `damped` times [`DAMPED_STRIDE`], `behaviour` times
/// [`INPUTS`]. What is missing at their ends is not scored.
#[derive(Clone, Copy)]
pub struct ScoreInput<'a> {
    /// The packets, in order.
    pub packets: &'a [Packet],
    /// Their keys.
    pub keys: &'a [Keys],
    /// The index of the device that each is about, [`NO_SUBJECT`] for none.
    pub subjects: &'a [u32],
    /// Tells who a device is.
    pub identities: &'a dyn Fn(u32) -> Option<Identity>,
    /// Rows of damped statistics.
    pub damped: &'a [f32],
    /// Rows of behaviour features.
    pub behaviour: &'a [f32],
    /// Number of the first packet in the input, from 0.
    pub first_packet: u64,
}

/// What a scorer has done, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScorerCounters {
    /// Packets that were learned from before watching.
    pub learned: u64,
    /// Packets that were scored.
    pub scored: u64,
    /// Packets with a decode fault: neither learned nor scored.
    pub faulty: u64,
    /// Packets of no device: scored by the network's ensemble alone.
    pub unowned: u64,
    /// Packets of devices for which there was no room.
    pub unprofiled: u64,
    /// Devices with a profile.
    pub profiles: u64,
    /// Samples learned while watching.
    pub updates: u64,
    /// Samples and calibrations dropped because their device was noisy.
    pub quarantined: u64,
    /// Samples dropped because too many were waiting or a day's updates were spent.
    pub dropped: u64,
    /// Drifts found.
    pub drifts: u64,
    /// Devices whose drift is being followed at the moment.
    pub drifting: u64,
}

/// Everything between features and surprise.
pub struct Scorer {
    config: ScorerConfig,
    kernel: DeviceKernel,
    scaling: Scaling,
    schedule: Schedule,
    network: Network,
    prior: Prior,
    /// Scores of all devices' own ensembles, and of the network's ensemble, in fair shares.
    own_pool: Calibration,
    network_pool: Calibration,
    store: Store,
    quarantine: Quarantine,
    peaks: Peaks,
    counters: ScorerCounters,
    batch: u64,
    now: i64,
    pooled: i64,
    errors: Vec<f32>,
    /// Rows of damped statistics that are learned with the batch.
    slow_rows: Vec<f32>,
    /// The profile of each packet of the batch; [`NONE`] where it has none.
    numbers: Vec<u32>,
}

impl Scorer {
    /// Makes a scorer that knows nothing.
    pub fn new(config: &ScorerConfig) -> Self {
        let scaling = Scaling::new(config.behaviour);
        let schedule = Schedule::new(config.train, &config.convergence);
        let network = Network::new(&network_config(config, schedule.survey()));
        Self {
            prior: Prior::new(config.seed, &scaling),
            store: Store::new(config.devices),
            config: config.clone(),
            kernel: DeviceKernel::new(config.kernel),
            scaling,
            schedule,
            network,
            own_pool: Calibration::default(),
            network_pool: Calibration::default(),
            quarantine: Quarantine::default(),
            peaks: Peaks::default(),
            counters: ScorerCounters::default(),
            batch: 0,
            now: 0,
            pooled: 0,
            errors: Vec::new(),
            slow_rows: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// How far learning has come.
    pub fn phase(&self) -> Phase {
        self.schedule.phase
    }

    /// What was done so far.
    pub fn counters(&self) -> ScorerCounters {
        ScorerCounters {
            unprofiled: self.store.unprofiled,
            profiles: self.store.profiles.len() as u64,
            drifting: self
                .store
                .profiles
                .iter()
                .filter(|watched| watched.watch.is_drifting(self.now))
                .count() as u64,
            ..self.counters
        }
    }

    /// Learns from or scores a batch; `surprise` is NaN for packets that were learned from.
    ///
    /// A packet with a decode fault gets 0 and is not learned from. A packet of no device is
    /// scored by the network's ensemble alone.
    pub fn process(&mut self, input: &ScoreInput<'_>, surprise: &mut [f32]) {
        let count = input
            .packets
            .len()
            .min(input.subjects.len())
            .min(surprise.len())
            .min(input.damped.len() / DAMPED_STRIDE)
            .min(input.behaviour.len() / INPUTS);
        self.batch += 1;
        let mut start = 0;
        while start < count {
            let room = usize::try_from(self.schedule.room()).unwrap_or(usize::MAX);
            let end = start.saturating_add(room).min(count);
            if let (Some(part), Some(surprise)) =
                (part(input, start, end), surprise.get_mut(start..end))
            {
                if self.schedule.phase == Phase::Watching {
                    self.watch(&part, surprise);
                } else {
                    surprise.fill(f32::NAN);
                    self.schedule.begin(&part);
                    self.learn(&part);
                    self.advance((end - start) as u64);
                }
            }
            start = end;
        }
        if let Some(rest) = surprise.get_mut(count..) {
            rest.fill(0.0);
        }
    }

    /// Appends a row for each device that was scored since the last call, and learns what has
    /// waited long enough.
    ///
    /// Both happen here and not after a batch, so that nothing depends on where batches end.
    pub fn window(
        &mut self,
        identities: &dyn Fn(u32) -> Option<Identity>,
        rows: &mut Vec<ScoreRow>,
    ) {
        self.explain(identities, rows);
        self.release();
        for number in self.store.make_room(self.now) {
            self.quarantine.forget(number);
        }
    }
}

/// The settings of the network's ensemble.
fn network_config(config: &ScorerConfig, survey: u64) -> NetworkConfig {
    NetworkConfig {
        seed: config.seed,
        kernel: config.kernel,
        survey,
        // The schedule says when training is over.
        train: 1,
        ..NetworkConfig::default()
    }
}

/// The packets `start..end` of a batch.
fn part<'a>(input: &ScoreInput<'a>, start: usize, end: usize) -> Option<ScoreInput<'a>> {
    Some(ScoreInput {
        packets: input.packets.get(start..end)?,
        keys: input.keys.get(start..end).unwrap_or(&[]),
        subjects: input.subjects.get(start..end)?,
        identities: input.identities,
        damped: input
            .damped
            .get(start * DAMPED_STRIDE..end * DAMPED_STRIDE)?,
        behaviour: input.behaviour.get(start * INPUTS..end * INPUTS)?,
        first_packet: input.first_packet + start as u64,
    })
}

#[cfg(test)]
mod tests;
