//! Damped statistics, features, ensembles of autoencoders, calibration.

pub mod damped;
pub mod device;
pub mod fault;
pub mod network;
pub mod rows;
pub mod scorer;
mod simd;
mod table;
pub mod tail;

pub use damped::{Damped, DampedConfig, DampedCounters, DAMPED, DAMPED_CATALOG, DAMPED_STRIDE};
pub use device::Identity;
pub use fault::ModelFault;
pub use network::{Contribution, Network, NetworkConfig};
pub use rows::ScoreRow;
pub use scorer::{Convergence, Feedback, Phase, ScoreInput, Scorer, ScorerConfig, ScorerCounters};
pub use simd::Kernel;
pub use table::TableCounters;
