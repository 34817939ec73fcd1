//! Nothing that an engine tells depends on how its source cuts the frames into batches.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod build;

use build::{frame, run, START};
use phage_engine::EngineConfig;

const SECOND: i64 = 1_000_000_000;

/// A question for a name, or the answer that there is none.
fn dns(name: &str, response: bool) -> Vec<u8> {
    let flags: [u8; 2] = if response { [0x81, 0x83] } else { [1, 0] };
    let mut message = vec![0x12, 0x34, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// Hours of a home: talk, lookups, requests by HTTP, and pauses longer than samples wait to be
/// learned.
fn evening(count: usize) -> Vec<(i64, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut time = START;
    for number in 0..count {
        let client = 1 + (number % 5) as u8;
        let port = 40_000 + (number % 97) as u16;
        time += 20_000_000 + (number as i64 * 7919) % 5_000_000;
        if number % 1000 == 999 {
            time += 2400 * SECOND;
        }
        let mut say = |bytes: Vec<u8>| frames.push((time, bytes));
        match number % 11 {
            3 => {
                let name = format!("host{}.example", number % 40);
                say(frame(client, 9, (port, 53), None, &dns(&name, false)));
                say(frame(9, client, (53, port), None, &dns(&name, true)));
            }
            7 => {
                let ports = (50_000 + (number / 11) as u16, 80);
                let head = format!("GET /{number} HTTP/1.1\r\nHost: example.com\r\n\r\n");
                let mut syn_ack = frame(9, client, (80, ports.0), Some(0x12), b"");
                syn_ack[42..46].copy_from_slice(&2_u32.to_be_bytes());
                say(frame(client, 9, ports, Some(0x02), b""));
                say(syn_ack);
                let mut request = frame(client, 9, ports, Some(0x18), head.as_bytes());
                request[38..42].copy_from_slice(&2_u32.to_be_bytes());
                say(request);
            }
            _ => {
                let length = 60 + number * 31 % 900;
                say(frame(client, 9, (port, 8883), Some(0x10), &vec![7; length]));
            }
        }
    }
    frames
}

/// All that a run tells: windows with every row and message, scores, the model.
fn told(frames: &[(i64, Vec<u8>)], most: usize, config: &EngineConfig) -> (Vec<String>, Vec<u8>) {
    let (windows, mut engine) = run(frames, most, config.clone());
    let mut lines: Vec<String> = windows.iter().map(|window| format!("{window:?}")).collect();
    let scores = engine.take_scores();
    lines.extend(
        scores
            .iter()
            .map(|score| format!("{:08x}", score.to_bits())),
    );
    (lines, engine.save_model())
}

fn counter(frames: &[(i64, Vec<u8>)], config: &EngineConfig, name: &str) -> u64 {
    let (_, mut engine) = run(frames, 256, config.clone());
    let counters = engine.counters();
    let found = counters.iter().find(|(each, _)| each == name);
    found.unwrap_or_else(|| panic!("{counters:?}")).1
}

fn compare(frames: &[(i64, Vec<u8>)], config: &EngineConfig) {
    let (lines, model) = told(frames, 256, config);
    for most in [1, 7, 100] {
        let (others, other_model) = told(frames, most, config);
        assert_eq!(lines.len(), others.len(), "batches of {most}");
        for (number, (line, other)) in lines.iter().zip(&others).enumerate() {
            assert_eq!(line, other, "batches of {most}: line {number}");
        }
        assert!(model == other_model, "the model, batches of {most}");
    }
}

#[test]
fn batches_change_nothing_after_learning_from_so_many_packets() {
    let config = EngineConfig {
        train: Some(3000),
        keep_scores: true,
        ..EngineConfig::default()
    };
    let frames = evening(12_000);
    let updates = counter(&frames, &config, "model.updates");
    assert!(updates > 20, "it learns while it watches: {updates}");
    compare(&frames, &config);
}

#[test]
fn batches_change_nothing_where_the_model_says_when_it_has_learned() {
    let config = EngineConfig {
        keep_scores: true,
        ..EngineConfig::default()
    };
    let frames = evening(40_000);
    let scored = counter(&frames, &config, "model.scored");
    assert!(scored > 1000, "it converges: {scored}");
    compare(&frames, &config);
}
