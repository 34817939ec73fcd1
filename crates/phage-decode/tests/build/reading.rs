//! Reads capture files whole or in pieces.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::unnecessary_wraps,
    clippy::allow_attributes,
    reason = "tests read what they built"
)]

use phage_decode::pcap::CaptureCounters;
use phage_decode::{
    CaptureFault, CaptureFaultKind, CaptureParser, FrameHeader, LinkType, StepState,
};

pub(crate) const MICRO: u32 = 0xa1b2_c3d4;
pub(crate) const NANO: u32 = 0xa1b2_3c4d;
pub(crate) const MODIFIED: u32 = 0xa1b2_cd34;

/// What a file came to: frames with offsets in the file, the fault, what was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) frames: Vec<FrameHeader>,
    pub(crate) fault: Option<CaptureFault>,
    pub(crate) counters: CaptureCounters,
}

/// Reads a file that is whole in memory.
pub(crate) fn read(file: &[u8]) -> Read {
    read_in_pieces(file, &[file.len()], usize::MAX)
}

/// Reads a file of which more comes in pieces, as from a pipe.
pub(crate) fn read_in_pieces(file: &[u8], pieces: &[usize], limit: usize) -> Read {
    let mut parser = CaptureParser::new();
    let mut frames = Vec::new();
    let mut pieces = pieces.iter().copied().cycle();
    let (mut start, mut end) = (0, 0);
    let mut idle = 0;
    loop {
        let from = frames.len();
        let step = parser.parse(&file[start..end], end == file.len(), limit, &mut frames);
        assert!(step.consumed <= end - start);
        for frame in &mut frames[from..] {
            assert!(frame.offset as usize + frame.captured as usize <= step.consumed);
            frame.offset += start as u64;
        }
        assert!(frames.len() - from <= limit);
        start += step.consumed;
        assert_eq!(parser.position(), start as u64);
        let fault = match step.state {
            StepState::Full => {
                idle += usize::from(step.consumed == 0);
                assert!(idle < 3, "a full step makes progress");
                continue;
            }
            StepState::More { needed } => {
                assert!(end < file.len(), "nothing more is asked for at the end");
                assert!(needed > end - start, "what is needed is not there yet");
                end = (end + pieces.next().unwrap().max(1)).min(file.len());
                continue;
            }
            StepState::End => None,
            StepState::Fault(fault) => Some(fault),
        };
        let again = parser.parse(&file[start..], true, 9, &mut Vec::new());
        assert_eq!(again.state, StepState::End, "the end stays the end");
        return Read {
            frames,
            fault,
            counters: parser.counters(),
        };
    }
}

pub(crate) fn fault(kind: CaptureFaultKind, offset: usize) -> Option<CaptureFault> {
    Some(CaptureFault {
        kind,
        offset: offset as u64,
    })
}

pub(crate) fn header(
    time: i64,
    offset: usize,
    captured: u32,
    length: u32,
    link: LinkType,
) -> FrameHeader {
    FrameHeader {
        time,
        offset: offset as u64,
        captured,
        length,
        link,
        interface: 0,
        vlan: 0,
    }
}
