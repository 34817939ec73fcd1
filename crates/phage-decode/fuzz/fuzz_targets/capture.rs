//! Parses any bytes as a capture file, whole and in pieces: both must come to the same. Input: size
//! of the pieces (2), frames a step, file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phage_decode::pcap::CaptureCounters;
use phage_decode::{CaptureFault, CaptureParser, FrameHeader, StepState};

fuzz_target!(|data: &[u8]| {
    let [high, low, limit, file @ ..] = data else {
        return;
    };
    let piece = usize::from(u16::from_be_bytes([*high, *low])).max(1);
    let whole = read(file, file.len(), usize::MAX);
    let pieces = read(file, piece, usize::from(*limit).max(1));
    assert_eq!(whole, pieces);
});

fn read(
    file: &[u8],
    piece: usize,
    limit: usize,
) -> (Vec<FrameHeader>, Option<CaptureFault>, CaptureCounters) {
    let mut parser = CaptureParser::new();
    let mut frames = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        let from = frames.len();
        let step = parser.parse(&file[start..end], end == file.len(), limit, &mut frames);
        assert!(step.consumed <= end - start);
        assert!(frames.len() - from <= limit);
        for frame in &mut frames[from..] {
            assert!(frame.offset as usize + frame.captured as usize <= step.consumed);
            frame.offset += start as u64;
        }
        start += step.consumed;
        match step.state {
            StepState::Full => assert!(frames.len() > from),
            StepState::More { needed } => {
                assert!(end < file.len() && needed > end - start);
                end = (end + piece).min(file.len());
            }
            StepState::End => return (frames, None, parser.counters()),
            StepState::Fault(fault) => return (frames, Some(fault), parser.counters()),
        }
    }
}
