//! Packets that wait until it is known whether they were part of an attack.

use std::collections::VecDeque;

use crate::device::{Row, INPUTS};
use crate::DAMPED;

/// Samples that wait at most; at 540 bytes each 1.1 MB.
const WAITING: usize = 2048;
/// Surprising samples kept for feedback.
const KEPT: usize = 512;
/// A sample waits this long before it is learned, in nanoseconds.
const DELAY: i64 = 1800 * 1_000_000_000;

/// One packet as the models see it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) time: i64,
    /// Which profile it belongs to.
    pub(super) profile: u32,
    /// Position of its error under the network's ensemble.
    pub(super) network: f32,
    pub(super) behaviour: Row,
    pub(super) damped: Box<[f32; DAMPED]>,
}

impl Sample {
    pub(super) fn new(
        time: i64,
        profile: u32,
        network: f32,
        behaviour: &Row,
        damped: &[f32],
    ) -> Self {
        let mut copy = Box::new([0.0; DAMPED]);
        for (to, from) in copy.iter_mut().zip(damped) {
            *to = *from;
        }
        Self {
            time,
            profile,
            network,
            behaviour: *behaviour,
            damped: copy,
        }
    }
}

/// Samples in quarantine, oldest first, and surprising ones kept for feedback.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Quarantine {
    pub(super) waiting: VecDeque<Sample>,
    pub(super) kept: VecDeque<Sample>,
}

impl Quarantine {
    /// Whether another sample may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING
    }

    /// Lets a sample wait.
    pub(super) fn hold(&mut self, sample: Sample) {
        if self.has_room() {
            self.waiting.push_back(sample);
        }
    }

    /// The next sample that has waited long enough.
    pub(super) fn release(&mut self, now: i64) -> Option<Sample> {
        let first = self.waiting.front()?;
        // A clock that was set back must not stop the queue for ever.
        if now.saturating_sub(first.time).unsigned_abs() < DELAY.unsigned_abs() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Keeps a surprising sample, forgets the oldest when there are too many.
    pub(super) fn keep(&mut self, sample: Sample) {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(sample);
    }

    /// Discards what waits of one profile (or of all) in a range of time; answers how many.
    pub(super) fn discard(&mut self, profile: Option<u32>, from: i64, until: i64) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|sample| {
            !(profile.is_none_or(|profile| profile == sample.profile)
                && (from..=until).contains(&sample.time))
        });
        before - self.waiting.len()
    }

    /// Takes the kept samples of one profile in a range of time.
    pub(super) fn take_kept(&mut self, profile: u32, from: i64, until: i64) -> Vec<Sample> {
        let (taken, left): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|sample| sample.profile == profile && (from..=until).contains(&sample.time));
        self.kept = left;
        taken.into()
    }

    /// Removes every trace of a profile whose number is given away.
    pub(super) fn forget(&mut self, profile: u32) {
        self.waiting.retain(|sample| sample.profile != profile);
        self.kept.retain(|sample| sample.profile != profile);
    }
}

const _: () = assert!(INPUTS == 32);
