//! Bounds of the counters, and what they had to leave out.

/// What the counters may hold, and what is worth to be handed on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VolumeLimits {
    /// Hosts counted at a time, 256 octets each once they are; beyond it they share counters by
    /// prefixes of /24 and /56.
    pub hosts: usize,
    /// Rows of one slot.
    pub rows: usize,
    /// Rows of traffic of one slot, of either choice.
    pub traffic: usize,
    /// Long flow records whose counts are paid out over the time they tell of.
    pub instalments: usize,
    /// Packets a second from which on a host or prefix is handed on.
    pub floor_packets: u32,
    /// Octets a second from which on it is.
    pub floor_octets: u64,
    /// SYNs, flows and distinct sources a second from which on it is.
    pub floor_flows: u32,
}

impl Default for VolumeLimits {
    fn default() -> Self {
        Self {
            hosts: 131_072,
            rows: 4096,
            traffic: 2048,
            instalments: 32_768,
            floor_packets: 200,
            floor_octets: 500_000,
            floor_flows: 100,
        }
    }
}

/// What was counted, and what was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumeCounters {
    /// Packets and records that were counted.
    pub counted: u64,
    /// Of these, packets that they stand for.
    pub packets: u64,
    /// Octets that they stand for.
    pub octets: u64,
    /// Those that concern no host that is counted: without IP, or between strangers.
    pub foreign: u64,
    /// Those booked by a prefix, because there are too many hosts.
    pub shared: u64,
    /// Those not booked at all.
    pub uncounted: u64,
    /// Rows that did not fit.
    pub rows_omitted: u64,
    /// Long flow records booked at once, because too many were being paid out.
    pub hurried: u64,
    /// Those that were not booked by the service of their host, because there are too many hosts.
    pub services_omitted: u64,
}

impl VolumeCounters {
    /// Names and values.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("counted", self.counted),
            ("packets", self.packets),
            ("octets", self.octets),
            ("foreign", self.foreign),
            ("shared", self.shared),
            ("uncounted", self.uncounted),
            ("rows_omitted", self.rows_omitted),
            ("hurried", self.hurried),
            ("services_omitted", self.services_omitted),
        ]
    }
}
