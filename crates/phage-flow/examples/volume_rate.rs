//! Measures the counters of volumes: `cargo run --release -p phage-flow --example volume_rate`.
//!
//! Flow records of one packet each, in batches of a datagram: `spread` to 100,000 hosts at home,
//! `flood` from anybody to one, `mixed` in both directions among 2,000. Prints nanoseconds a record
//! (median of runs), how long the end of a slot takes, and the memory of the process.

use std::time::Instant;

use phage_decode::export::FlowRecord;
use phage_decode::Secret;
use phage_flow::{Home, Volume, VolumeLimits};

const RECORDS: usize = 300_000;
const DATAGRAM: usize = 31;
const RUNS: usize = 9;

fn v4(value: u32) -> [u8; 16] {
    (0xffff_u128 << 32 | u128::from(value)).to_be_bytes()
}

fn record(src: u32, dst: u32, port: u16) -> FlowRecord {
    FlowRecord {
        src: v4(src),
        dst: v4(dst),
        packets: [1, 0],
        octets: [500, 0],
        src_port: port,
        dst_port: 443,
        protocol: 6,
        ip_version: 4,
        flags: [0x10, 0],
        ..FlowRecord::default()
    }
}

fn main() {
    let mut state = 1_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u32
    };
    let mut workload = |name: &'static str| -> (&'static str, Vec<FlowRecord>) {
        let records = (0..RECORDS).map(|_| {
            let (a, b, port) = (random(), random(), random() as u16);
            let stranger = 0x2000_0000 + a % 0x1000_0000;
            match name {
                "spread" => record(stranger, 0x0a00_0000 + b % 100_000 * 167, port),
                "flood" => record(stranger, 0x0a00_0001, port),
                _ if a & 1 == 0 => record(0x0a00_0000 + b % 2000, stranger, port),
                _ => record(stranger, 0x0a00_0000 + b % 2000, port),
            }
        });
        (name, records.collect())
    };
    let workloads = [workload("spread"), workload("flood"), workload("mixed")];
    for (name, records) in &workloads {
        let Ok(home) = Home::new(&["10.0.0.0/8"]) else {
            return;
        };
        let mut volume = Volume::new(VolumeLimits::default(), &home, Secret::from_seed(9));
        let mut runs = Vec::new();
        let mut ends = Vec::new();
        for run in 0..RUNS as i64 {
            let time = run * 1_000_000_000;
            let began = Instant::now();
            for batch in records.chunks(DATAGRAM) {
                volume.records(batch, time);
            }
            runs.push(began.elapsed().as_nanos() as f64 / RECORDS as f64);
            let began = Instant::now();
            volume.advance(time + 500_000_000);
            ends.push(began.elapsed().as_micros());
            while volume.take().is_some() {}
        }
        runs.sort_by(f64::total_cmp);
        ends.sort_unstable();
        let (Some(nanoseconds), Some(end)) = (runs.get(RUNS / 2), ends.get(RUNS / 2)) else {
            return;
        };
        println!(
            "{name:8} {nanoseconds:6.1} ns a record, {end:6} us a slot, {} hosts, {} of memory",
            volume.hosts(),
            resident()
        );
    }
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.map_or_else(String::new, |line| {
        line.trim_start_matches("VmRSS:").trim().to_owned()
    })
}
