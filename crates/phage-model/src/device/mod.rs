//! The small ensemble of each device, and the prior that every device starts from.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod ensemble;
mod kernel;
mod lanes;
mod profile;
mod range;
mod scaling;

pub use ensemble::Ensemble;
pub use kernel::DeviceKernel;
pub use lanes::{Row, INPUTS};
pub use profile::{Calibration, Identity, Model, Prior, Profile};
pub use range::{InputMap, Range};
pub use scaling::{place, Scaling};

#[cfg(test)]
mod tests;
