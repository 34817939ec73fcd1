//! Flow exports instead of packets: datagrams become records, flows, hosts and windows.
//!
//! One [`ExportEngine`] is one shard: its sockets, decoder and tables are its own. Several of them
//! share an address; each exporter stays at one, whatever its port. The rows are those that
//! packets give, with these differences: octets are of IP, there are no MACs, payload is an
//! estimate, and the counters of hosts count flow records where those of packets count packets.
//! Of exporters that sample there are flows, no hosts: half of each handshake is missing.

mod columns;
mod config;
mod duplicates;
mod policy;
mod stages;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use phage_capture::datagram::{
    now, Arrival, DatagramCounters, DatagramFile, DatagramSource, ExportSockets, ListenConfig,
};
use phage_capture::{FileSource, Source};
use phage_decode::export::{ExportDecoder, JsonLines, Origin, StateFault};
use phage_decode::packet::{decode_outer, marks, protocol};
use phage_decode::Packet;
use phage_match::PrefixSet;

use crate::engine::{EngineError, Progress};
use crate::window::Window;
pub use config::{ExportConfig, ExporterConfig, Taken};
pub use duplicates::ToldFlows;
use stages::ExportStages;

/// Frames of a capture file that are looked at together.
const FRAMES: usize = 256;

/// Where the datagrams come from.
enum Feed {
    Nothing,
    Sockets(Box<ExportSockets>),
    /// Files of datagrams, the next one last.
    Files(Vec<DatagramFile>),
    /// Captures whose UDP payloads are exports.
    Capture(Box<FileSource>),
}

/// One shard of the hot loop for flow exports.
pub struct ExportEngine {
    stages: Box<ExportStages>,
    feed: Feed,
    /// What files said that are done.
    done: DatagramCounters,
    faults: Vec<String>,
    open: Window,
    closed: VecDeque<Window>,
    ended: bool,
}

impl ExportEngine {
    /// Makes an engine without a source.
    pub fn new(config: &ExportConfig) -> Result<Self, EngineError> {
        Self::beside(config, None)
    }

