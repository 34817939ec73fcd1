//! Bytes to records: frames, packets, application messages.
//!
//! Nothing here reads a file, asks a clock or allocates per packet on the plain path. Every
//! function takes hostile bytes: it answers with a record or a counted [`Fault`], never a panic.
#![forbid(unsafe_code)]

pub mod app;
pub mod catalog;
pub mod export;
pub mod frame;
pub mod keys;
pub mod packet;
pub mod pcap;

pub use frame::{Batch, FrameHeader, LinkType, Origin};
pub use keys::{Keys, Secret};
pub use packet::{decode, decode_outer, Fault, Packet};
pub use pcap::{CaptureFault, CaptureFaultKind, CaptureParser, CaptureWriter, Step, StepState};
