//! What an engine of exports is told when it is made. Every field has a default; unknown ones are
//! refused.

use serde::Deserialize;

use super::duplicates::USUAL_ROOM;
use crate::config::WatchConfig;

/// Settings of one engine of exports.
#[derive(Clone, Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each switches a stage")]
#[serde(default, deny_unknown_fields)]
pub struct ExportConfig {
    /// Own networks in CIDR notation; empty means the private ranges.
    pub home: Vec<String>,
    /// Seed of the key secret; random for a live run, fixed for a replay.
    pub seed: u64,
    /// Length of a window in milliseconds.
    pub tick_ms: u32,
    /// Whether records are added to flows and hosts.
    pub flows: bool,
    /// Whether volumes are counted.
    pub volumes: bool,
    /// Hosts whose volumes are counted.
    pub volume_capacity: usize,
    /// Services that volumes are counted of by themselves, and groups of networks.
    pub watch: WatchConfig,
    /// Flows in the table.
    pub flow_capacity: usize,
    /// Own hosts with counters.
    pub device_capacity: usize,
    /// Remote hosts with counters.
    pub remote_capacity: usize,
    /// Rows of flows in one window.
    pub flow_rows: usize,
    /// Uses of devices that are followed; 0 for none.
    pub use_rows: usize,
    /// Rows of hosts in one window.
    pub host_rows: usize,
    /// Rows of matches in one window.
    pub match_rows: usize,
    /// Records that are added to flows and hosts in one window; beyond it they are only counted.
    pub followed: u64,
    /// Seconds after which an idle flow ends; absent: by kind of flow.
    pub idle_timeout_s: Option<u32>,
    /// Seconds after which a flow is continued by a new record.
    pub active_timeout_s: u32,
    /// Observation domains of all exporters.
    pub domains: usize,
    /// Fields of all templates.
    pub template_fields: usize,
    /// Octets of sets that wait for their template.
    pub pending: usize,
    /// Whether times are shifted where an exporter's clock is wrong.
    pub correct_clocks: bool,
    /// Who may send; empty is everybody.
    pub allowed: Vec<String>,
    /// What is set by hand for exporters; the longest prefix counts.
    pub exporters: Vec<ExporterConfig>,
    /// Whether flows that several exporters tell of are counted once.
    pub find_duplicates: bool,
    /// Flows that are remembered for it, where the engine has no others to share this with.
    pub compared_flows: usize,
}

/// Which flow records of an exporter are taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Taken {
    /// All.
    #[default]
    All,
    /// Those of packets that come in, at the interfaces that are named.
    Ingress,
    /// Those of packets that go out, at the interfaces that are named.
    Egress,
    /// None.
    None,
}

/// What is set by hand for an exporter, or a network of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExporterConfig {
    /// Address or network of the exporter.
    pub address: String,
    /// One packet in so many is looked at; 0 leaves it to what the exporter tells.
    #[serde(default)]
    pub sampling: u32,
    /// Whether the rate counts even where the exporter tells another one.
    #[serde(default)]
    pub force: bool,
    /// Which records are taken.
    #[serde(default)]
    pub take: Taken,
    /// The interfaces at whose side records are taken; empty is all of them.
    #[serde(default)]
    pub interfaces: Vec<u32>,
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self {
            home: Vec::new(),
            seed: 1,
            tick_ms: 250,
            flows: true,
            volumes: true,
            volume_capacity: 131_072,
            watch: WatchConfig::default(),
            flow_capacity: 65_536,
            device_capacity: 4096,
            remote_capacity: 65_536,
            flow_rows: 16_384,
            use_rows: 8192,
            host_rows: 4096,
            match_rows: 4096,
            // 400,000 records a second: beyond it flows are a flood, which counters tell better.
            followed: 100_000,
            idle_timeout_s: None,
            active_timeout_s: 1800,
            domains: 16_384,
            template_fields: 1_000_000,
            pending: 4 << 20,
            correct_clocks: true,
            allowed: Vec::new(),
            exporters: Vec::new(),
            find_duplicates: true,
            compared_flows: USUAL_ROOM,
        }
    }
}
