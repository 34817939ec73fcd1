//! The stages of the hot loop, in order, and their tables.

use std::collections::VecDeque;
use std::ops::Range;

use phage_carve::{Carver, CarverLimits};
use phage_decode::packet::decode;
use phage_decode::{Batch, FrameHeader, Keys, Packet, Secret};
use phage_flow::rows::NO_DEVICE;
use phage_flow::{
    touch, FlowLimits, FlowTable, FlowTouch, Home, HostLimits, HostTable, Volume, VolumeLimits,
    BEHAVIOUR, BEHAVIOUR_CATALOG,
};
use phage_model::device::Identity;
use phage_model::{
    Damped, DampedConfig, Kernel, ModelFault, Phase, ScoreInput, Scorer, ScorerConfig,
    DAMPED_STRIDE,
};

use crate::applications::{Applications, Subject};
use crate::config::{first_flow, EngineConfig};
use crate::counters::Counters;
use crate::engine::EngineError;
use crate::matching::Matching;
use crate::requests::RequestStage;
use crate::ring::FrameRing;
use crate::window::Window;

/// Packets that go through the stages together: their rows (128 octets of packet, 448 and 128 of
/// features) then still lie in the second-level cache when the next stage reads them.
pub(crate) const BATCH: usize = 512;

/// The columns of one batch, reused from batch to batch.
struct Columns {
    packets: Vec<Packet>,
    keys: Vec<Keys>,
    touches: Vec<FlowTouch>,
    subjects: Vec<u32>,
    behaviour: Vec<f32>,
    damped: Vec<f32>,
    surprise: Vec<f32>,
}

impl Columns {
    fn new() -> Self {
        Self {
            packets: vec![Packet::default(); BATCH],
            keys: vec![Keys::default(); BATCH],
            touches: vec![FlowTouch::default(); BATCH],
            subjects: vec![NO_DEVICE; BATCH],
            behaviour: vec![0.0; BATCH * BEHAVIOUR],
            damped: vec![0.0; BATCH * DAMPED_STRIDE],
            surprise: vec![0.0; BATCH],
        }
    }
}

/// The stages and their tables.
pub(crate) struct Stages {
    config: EngineConfig,
    secret: Secret,
    columns: Columns,
    pub(crate) flows: FlowTable,
    pub(crate) hosts: HostTable,
    pub(crate) volume: Option<Volume>,
    pub(crate) requests: Option<RequestStage>,
    pub(crate) damped: Damped,
    pub(crate) scorer: Scorer,
    pub(crate) applications: Applications,
    pub(crate) matching: Matching,
    pub(crate) carver: Option<Carver>,
    pub(crate) ring: Option<FrameRing>,
    pub(crate) scores: Vec<f32>,
    pub(crate) counters: Counters,
}

