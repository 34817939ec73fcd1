//! The stages of a record: decoded, rated, counted, added to its flow and hosts.

use std::collections::VecDeque;
use std::sync::Arc;

use phage_capture::datagram::DatagramCounters;
use phage_decode::export::{ExportDecoder, ExportLimits, FlowRecord, JsonLines, Origin};
use phage_decode::Secret;
use phage_flow::volume::{Volume, VolumeLimits};
use phage_flow::{touch, FlowLimits, FlowTable, Home, HostLimits, HostTable, BEHAVIOUR};

use super::columns::ShareColumns;
use super::config::ExportConfig;
use super::duplicates::{Duplicates, ToldFlows};
use super::policy::Policy;
use crate::config::first_flow;
use crate::engine::EngineError;
use crate::matching::Matching;
use crate::names;
use crate::window::Window;

/// What the stages count themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExportCounters {
    /// Flow records and sampled packets.
    pub(super) records: u64,
    /// Packets that they tell of, sampling applied.
    pub(super) packets: u64,
    /// Octets that they tell of, sampling applied.
    pub(super) octets: u64,
    /// Datagrams of senders that are not allowed.
    pub(super) refused: u64,
    /// Records of sides or interfaces that are not taken.
    pub(super) left_out: u64,
    /// Records without an address: counted, and no part of any flow.
    pub(super) nameless: u64,
    /// Records that were only counted, because the window had too many.
    pub(super) unfollowed: u64,
    /// Windows handed out.
    pub(super) windows: u64,
}

/// The stages and their tables.
pub(super) struct ExportStages {
    follows: bool,
    followed: u64,
    tick: i64,
    policy: Policy,
    secret: Secret,
    pub(super) decoder: ExportDecoder,
    /// Takes the records instead of windows.
    pub(super) lines: Option<JsonLines>,
    records: Vec<FlowRecord>,
    columns: ShareColumns,
    flows: FlowTable,
    hosts: HostTable,
    pub(super) matching: Matching,
    volume: Option<Volume>,
    duplicates: Option<Duplicates>,
    pub(super) counters: ExportCounters,
    /// Records followed in the open window.
    in_window: u64,
    /// Number of the next record that is followed.
    number: u64,
}

impl ExportStages {
    pub(super) fn new(
        config: &ExportConfig,
        told: Option<Arc<ToldFlows>>,
    ) -> Result<Self, EngineError> {
        let home =
            Home::new(&config.home).map_err(|error| EngineError::Setting(error.to_string()))?;
        let secret = Secret::from_seed(config.seed);
        let watch = config.watch.read()?;
        let flow_limits = FlowLimits {
            capacity: config.flow_capacity,
            rows: config.flow_rows,
            uses: config.use_rows,
            first: first_flow(config.seed),
            active_timeout_s: config.active_timeout_s,
            idle_timeout_s: config.idle_timeout_s,
            ..FlowLimits::default()
        };
        let host_limits = HostLimits {
            devices: config.device_capacity,
            remotes: config.remote_capacity,
            rows: config.host_rows,
            ..HostLimits::default()
        };
        Ok(Self {
            follows: config.flows,
            followed: config.followed,
            tick: i64::from(config.tick_ms) * 1_000_000,
            policy: Policy::new(config)?,
            duplicates: config.find_duplicates.then(|| {
                let own = || Arc::new(ToldFlows::new(config.seed, config.compared_flows));
                Duplicates::new(told.unwrap_or_else(own))
            }),
            secret,
            decoder: ExportDecoder::new(ExportLimits {
                domains: config.domains,
                fields: config.template_fields,
                pending: config.pending,
                correct_clocks: config.correct_clocks,
            }),
            lines: None,
            records: Vec::new(),
            columns: ShareColumns::new(),
            flows: FlowTable::new(&flow_limits, &home, secret),
            hosts: HostTable::new(&host_limits, &home, secret),
            matching: Matching::new(config.match_rows),
            volume: config.volumes.then(|| {
                let limits = VolumeLimits {
                    hosts: config.volume_capacity,
                    ..VolumeLimits::default()
                };
                let mut volume = Volume::new(limits, &home, secret);
                volume.watch(watch);
                volume
            }),
            counters: ExportCounters::default(),
            in_window: 0,
            number: 0,
        })
    }

    /// Takes one datagram; closes the open window first where its time is over.
    pub(super) fn take(
        &mut self,
        datagram: &[u8],
        from: Origin,
        time: i64,
        open: &mut Window,
        closed: &mut VecDeque<Window>,
    ) {
        if !self.policy.admits(&from.address) {
            self.counters.refused += 1;
            return;
        }
        if let Some(lines) = &mut self.lines {
            lines.exported_by(from.address);
            self.decoder.feed(datagram, from, time, lines);
            return;
        }
        if open.packets > 0 && (time - open.start >= self.tick || time < open.start - self.tick) {
            self.close(open, closed);
        }
        let mut records = std::mem::take(&mut self.records);
        records.clear();
        self.decoder.feed(datagram, from, time, &mut records);
        let came = records.len();
        self.counters.left_out += self.policy.apply(&from.address, &mut records);
        if let Some(duplicates) = &mut self.duplicates {
            let found = duplicates.remove(&mut records, time);
            self.decoder.told_again(found.records, found.packets);
        }
        self.counters.records += came as u64;
        if let Some(volume) = &mut self.volume {
            volume.records(&records, time);
        }
        for record in &records {
            self.count(record, time, open);
        }
        self.records = records;
    }

