//! One shard: a source, and the stages that its frames go through.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use phage_capture::{CaptureError, Source, SourceCounters};
use phage_match::PrefixSet;
use phage_model::device::Identity;
use phage_model::{Feedback, ModelFault, Phase};

use crate::config::EngineConfig;
use crate::names;
use crate::ring::{KeptFrame, Selection};
use crate::stages::{Stages, BATCH};
use crate::window::Window;

/// Why an engine cannot go on.
#[derive(Debug)]
pub enum EngineError {
    /// The source failed.
    Capture(CaptureError),
    /// A setting is wrong.
    Setting(String),
    /// There is no source.
    NoSource,
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Capture(error) => write!(f, "{error}"),
            Self::Setting(what) => write!(f, "{what}"),
            Self::NoSource => write!(f, "no source was opened"),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<CaptureError> for EngineError {
    fn from(error: CaptureError) -> Self {
        Self::Capture(error)
    }
}

/// What [`Engine::next`] came to.
#[derive(Debug)]
pub enum Progress {
    /// A window is complete.
    Window(Box<Window>),
    /// The wait passed without one.
    Waiting,
    /// The source has ended and every window was handed out.
    Ended,
}

/// One shard of the hot loop: a source, its tables, its models.
pub struct Engine {
    /// Boxed: its tables are aligned to cache lines, and what holds an engine (an object of Python's)
    /// need not be.
    stages: Box<Stages>,
    source: Option<Box<dyn Source>>,
    open: Window,
    closed: VecDeque<Window>,
    ended: bool,
    last: SourceCounters,
}

const _: () = assert!(align_of::<Engine>() <= 16);

impl Engine {
    /// Makes an engine; tables are allocated, but touched only as they fill.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let stages = Box::new(Stages::new(config)?);
        Ok(Self {
            stages,
            source: None,
            open: Window::default(),
            closed: VecDeque::new(),
            ended: false,
            last: SourceCounters::default(),
        })
    }

    /// Gives the engine its source.
    pub fn attach(&mut self, source: Box<dyn Source>) {
        self.source = Some(source);
        self.ended = false;
    }

    /// Closes the source.
    pub fn detach(&mut self) {
        self.source_counters();
        self.source = None;
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
            let source = self.source.as_mut().ok_or(EngineError::NoSource)?;
            match source.next(BATCH, wait)? {
                Some(batch) if batch.frames.is_empty() => {
                    // Nothing came: what has come before is handed on rather than kept waiting.
                    if self.open.packets == 0 {
                        return Ok(Progress::Waiting);
                    }
                    self.stages.close(&mut self.open, &mut self.closed);
                }
                Some(batch) => {
                    for frames in batch.frames.chunks(BATCH) {
                        self.stages
                            .take(&mut self.open, &mut self.closed, &batch, frames);
                    }
                }
                None => {
                    self.ended = true;
                    self.stages.finish(&mut self.open, &mut self.closed);
                }
            }
        }
    }

    /// Ends here, whatever the source still has: every flow ends, and [`Engine::next`] hands out what
    /// is left.
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

    /// Takes the scores of the packets since the last call; NaN while learning.
    pub fn take_scores(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.stages.scores)
    }

    /// The kept frames that are selected, oldest first.
    pub fn frames(&self, selection: &Selection) -> Vec<KeptFrame<'_>> {
        self.stages
            .ring
            .as_ref()
            .map_or_else(Vec::new, |ring| ring.select(selection))
    }

    /// Counters of the engine, named; those of its tables and source included.
    pub fn counters(&mut self) -> Vec<(String, u64)> {
        let source = self.source_counters();
        names::named(&self.stages, &source)
    }

    /// The source's counters; those it had at its end when it is closed.
    fn source_counters(&mut self) -> SourceCounters {
        if let Some(source) = &mut self.source {
            self.last = source.counters();
        }
        self.last.clone()
    }

    /// What was wrong with the source, a line each.
    pub fn faults(&mut self) -> Vec<String> {
        self.source_counters()
            .faults
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Takes what a device did between two times as normal.
    pub fn excuse(&mut self, mac: u64, address: [u8; 16], from: i64, until: i64) {
        let device = identity(mac, address);
        self.stages.scorer.feedback(&Feedback::FalsePositive {
            device,
            from,
            until,
        });
    }

    /// Learns nothing of a device's latest traffic: it is under attack, or attacks.
    pub fn distrust(&mut self, mac: u64, address: [u8; 16], from: i64, until: i64) {
        let device = Some(identity(mac, address));
        self.stages.scorer.feedback(&Feedback::DoNotLearn {
            device,
            from,
            until,
        });
    }

    /// Puts another set of prefixes in force; flows that go on meet it within half a minute.
    pub fn replace_prefixes(&mut self, set: Arc<PrefixSet>) {
        self.stages.matching.replace(set);
    }

    /// The phase of the model.
    pub fn phase(&self) -> Phase {
        self.stages.scorer.phase()
    }

    /// The state of the model.
    pub fn save_model(&self) -> Vec<u8> {
        self.stages.scorer.to_bytes()
    }

    /// Takes over a saved state of the model.
    pub fn load_model(&mut self, state: &[u8]) -> Result<(), ModelFault> {
        self.stages.restore(state)
    }
}

fn identity(mac: u64, address: [u8; 16]) -> Identity {
    Identity {
        mac,
        address,
        generation: 0,
    }
}
