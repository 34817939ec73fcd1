//! Frames from capture files and network interfaces, the filters that choose among them, and datagrams
//! of flow exporters.

pub mod datagram;
pub mod error;
mod file;
pub mod filter;
pub mod interface;
mod ring;
mod source;
mod system;
mod transmit;

pub use error::{CaptureError, SourceFault, SourceFaultKind};
pub use file::FileSource;
pub use filter::{Filter, FilterError};
pub use ring::{RingConfig, RingSource};
pub use source::{Source, SourceCounters, StopHandle};
pub use transmit::{TransmitPlan, Transmitted, Transmitter};