    fn count(&mut self, record: &FlowRecord, time: i64, open: &mut Window) {
        let rate = u64::from(record.sampling.max(1));
        let [forth, back] = record.packets;
        let [octets, octets_back] = record.octets;
        let packets = forth.saturating_add(back).max(1).saturating_mul(rate);
        let octets = octets.saturating_add(octets_back).saturating_mul(rate);
        self.counters.packets = self.counters.packets.saturating_add(packets);
        self.counters.octets = self.counters.octets.saturating_add(octets);
        if open.packets == 0 {
            open.start = time;
            open.end = time;
        }
        open.packets = open.packets.saturating_add(packets);
        open.octets = open.octets.saturating_add(octets);
        open.end = open.end.max(time);
        if !self.follows {
            return;
        }
        if record.ip_version == 0 {
            self.counters.nameless += 1;
        } else if self.in_window >= self.followed {
            self.counters.unfollowed += 1;
        } else {
            self.in_window += 1;
            if !self.columns.suits(record) {
                self.run();
            }
            self.columns.push(record, time, &self.secret);
        }
    }

    /// Takes the records that wait through the tables.
    pub(super) fn flush(&mut self, _open: &Window) {
        if self.columns.len() > 0 {
            self.run();
        }
    }

    fn run(&mut self) {
        let count = self.columns.len();
        let columns = &mut self.columns;
        let Some(touches) = columns.touches.get_mut(..count) else {
            return;
        };
        self.flows
            .observe_shares(&columns.packets, &columns.shares, &columns.keys, touches);
        self.matching.see(&columns.packets, touches, self.number);
        self.number += count as u64;
        let is_sampled = columns.shares.first().is_some_and(|share| share.sampled);
        if !is_sampled {
            columns.for_hosts();
            if let (Some(touches), Some(subjects), Some(behaviour)) = (
                columns.touches.get(..count),
                columns.subjects.get_mut(..count),
                columns.behaviour.get_mut(..count * BEHAVIOUR),
            ) {
                self.hosts.observe(
                    &columns.packets,
                    &columns.keys,
                    touches,
                    subjects,
                    behaviour,
                );
                for (touch, &device) in touches.iter().zip(&*subjects) {
                    if touch.has(touch::NEW | touch::CONTINUED) {
                        self.flows.set_device(touch.slot, touch.id, device);
                    }
                }
            }
        }
        self.columns.clear();
    }

    /// Hands the open window on and begins another.
    pub(super) fn close(&mut self, open: &mut Window, closed: &mut VecDeque<Window>) {
        self.flush(open);
        self.in_window = 0;
        self.flows.window(open.end, &mut open.flows);
        self.flows.uses(open.end, &mut open.uses);
        self.hosts.window(&mut open.hosts);
        open.matches = self.matching.take();
        if let Some(volume) = &mut self.volume {
            volume.hand_over(&mut open.volumes, &mut open.traffic);
        }
        closed.push_back(std::mem::take(open));
    }

    /// Lets time pass in which nothing came: hands on what was open, half-seconds and flows that are
    /// over.
    pub(super) fn idle(&mut self, now: i64, open: &mut Window, closed: &mut VecDeque<Window>) {
        if let Some(volume) = &mut self.volume {
            volume.advance(now);
            volume.hand_over(&mut open.volumes, &mut open.traffic);
        }
        if open.packets > 0 {
            self.close(open, closed);
            return;
        }
        self.flows.window(now, &mut open.flows);
        self.flows.uses(now, &mut open.uses);
        if !open.volumes.is_empty() || !open.flows.is_empty() {
            (open.start, open.end) = (now, now);
            closed.push_back(std::mem::take(open));
        }
    }

    /// Ends every flow and hands the last window on.
    pub(super) fn finish(&mut self, open: &mut Window, closed: &mut VecDeque<Window>) {
        self.flush(open);
        self.flows.finish(&mut open.flows);
        if let Some(volume) = &mut self.volume {
            volume.finish();
        }
        if open.packets > 0 || !open.flows.is_empty() {
            self.close(open, closed);
        }
    }

    /// Every counter that is kept, named.
    pub(super) fn named(&self, source: &DatagramCounters) -> Vec<(String, u64)> {
        let counters = &self.counters;
        let mut list: Vec<(String, u64)> = [
            ("packets", counters.packets),
            ("octets", counters.octets),
            ("records", counters.records),
            ("windows", counters.windows),
            ("matches", self.matching.matches),
            ("matches_omitted", self.matching.omitted),
            ("exports.source.datagrams", source.datagrams),
            ("exports.source.octets", source.octets),
            ("exports.source.truncated", source.truncated),
            ("exports.source.connections", source.connections),
            (
                "exports.source.connections_refused",
                source.connections_refused,
            ),
            ("exports.source.connections_ended", source.connections_ended),
            ("exports.source.buffer", source.buffer),
            ("source.octets", source.octets),
            ("source.dropped", source.dropped),
            ("exports.refused", counters.refused),
            ("exports.left_out", counters.left_out),
            ("exports.nameless", counters.nameless),
            ("exports.unfollowed", counters.unfollowed),
            ("exports.sets_waiting", self.decoder.waiting() as u64),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (name, value) in self.decoder.counters() {
            list.push((format!("exports.{name}"), value));
        }
        for (name, value) in self.decoder.faults().iter() {
            if value > 0 {
                list.push((format!("malformed.export_{name}"), value));
            }
        }
        let found = self.duplicates.as_ref().map(|found| found.counters);
        let found = found.unwrap_or_default();
        for (name, value) in [
            ("exports.duplicates", found.records),
            ("exports.duplicate_packets", found.packets),
            ("exports.duplicates_crowded", found.crowded),
        ] {
            list.push((name.to_owned(), value));
        }
        list.extend(names::of_flows(&self.flows.counters()));
        list.extend(self.volume.iter().flat_map(names::of_volumes));
        list
    }
}
