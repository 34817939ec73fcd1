//! Measures records per second of decoding `NetFlow` version 9 and IPFIX from memory.
//!
//! `cargo run --release -p phage-decode --example export_rate [datagrams]`. The datagrams are made
//! in memory, as routers send them: 30 records each of 21 fields; for variable lengths a name of 4
//! to 11 octets in the middle. Each figure is the median and the best of several runs.
#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use phage_decode::export::{ExportDecoder, FlowRecord, Origin};

const RECORDS: u16 = 30;
const RUNS: usize = 9;

/// Element and length: what a router's IPv4 template holds.
const FIELDS: [(u16, u16); 21] = [
    (8, 4),
    (12, 4),
    (15, 4),
    (10, 4),
    (14, 4),
    (2, 4),
    (1, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (16, 4),
    (17, 4),
    (9, 1),
    (13, 1),
    (4, 1),
    (6, 1),
    (5, 1),
    (61, 1),
    (89, 1),
    (48, 2),
];

/// The element of variable length: interfaceName.
const NAME: (u16, u16) = (82, u16::MAX);

fn main() {
    let datagrams = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(64);
    for (name, version, variable) in [
        ("v9, fixed template", 9, false),
        ("IPFIX, fixed template", 10, false),
        ("IPFIX, variable length", 10, true),
    ] {
        let (learn, data) = traffic(version, variable, datagrams);
        let mut rates: Vec<f64> = (0..RUNS).map(|_| run(&learn, &data)).collect();
        rates.sort_by(f64::total_cmp);
        let median = rates.get(RUNS / 2).copied().unwrap_or(0.0);
        let best = rates.last().copied().unwrap_or(0.0);
        println!(
            "{name:24} {median:6.1} M records/s (best {best:.1}), {:.1} ns each",
            1e3 / median
        );
    }
}

fn run(learn: &[u8], data: &[Vec<u8>]) -> f64 {
    const ROUNDS: usize = 600;
    let mut decoder = ExportDecoder::default();
    let mut rows: Vec<FlowRecord> = Vec::with_capacity(usize::from(RECORDS));
    decoder.feed(learn, Origin::default(), 0, &mut rows);
    let mut records = 0;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for datagram in data {
            rows.clear();
            decoder.feed(datagram, Origin::default(), 0, &mut rows);
            records += black_box(&rows).len();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(
        records,
        ROUNDS * data.len() * usize::from(RECORDS),
        "every record is decoded"
    );
    records as f64 / seconds / 1e6
}

/// A datagram with the template, and datagrams with data.
fn traffic(version: u16, variable: bool, datagrams: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut fields = FIELDS.to_vec();
    if variable {
        fields.insert(11, NAME);
    }
    let mut template = bytes(&[256, fields.len() as u16]);
    template.extend(
        fields
            .iter()
            .flat_map(|(number, length)| bytes(&[*number, *length])),
    );
    let learn = message(version, 0, if version == 9 { 0 } else { 2 }, &template);
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    let data = (0..datagrams).map(|sequence| {
        let mut body = Vec::new();
        for _ in 0..RECORDS {
            for (_, length) in &fields {
                let length = if *length == u16::MAX {
                    let length = 4 + next() % 8;
                    body.push(length);
                    u16::from(length)
                } else {
                    *length
                };
                body.extend((0..length).map(|_| next()));
            }
        }
        message(version, sequence as u32, 256, &body)
    });
    (learn, data.collect())
}

fn bytes(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

fn message(version: u16, sequence: u32, id: u16, body: &[u8]) -> Vec<u8> {
    let set = [&bytes(&[id, body.len() as u16 + 4]), body].concat();
    let mut message = if version == 9 {
        [bytes(&[9, 1]), vec![0, 0, 0, 1]].concat()
    } else {
        bytes(&[10, set.len() as u16 + 16])
    };
    message.extend(1_700_000_000_u32.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend(1_u32.to_be_bytes());
    message.extend(set);
    message
}
