//! Capture files: pcap and pcapng, read as a stream and written.
//!
//! [`CaptureParser`] is fed pieces of a file and answers with the headers of the frames in them.
//! It holds no frame bytes and asks for no more than one record at a time, so memory is bounded by
//! [`LARGEST_CAPTURED`] whatever the file claims. Formats: draft-ietf-opsawg-pcap (both byte
//! orders, micro- and nanoseconds, and the "modified" records with an interface index) and
//! draft-ietf-opsawg-pcapng (several sections, both byte orders).

mod block;
mod classic;
mod fault;
mod interface;
mod reader;
mod section;
mod write;

use crate::frame::FrameHeader;
use classic::Classic;
use section::{Ng, SECTION_HEADER};

pub use fault::{CaptureFault, CaptureFaultKind};
pub use write::CaptureWriter;

/// Bytes of one frame that are accepted. Capture tools stop at 262,144 (libpcap's
/// `MAXIMUM_SNAPLEN`); the rest is room for pseudo-headers and for writers that count more. A
/// record that claims more is a lie or not a record.
pub const LARGEST_CAPTURED: u32 = 262_144 + 65_536;

/// What a call to [`CaptureParser::parse`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the data that are done with; the next call's data starts behind them. Frames that
    /// were found lie within them.
    pub consumed: usize,
    /// Why the call returned.
    pub state: StepState,
}

/// Why a call to [`CaptureParser::parse`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// The data ends within a record.
    More {
        /// Bytes that the next call's data must hold at least, counted from its start.
        needed: usize,
    },
    /// As many frames as were asked for were found.
    Full,
    /// The capture is at its end, or a fault was reported before.
    End,
    /// The capture is damaged here; nothing behind it is read.
    Fault(CaptureFault),
}

/// What was seen beside the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureCounters {
    /// Frames found.
    pub frames: u64,
    /// Sections of pcapng.
    pub sections: u64,
    /// Interfaces of pcapng that were described.
    pub interfaces: u64,
    /// Interfaces beyond the number that is kept in a section.
    pub interfaces_dropped: u64,
    /// Frames of interfaces that were dropped.
    pub frames_dropped: u64,
    /// Blocks of pcapng that carry no frame and were skipped (names, statistics, secrets, others).
    pub blocks_skipped: u64,
}

/// Reads frame headers from the bytes of a capture file, in pieces of any size.
#[derive(Debug)]
pub struct CaptureParser {
    /// Offset in the file of the first byte of the next call's data.
    position: u64,
    format: Format,
    counters: CaptureCounters,
}

#[derive(Debug)]
enum Format {
    /// The first bytes were not seen yet.
    Unknown,
    Classic(Classic),
    Ng(Ng),
    /// At the end, or behind a fault.
    Ended,
}

/// What one format made of a piece of data.
#[derive(Debug)]
struct Progress {
    consumed: usize,
    stop: Stop,
}

/// Why a format stopped. Offsets of faults count from the start of the data; a block that streams
/// by may have started before.
#[derive(Debug)]
enum Stop {
    /// The record at `consumed` needs this many bytes.
    Needs(usize),
    Full,
    Fault(CaptureFaultKind, i64),
}

impl Default for CaptureParser {
    fn default() -> Self {
        Self::new()
    }
}

impl CaptureParser {
    /// Makes a parser for the start of a file.
    pub fn new() -> Self {
        Self {
            position: 0,
            format: Format::Unknown,
            counters: CaptureCounters::default(),
        }
    }

    /// Appends the headers of up to `limit` whole frames of `data` to `frames`.
    ///
    /// `data` starts where the last call stopped: behind its [`Step::consumed`]. Frame offsets
    /// count from the start of `data`. `at_end` says that nothing follows `data`: a record that
    /// is not whole is then a fault. After a fault or the end every call answers
    /// [`StepState::End`].
    pub fn parse(
        &mut self,
        data: &[u8],
        at_end: bool,
        limit: usize,
        frames: &mut Vec<FrameHeader>,
    ) -> Step {
        let before = frames.len();
        let progress = self.advance(data, limit, frames);
        self.counters.frames += (frames.len() - before) as u64;
        let Some(Progress { consumed, stop }) = progress else {
            return Step {
                consumed: 0,
                state: StepState::End,
            };
        };
        let state = match stop {
            Stop::Full => StepState::Full,
            Stop::Fault(kind, at) => self.fail(kind, at),
            Stop::Needs(needed) if !at_end => StepState::More { needed },
            Stop::Needs(_) => self.finish(data, consumed),
        };
        self.position += consumed as u64;
        Step { consumed, state }
    }

    /// What was seen so far.
    pub fn counters(&self) -> CaptureCounters {
        self.counters
    }

    /// Offset in the file of the next byte to be parsed.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn advance(
        &mut self,
        data: &[u8],
        limit: usize,
        frames: &mut Vec<FrameHeader>,
    ) -> Option<Progress> {
        let mut start = 0;
        if matches!(self.format, Format::Unknown) {
            let magic = data.first_chunk::<4>();
            if magic.is_some_and(|magic| u32::from_be_bytes(*magic) == SECTION_HEADER) {
                self.format = Format::Ng(Ng::new());
            } else {
                match Classic::open(data) {
                    Ok(classic) => {
                        self.format = Format::Classic(classic);
                        start = classic::FILE_HEADER;
                    }
                    Err(stop) => return Some(Progress { consumed: 0, stop }),
                }
            }
        }
        let behind = data.get(start..).unwrap_or(&[]);
        let from = frames.len();
        let mut progress = match &mut self.format {
            Format::Classic(classic) => classic.parse(behind, limit, frames),
            Format::Ng(ng) => ng.parse(behind, limit, frames, &mut self.counters),
            Format::Unknown | Format::Ended => return None,
        };
        if start != 0 {
            for frame in frames.iter_mut().skip(from) {
                frame.offset += start as u64;
            }
            progress.consumed += start;
            if let Stop::Fault(_, at) = &mut progress.stop {
                *at += start as i64;
            }
        }
        Some(progress)
    }

    /// Tells the end of a capture from a record that is cut off.
    fn finish(&mut self, data: &[u8], consumed: usize) -> StepState {
        let begun = match &self.format {
            Format::Ng(ng) => ng.begun(),
            // Not even a magic number.
            Format::Unknown if data.len() < 4 => {
                return self.fail(CaptureFaultKind::NotACapture, 0);
            }
            Format::Classic(_) | Format::Unknown | Format::Ended => 0,
        };
        if consumed == data.len() && begun == 0 && !matches!(self.format, Format::Unknown) {
            self.format = Format::Ended;
            return StepState::End;
        }
        self.fail(CaptureFaultKind::Truncated, consumed as i64 - begun as i64)
    }

    fn fail(&mut self, kind: CaptureFaultKind, at: i64) -> StepState {
        self.format = Format::Ended;
        StepState::Fault(CaptureFault {
            kind,
            offset: self.position.saturating_add_signed(at),
        })
    }
}
