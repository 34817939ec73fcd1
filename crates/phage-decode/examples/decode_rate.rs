//! Measures packets per second of walking a capture, walking and decoding it, and decoding alone.
//!
//! `cargo run --release -p phage-decode --example decode_rate [packets]`. The traffic is made in
//! memory: full-size packets of 458 bytes on average, and the same cut to 128 bytes. Each figure
//! is the median and the best of several runs.
#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

#[path = "../tests/build/mod.rs"]
mod build;

use build::{ethernet, ipv6, tcp, udp, Ipv4};
use phage_decode::{
    decode, CaptureParser, CaptureWriter, FrameHeader, LinkType, Packet, StepState,
};
use std::hint::black_box;
use std::time::Instant;

/// Frames in a batch, as the engine takes them.
const BATCH: usize = 1024;
const RUNS: usize = 9;

fn main() {
    let packets = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    for (name, snap) in [("full", usize::MAX), ("snap 128", 128)] {
        let capture = traffic(packets, snap);
        let size = capture.len() as f64 / packets as f64;
        println!("{name}: {packets} packets, {size:.0} bytes each with record header");
        report("walk", packets, || walk(&capture, |_, _| {}));
        let mut record = Packet::default();
        report("walk and decode", packets, || {
            walk(&capture, |data, frames| {
                for frame in frames {
                    let start = frame.offset as usize;
                    let bytes = data.get(start..start + frame.captured as usize);
                    decode(bytes.unwrap_or(&[]), frame, &mut record);
                    black_box(&record);
                }
            })
        });
        let mut records = vec![Packet::default(); BATCH];
        report("walk and decode to a batch", packets, || {
            walk(&capture, |data, frames| {
                for (frame, record) in frames.iter().zip(&mut records) {
                    let start = frame.offset as usize;
                    let bytes = data.get(start..start + frame.captured as usize);
                    decode(bytes.unwrap_or(&[]), frame, record);
                }
                black_box(&records);
            })
        });
    }
    let capture = traffic(BATCH, usize::MAX);
    let mut frames = Vec::new();
    CaptureParser::new().parse(&capture, true, BATCH, &mut frames);
    let mut records = vec![Packet::default(); BATCH];
    let rounds = packets.div_ceil(BATCH);
    println!("hot: {BATCH} packets again and again");
    report("decode to a batch", rounds * BATCH, || {
        for _ in 0..rounds {
            for (frame, record) in frames.iter().zip(&mut records) {
                let start = frame.offset as usize;
                let bytes = capture.get(start..start + frame.captured as usize);
                decode(bytes.unwrap_or(&[]), frame, record);
            }
            black_box(&records);
        }
        rounds * BATCH
    });
}

/// Parses a capture batch by batch; returns the number of frames.
fn walk(capture: &[u8], mut each: impl FnMut(&[u8], &[FrameHeader])) -> usize {
    let mut parser = CaptureParser::new();
    let mut frames = Vec::with_capacity(BATCH);
    let mut data = capture;
    let mut count = 0;
    loop {
        frames.clear();
        let step = parser.parse(data, true, BATCH, &mut frames);
        each(data, &frames);
        count += frames.len();
        data = data.get(step.consumed..).unwrap_or(&[]);
        if !matches!(step.state, StepState::Full) {
            return count;
        }
    }
}

fn report(name: &str, packets: usize, mut run: impl FnMut() -> usize) {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let count = black_box(run());
            assert_eq!(count, packets, "every packet is seen");
            packets as f64 / start.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let median = rates.get(RUNS / 2).copied().unwrap_or(0.0);
    let best = rates.last().copied().unwrap_or(0.0);
    println!(
        "  {name:28} {median:6.1} M packets/s (best {best:.1}), {:.1} ns each",
        1e3 / median
    );
}

/// A capture of mixed traffic: TCP with and without payload, UDP, a tenth of it IPv6, some ARP.
fn traffic(packets: usize, snap: usize) -> Vec<u8> {
    let writer = CaptureWriter::new(LinkType::ETHERNET);
    let mut capture = writer.header().to_vec();
    let mut state = 1_u64;
    for index in 0..packets {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = (state >> 33) as u32;
        // A third are bare acknowledgements, a third small, a third full: 442 bytes on average.
        let payload = vec![
            0x55;
            match random % 12 {
                0..4 => 0,
                4..8 => 60 + (random >> 8) as usize % 120,
                8..11 => 700 + (random >> 8) as usize % 400,
                _ => 1448,
            }
        ];
        let client = 1024 + (random >> 16) as u16 % 40_000;
        let host = [10, 0, (random >> 3) as u8, (random >> 11) as u8];
        let segment = if random.is_multiple_of(5) {
            (17, udp(client, 53, &payload))
        } else {
            let options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
            (6, tcp(client, 443, 0x18, &options, &payload))
        };
        let frame = match random >> 20 & 31 {
            0 => ethernet(0x0806, &build::arp(1)),
            1..4 => ethernet(0x86dd, &ipv6(segment.0, &segment.1)),
            _ => ethernet(
                0x0800,
                &Ipv4 {
                    protocol: segment.0,
                    src: host,
                    ..Ipv4::default()
                }
                .build(&segment.1),
            ),
        };
        let header = FrameHeader {
            time: 1_700_000_000_000_000_000 + index as i64 * 1000,
            ..build::frame_header(LinkType::ETHERNET, frame.len().min(snap), frame.len())
        };
        writer.append(&header, frame.get(..snap).unwrap_or(&frame), &mut capture);
    }
    capture
}
