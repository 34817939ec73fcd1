//! The contract of everything that frames come from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use phage_decode::Batch;

use crate::error::{CaptureError, SourceFault};

/// Something that frames come from: files, or one ring of an interface.
pub trait Source: Send {
    /// Gives the next frames, at most `limit` of them.
    ///
    /// The batch is empty when `wait` passed without a frame, and `None` is the end: of the last
    /// file, or after [`StopHandle::stop`]. What the batch borrows is released by the next call.
    fn next(&mut self, limit: usize, wait: Duration) -> Result<Option<Batch<'_>>, CaptureError>;

    /// What was counted since the source was opened.
    fn counters(&mut self) -> SourceCounters;

    /// A handle that ends the source from another thread.
    fn stop_handle(&self) -> StopHandle;
}

/// What a source counted since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceCounters {
    /// Frames handed over.
    pub packets: u64,
    /// Their bytes on the wire.
    pub octets: u64,
    /// Frames that the kernel dropped because the ring was full.
    pub dropped: u64,
    /// Times that the ring was full and the kernel stopped writing.
    pub frozen: u64,
    /// Frames of files that the filter rejected. (The kernel does not count what it filters.)
    pub filtered: u64,
    /// Whether the interface is down or gone now.
    pub link_down: bool,
    /// Times that the interface went down or away.
    pub link_losses: u64,
    /// What was wrong, oldest first; the first [`SourceCounters::MOST_FAULTS`] are kept.
    pub faults: Vec<SourceFault>,
    /// How many faults there were in all.
    pub faults_seen: u64,
}

impl SourceCounters {
    /// Faults that are kept. Each is a line for a person; a damaged file has one.
    pub const MOST_FAULTS: usize = 64;

    pub(crate) fn note(&mut self, fault: SourceFault) {
        self.faults_seen += 1;
        if self.faults.len() < Self::MOST_FAULTS {
            self.faults.push(fault);
        }
    }
}

/// Ends a source from another thread.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// Asks the source to end; its `next` answers `None` within a tenth of a second.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the source was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long a call may sleep before it looks at its [`StopHandle`] again.
pub(crate) const STOP_CHECK: Duration = Duration::from_millis(100);
