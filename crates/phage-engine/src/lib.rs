//! The hot loop: a source's frames become packets, flows, features, scores and windows.
//!
//! One [`Engine`] is one shard: it owns its tables and models, takes no lock, and allocates nothing
//! per packet on the plain path. Several engines on one interface share it by fan-out.

mod applications;
pub mod config;
pub mod counters;
pub mod engine;
pub mod export;
pub mod matching;
mod names;
mod progress;
mod requests;
mod reread;
pub mod ring;
mod stages;
mod uncached;
pub mod window;

pub use config::EngineConfig;
pub use counters::Counters;
pub use engine::{Engine, EngineError, Progress};
pub use export::{ExportConfig, ExportEngine, ToldFlows};
pub use matching::MatchRow;
pub use ring::{FrameRing, KeptFrame, Selection};
pub use window::{Observation, Window};
