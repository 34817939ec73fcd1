//! Packets to flows, host counters and sketches, in tables whose size is fixed when they are made.
#![forbid(unsafe_code)]

pub mod rows;

pub use rows::{FlowRow, HostRow};
