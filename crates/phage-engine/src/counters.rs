//! What an engine counts, cumulative since its start.

use phage_decode::app::Kind;
use phage_decode::Fault;

/// Counters of the stages that the engine itself runs; tables keep their own.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Packets seen.
    pub packets: u64,
    /// Octets on the wire.
    pub octets: u64,
    /// Malformed packets by kind.
    pub faults: [u64; Fault::COUNT],
    /// Application messages parsed.
    pub messages: u64,
    /// Application messages that were malformed, by the number of the protocol.
    pub message_faults: [u64; Kind::COUNT + 1],
    /// Observations left out of a full window.
    pub observations_omitted: u64,
    /// Windows handed out.
    pub windows: u64,
}

impl Counters {
    /// Counts a malformed message.
    pub fn message_fault(&mut self, kind: Kind) {
        if let Some(count) = self.message_faults.get_mut(kind as usize) {
            *count += 1;
        }
    }

    /// Counts a packet's fault, if it has one.
    #[inline]
    pub fn fault(&mut self, fault: Fault) {
        if fault != Fault::None {
            if let Some(count) = self.faults.get_mut(fault as usize) {
                *count += 1;
            }
        }
    }
}
