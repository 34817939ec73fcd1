//! Counters by name: `stage.what`, as they stand in reports and metrics.

use phage_capture::SourceCounters;
use phage_decode::app::Kind;
use phage_decode::Fault;
use phage_flow::volume::Volume;
use phage_flow::FlowCounters;
use phage_model::TableCounters;

use crate::stages::Stages;

/// Names of the reasons for which flows end, in the order of their numbers.
const END_REASONS: [&str; 6] = [
    "none",
    "idle_timeout",
    "active_timeout",
    "end_of_flow",
    "forced_end",
    "lack_of_resources",
];

/// Every counter that is kept, named.
pub(crate) fn named(stages: &Stages, source: &SourceCounters) -> Vec<(String, u64)> {
    let mut list = List(Vec::with_capacity(96));
    list.source(source);
    let counters = &stages.counters;
    list.add("packets", counters.packets);
    list.add("octets", counters.octets);
    list.add("windows", counters.windows);
    list.add("messages", counters.messages);
    list.add("observations_omitted", counters.observations_omitted);
    list.add("matches", stages.matching.matches);
    list.add("matches_omitted", stages.matching.omitted);
    for (name, count) in Fault::NAMES.iter().zip(counters.faults).skip(1) {
        list.add_some(&format!("malformed.{name}"), count);
    }
    for kind in Kind::ALL {
        let count = counters.message_faults.get(kind as usize).copied();
        list.add_some(&format!("malformed.{}", kind.name()), count.unwrap_or(0));
    }
    list.flows(stages);
    list.0.extend(stages.volume.iter().flat_map(of_volumes));
    list.requests(stages);
    if let Some(carver) = &stages.carver {
        for (name, count) in carver.counters().named() {
            list.add(&format!("carve.{name}"), count);
        }
    }
    list.model(stages);
    list.0
}

/// Counters of the flow table.
pub(crate) fn of_flows(flows: &FlowCounters) -> Vec<(String, u64)> {
    let mut list = List(Vec::new());
    list.add("flows.packets", flows.packets);
    list.add("flows.started", flows.started);
    list.add("flows.live", flows.live);
    for (name, count) in END_REASONS.iter().zip(flows.ended).skip(1) {
        list.add(&format!("flows.ended.{name}"), count);
    }
    list.add("flows.omitted", flows.omitted);
    list.add("flows.omitted_packets", flows.omitted_packets);
    list.add("flows.deferred", flows.deferred);
    list.add("flows.collisions", flows.collisions);
    list.add("uses", flows.uses);
    list.add("uses.dropped", flows.uses_dropped);
    list.0
}

/// Counters of volumes.
pub(crate) fn of_volumes(volume: &Volume) -> Vec<(String, u64)> {
    let mut list = List(Vec::new());
    for (name, value) in volume.counters().named() {
        list.add(&format!("volumes.{name}"), value);
    }
    list.add("volumes.hosts", volume.hosts() as u64);
    list.0
}

struct List(Vec<(String, u64)>);

impl List {
    fn add(&mut self, name: &str, value: u64) {
        self.0.push((name.to_owned(), value));
    }

    /// Adds a counter of many kinds only when it has counted.
    fn add_some(&mut self, name: &str, value: u64) {
        if value > 0 {
            self.add(name, value);
        }
    }

    fn source(&mut self, source: &SourceCounters) {
        self.add("source.packets", source.packets);
        self.add("source.octets", source.octets);
        self.add("source.dropped", source.dropped);
        self.add("source.frozen", source.frozen);
        self.add("source.filtered", source.filtered);
        self.add("source.link_down", u64::from(source.link_down));
        self.add("source.link_losses", source.link_losses);
        self.add("source.faults", source.faults_seen);
    }

    fn requests(&mut self, stages: &Stages) {
        if let Some(stage) = &stages.requests {
            let counters = stage.table.counters();
            self.add("requests", counters.requests);
            self.add("requests_crowded", counters.crowded);
            self.add("requests_omitted", counters.omitted);
        }
    }

    fn flows(&mut self, stages: &Stages) {
        self.0.extend(of_flows(&stages.flows.counters()));
        let streams = stages.applications.reassembler.counters();
        self.add("streams.begun", streams.streams);
        self.add("streams.segments", streams.segments);
        self.add("streams.dropped", streams.dropped);
        self.add("streams.evicted", streams.evicted);
        self.add("streams.octets", streams.octets);
    }

    fn model(&mut self, stages: &Stages) {
        let damped = stages.damped.counters();
        self.table("sources", &damped.sources);
        self.table("channels", &damped.channels);
        self.table("sockets", &damped.sockets);
        let model = stages.scorer.counters();
        self.add("model.learned", model.learned);
        self.add("model.scored", model.scored);
        self.add("model.profiles", model.profiles);
        self.add("model.unprofiled", model.unprofiled);
        self.add("model.updates", model.updates);
        self.add("model.quarantined", model.quarantined);
        self.add("model.dropped", model.dropped);
        self.add("model.drifts", model.drifts);
        self.add("model.drifting", model.drifting);
    }

    fn table(&mut self, name: &str, table: &TableCounters) {
        self.add(&format!("streams.{name}.inserts"), table.inserts);
        self.add(&format!("streams.{name}.evictions"), table.evictions);
    }
}
