//! Learning: the first one, and the slow one while watching.

use super::schedule::Phase;
use super::score::MODEL_AHEAD;
use super::store::NONE;
use super::watch::Verdict;
use super::{ScoreInput, Scorer, NO_SUBJECT};
use crate::device::INPUTS;
use crate::tail;
use crate::DAMPED_STRIDE;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// An ensemble trained on fewer rows than this does not speak yet: the prior speaks for it.
const MATURE_ROWS: u32 = 128;
/// A device met while watching is young for at least this long.
const MATURE_AGE: i64 = 24 * 3600 * SECOND;

/// A device's share in what the prior is trained on is at most this many times the fair one.
const FAIR: u64 = 2;
/// From so many rows on the prior, which has seen what all devices do, takes every fourth of a device.
const PRIOR_ROWS: u64 = 65_536;
const PRIOR_SHARE: u32 = 4;
/// A device counts in a pool with at most so many packets.
const POOL_MOST: f32 = 512.0;
/// Pools are made anew this often.
const POOL_AGE: i64 = 3600 * SECOND;

/// Learning rates while watching: of a device's own ensemble, of the prior, of the network's.
const SLOW_RATE: f32 = 0.02;
const PRIOR_SLOW_RATE: f32 = 0.005;
const NETWORK_SLOW_RATE: f32 = 0.005;
/// Size of the steps that ranges make, against those while learning.
const SLOW_RANGE: f32 = 0.1;
/// A sample is not learned when its device was noisy this short a time before it or later.
const MARGIN: i64 = 900 * SECOND;
/// Updates of one device in a day: with [`SLOW_RATE`] a weight moves by a few per cent an hour.
const UPDATES_A_DAY: u32 = 4096;
/// Samples that are learned at the end of a window at most.
const RELEASED: usize = 512;
/// While a drift is followed, a calibration is no heavier than this.
const DRIFTING_TOTAL: f32 = 2048.0;

/// How far samples of a device are apart, in nanoseconds.
pub(super) fn apart(drifting: bool, mature: bool) -> i64 {
    match (drifting, mature) {
        (true, _) => 4 * SECOND,
        (false, false) => 8 * SECOND,
        (false, true) => 30 * SECOND,
    }
}

impl Scorer {
    /// Learns from packets before watching.
    pub(super) fn learn(&mut self, input: &ScoreInput<'_>) {
        let count = input.packets.len();
        let mut errors = std::mem::take(&mut self.errors);
        errors.clear();
        errors.resize(count, 0.0);
        if self.schedule.phase == Phase::Calibrating {
            self.network.score(input.damped, count, &mut errors);
        } else {
            self.learn_network(input, &mut errors);
        }
        let rows = input.behaviour.as_chunks::<INPUTS>().0.iter();
        let packets = input.packets.iter().zip(input.subjects).zip(rows);
        for (number, (((packet, &subject), behaviour), &error)) in packets.zip(&errors).enumerate()
        {
            let ahead = input.subjects.get(number + MODEL_AHEAD);
            if let Some(watched) = ahead.and_then(|&subject| self.store.peek(subject)) {
                watched.profile.model.fetch_for_training();
                watched.fetch();
            }
            if !packet.is_sound() {
                self.counters.faulty += 1;
                continue;
            }
            self.now = packet.time;
            self.counters.learned += 1;
            if subject == NO_SUBJECT {
                self.counters.unowned += 1;
                if self.schedule.phase == Phase::Calibrating {
                    // Where there are devices the pool is made of theirs.
                    self.network_pool.histogram.add(tail::position(error), 1.0);
                }
                continue;
            }
            let row = self.scaling.apply(self.kernel, behaviour);
            let number = self.store.resolve(
                subject,
                self.batch,
                packet.time,
                input.identities,
                (&self.prior, &self.network_pool.curve),
            );
            match self.schedule.phase {
                Phase::Surveying => self.survey(number, &row),
                Phase::Training => self.train(number, &row),
                _ => self.calibrate(number, &row, error),
            }
            if let Some(watched) = self.store.get_mut(number) {
                watched.profile.last = packet.time;
            }
        }
        self.errors = errors;
    }

