//! Capture files as a source: one after the other, plain or compressed, from disk or a pipe.

mod decompress;
mod input;
mod zstandard;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use phage_decode::{
    pcap::CaptureFaultKind, Batch, CaptureFault, CaptureParser, FrameHeader, LinkType, Origin,
    StepState,
};

use crate::error::{CaptureError, SourceFault, SourceFaultKind};
use crate::filter::Filter;
use crate::source::{Source, SourceCounters, StopHandle};
use input::{Filled, Input};

/// Bytes read at a time. The piece stays in the second-level cache while its frames are decoded, and
/// leaves the tables their room there; unlike a mapping it cannot fault when the file shrinks.
const PIECE: usize = 128 * 1024;

/// A batch that ends with the piece is handed over if its frames take so many bytes; fewer are moved to
/// the front of the next piece, for small batches cost more a frame.
const WORTHWHILE: usize = PIECE / 4;

/// Most bytes that one record may need; more is a lie that the parser should have refused.
const LARGEST_PIECE: usize = 16 * 1024 * 1024;

/// Frames of capture files (pcap or pcapng; plain, gz or zst), file after file.
///
/// A file is processed up to its first fault; the fault is kept in the counters and the next file
/// follows. Memory is one buffer, whatever a file claims or decompresses to.
pub struct FileSource {
    waiting: VecDeque<PathBuf>,
    current: Option<Current>,
    buffer: Vec<u8>,
    /// Where in `buffer` the open batch begins, what is not yet parsed, and what is not filled.
    batch: usize,
    start: usize,
    end: usize,
    /// Frames of the open batch; their offsets count from its beginning.
    frames: Vec<FrameHeader>,
    filters: Option<Filters>,
    counters: SourceCounters,
    stop: StopHandle,
}

/// The file that is read.
struct Current {
    path: PathBuf,
    input: Input,
    /// Where its bytes can be read again, once they have been told from compressed ones.
    origin: Option<Arc<dyn Origin>>,
    parser: CaptureParser,
    at_end: bool,
    done: bool,
    /// A fault was told; the truncation that comes of it is no second one.
    faulted: bool,
}

/// One expression, compiled for the link types that were met.
struct Filters {
    expression: String,
    compiled: Vec<(LinkType, Filter)>,
}

impl Filters {
    /// Frames of every interface of a file have one of few link types.
    const MOST: usize = 64;

    fn for_link(&mut self, link: LinkType) -> Result<&Filter, CaptureError> {
        if !self.compiled.iter().any(|(known, _)| *known == link) {
            let filter = Filter::compile(&self.expression, link)?;
            if self.compiled.len() >= Self::MOST {
                self.compiled.clear();
            }
            self.compiled.push((link, filter));
        }
        self.compiled
            .iter()
            .find(|(known, _)| *known == link)
            .map(|(_, filter)| filter)
            .ok_or_else(|| CaptureError::Unsupported("the filter is lost".to_owned()))
    }
}

impl FileSource {
    /// Opens files, to be read in this order; `-` is standard input.
    ///
    /// A file that cannot be opened is kept in the counters, and the next one follows. Fails where none
    /// can be opened, with the first one's error, or the filter's grammar is wrong; reads nothing yet.
    pub fn open(paths: &[PathBuf], filter: Option<&str>) -> Result<Self, CaptureError> {
        if let Some(expression) = filter {
            Filter::check(expression)?;
        }
        let mut source = Self {
            waiting: paths.iter().cloned().collect(),
            current: None,
            buffer: Vec::new(),
            batch: 0,
            start: 0,
            end: 0,
            frames: Vec::new(),
            filters: filter.map(|expression| Filters {
                expression: expression.to_owned(),
                compiled: Vec::new(),
            }),
            counters: SourceCounters::default(),
            stop: StopHandle::default(),
        };
        source.advance()?;
        Ok(source)
    }

    fn begin(&mut self, path: PathBuf) -> Result<(), CaptureError> {
        let input = Input::open(&path, &self.stop)
            .map_err(|error| CaptureError::of_file(&path, 0, error))?;
        if self.buffer.is_empty() {
            self.buffer.resize(PIECE, 0);
        }
        (self.batch, self.start, self.end) = (0, 0, 0);
        self.current = Some(Current {
            path,
            input,
            origin: None,
            parser: CaptureParser::new(),
            at_end: false,
            done: false,
            faulted: false,
        });
        Ok(())
    }

