//! What bounds the flow table, and what it counts.

/// Bounds and timeouts of the flow table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Flows at a time. 65,536 take 14 MB when all are in use; memory is touched as flows come.
    pub capacity: usize,
    /// Rows of one window, and ended flows kept for it.
    pub rows: usize,
    /// Uses that are followed for profiles of devices, and their rows in a window; 0 for none.
    pub uses: usize,
    /// Number of the first flow. Engines whose windows go to the same detectors begin far apart.
    pub first: u64,
    /// Seconds after which a flow is continued by a new record (30 minutes, as exporters do).
    pub active_timeout_s: u32,
    /// Seconds of silence after which any flow ends; absent: by kind, as below.
    pub idle_timeout_s: Option<u32>,
    /// Seconds of silence that end an established TCP connection.
    pub idle_established_s: u32,
    /// Seconds of silence that end an answered flow of another protocol.
    pub idle_answered_s: u32,
    /// Seconds of silence that end a flow of one packet or a TCP connection half open.
    pub idle_unanswered_s: u32,
    /// Seconds that a closed or reset connection stays, for its last acknowledgements.
    pub linger_s: u32,
}

impl Default for FlowLimits {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            rows: 16_384,
            uses: 0,
            first: 1,
            active_timeout_s: 1800,
            idle_timeout_s: None,
            idle_established_s: 300,
            idle_answered_s: 60,
            idle_unanswered_s: 15,
            linger_s: 3,
        }
    }
}

/// What the flow table counted since it was made.
///
/// `packets` equals the packets of all rows that ended, of those omitted, and of the flows that
/// go on; the same for octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Packets observed.
    pub packets: u64,
    /// Octets observed, link layer included.
    pub octets: u64,
    /// Records begun.
    pub started: u64,
    /// Flows in the table.
    pub live: u64,
    /// Records ended, by reason ([`crate::rows::end_reason`]).
    pub ended: [u64; 6],
    /// Packets of records that ended, whether or not a row was kept.
    pub ended_packets: u64,
    /// Octets of records that ended.
    pub ended_octets: u64,
    /// Records that ended without a row, because the window had no room for it.
    pub omitted: u64,
    /// Packets of those.
    pub omitted_packets: u64,
    /// Octets of those.
    pub omitted_octets: u64,
    /// Updates of flows that go on, put off to the next window for want of room.
    pub deferred: u64,
    /// Uses of devices that were merged into rows.
    pub uses: u64,
    /// Uses for which the window had no room.
    pub uses_dropped: u64,
    /// Look-ups that met another flow under the same 64-bit key.
    pub collisions: u64,
}
