//! Frames from memory through the whole engine: windows, totals, messages, scores.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod build;

use build::{frame, run, talk, START};
use phage_engine::{Engine, EngineConfig, Selection};
use phage_flow::rows::event;

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
