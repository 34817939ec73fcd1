//! Measures the whole path of a packet from a capture file, by stage settings and kernel:
//! `cargo run --release -p phage-engine --example path_rate -- FILE [decode|kitsune|all|train] [kernel] [runs]`.
//!
//! Prints packets a second of thread time (best and median of the runs), and a digest of every
//! score, the same in each run. `phage bench` makes such a file.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::path::PathBuf;
use std::time::Duration;

use phage_capture::FileSource;
use phage_engine::{Engine, EngineConfig, Progress};

/// Packets that the model learns from, as in `phage bench`.
const LEARNED: u64 = 100_000;

/// Time that this thread has run, in nanoseconds.
fn thread_time() -> u64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|line| line.split(' ').next()?.parse().ok())
        .unwrap_or_default()
}

/// The settings of a mode, and how many packets pass before the clock starts.
fn settings(mode: &str, kernel: Option<&str>) -> (EngineConfig, u64) {
    let mut config = EngineConfig {
        train: Some(LEARNED),
        keep_scores: true,
        kernel: kernel.map(str::to_owned),
        ..EngineConfig::default()
    };
    let mut skip = 2 * LEARNED;
    match mode {
        "decode" | "kitsune" => {
            config.scores = mode == "kitsune";
            config.keep_scores = config.scores;
            config.flows = false;
            config.applications = false;
            config.volumes = false;
            config.ring_octets = 0;
        }
        "train" => {
            config.train = Some(10_000_000);
            skip = LEARNED;
        }
        _ => {}
    }
    (config, skip)
}

/// Packets a second after the first `skip`, and a digest of scores and rows.
fn run(path: &str, config: EngineConfig, skip: u64) -> Result<(f64, u64), String> {
    let mut engine = Engine::new(config).map_err(|error| error.to_string())?;
    let source =
        FileSource::open(&[PathBuf::from(path)], None).map_err(|error| error.to_string())?;
    engine.attach(Box::new(source));
    let (mut seen, mut from, mut began) = (0, 0, thread_time());
    let mut kept = Vec::new();
    let mut digest = DefaultHasher::new();
    loop {
        match engine.next(Duration::from_secs(1)) {
            Ok(Progress::Window(window)) => {
                seen += window.packets;
                if seen <= skip {
                    (from, began) = (seen, thread_time());
                }
                digest.write_usize(window.flows.len());
                digest.write_usize(window.hosts.len());
                for row in &window.scores {
                    digest.write_u32(row.surprise.to_bits());
                    digest.write_u64(row.packet);
                    digest.write_u16(row.features[0]);
                    digest.write_u32(row.weights[0].to_bits());
                }
                kept.append(&mut engine.take_scores());
            }
            Ok(Progress::Waiting) => {}
            Ok(Progress::Ended) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    let passed = thread_time() - began;
    for score in kept {
        digest.write_u32(score.to_bits());
    }
    let rate = (seen - from) as f64 / (passed.max(1) as f64 * 1e-9);
    Ok((rate, digest.finish()))
}

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which capture file?")?;
    let mode = arguments.next().unwrap_or_else(|| "all".to_owned());
    let kernel = arguments.next().filter(|kernel| kernel != "best");
    let runs = arguments
        .next()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(3);
    let mut rates = Vec::new();
    let mut digests = Vec::new();
    for _ in 0..runs {
        let (config, skip) = settings(&mode, kernel.as_deref());
        let (rate, digest) = run(&path, config, skip)?;
        rates.push(rate);
        digests.push(digest);
    }
    rates.sort_by(f64::total_cmp);
    digests.dedup();
    let best = rates.last().copied().unwrap_or_default();
    let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
    println!(
        "{mode}: best {:.3} M/s ({:.0} ns), median {:.3} M/s; digest {digests:x?}",
        best / 1e6,
        1e9 / best,
        median / 1e6,
    );
    Ok(())
}
