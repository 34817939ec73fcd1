//! What bounds the host table, and what it counts.

/// Bounds of the host table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLimits {
    /// Devices with a profile; each takes about 1.4 kB.
    pub devices: usize,
    /// Remote hosts with counters; each takes 0.2 kB.
    pub remotes: usize,
    /// Rows of one window.
    pub rows: usize,
    /// Relations of devices with peers and services that are remembered, 16 octets each.
    pub relations: usize,
    /// Addresses of which the holder is remembered, 16 octets each.
    pub neighbours: usize,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            devices: 4096,
            remotes: 65_536,
            rows: 4096,
            relations: 65_536,
            neighbours: 8192,
        }
    }
}

/// What the host table counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Devices in the table, and those of them that are known for good.
    pub devices: u64,
    /// Devices seen often and long enough to stay.
    pub devices_known: u64,
    /// Devices made.
    pub devices_made: u64,
    /// Newcomers that gave way to others.
    pub devices_evicted: u64,
    /// Packets of newcomers that were not let in.
    pub devices_refused: u64,
    /// Remote hosts with a record.
    pub remotes: u64,
    /// Remote hosts that gave way to others.
    pub remotes_evicted: u64,
    /// First packets of remote hosts beyond the allowance.
    pub remotes_refused: u64,
    /// Relations forgotten for want of room.
    pub relations_forgotten: u64,
    /// Rows that had no room in their window.
    pub rows_omitted: u64,
}
