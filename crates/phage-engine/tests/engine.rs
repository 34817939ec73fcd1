//! Frames from memory through the whole engine: windows, totals, messages, scores, determinism.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::time::Duration;

use phage_capture::{CaptureError, Source, SourceCounters, StopHandle};
use phage_decode::{Batch, FrameHeader, LinkType};
use phage_engine::{Engine, EngineConfig, Progress, Selection, Window};
use phage_flow::rows::event;

const START: i64 = 1_700_000_000_000_000_000;

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
fn frame(src: u8, dst: u8, ports: (u16, u16), tcp_flags: Option<u8>, payload: &[u8]) -> Vec<u8> {
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

fn talk(count: usize) -> Vec<(i64, Vec<u8>)> {
    (0..count)
        .map(|number| {
            let src = 1 + (number % 5) as u8;
            let ports = (40_000 + (number % 97) as u16, 8883);
            let bytes = frame(src, 9, ports, Some(0x10), &vec![7; number % 200]);
            (START + number as i64 * 3_000_000, bytes)
        })
        .collect()
}

fn run(frames: &[(i64, Vec<u8>)], most: usize, config: EngineConfig) -> (Vec<Window>, Engine) {
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

#[test]
fn totals_of_windows_and_of_ended_flows_are_those_of_the_packets() {
    let frames = talk(5000);
    let octets: u64 = frames.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let (windows, _) = run(&frames, 512, EngineConfig::default());
    assert_eq!(
        windows.iter().map(|window| window.packets).sum::<u64>(),
        5000
    );
    assert_eq!(
        windows.iter().map(|window| window.octets).sum::<u64>(),
        octets
    );
    let ended = windows
        .iter()
        .flat_map(|window| &window.flows)
        .filter(|flow| flow.event & event::ENDED != 0);
    let (mut packets, mut flow_octets) = (0, 0);
    for flow in ended {
        packets += flow.packets[0] + flow.packets[1];
        flow_octets += flow.octets[0] + flow.octets[1];
    }
    assert_eq!((packets, flow_octets), (5000, octets));
}

#[test]
fn windows_are_as_long_as_the_tick_says_and_in_order() {
    let (windows, _) = run(&talk(5000), 512, EngineConfig::default());
    // 3 ms a packet: 84 packets in the 250 ms of a window.
    assert!(windows.len() >= 5000 / 84);
    for pair in windows.windows(2) {
        assert!(pair[0].end <= pair[1].start);
        assert!(pair[0].end - pair[0].start < 250_000_000);
    }
}

#[test]
fn the_size_of_batches_changes_nothing() {
    let frames = talk(3000);
    let config = EngineConfig {
        train: Some(1500),
        keep_scores: true,
        ..EngineConfig::default()
    };
    let (one, mut first) = run(&frames, 512, config.clone());
    let (other, mut second) = run(&frames, 7, config);
    assert_eq!(one.len(), other.len());
    for (left, right) in one.iter().zip(&other) {
        assert_eq!(
            (left.start, left.end, left.packets),
            (right.start, right.end, right.packets)
        );
        assert_eq!(left.flows, right.flows);
        assert_eq!(left.hosts, right.hosts);
    }
    let (left, right) = (first.take_scores(), second.take_scores());
    assert_eq!(left.len(), 3000);
    assert!(left[..1500].iter().all(|score| score.is_nan()));
    assert!(left[1500..]
        .iter()
        .all(|score| (0.0..=12.0).contains(score)));
    assert_eq!(left[1500..], right[1500..]);
}

#[test]
fn a_question_becomes_an_observation() {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend(b"\x03www\x07example\x03com\x00\x00\x01\x00\x01");
    let frames = [(START, frame(1, 2, (5353 + 1, 53), None, &query))];
    let (windows, _) = run(&frames, 512, EngineConfig::default());
    let seen = &windows[0].observations;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].message.kind.name(), "dns");
    assert_eq!(seen[0].message.text("query"), Some("www.example.com"));
    assert_eq!(seen[0].dst_port, 53);
}

#[test]
fn a_stream_in_pieces_becomes_one_observation() {
    let head = b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: t\r\n\r\n";
    let mut frames = vec![
        (START, frame(1, 2, (40_000, 80), Some(0x02), b"")),
        (START + 1, frame(2, 1, (80, 40_000), Some(0x12), b"")),
    ];
    for (number, piece) in head.chunks(9).enumerate() {
        let mut bytes = frame(1, 2, (40_000, 80), Some(0x18), piece);
        // The SYN had sequence number 1.
        let sequence = 2 + 9 * number as u32;
        bytes[38..42].copy_from_slice(&sequence.to_be_bytes());
        frames.push((START + 2 + number as i64, bytes));
    }
    // The SYN-ACK acknowledges what comes after the SYN.
    frames[1].1[42..46].copy_from_slice(&2_u32.to_be_bytes());
    let (windows, _) = run(&frames, 512, EngineConfig::default());
    let seen: Vec<_> = windows
        .iter()
        .flat_map(|window| &window.observations)
        .collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].message.kind.name(), "http");
    assert_eq!(seen[0].message.text("host"), Some("www.example.com"));
}

#[test]
fn frames_of_a_host_can_be_fetched_afterwards() {
    let (_, engine) = run(&talk(500), 512, EngineConfig::default());
    let frames = engine.frames(&Selection {
        since: i64::MIN,
        until: i64::MAX,
        macs: vec![0x0200_0000_0003],
        limit: 10,
        ..Selection::default()
    });
    assert_eq!(frames.len(), 10);
    assert!(frames.iter().all(|frame| frame.bytes[11] == 3));
}

#[test]
fn a_saved_model_scores_as_before() {
    let frames = talk(4000);
    let config = EngineConfig {
        train: Some(3000),
        keep_scores: true,
        ..EngineConfig::default()
    };
    let (_, engine) = run(&frames, 512, config.clone());
    let state = engine.save_model();
    let mut restored = Engine::new(config).unwrap();
    restored.load_model(&state).unwrap();
    assert_eq!(restored.phase().name(), "watching");
    assert_eq!(restored.save_model(), state);
    assert!(restored.load_model(&state[..state.len() / 2]).is_err());
    assert!(restored.load_model(b"not a model").is_err());
}

#[test]
fn a_malformed_frame_is_counted_and_scores_nothing() {
    let mut frames = talk(20);
    frames[10].1.truncate(20);
    let config = EngineConfig {
        train: Some(5),
        keep_scores: true,
        ..EngineConfig::default()
    };
    let (windows, mut engine) = run(&frames, 512, config);
    assert_eq!(windows.iter().map(|window| window.packets).sum::<u64>(), 20);
    assert_eq!(engine.take_scores()[10].to_bits(), 0);
    let malformed: u64 = engine
        .counters()
        .iter()
        .filter(|(name, _)| name.starts_with("malformed."))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(malformed, 1);
}