    /// Goes to the next file that can be opened; false at the end of all, and the first one's error where
    /// those that were left could not be opened.
    fn advance(&mut self) -> Result<bool, CaptureError> {
        self.current = None;
        let mut failed = None;
        while let Some(path) = self.waiting.pop_front() {
            match self.begin(path.clone()) {
                Ok(()) => return Ok(true),
                Err(error) => {
                    self.counters.note(SourceFault {
                        path,
                        offset: 0,
                        kind: SourceFaultKind::Unopened(error.to_string()),
                    });
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(false), Err)
    }

    /// Makes room behind the open batch for a record of so many bytes and reads on; true where
    /// something changed.
    fn fill(&mut self, record: usize, wait: Duration) -> bool {
        let Some(current) = &mut self.current else {
            return false;
        };
        self.buffer.copy_within(self.batch..self.end, 0);
        self.start -= self.batch;
        self.end -= self.batch;
        self.batch = 0;
        let needed = self.start + record;
        if needed > self.buffer.len() {
            self.buffer.resize(needed.min(LARGEST_PIECE), 0);
        }
        let Some(room) = self
            .buffer
            .get_mut(self.end..)
            .filter(|room| !room.is_empty())
        else {
            // The parser wants more than any record has.
            current.at_end = true;
            return true;
        };
        match current.input.fill(room, wait) {
            Ok(Filled::Bytes(count)) => {
                if current.origin.is_none() {
                    current.origin = current.input.origin(&current.path);
                }
                self.end += count;
                true
            }
            Ok(Filled::Nothing) => false,
            Ok(Filled::End) => {
                current.at_end = true;
                true
            }
            Err(kind) => {
                let offset = current.parser.position() + (self.end - self.start) as u64;
                let path = current.path.clone();
                current.at_end = true;
                current.faulted = true;
                self.counters.note(SourceFault { path, offset, kind });
                true
            }
        }
    }

    /// Removes the frames from `from` on that the filter rejects.
    fn choose(&mut self, from: usize) -> Result<(), CaptureError> {
        let Some(filters) = &mut self.filters else {
            return Ok(());
        };
        let data = self.buffer.get(self.batch..self.end).unwrap_or(&[]);
        let before = self.frames.len();
        let mut failure = None;
        let mut number = 0;
        self.frames.retain(|frame| {
            number += 1;
            if number <= from {
                return true;
            }
            let start = frame.offset as usize;
            let bytes = data
                .get(start..start.saturating_add(frame.captured as usize))
                .unwrap_or(&[]);
            match filters.for_link(frame.link) {
                Ok(filter) => filter.matches(bytes, frame.length),
                Err(error) => {
                    failure.get_or_insert(error);
                    false
                }
            }
        });
        self.counters.filtered += (before - self.frames.len()) as u64;
        failure.map_or(Ok(()), Err)
    }

    /// Parses on, for a batch of `limit` frames.
    fn parse(&mut self, limit: usize) -> Result<Parsed, CaptureError> {
        let Some(current) = &mut self.current else {
            return Ok(Parsed::FileEnd);
        };
        if current.done {
            return Ok(Parsed::FileEnd);
        }
        let data = self.buffer.get(self.start..self.end).unwrap_or(&[]);
        let before = self.frames.len();
        let room = limit.saturating_sub(before).max(1);
        let step = current
            .parser
            .parse(data, current.at_end, room, &mut self.frames);
        for frame in self.frames.iter_mut().skip(before) {
            frame.offset += (self.start - self.batch) as u64;
        }
        self.start = (self.start + step.consumed).min(self.end);
        let parsed = match step.state {
            StepState::Full => Parsed::Some,
            StepState::More { needed } => Parsed::Needs(needed),
            StepState::End => {
                current.done = true;
                Parsed::FileEnd
            }
            StepState::Fault(fault) => {
                current.done = true;
                let fault = SourceFault {
                    path: current.path.clone(),
                    offset: fault.offset,
                    kind: SourceFaultKind::Capture(fault),
                };
                if !current.faulted {
                    self.counters.note(fault);
                }
                Parsed::FileEnd
            }
        };
        self.choose(before)?;
        Ok(parsed)
    }

    /// Whether the open batch waits for more frames from the file.
    fn may_grow(&self) -> bool {
        // What blocks is not waited for while there is something to hand over.
        self.start - self.batch < WORTHWHILE
            && self
                .current
                .as_ref()
                .is_some_and(|current| current.origin.is_some())
    }

    /// Position in the file of what is parsed next.
    fn position(&self) -> u64 {
        self.current
            .as_ref()
            .map_or(0, |current| current.parser.position())
    }

    /// The open batch, whose first byte stands at a position of the file.
    fn hand_over(&mut self, position: u64) -> Batch<'_> {
        self.counters.packets += self.frames.len() as u64;
        self.counters.octets += self
            .frames
            .iter()
            .map(|frame| u64::from(frame.length))
            .sum::<u64>();
        let current = self.current.as_ref();
        Batch {
            data: self.buffer.get(self.batch..self.end).unwrap_or(&[]),
            frames: &self.frames,
            origin: current.and_then(|current| Some((current.origin.as_ref()?, position))),
        }
    }

    /// The error of a source that had nothing to read at all.
    fn barren(&mut self) -> Option<CaptureError> {
        if self.counters.packets + self.counters.filtered > 0 {
            return None;
        }
        let fault = self.counters.faults.first()?;
        match fault.kind {
            SourceFaultKind::Capture(CaptureFault {
                kind: CaptureFaultKind::NotACapture,
                ..
            }) => Some(CaptureError::NotACapture(fault.path.clone())),
            _ => None,
        }
    }
}

/// What parsing the buffer came to.
enum Parsed {
    Some,
    Needs(usize),
    FileEnd,
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

impl Source for FileSource {
    fn next(&mut self, limit: usize, wait: Duration) -> Result<Option<Batch<'_>>, CaptureError> {
        self.frames.clear();
        let mut position = 0;
        loop {
            if self.frames.is_empty() {
                self.batch = self.start;
                position = self.position();
            }
            if self.stop.is_stopped() {
                self.current = None;
                self.waiting.clear();
                return Ok(None);
            }
            if self.current.is_none() {
                return Ok(None);
            }
            let parsed = self.parse(limit)?;
            let grows = self.frames.is_empty() || self.frames.len() < limit && self.may_grow();
            match parsed {
                Parsed::Some if grows => {}
                Parsed::Needs(record) if grows => {
                    if !self.fill(record, wait) && !self.stop.is_stopped() {
                        return Ok(Some(self.hand_over(position)));
                    }
                }
                Parsed::FileEnd if self.frames.is_empty() => {
                    // A file that cannot be opened is told by the counters, as is any other fault.
                    if !self.advance().unwrap_or(false) {
                        return self.barren().map_or(Ok(None), Err);
                    }
                }
                _ => return Ok(Some(self.hand_over(position))),
            }
        }
    }

    fn counters(&mut self) -> SourceCounters {
        self.counters.clone()
    }

    fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }
}