    /// Gives the network's ensemble the runs of sound packets.
    fn learn_network(&mut self, input: &ScoreInput<'_>, errors: &mut [f32]) {
        let mut start = 0;
        for run in input.packets.split_inclusive(|packet| !packet.is_sound()) {
            let sound = run.len() - usize::from(run.last().is_some_and(|last| !last.is_sound()));
            let rows = input
                .damped
                .get(start * DAMPED_STRIDE..(start + sound) * DAMPED_STRIDE);
            if let (Some(rows), Some(errors)) = (rows, errors.get_mut(start..start + sound)) {
                if sound > 0 {
                    self.network.learn(rows, sound, errors);
                }
            }
            start += run.len();
        }
    }

    fn survey(&mut self, number: u32, row: &crate::device::Row) {
        let kernel = self.kernel;
        self.prior.model.survey(kernel, row);
        if let Some(watched) = self.store.get_mut(number) {
            watched.profile.model.survey(kernel, row);
        }
    }

    fn train(&mut self, number: u32, row: &crate::device::Row) {
        let kernel = self.kernel;
        let devices = self.store.profiles.len() as u64;
        let prior = &mut self.prior;
        if let Some(watched) = self.store.get_mut(number) {
            let profile = &mut watched.profile;
            if profile.model.is_refresh_due() {
                profile
                    .model
                    .refresh(Some(&prior.model.range), &self.scaling);
            }
            let due =
                prior.rows < PRIOR_ROWS || profile.model.ensemble.rows.is_multiple_of(PRIOR_SHARE);
            let lends = due && profile.lent * devices <= FAIR * prior.rows;
            if !lends {
                profile.model.train(kernel, row, 0.0, 1.0);
                return;
            }
            profile.lent += 1;
            prior.count(&self.scaling);
            profile
                .model
                .train_both(&mut prior.model, kernel, row, 0.0, 1.0);
        } else {
            prior.count(&self.scaling);
            prior.model.train(kernel, row, 0.0, 1.0);
        }
    }

    fn calibrate(&mut self, number: u32, row: &crate::device::Row, error: f32) {
        let kernel = self.kernel;
        let network = tail::position(error);
        let position = self.prior.model.position(kernel, row);
        let mut weight = 1.0;
        if let Some(watched) = self.store.get_mut(number) {
            let profile = &mut watched.profile;
            let total = profile.own.histogram.total();
            weight = POOL_MOST / (POOL_MOST + total);
            let own = if profile.mature {
                profile.model.position(kernel, row)
            } else {
                position
            };
            profile.own.histogram.add(own, 1.0);
            profile.network.histogram.add(network, 1.0);
        } else {
            // A device without a profile speaks in the pool alone.
            self.network_pool.histogram.add(network, 1.0);
        }
        self.prior.calibration.histogram.add(position, weight);
    }

    /// Moves the schedule on, and makes ready for each phase that begins.
    pub(super) fn advance(&mut self, packets: u64) {
        let errors = std::mem::take(&mut self.errors);
        let devices = self.store.profiles.len() as u64;
        let convergence = self.config.convergence;
        let mut changed = self
            .schedule
            .advance(packets, self.now, &errors, devices, &convergence);
        while changed {
            match self.schedule.phase {
                Phase::Surveying => {}
                Phase::Training => self.refresh_all(),
                Phase::Calibrating => {
                    self.refresh_all();
                    for watched in &mut self.store.profiles {
                        let profile = &mut watched.profile;
                        profile.mature = profile.model.ensemble.rows >= MATURE_ROWS;
                    }
                }
                Phase::Watching => self.begin_watching(),
            }
            changed = self
                .schedule
                .advance(0, self.now, &[], devices, &convergence);
        }
        self.errors = errors;
    }

    fn refresh_all(&mut self) {
        self.prior.model.refresh(None, &self.scaling);
        for watched in &mut self.store.profiles {
            watched
                .profile
                .model
                .refresh(Some(&self.prior.model.range), &self.scaling);
        }
    }

    fn begin_watching(&mut self) {
        self.fit_pools();
        for watched in &mut self.store.profiles {
            let profile = &mut watched.profile;
            let pool = if profile.mature {
                &self.own_pool
            } else {
                &self.prior.calibration
            };
            profile.own.fit(Some(pool));
            profile.network.fit(Some(&self.network_pool));
        }
    }

