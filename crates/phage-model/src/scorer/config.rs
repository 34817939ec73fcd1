//! What a scorer is told when it is made.

use phage_decode::catalog::{Feature, Scale};

use crate::device::INPUTS;
use crate::simd::Kernel;

/// Behaviour features of unknown meaning, for a scorer that was given no catalog.
static UNNAMED: [Feature; INPUTS] = [Feature {
    name: "unnamed",
    unit: "1",
    meaning: "a feature that no catalog names",
    scale: Scale::Logarithmic,
    floor: 0.05,
}; INPUTS];

/// Settings of a scorer.
#[derive(Clone, Debug)]
pub struct ScorerConfig {
    /// Seed of the first weights.
    pub seed: u64,
    /// Packets to learn from before anything is scored; `None`: until the model has converged.
    pub train: Option<u64>,
    /// Devices with an ensemble of their own; those beyond it are scored by the prior.
    pub devices: usize,
    /// The catalog of the behaviour features: scales, floors, names.
    pub behaviour: &'static [Feature],
    /// When learning has converged, where `train` is `None`.
    pub convergence: Convergence,
    /// Whether the models follow slow changes while watching.
    pub adapt: bool,
    /// The kernel to use; the best that the CPU has where it is `None` or not available.
    pub kernel: Option<Kernel>,
}

impl Default for ScorerConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            train: None,
            // A /20 of devices; 20 MB when each has a profile.
            devices: 4096,
            behaviour: &UNNAMED,
            convergence: Convergence::default(),
            adapt: true,
            kernel: None,
        }
    }
}

/// When learning without a fixed number of packets is over.
///
/// Training ends when enough packets of enough time were seen, the mean error of the network's
/// ensemble over a block of packets has stopped to fall (two blocks in a row within `plateau` of
/// the one before) and no new device came in the last block; or in any case after `most_packets`.
/// Calibration then lasts a quarter as long as training did.
#[derive(Clone, Copy, Debug)]
pub struct Convergence {
    /// Packets whose ranges are surveyed first.
    pub survey_packets: u64,
    /// At least so many packets to train on.
    pub least_packets: u64,
    /// At least so many seconds of traffic to train on.
    pub least_seconds: u64,
    /// At most so many packets to train on.
    pub most_packets: u64,
    /// Relative fall of the error from block to block that still counts as learning.
    pub plateau: f32,
}

impl Default for Convergence {
    fn default() -> Self {
        Self {
            survey_packets: 2000,
            least_packets: 20_000,
            // An hour sees what most devices do regularly; rarer habits are learned slowly.
            least_seconds: 3600,
            // At the training rate of a core this is seconds; at a home's rate it is weeks.
            most_packets: 2_000_000,
            plateau: 0.05,
        }
    }
}
