//! What is noted of a device while it is watched, and whether it may be learned.

use std::mem::offset_of;

use phage_memory::prefetch_within;

use crate::tail::Tally;

const SECOND: i64 = 1_000_000_000;
/// Evidence is judged over so long.
const EPOCH: i64 = 300 * SECOND;
/// Scores are taken into the calibration only when so many epochs in a row were quiet.
const QUIET_EPOCHS: u32 = 3;
/// An epoch is quiet with at most this many packets of surprise 3 or more, plus one in 200 ...
const QUIET_PACKETS: u32 = 3;
const QUIET_SHARE: u32 = 200;
/// ... none of which counts below this surprise.
pub(super) const SURPRISING: f32 = 3.0;
/// After a noisy epoch nothing is learned for this long.
const HOLD: i64 = 1800 * SECOND;
/// A device that was noisy in every epoch of this long has changed; what it does now is learned.
const ACCEPTED: i64 = 12 * 3600 * SECOND;
/// Drift raises the rate of updates for this long.
const DRIFTING: i64 = 24 * 3600 * SECOND;
/// Page and Hinkley's test (Page, Biometrika 41, 1954) on the mean surprise of an epoch, cut at 2:
/// what it should be (log10 e, as surprise is exponential), slack, and the sum that is drift.
const EXPECTED: f32 = 0.434;
const CUT: f32 = 2.0;
const SLACK: f32 = 0.2;
const DRIFT: f32 = 2.0;
/// Epochs with fewer packets say nothing of drift.
const DRIFT_PACKETS: u32 = 16;

/// What the end of an epoch means for learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The epoch goes on, or there is not enough to judge.
    Wait,
    /// The pending scores may be taken into the calibration.
    Learn,
}

/// The open epoch of a device and what earlier ones left behind.
#[derive(Clone, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Watch {
    // Line 1: what every packet reads or writes.
    pub(super) start: i64,
    pub(super) packets: u32,
    pub(super) surprising: u32,
    pub(super) sum: f32,
    pub(super) quiet: u32,
    pub(super) drift_until: i64,
    /// Time of the last packet put into quarantine, and of the last kept for feedback.
    pub(super) sampled: i64,
    pub(super) kept: i64,
    /// Begin of the run of noisy epochs; 0 for none.
    pub(super) noisy_since: i64,
    /// Nothing is learned before this time.
    pub(super) hold_until: i64,
    // Line 2.
    /// Day and updates applied in it.
    pub(super) day: i64,
    pub(super) updates: u32,
    pub(super) page_hinkley: f32,
    /// Scores of the device's own ensemble, and of the network's, that wait to be learned.
    pub(super) own: Tally,
    pub(super) network: Tally,
}

const _: () = assert!(offset_of!(Watch, day) == 64);

impl Watch {
    /// Notes a scored packet; `own` and `network` are positions on the histograms' axis.
    #[inline]
    pub(super) fn note(&mut self, surprise: f32, own: f32, network: f32) {
        self.packets = self.packets.saturating_add(1);
        self.surprising = self
            .surprising
            .saturating_add(u32::from(surprise >= SURPRISING));
        self.sum += surprise.min(CUT);
        self.own.add(own);
        self.network.add(network);
    }

    /// Asks for the line of the open epoch.
    #[inline(always)]
    pub(super) fn fetch(&self) {
        prefetch_within(&self.start, 0);
    }

    /// Asks for the lines that [`Watch::note`] counts in.
    #[inline(always)]
    pub(super) fn fetch_tallies(&self, own: f32, network: f32) {
        self.own.fetch(own);
        self.network.fetch(network);
    }

    /// Whether the open epoch is over.
    #[inline]
    pub(super) fn is_over(&self, now: i64) -> bool {
        now.saturating_sub(self.start) >= EPOCH
    }

    /// Judges the open epoch and opens the next; counts a drift found into `drifts`.
    pub(super) fn close(&mut self, now: i64, drifts: &mut u64) -> Verdict {
        let start = self.start;
        let quiet = self.surprising <= QUIET_PACKETS + self.packets / QUIET_SHARE;
        let packets = self.packets;
        let mean = self.sum / (packets as f32).max(1.0);
        self.start = now;
        self.packets = 0;
        self.surprising = 0;
        self.sum = 0.0;
        if start == 0 || packets == 0 {
            return Verdict::Wait;
        }
        if quiet {
            self.noisy_since = 0;
            self.test_drift(mean, packets, now, drifts);
        } else if !self.note_noise(start, now, drifts) {
            self.discard();
            return Verdict::Wait;
        }
        if now < self.hold_until {
            self.discard();
            return Verdict::Wait;
        }
        self.quiet += 1;
        if self.quiet < QUIET_EPOCHS {
            return Verdict::Wait;
        }
        self.quiet = 0;
        Verdict::Learn
    }

    /// Forgets what waits to be learned.
    pub(super) fn discard(&mut self) {
        self.own = Tally::default();
        self.network = Tally::default();
        self.quiet = 0;
    }

    pub(super) fn is_drifting(&self, now: i64) -> bool {
        now < self.drift_until
    }

    /// Whether the epoch that is open now is already noisy.
    pub(super) fn is_noisy(&self) -> bool {
        self.surprising > QUIET_PACKETS + self.packets / QUIET_SHARE
    }

    fn test_drift(&mut self, mean: f32, packets: u32, now: i64, drifts: &mut u64) {
        if packets < DRIFT_PACKETS {
            return;
        }
        self.page_hinkley = (self.page_hinkley + mean - EXPECTED - SLACK).max(0.0);
        if self.page_hinkley > DRIFT {
            self.page_hinkley = 0.0;
            self.begin_drift(now, drifts);
        }
    }

    /// Answers whether noise has lasted so long that it is the new normal.
    fn note_noise(&mut self, start: i64, now: i64, drifts: &mut u64) -> bool {
        if self.is_drifting(now) && self.noisy_since < 0 {
            return true;
        }
        if self.noisy_since <= 0 {
            self.noisy_since = start;
        }
        if now.saturating_sub(self.noisy_since) >= ACCEPTED {
            // Negative: accepted; the noise itself is learned until the drift is over.
            self.noisy_since = -1;
            self.hold_until = 0;
            self.begin_drift(now, drifts);
            return true;
        }
        self.hold_until = self.hold_until.max(now.saturating_add(HOLD));
        false
    }

    fn begin_drift(&mut self, now: i64, drifts: &mut u64) {
        if !self.is_drifting(now) {
            *drifts += 1;
        }
        self.drift_until = now.saturating_add(DRIFTING);
    }
}
