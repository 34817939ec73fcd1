//! What an engine is told when it is made. Every field has a default; unknown ones are refused.

use phage_flow::volume::{parse_service, Group, Watch};
use serde::Deserialize;

use crate::engine::EngineError;

/// What is counted besides hosts and prefixes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchConfig {
    /// Services, as in "tcp/80", with the numbers of their rows.
    pub services: Vec<(String, u8)>,
    /// Groups: what their rows have for an address, in hexadecimal, and their networks.
    pub groups: Vec<(String, Vec<String>)>,
}

impl WatchConfig {
    /// Reads it.
    pub(crate) fn read(&self) -> Result<Watch, EngineError> {
        let setting = |what: String| EngineError::Setting(what);
        let mut services = Vec::with_capacity(self.services.len());
        for (text, number) in &self.services {
            services
                .push(parse_service(text, *number).map_err(|fault| setting(fault.to_string()))?);
        }
        let mut groups = Vec::with_capacity(self.groups.len());
        for (name, networks) in &self.groups {
            let value = u128::from_str_radix(name, 16)
                .map_err(|_| setting(format!("{name:?} are no 16 octets in hexadecimal")))?;
            groups.push(Group {
                name: value.to_be_bytes(),
                networks: networks.clone(),
            });
        }
        Watch::new(&services, &groups).map_err(|fault| setting(fault.to_string()))
    }
}

/// Settings of one engine (one shard: one thread, one set of tables).
#[derive(Clone, Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each switches a stage")]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Own networks in CIDR notation; empty means the private ranges.
    pub home: Vec<String>,
    /// Seed of the key secret and of the models; random for a live run, fixed for a replay.
    pub seed: u64,
    /// Length of a window in milliseconds.
    pub tick_ms: u32,
    /// A window with few packets may last this long, in milliseconds.
    pub longest_tick_ms: u32,
    /// A window with at least this many packets closes at its tick.
    pub full_window: u32,
    /// Packets to learn from before anything is scored; absent: until the model has converged.
    pub train: Option<u64>,
    /// Whether packets are added to flows.
    pub flows: bool,
    /// Whether what is added to flows is counted for the hosts at their ends too.
    pub hosts: bool,
    /// Which packets are counted as requests of their source, in the pcap filter language; empty
    /// takes all, absent counts none.
    pub requests: Option<String>,
    /// Sources of requests in one window.
    pub request_sources: usize,
    /// Rows of requests in one window.
    pub request_rows: usize,
    /// Whether packets are scored (damped statistics, ensembles).
    pub scores: bool,
    /// Whether a score is kept for every packet until it is fetched.
    pub keep_scores: bool,
    /// Whether application messages are parsed.
    pub applications: bool,
    /// Whether volumes are counted.
    pub volumes: bool,
    /// Services that volumes are counted of by themselves, and groups of networks.
    pub watch: WatchConfig,
    /// Bytes of the ring of frames kept as evidence; 0 for none.
    pub ring_octets: usize,
    /// Bytes kept of a frame in the ring.
    pub ring_snap: usize,
    /// Flows in the table.
    pub flow_capacity: usize,
    /// Channels, and sockets, with damped statistics; a quarter as many sources.
    pub stream_capacity: usize,
    /// Devices with a profile.
    pub device_capacity: usize,
    /// Remote hosts with counters.
    pub remote_capacity: usize,
    /// Hosts whose volumes are counted.
    pub volume_capacity: usize,
    /// Rows of flows in one window.
    pub flow_rows: usize,
    /// Uses of devices that are followed; 0 for none.
    pub use_rows: usize,
    /// Rows of hosts in one window.
    pub host_rows: usize,
    /// Rows of matches in one window.
    pub match_rows: usize,
    /// Observations in one window.
    pub observations: usize,
    /// Seconds after which an idle flow ends; absent: by kind of flow.
    pub idle_timeout_s: Option<u32>,
    /// Seconds after which a flow is continued by a new record.
    pub active_timeout_s: u32,
    /// Bytes of the beginnings of streams, all together.
    pub reassembly_octets: usize,
    /// Bytes that streams may hold from which files are taken; 0 takes none.
    pub carve_octets: usize,
    /// Bytes of the largest file that is taken.
    pub carve_file: usize,
    /// Vector instructions of the model: `avx512`, `avx2` or `portable`; absent: the best that the
    /// processor has. For measurements; scores of kernels agree to about 1e-6.
    pub kernel: Option<String>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            home: Vec::new(),
            seed: 1,
            tick_ms: 250,
            longest_tick_ms: 1000,
            full_window: 32,
            train: None,
            flows: true,
            hosts: true,
            requests: None,
            request_sources: 65_536,
            request_rows: 4096,
            scores: true,
            keep_scores: false,
            applications: true,
            volumes: true,
            watch: WatchConfig::default(),
            // At a home's mean packet this is several thousand packets.
            ring_octets: 4 << 20,
            ring_snap: 1514,
            flow_capacity: 65_536,
            stream_capacity: 65_536,
            device_capacity: 4096,
            remote_capacity: 65_536,
            volume_capacity: 131_072,
            flow_rows: 16_384,
            use_rows: 8192,
            host_rows: 4096,
            match_rows: 4096,
            observations: 4096,
            idle_timeout_s: None,
            active_timeout_s: 1800,
            reassembly_octets: 8 << 20,
            carve_octets: 0,
            carve_file: 16 << 20,
            kernel: None,
        }
    }
}

/// The number of an engine's first flow: engines with seeds drawn by lot begin four billion flows
/// apart, so that detectors and the store never take one's flow for another's. Small seeds, as of
/// a replay, begin at 1; all numbers are below 2^53, which JSON can tell.
pub(crate) const fn first_flow(seed: u64) -> u64 {
    ((seed >> 43) << 32) + 1
}

#[cfg(test)]
mod tests {
    use super::first_flow;

    #[test]
    fn engines_begin_far_apart_and_json_can_tell_their_flows() {
        assert_eq!(first_flow(1), 1);
        assert_eq!(first_flow(u64::MAX) >> 53, 0);
        assert!(first_flow(1 << 43) - first_flow(0) >= 1 << 32);
    }
}
