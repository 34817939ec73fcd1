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
mod state;
mod store;
mod watch;

use phage_decode::{Keys, Packet};

pub use config::{Convergence, ScorerConfig};
pub use feedback::Feedback;
pub use schedule::Phase;

use crate::device::{Calibration, DeviceKernel, Identity, Model, Prior, Scaling, INPUTS};
use crate::network::{Network, NetworkConfig};
use crate::rows::ScoreRow;
use crate::tail::position;
use crate::DAMPED_STRIDE;
use peak::{Peaks, Scored};
use quarantine::{Quarantine, Sample};
use schedule::Schedule;
use store::{Store, NONE};
use watch::SURPRISING;

/// The subject of a packet that belongs to no device.
pub const NO_SUBJECT: u32 = u32::MAX;

/// Kept samples of one device are at least this far apart, in nanoseconds.
const KEPT_APART: i64 = 100_000_000;

/// Packets that are scored before the first of them is judged: what the judgement reads is on its
/// way meanwhile, and has not left the first-level cache when its turn comes.
const RUN: usize = 16;
/// Packets of a run that devices' models score side by side.
const ABREAST: usize = 4;
/// Packets ahead for which a device's model is asked for, and whether it is mature before that.
const MODEL_AHEAD: usize = 4;
const PROFILE_AHEAD: usize = 12;

