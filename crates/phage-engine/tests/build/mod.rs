//! Frames in memory, and an engine that runs over them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "not every test uses everything"
)]

use std::time::Duration;

use phage_capture::{CaptureError, Source, SourceCounters, StopHandle};
use phage_decode::{Batch, FrameHeader, LinkType};
use phage_engine::{Engine, EngineConfig, Progress, Window};

/// Time of the first frame.
pub(crate) const START: i64 = 1_700_000_000_000_000_000;

/// Frames in memory, handed over in batches of a given size.
struct Memory {
    data: Vec<u8>,
    frames: Vec<FrameHeader>,
    next: usize,
    most: usize,
}

impl Memory {
    fn new(frames: &[(i64, Vec<u8>)], most: usize) -> Self {
        let mut data = Vec::new();
        let mut headers = Vec::new();
        for (time, bytes) in frames {
            headers.push(FrameHeader {
                time: *time,
                offset: data.len() as u64,
                captured: bytes.len() as u32,
                length: bytes.len() as u32,
                link: LinkType::ETHERNET,
                interface: 0,
                vlan: 0,
            });
            data.extend_from_slice(bytes);
        }
        Self {
            data,
            frames: headers,
            next: 0,
            most,
        }
    }
}

impl Source for Memory {
    fn next(&mut self, limit: usize, _: Duration) -> Result<Option<Batch<'_>>, CaptureError> {
        if self.next == self.frames.len() {
            return Ok(None);
        }
        let end = (self.next + limit.min(self.most)).min(self.frames.len());
        let frames = &self.frames[self.next..end];
        self.next = end;
        Ok(Some(Batch {
            data: &self.data,
            frames,
            origin: None,
        }))
    }

    fn counters(&mut self) -> SourceCounters {
        SourceCounters::default()
    }

    fn stop_handle(&self) -> StopHandle {
        StopHandle::default()
    }
}

/// A UDP or TCP frame between two home hosts.
pub(crate) fn frame(
    src: u8,
    dst: u8,
    ports: (u16, u16),
    tcp_flags: Option<u8>,
    payload: &[u8],
) -> Vec<u8> {
    let transport = if tcp_flags.is_some() { 20 } else { 8 };
    let length = (20 + transport + payload.len()) as u16;
    let mut bytes = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 8, 0];
    bytes.extend([0x45, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.extend([
        0,
        0,
        0,
        0,
        64,
        if tcp_flags.is_some() { 6 } else { 17 },
        0,
        0,
    ]);
    bytes.extend([10, 0, 0, src, 10, 0, 0, dst]);
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    if let Some(flags) = tcp_flags {
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    } else {
        bytes.extend((8 + payload.len() as u16).to_be_bytes());
        bytes.extend([0, 0]);
    }
    bytes.extend(payload);
    bytes
}

/// Frames with other lengths and ports, 3 ms apart.
pub(crate) fn talk(count: usize) -> Vec<(i64, Vec<u8>)> {
    (0..count)
        .map(|number| {
            let src = 1 + (number % 5) as u8;
            let ports = (40_000 + (number % 97) as u16, 8883);
            let bytes = frame(src, 9, ports, Some(0x10), &vec![7; number % 200]);
            (START + number as i64 * 3_000_000, bytes)
        })
        .collect()
}

/// Hands frames over in batches of at most `most`; the windows and the engine.
pub(crate) fn run(
    frames: &[(i64, Vec<u8>)],
    most: usize,
    config: EngineConfig,
) -> (Vec<Window>, Engine) {
    let mut engine = Engine::new(config).unwrap();
    engine.attach(Box::new(Memory::new(frames, most)));
    let mut windows = Vec::new();
    loop {
        match engine.next(Duration::ZERO).unwrap() {
            Progress::Window(window) => windows.push(*window),
            Progress::Waiting => panic!("memory never waits"),
            Progress::Ended => return (windows, engine),
        }
    }
}
