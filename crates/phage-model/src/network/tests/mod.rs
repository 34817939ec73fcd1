//! The network's ensemble against an independent computation in double precision, and what must hold for any rows.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::needless_range_loop,
    clippy::float_cmp,
    clippy::panic,
    reason = "tests: a failed access is a failed test"
)]

mod explaining;
mod learning;
mod oracle;
mod robustness;
mod saving;

use super::*;
use crate::damped::{DAMPED, DAMPED_CATALOG};

/// Rows like those of traffic: a few hidden causes behind all features, each with its own noise.
pub(super) struct Traffic(u64);

impl Traffic {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn unit(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / 16_777_216.0
    }

    pub(super) fn row(&mut self) -> [f32; DAMPED_STRIDE] {
        let causes: [f32; 6] = std::array::from_fn(|_| self.unit());
        let mut row = [0.0; DAMPED_STRIDE];
        for (feature, value) in row.iter_mut().enumerate().take(DAMPED) {
            let cause = causes[feature * 7 % 6];
            let x = 0.9 * cause + 0.1 * self.unit();
            *value = match feature {
                // A few are constant, a few linear and signed.
                97.. => 5.0,
                75..85 => 2.0 * x - 1.0,
                _ => (1.0 + 6.0 * x).exp(),
            };
        }
        row
    }

    pub(super) fn rows(&mut self, count: usize) -> Vec<f32> {
        (0..count).flat_map(|_| self.row()).collect()
    }
}

pub(super) fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
}

pub(super) fn config(kernel: Option<Kernel>) -> NetworkConfig {
    NetworkConfig {
        survey: 1_000,
        train: 6_000,
        seed: 11,
        kernel,
        ..NetworkConfig::default()
    }
}

/// A network that has learned 7,000 rows of [`Traffic`].
pub(super) fn trained(kernel: Option<Kernel>) -> Network {
    let mut network = Network::new(&config(kernel));
    let rows = Traffic::new(3).rows(7_000);
    network.learn(&rows, 7_000, &mut vec![0.0; 7_000]);
    assert!(network.is_trained());
    network
}

pub(super) fn model(network: &Network) -> &Model {
    match &network.knowledge {
        Knowledge::Model(model) => model,
        Knowledge::Survey(_) => panic!("still surveying"),
    }
}

pub(super) fn scores(network: &mut Network, rows: &[f32]) -> Vec<f32> {
    let count = rows.len() / DAMPED_STRIDE;
    let mut errors = vec![f32::NAN; count];
    network.score(rows, count, &mut errors);
    errors
}

pub(super) fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}