    /// Makes an engine that compares what exporters tell with what those of others tell.
    pub fn beside(
        config: &ExportConfig,
        told: Option<Arc<ToldFlows>>,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            stages: Box::new(ExportStages::new(config, told)?),
            feed: Feed::Nothing,
            done: DatagramCounters::default(),
            faults: Vec::new(),
            open: Window::default(),
            closed: VecDeque::new(),
            ended: false,
        })
    }

    /// Opens sockets; answers the addresses for datagrams and for connections, with their ports.
    pub fn listen(
        &mut self,
        config: &ListenConfig,
    ) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>), EngineError> {
        let sockets = ExportSockets::open(config)?;
        let addresses = sockets.addresses();
        self.feed = Feed::Sockets(Box::new(sockets));
        self.ended = false;
        Ok(addresses)
    }

    /// Reads files of datagrams, as sent by `from`.
    pub fn read_files(&mut self, paths: &[&Path], from: Origin) -> Result<(), EngineError> {
        let files = paths
            .iter()
            .rev()
            .map(|path| DatagramFile::open(path, from));
        self.feed = Feed::Files(files.collect::<Result<_, _>>()?);
        self.ended = false;
        Ok(())
    }

    /// Reads captures whose UDP payloads are exports.
    pub fn read_captures(&mut self, source: FileSource) {
        self.feed = Feed::Capture(Box::new(source));
        self.ended = false;
    }

    /// Runs until a window is complete, the wait is over or the source has ended.
    pub fn next(&mut self, wait: Duration) -> Result<Progress, EngineError> {
        loop {
            if let Some(window) = self.closed.pop_front() {
                self.stages.counters.windows += 1;
                return Ok(Progress::Window(Box::new(window)));
            }
            if self.ended {
                return Ok(Progress::Ended);
            }
            match self.step(wait)? {
                Arrival::Some => {}
                Arrival::Nothing => {
                    self.stages.idle(now(), &mut self.open, &mut self.closed);
                    if self.closed.is_empty() {
                        return Ok(Progress::Waiting);
                    }
                }
                Arrival::Ended => self.finish(),
            }
        }
    }

    /// Tells records as lines of JSON instead of windows; `options` also tells options records.
    ///
    /// Waits for the next ones; nothing is the end of the source.
    pub fn describe(
        &mut self,
        wait: Duration,
        options: bool,
    ) -> Result<Option<String>, EngineError> {
        let lines = || JsonLines::new(options);
        self.stages.lines.get_or_insert_with(lines);
        let arrival = self.step(wait)?;
        let lines = self.stages.lines.as_mut().map(JsonLines::take);
        Ok(lines.filter(|_| arrival != Arrival::Ended))
    }

    /// Takes what the source gives at once.
    fn step(&mut self, wait: Duration) -> Result<Arrival, EngineError> {
        let (stages, open, closed) = (&mut *self.stages, &mut self.open, &mut self.closed);
        let mut take = |datagram: &[u8], from: Origin, time: i64| {
            stages.take(datagram, from, time, open, closed);
        };
        let arrival = match &mut self.feed {
            Feed::Nothing => return Err(EngineError::NoSource),
            Feed::Sockets(sockets) => sockets.next(wait, &mut take)?,
            Feed::Files(files) => {
                let Some(file) = files.last_mut() else {
                    return Ok(Arrival::Ended);
                };
                let arrival = file.next(wait, &mut take)?;
                if arrival == Arrival::Ended {
                    self.faults.extend(file.fault().map(ToString::to_string));
                    add(&mut self.done, &file.counters());
                    files.pop();
                }
                Arrival::Some
            }
            Feed::Capture(source) => match source.next(FRAMES, wait)? {
                None => Arrival::Ended,
                Some(batch) => {
                    let mut packet = Packet::default();
                    for frame in batch.frames {
                        let bytes = batch.bytes(frame);
                        decode_outer(bytes, frame, &mut packet);
                        // A fragment of a datagram is none; no exporter sends them.
                        if packet.protocol == protocol::UDP && !packet.has(marks::FRAGMENT) {
                            let start = packet.payload_offset as usize;
                            let end = start + packet.payload_captured as usize;
                            let from = Origin {
                                address: packet.src,
                                port: packet.src_port,
                            };
                            let datagram = bytes.get(start..end).unwrap_or(&[]);
                            self.done.datagrams += 1;
                            self.done.octets += datagram.len() as u64;
                            take(datagram, from, packet.time);
                        }
                    }
                    Arrival::Some
                }
            },
        };
        stages.flush(open);
        Ok(arrival)
    }

    /// Ends here, whatever the source still has: every flow ends, and [`ExportEngine::next`] hands
    /// out what is left.
    pub fn finish(&mut self) {
        if !self.ended {
            self.ended = true;
            self.stages.finish(&mut self.open, &mut self.closed);
        }
    }

    /// Whether the source has ended and nothing is left to hand out.
    pub fn has_ended(&self) -> bool {
        self.ended && self.closed.is_empty()
    }

    /// Closes the source.
    pub fn detach(&mut self) {
        self.done = self.source_counters();
        self.feed = Feed::Nothing;
    }

    /// What is known of exporters.
    pub fn decoder(&self) -> &ExportDecoder {
        &self.stages.decoder
    }

    /// Takes over saved templates and rates of sampling.
    pub fn load(&mut self, state: &[u8]) -> Result<(), StateFault> {
        self.stages.decoder.load(state)
    }

    /// Puts another set of prefixes in force.
    pub fn replace_prefixes(&mut self, set: Arc<PrefixSet>) {
        self.stages.matching.replace(set);
    }

    /// Counters, named.
    pub fn counters(&mut self) -> Vec<(String, u64)> {
        let source = self.source_counters();
        self.stages.named(&source)
    }

    /// What was wrong with files, a line each.
    pub fn faults(&mut self) -> Vec<String> {
        let mut faults = self.faults.clone();
        if let Feed::Capture(source) = &mut self.feed {
            faults.extend(source.counters().faults.iter().map(ToString::to_string));
        }
        faults
    }

    fn source_counters(&mut self) -> DatagramCounters {
        let mut counters = self.done;
        match &mut self.feed {
            Feed::Sockets(sockets) => add(&mut counters, &sockets.counters()),
            Feed::Files(files) => {
                for file in files {
                    add(&mut counters, &file.counters());
                }
            }
            Feed::Nothing | Feed::Capture(_) => {}
        }
        counters
    }
}

fn add(sum: &mut DatagramCounters, more: &DatagramCounters) {
    sum.datagrams += more.datagrams;
    sum.octets += more.octets;
    sum.dropped += more.dropped;
    sum.truncated += more.truncated;
    sum.connections = more.connections;
    sum.connections_refused += more.connections_refused;
    sum.connections_ended += more.connections_ended;
    sum.buffer = more.buffer;
}
