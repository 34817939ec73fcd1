//! Packets to flows, host counters and sketches, in tables whose size is fixed when they are made.
//!
//! [`FlowTable`] adds each packet to its flow and says what it changed ([`FlowTouch`]);
//! [`HostTable`] counts for both ends and writes the behaviour features of the packet's subject
//! device; [`Reassembler`] puts the first octets of a stream in order. Nothing here reads a clock
//! or does I/O: time is the packets' own.

pub mod flow;
pub mod home;
pub mod host;
pub mod reassembly;
pub mod requests;
pub mod rows;
mod table;
pub mod volume;

pub use flow::{touch, FlowCounters, FlowLimits, FlowTable, FlowTouch, Share};
pub use home::{Home, HomeFault};
pub use host::catalog::{BEHAVIOUR, BEHAVIOUR_CATALOG};
pub use host::{DeviceIdentity, HostCounters, HostLimits, HostTable};
pub use reassembly::{Reassembler, ReassemblyCounters, ReassemblyLimits};
pub use rows::{FlowRow, HostRow, UseRow};
pub use volume::{Volume, VolumeCounters, VolumeLimits, VolumeSlot};
