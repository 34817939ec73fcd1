//! Datagrams of flow exporters: `NetFlow` versions 1, 5, 7 and 9, IPFIX (RFC 7011), sFlow version 5.
//!
//! [`ExportDecoder::feed`] takes one datagram with the address it came from and appends
//! [`FlowRecord`]s. What it must remember of an exporter (templates, samplers, sequence numbers,
//! data that came before its template) is held in tables that are bounded whatever is sent; what
//! they had to drop and what was malformed is counted. Nothing here reads a socket or a clock.

mod copying;
mod domain;
pub mod element;
mod fault;
mod fixed;
mod json;
mod meaning;
mod netflow;
mod pending;
mod plan;
mod record;
mod sampling;
mod sflow;
mod state;
mod template;
#[cfg(test)]
mod tests;

pub use copying::Records;
pub use domain::DomainCounters;
pub use fault::{ExportFault, Faults};
pub use json::JsonLines;
pub use record::{present, FlowRecord};
pub use sflow::Sample;
pub use state::StateFault;
pub use template::{Dialect, Field, Template, Values};

use domain::{Domains, Key};
use pending::Pending;

/// Where a datagram came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Address, IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
    /// UDP port; 0 where it is not known.
    pub port: u16,
}

/// The bounds of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportLimits {
    /// Observation domains of all exporters; beyond it the least valuable is forgotten.
    pub domains: usize,
    /// Fields of all templates; beyond it the least valuable domain's templates are forgotten.
    pub fields: usize,
    /// Octets of sets that wait for their template; beyond it the oldest go.
    pub pending: usize,
    /// Whether the times of records are shifted where an exporter's clock differs from the time of
    /// arrival by more than five seconds.
    pub correct_clocks: bool,
}

impl Default for ExportLimits {
    fn default() -> Self {
        Self {
            domains: 16_384,
            fields: 1_000_000,
            pending: 4 << 20,
            correct_clocks: false,
        }
    }
}

/// Templates of one domain that are kept.
const MOST_TEMPLATES_WEIGHT: usize = 100_000;

/// Sets of one domain that wait for their template.
const MOST_WAITING: usize = 64;

/// Takes what is decoded.
pub trait Sink {
    /// Where records are appended.
    fn rows(&mut self) -> &mut Vec<FlowRecord>;

    /// A set was decoded: its records are the rows from `first` on.
    fn set(&mut self, _first: usize, _template: &Template, _records: Records<'_>) {}

    /// A record of options was read.
    fn option(&mut self, _template: &Template, _record: &[u8], _domain: u32) {}

    /// A sampled packet was decoded: the last row.
    fn sample(&mut self, _sample: &Sample<'_>) {}
}

impl Sink for Vec<FlowRecord> {
    fn rows(&mut self) -> &mut Vec<FlowRecord> {
        self
    }
}

/// What is known of one observation domain, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exporter {
    /// Its number, as in [`FlowRecord::exporter`].
    pub number: u32,
    /// Address of the exporter.
    pub address: [u8; 16],
    /// Observation domain, source identifier, engine or sub-agent.
    pub domain: u32,
    /// Version, as in [`FlowRecord::version`].
    pub version: u8,
    /// When it was last heard, nanoseconds since the Unix epoch.
    pub heard: i64,
    /// One packet in so many, where no sampler or interface tells otherwise; 0 for unknown.
    pub sampling: u32,
    /// How far its clock was behind the time of arrival, nanoseconds; 0 where it tells no time.
    pub drift: i64,
    /// What was counted.
    pub counters: DomainCounters,
}

/// Decodes the datagrams of any number of exporters.
#[derive(Debug)]
pub struct ExportDecoder {
    limits: ExportLimits,
    domains: Domains,
    pending: Pending,
    faults: Faults,
    datagrams: u64,
    refused: u64,
    starts: Vec<u32>,
    /// What is added to the times of the datagram that is read.
    shift: i64,
    /// The place of the domain that was heard last.
    last: usize,
}

impl Default for ExportDecoder {
    fn default() -> Self {
        Self::new(ExportLimits::default())
    }
}

impl ExportDecoder {
    /// Makes a decoder that knows no exporter.
    pub fn new(limits: ExportLimits) -> Self {
        Self {
            limits,
            domains: Domains::new(limits.domains),
            pending: Pending::new(limits.pending),
            faults: Faults::default(),
            datagrams: 0,
            refused: 0,
            starts: Vec::new(),
            shift: 0,
            last: 0,
        }
    }

    /// Decodes one datagram that arrived at `time`, nanoseconds since the Unix epoch.
    ///
    /// Whatever is wrong with it is counted; what could be read before stays.
    pub fn feed(&mut self, datagram: &[u8], from: Origin, time: i64, sink: &mut dyn Sink) {
        self.datagrams += 1;
        self.shift = 0;
        let first = sink.rows().len();
        let read = match datagram {
            [0, 0, 0, 5, ..] => self.sflow(datagram, time, sink),
            [0, 1 | 5 | 7, ..] => self.fixed(datagram, from, time, sink),
            [0, 9, ..] => self.netflow9(datagram, from, time, sink),
            [0, 10, ..] => self.ipfix(datagram, from, time, sink),
            _ => Err(ExportFault::Version),
        };
        if let Err(fault) = read {
            self.faults.count(fault);
        }
        if self.shift != 0 {
            for record in sink.rows().iter_mut().skip(first) {
                record.start = record.start.saturating_add(self.shift);
                record.last = record.last.saturating_add(self.shift);
            }
        }
    }

    /// The domain of a datagram, counted as heard.
    fn heard(&mut self, key: Key, datagram: &[u8], time: i64) -> usize {
        let place = self.domains.place(key);
        if let Some(domain) = self.domains.get_mut(place) {
            domain.heard = time;
            domain.counters.datagrams += 1;
            domain.counters.octets += datagram.len() as u64;
        }
        self.last = place;
        place
    }

    /// Counts what another exporter had told already of the records that were decoded last.
    pub fn told_again(&mut self, records: u64, packets: u64) {
        if packets == 0 {
            return;
        }
        if let Some(domain) = self.domains.get_mut(self.last) {
            domain.counters.duplicates += records;
            domain.counters.duplicate_packets += packets;
        }
    }

    fn fault(&mut self, place: usize, fault: ExportFault) {
        self.faults.count(fault);
        if let Some(domain) = self.domains.get_mut(place) {
            domain.fault(fault);
        }
    }

    /// What is known of each exporter.
    pub fn exporters(&self) -> impl Iterator<Item = Exporter> + '_ {
        self.domains.iter().map(|domain| Exporter {
            number: domain.serial,
            address: domain.key.address,
            domain: domain.key.domain,
            version: domain.key.version,
            heard: domain.heard,
            sampling: domain.sampling.everywhere,
            drift: domain.drift,
            counters: domain.counters.clone(),
        })
    }

    /// What was malformed, of all exporters.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Counters of the decoder: names and values.
    pub fn counters(&self) -> [(&'static str, u64); 7] {
        [
            ("datagrams", self.datagrams),
            ("malformed", self.faults.total()),
            ("domains", self.domains.iter().count() as u64),
            ("domains_forgotten", self.domains.forgotten),
            ("template_fields", self.domains.weight as u64),
            ("templates_refused", self.refused),
            ("sets_dropped", self.pending.dropped),
        ]
    }

    /// Sets that wait for their template.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }
}
