//! What a person says about findings: learn this, or learn nothing of that.

use super::store::NONE;
use super::Scorer;
use crate::device::Identity;

/// The labelled packets shall make up at least this share of the device's calibration.
const SHARE: f32 = 0.02;
/// Passes over the labelled packets, and their learning rate.
const PASSES: usize = 8;
const RATE: f32 = 0.05;

/// A label on the past, or a ban on learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// What the device did between two times was normal: it is learned, its tail is raised.
    FalsePositive {
        /// The device.
        device: Identity,
        /// First time, nanoseconds since the Unix epoch.
        from: i64,
        /// Last time.
        until: i64,
    },
    /// Nothing of these times is learned.
    DoNotLearn {
        /// The device; `None` for all.
        device: Option<Identity>,
        /// First time.
        from: i64,
        /// Last time; it may lie in the future.
        until: i64,
    },
}

impl Scorer {
    /// Follows a label; answers how many packets were learned or dropped for it.
    ///
    /// Only the last few hundred surprising packets of all devices are kept for this: a label on
    /// older ones answers 0.
    pub fn feedback(&mut self, feedback: &Feedback) -> usize {
        match *feedback {
            Feedback::FalsePositive {
                device,
                from,
                until,
            } => self.learn_kept(self.profile_of(&device.key()), from, until),
            Feedback::DoNotLearn {
                device,
                from,
                until,
            } => {
                let number = device.map(|device| self.profile_of(&device.key()));
                if number == Some(NONE) {
                    return 0;
                }
                self.ban(number, from, until)
            }
        }
    }

    fn learn_kept(&mut self, number: u32, from: i64, until: i64) -> usize {
        let kernel = self.kernel;
        let samples = self.quarantine.take_kept(number, from, until);
        let Some(watched) = self.store.get_mut(number) else {
            return 0;
        };
        if samples.is_empty() {
            return 0;
        }
        let profile = &mut watched.profile;
        for _ in 0..PASSES {
            for sample in &samples {
                // A person vouches for them: the ranges take them whole.
                profile.model.survey(kernel, &sample.behaviour);
                profile.model.train(kernel, &sample.behaviour, RATE, 0.0);
            }
            profile
                .model
                .refresh(Some(&self.prior.model.range), &self.scaling);
        }
        let count = samples.len() as f32;
        let own = (SHARE * profile.own.histogram.total() / count).max(1.0);
        let network = (SHARE * profile.network.histogram.total() / count).max(1.0);
        for sample in &samples {
            let model = if profile.mature {
                &profile.model
            } else {
                &self.prior.model
            };
            let position = model.position(kernel, &sample.behaviour);
            profile.own.histogram.add(position, own);
            profile.network.histogram.add(sample.network, network);
        }
        let pool = if profile.mature {
            &self.own_pool
        } else {
            &self.prior.calibration
        };
        profile.own.fit(Some(pool));
        profile.network.fit(Some(&self.network_pool));
        watched.watch.hold_until = 0;
        watched.watch.noisy_since = 0;
        samples.len()
    }

    fn ban(&mut self, number: Option<u32>, from: i64, until: i64) -> usize {
        let dropped = self.quarantine.discard(number, from, until);
        for (index, watched) in self.store.profiles.iter_mut().enumerate() {
            if number.is_none_or(|number| number as usize == index) {
                watched.watch.hold_until = watched.watch.hold_until.max(until);
                watched.watch.discard();
            }
        }
        self.counters.quarantined += dropped as u64;
        dropped
    }
}