/// What a device's own ensemble says of a packet.
#[derive(Clone, Copy, Debug, Default)]
struct Opinion {
    /// Whether its own ensemble spoke, and not the prior's.
    mature: bool,
    /// Where the scores of the two ensembles lie on the axis of the histograms.
    own: f32,
    network: f32,
}

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

    fn watch(&mut self, input: &ScoreInput<'_>, surprises: &mut [f32]) {
        let count = input.packets.len();
        let mut errors = std::mem::take(&mut self.errors);
        let mut numbers = std::mem::take(&mut self.numbers);
        errors.clear();
        errors.resize(count, 0.0);
        self.resolve(input, &mut numbers);
        for &number in numbers.iter().take(PROFILE_AHEAD) {
            self.fetch_profile(number);
        }
        self.network.score(input.damped, count, &mut errors);
        for &number in numbers.iter().take(MODEL_AHEAD) {
            self.fetch_model(number);
        }
        let mut start = 0;
        for (errors, surprises) in errors.chunks(RUN).zip(surprises.chunks_mut(RUN)) {
            let end = start + errors.len();
            if let (Some(run), Some(numbers)) = (part(input, start, end), numbers.get(start..)) {
                let opinions = self.ask(&run, numbers, errors);
                self.judge(&run, numbers, &opinions, surprises);
            }
            start = end;
        }
        self.errors = errors;
        self.numbers = numbers;
    }

    /// Finds the profile of each packet.
    fn resolve(&mut self, input: &ScoreInput<'_>, numbers: &mut Vec<u32>) {
        numbers.clear();
        let beginning = (&self.prior, &self.network_pool.curve);
        for (packet, &subject) in input.packets.iter().zip(input.subjects) {
            numbers.push(if subject == NO_SUBJECT || !packet.is_sound() {
                NONE
            } else {
                let (batch, time) = (self.batch, packet.time);
                self.store
                    .resolve(subject, batch, time, input.identities, beginning)
            });
        }
    }

    #[inline(always)]
    fn fetch_profile(&self, number: u32) {
        if let Some(watched) = self.store.get(number) {
            watched.fetch();
        }
    }

    #[inline(always)]
    fn fetch_model(&self, number: u32) {
        if let Some(watched) = self.store.get(number) {
            if watched.profile.mature {
                watched.profile.model.fetch_for_score();
            }
        }
    }

    /// The model that speaks for a device, and whether it is its own.
    #[inline(always)]
    fn speaker(&self, number: u32) -> (&Model, bool) {
        match self.store.get(number) {
            Some(watched) if watched.profile.mature => (&watched.profile.model, true),
            _ => (&self.prior.model, false),
        }
    }

    /// Scores a run of packets, and asks for what `judge` will read: the profiles of many devices lie
    /// beyond the second-level cache. `numbers` go on after the run.
    fn ask(&self, run: &ScoreInput<'_>, numbers: &[u32], errors: &[f32]) -> [Opinion; RUN] {
        let mut opinions = [Opinion::default(); RUN];
        let rows = run.behaviour.as_chunks::<INPUTS>().0;
        let packets = run.subjects.chunks(ABREAST).zip(rows.chunks(ABREAST));
        let packets = packets.zip(errors.chunks(ABREAST));
        for (group, (opinions, ((subjects, rows), errors))) in
            opinions.chunks_mut(ABREAST).zip(packets).enumerate()
        {
            let numbers = numbers.get(group * ABREAST..).unwrap_or(&[]);
            for &ahead in numbers.iter().skip(PROFILE_AHEAD).take(ABREAST) {
                self.fetch_profile(ahead);
            }
            for &ahead in numbers.iter().skip(MODEL_AHEAD).take(ABREAST) {
                self.fetch_model(ahead);
            }
            for (opinion, &error) in opinions.iter_mut().zip(errors) {
                opinion.network = position(error);
            }
            if subjects.iter().any(|&subject| subject != NO_SUBJECT) {
                self.ask_devices(opinions, numbers, rows);
            }
        }
        opinions
    }

    /// Scores packets that stand next to each other by their devices' models.
    fn ask_devices(&self, opinions: &mut [Opinion], numbers: &[u32], rows: &[[f32; INPUTS]]) {
        // What is missing of a group is scored by the prior, and forgotten.
        let mut models = [&self.prior.model; ABREAST];
        let mut features = [&[0.0; INPUTS]; ABREAST];
        let places = models.iter_mut().zip(&mut features);
        let packets = opinions.iter_mut().zip(numbers).zip(rows);
        for ((model, features), ((opinion, &number), row)) in places.zip(packets) {
            (*model, opinion.mature) = self.speaker(number);
            *features = row;
        }
        let positions = Model::positions_of(self.kernel, &self.scaling, models, features);
        for ((opinion, own), &number) in opinions.iter_mut().zip(positions).zip(numbers) {
            opinion.own = own;
            if let Some(watched) = self.store.get(number) {
                let profile = &watched.profile;
                profile.network.curve.fetch(opinion.network);
                profile.own.curve.fetch(opinion.own);
                watched.watch.fetch_tallies(opinion.own, opinion.network);
            }
        }
    }

    /// Turns the scores of a run of packets into surprises, and notes them.
    fn judge(
        &mut self,
        run: &ScoreInput<'_>,
        numbers: &[u32],
        opinions: &[Opinion; RUN],
        surprises: &mut [f32],
    ) {
        let rows = run.behaviour.as_chunks::<INPUTS>().0.iter();
        let damped = run.damped.as_chunks::<DAMPED_STRIDE>().0.iter();
        let packets = run.packets.iter().zip(run.subjects).zip(rows).zip(damped);
        let outputs = surprises.iter_mut().zip(numbers.iter().zip(opinions));
        for (
            number,
            ((((packet, &subject), behaviour), damped), (surprise, (&profile, opinion))),
        ) in (run.first_packet..).zip(packets.zip(outputs))
        {
            *surprise = 0.0;
            if !packet.is_sound() {
                self.counters.faulty += 1;
                continue;
            }
            self.counters.scored += 1;
            self.now = packet.time;
            let mut scored = Scored {
                device: subject,
                profile,
                number,
                packet,
                surprise: 0.0,
                network: 0.0,
                own: 0.0,
                behaviour,
                damped,
            };
            self.score(&mut scored, *opinion);
            *surprise = scored.surprise;
            if subject != NO_SUBJECT {
                self.peaks.add(subject as usize, &scored);
            }
        }
    }

    /// Judges one packet and notes what it means for its device.
    #[inline]
    fn score(&mut self, scored: &mut Scored<'_>, mut opinion: Opinion) {
        if scored.device == NO_SUBJECT {
            self.counters.unowned += 1;
            scored.network = self.network_pool.curve.surprise(opinion.network);
            scored.surprise = scored.network;
            return;
        }
        let time = scored.packet.time;
        let Some(watched) = self.store.get_mut(scored.profile) else {
            scored.network = self.network_pool.curve.surprise(opinion.network);
            scored.own = self.prior.calibration.curve.surprise(opinion.own);
            scored.surprise = join(scored.network, scored.own);
            return;
        };
        let profile = &mut watched.profile;
        profile.last = time;
        if profile.mature != opinion.mature {
            // It came of age with an earlier packet of the run.
            let (kernel, model) = (self.kernel, &profile.model);
            opinion.own = model.position_of(kernel, &self.scaling, scored.behaviour);
        }
        scored.network = profile.network.curve.surprise(opinion.network);
        scored.own = profile.own.curve.surprise(opinion.own);
        scored.surprise = join(scored.network, scored.own);
        if !self.config.adapt {
            return;
        }
        if watched.watch.is_over(time) {
            self.close_epoch(scored.profile, time);
        }
        self.note(scored, opinion);
    }

    /// Notes a scored packet in its device's open epoch, and sets samples aside.
    #[inline]
    fn note(&mut self, scored: &Scored<'_>, opinion: Opinion) {
        let time = scored.packet.time;
        let Some(watched) = self.store.get_mut(scored.profile) else {
            return;
        };
        let watch = &mut watched.watch;
        watch.note(scored.surprise, opinion.own, opinion.network);
        let sample = || {
            let row = self.scaling.apply(self.kernel, scored.behaviour);
            Sample::new(time, scored.profile, opinion.network, &row, scored.damped)
        };
        if scored.surprise >= SURPRISING {
            if time.saturating_sub(watch.kept) >= KEPT_APART {
                watch.kept = time;
                self.quarantine.keep(sample());
            }
        } else if time.saturating_sub(watch.sampled)
            >= learn::apart(watch.is_drifting(time), watched.profile.mature)
        {
            watch.sampled = time;
            if self.quarantine.has_room() {
                self.quarantine.hold(sample());
            } else {
                self.counters.dropped += 1;
            }
        }
    }
}

/// Chance that is given to the device's ensemble; the network's has the rest.
///
/// Its features say what a packet means (a new peer, an unanswered connection), those of the
/// network's only what it looks like, which is odd for harmless reasons more often.
const OWN_PART: f32 = 0.9;

/// Joins the surprises of two models into one that is again a tail probability's.
///
/// Weighted Bonferroni: `P(p1 <= w1 p or p2 <= w2 p) <= p` for weights that sum to 1, whatever the
/// dependence of the two (Genovese, Roeder, Wasserman, Biometrika 93(3), 2006).
#[inline]
fn join(network: f32, own: f32) -> f32 {
    let network = network + (1.0 - OWN_PART).log10();
    let own = own + OWN_PART.log10();
    network.max(own).max(0.0)
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