    /// Makes the pools from all devices in fair shares.
    fn fit_pools(&mut self) {
        self.pooled = self.now;
        self.prior.calibration.histogram.bound();
        self.prior.calibration.fit(None);
        if !self.store.profiles.is_empty() {
            self.own_pool.histogram.clear();
            self.network_pool.histogram.clear();
        }
        for watched in &self.store.profiles {
            let profile = &watched.profile;
            for (pool, histogram, counts) in [
                (&mut self.own_pool, &profile.own.histogram, profile.mature),
                (&mut self.network_pool, &profile.network.histogram, true),
            ] {
                if counts && histogram.total() > 0.0 {
                    pool.histogram
                        .merge(histogram, (POOL_MOST / histogram.total()).min(1.0));
                }
            }
        }
        self.own_pool.fit(None);
        self.network_pool.fit(None);
    }

    /// Judges the open epoch of a device; takes its scores into the calibration if they are calm.
    pub(super) fn close_epoch(&mut self, number: u32, now: i64) {
        if now.saturating_sub(self.pooled) >= POOL_AGE {
            self.fit_pools();
        }
        let Some(watched) = self.store.get_mut(number) else {
            return;
        };
        let (watch, profile) = (&mut watched.watch, &mut watched.profile);
        let waited = !watch.own.is_empty();
        if watch.close(now, &mut self.counters.drifts) == Verdict::Wait {
            if waited && watch.own.is_empty() {
                self.counters.quarantined += 1;
            }
            return;
        }
        if watch.is_drifting(now) {
            for calibration in [&mut profile.own, &mut profile.network] {
                let total = calibration.histogram.total();
                if total > DRIFTING_TOTAL {
                    calibration.histogram.scale(DRIFTING_TOTAL / total);
                }
            }
        }
        profile.own.histogram.merge_tally(&watch.own);
        profile.network.histogram.merge_tally(&watch.network);
        watch.discard();
        let aged = now.saturating_sub(profile.first) >= MATURE_AGE;
        if !profile.mature && aged && profile.model.ensemble.rows >= MATURE_ROWS {
            // From now on its own ensemble speaks; the scores so far were the prior's.
            profile.mature = true;
            profile.own.histogram.clear();
        }
        let pool = if profile.mature {
            &self.own_pool
        } else {
            &self.prior.calibration
        };
        profile.own.fit(Some(pool));
        profile.network.fit(Some(&self.network_pool));
    }

    /// Learns samples whose quarantine is over.
    pub(super) fn release(&mut self) {
        let kernel = self.kernel;
        self.slow_rows.clear();
        // Not all at once, so that no window takes long; far fewer are set aside in one.
        for _ in 0..RELEASED {
            let Some(sample) = self.quarantine.release(self.now) else {
                break;
            };
            let Some(watched) = self.store.get_mut(sample.profile) else {
                continue;
            };
            let (watch, profile) = (&mut watched.watch, &mut watched.profile);
            let day = sample.time.div_euclid(DAY);
            if watch.day != day {
                watch.day = day;
                watch.updates = 0;
            }
            if watch.is_noisy() || sample.time.saturating_sub(MARGIN) < watch.hold_until {
                self.counters.quarantined += 1;
                continue;
            }
            if watch.updates >= UPDATES_A_DAY {
                self.counters.dropped += 1;
                continue;
            }
            watch.updates += 1;
            self.counters.updates += 1;
            let pace = if watch.is_drifting(self.now) || !profile.mature {
                1.0
            } else {
                SLOW_RANGE
            };
            if profile.model.is_refresh_due() {
                profile
                    .model
                    .refresh(Some(&self.prior.model.range), &self.scaling);
            }
            profile
                .model
                .train(kernel, &sample.behaviour, SLOW_RATE, pace);
            let prior = &mut self.prior;
            let position = prior.model.position(kernel, &sample.behaviour);
            prior.calibration.histogram.add(position, 1.0);
            prior
                .model
                .train(kernel, &sample.behaviour, PRIOR_SLOW_RATE, 0.0);
            self.slow_rows.extend_from_slice(sample.damped.as_slice());
            let padded = self.slow_rows.len().next_multiple_of(DAMPED_STRIDE);
            self.slow_rows.resize(padded, 0.0);
        }
        let count = self.slow_rows.len() / DAMPED_STRIDE;
        if count > 0 {
            self.network
                .learn_slowly(&self.slow_rows, count, NETWORK_SLOW_RATE);
        }
    }

    /// The number of the profile of a device; [`NONE`] where it has none.
    pub(super) fn profile_of(&self, key: &(u64, [u8; 16])) -> u32 {
        self.store.index.get(key).copied().unwrap_or(NONE)
    }
}