impl Stages {
    pub(crate) fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let home =
            Home::new(&config.home).map_err(|error| EngineError::Setting(error.to_string()))?;
        let secret = Secret::from_seed(config.seed);
        let watch = config.watch.read()?;
        Ok(Self {
            secret,
            columns: Columns::new(),
            flows: FlowTable::new(
                &FlowLimits {
                    capacity: config.flow_capacity,
                    rows: config.flow_rows,
                    uses: config.use_rows,
                    first: first_flow(config.seed),
                    active_timeout_s: config.active_timeout_s,
                    idle_timeout_s: config.idle_timeout_s,
                    ..FlowLimits::default()
                },
                &home,
                secret,
            ),
            hosts: HostTable::new(
                &HostLimits {
                    devices: config.device_capacity,
                    remotes: config.remote_capacity,
                    rows: config.host_rows,
                    ..HostLimits::default()
                },
                &home,
                secret,
            ),
            requests: RequestStage::new(&config)?,
            volume: config.volumes.then(|| {
                let limits = VolumeLimits {
                    hosts: config.volume_capacity,
                    rows: config.host_rows,
                    ..VolumeLimits::default()
                };
                let mut volume = Volume::new(limits, &home, secret);
                volume.watch(watch);
                volume
            }),
            damped: Damped::new(&DampedConfig {
                // Each source is the end of several channels.
                sources: config.stream_capacity / 4,
                channels: config.stream_capacity,
                sockets: config.stream_capacity,
                kernel: kernel(&config),
            }),
            scorer: Scorer::new(&scorer_config(&config)),
            applications: Applications::new(config.observations, config.reassembly_octets),
            matching: Matching::new(config.match_rows),
            carver: (config.carve_octets > 0).then(|| {
                Carver::new(&CarverLimits {
                    memory: config.carve_octets,
                    file: config.carve_file,
                    ..CarverLimits::default()
                })
            }),
            ring: (config.ring_octets > 0)
                .then(|| FrameRing::new(config.ring_octets, config.ring_snap)),
            scores: Vec::new(),
            counters: Counters::default(),
            config,
        })
    }

    /// Takes over a saved state of the model.
    pub(crate) fn restore(&mut self, state: &[u8]) -> Result<(), ModelFault> {
        self.scorer = Scorer::from_bytes(state, &scorer_config(&self.config))?;
        Ok(())
    }

    /// Takes at most [`BATCH`] frames through all stages, closing windows on the way.
    pub(crate) fn take(
        &mut self,
        open: &mut Window,
        closed: &mut VecDeque<Window>,
        batch: &Batch<'_>,
        frames: &[FrameHeader],
    ) {
        let count = frames.len().min(BATCH);
        for (packet, frame) in self.columns.packets.iter_mut().zip(frames) {
            decode(batch.bytes(frame), frame, packet);
            self.counters.fault(packet.fault);
        }
        let mut from = 0;
        while from < count {
            let to = self.end_of_run(open, from, count);
            self.run(from..to, batch, frames, open);
            if to < count {
                self.close(open, closed);
            }
            from = to;
        }
    }

    /// Where the run of packets from `from` on ends that belong to the open window.
    fn end_of_run(&self, open: &Window, from: usize, count: usize) -> usize {
        let tick = i64::from(self.config.tick_ms) * 1_000_000;
        let longest = i64::from(self.config.longest_tick_ms) * 1_000_000;
        let run = self.columns.packets.get(from..count).unwrap_or(&[]);
        let start = match run.first() {
            Some(first) if open.packets == 0 => first.time,
            _ => open.start,
        };
        for ((index, packet), packets) in (from..).zip(run).zip(open.packets..) {
            let passed = packet.time.saturating_sub(start);
            let full = packets >= u64::from(self.config.full_window);
            if packets > 0 && (passed >= longest || (full && passed >= tick)) {
                return index;
            }
        }
        count
    }

    /// Takes decoded packets of one window through the stages.
    fn run(
        &mut self,
        range: Range<usize>,
        batch: &Batch<'_>,
        frames: &[FrameHeader],
        open: &mut Window,
    ) {
        let columns = &mut self.columns;
        let (Some(packets), Some(keys), Some(touches), Some(subjects), Some(frames)) = (
            columns.packets.get(range.clone()),
            columns.keys.get_mut(range.clone()),
            columns.touches.get_mut(range.clone()),
            columns.subjects.get_mut(range.clone()),
            frames.get(range.clone()),
        ) else {
            return;
        };
        let count = packets.len();
        let (Some(behaviour), Some(damped), Some(surprise)) = (
            columns.behaviour.get_mut(..count * BEHAVIOUR),
            columns.damped.get_mut(..count * DAMPED_STRIDE),
            columns.surprise.get_mut(..count),
        ) else {
            return;
        };
        let first_packet = self.counters.packets;
        for (key, packet) in keys.iter_mut().zip(packets) {
            *key = Keys::of(packet, &self.secret);
            open.octets += u64::from(packet.length);
            self.counters.octets += u64::from(packet.length);
            open.end = open.end.max(packet.time);
        }
        if open.packets == 0 {
            open.start = packets.first().map_or(0, |packet| packet.time);
        }
        open.packets += count as u64;
        self.counters.packets += count as u64;
        if self.config.flows {
            self.flows.observe(packets, keys, touches);
            if self.config.hosts {
                self.hosts
                    .observe(packets, keys, touches, subjects, behaviour);
            }
            for (touch, &device) in touches.iter().zip(&*subjects) {
                if touch.has(touch::NEW | touch::CONTINUED) {
                    self.flows.set_device(touch.slot, touch.id, device);
                }
            }
            self.matching.see(packets, touches, first_packet);
        }
        if let Some(volume) = &mut self.volume {
            let touches = if self.config.flows { &*touches } else { &[] };
            volume.packets(packets, keys, touches);
        }
        if let Some(requests) = &mut self.requests {
            requests.see(packets, keys, frames, batch);
        }
        if self.config.scores {
            self.damped.extract(packets, keys, damped);
            let hosts = &self.hosts;
            self.scorer.process(
                &ScoreInput {
                    packets,
                    keys,
                    subjects,
                    identities: &|index| identity(hosts, index),
                    damped,
                    behaviour,
                    first_packet,
                },
                surprise,
            );
            if self.config.keep_scores {
                self.scores.extend_from_slice(surprise);
            }
        }
        if self.config.applications {
            let rows = packets.iter().zip(&*keys).zip(&*touches).zip(&*subjects);
            for (number, ((((packet, keys), touch), &device), frame)) in
                (first_packet..).zip(rows.zip(frames))
            {
                self.applications.see(
                    &Subject {
                        packet,
                        keys,
                        touch,
                        device,
                        number,
                        frame: batch.bytes(frame),
                    },
                    &mut self.flows,
                    &mut self.hosts,
                    &mut self.counters,
                );
            }
        }
        if let Some(carver) = &mut self.carver {
            for (packet, frame) in packets.iter().zip(frames) {
                let start = packet.payload_offset as usize;
                let end = start.saturating_add(packet.payload_captured as usize);
                carver.see(packet, batch.bytes(frame).get(start..end).unwrap_or(&[]));
            }
        }
        if let Some(ring) = &mut self.ring {
            ring.keep(batch, frames);
        }
    }

    /// Hands the open window on and begins another.
    pub(crate) fn close(&mut self, open: &mut Window, closed: &mut VecDeque<Window>) {
        self.flows.window(open.end, &mut open.flows);
        self.flows.uses(open.end, &mut open.uses);
        self.hosts.window(&mut open.hosts);
        self.damped.settle();
        let hosts = &self.hosts;
        self.scorer
            .window(&|index| identity(hosts, index), &mut open.scores);
        open.matches = self.matching.take();
        if let Some(volume) = &mut self.volume {
            volume.hand_over(&mut open.volumes, &mut open.traffic);
        }
        if let Some(requests) = &mut self.requests {
            open.requests = requests.take();
        }
        open.observations = self.applications.take();
        if let Some(carver) = &mut self.carver {
            open.files = carver.take();
        }
        open.learning = self.scorer.phase() != Phase::Watching;
        closed.push_back(std::mem::take(open));
    }

    /// Ends every flow and hands the last window on.
    pub(crate) fn finish(&mut self, open: &mut Window, closed: &mut VecDeque<Window>) {
        self.flows.finish(&mut open.flows);
        if let Some(volume) = &mut self.volume {
            volume.finish();
        }
        if open.packets > 0 || !open.flows.is_empty() {
            self.close(open, closed);
        }
    }
}

/// Who a device is, for the scorer.
fn identity(hosts: &HostTable, index: u32) -> Option<Identity> {
    hosts.device(index).map(|device| Identity {
        mac: device.mac,
        address: device.address,
        generation: device.generation,
    })
}

/// The kernel that the settings name; one of another name is as good as none.
fn kernel(config: &EngineConfig) -> Option<Kernel> {
    config.kernel.as_deref().and_then(Kernel::from_name)
}

fn scorer_config(config: &EngineConfig) -> ScorerConfig {
    ScorerConfig {
        seed: config.seed,
        train: config.train,
        devices: config.device_capacity,
        behaviour: &BEHAVIOUR_CATALOG,
        kernel: kernel(config),
        ..ScorerConfig::default()
    }
}
