//! Measures sending and receiving on an interface.
//!
//! `ring_rate send IF SECONDS [SIZE] [RATE] [COUNT]` sends UDP frames from 2,000 sources;
//! `ring_rate recv IF SECONDS [BLOCKS] [FILTER] [NANOSECONDS]` receives, counts, spends so long on
//! each frame, and stops a second after the last one. Both print one line of `name=value` pairs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use phage_capture::{
    CaptureError, FileSource, RingConfig, RingSource, Source, TransmitPlan, Transmitter,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["send", interface, rest @ ..] => send(interface, rest),
        ["recv", interface, rest @ ..] => receive(interface, rest),
        ["read", files @ ..] => read(files),
        _ => {
            eprintln!("usage: ring_rate send|recv IF SECONDS ... | ring_rate read FILE...");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn number(words: &[&str], index: usize, default: f64) -> f64 {
    words
        .get(index)
        .and_then(|word| word.parse().ok())
        .unwrap_or(default)
}

/// A UDP frame from one of 2,000 sources to one of 500 destinations.
fn frame(index: u32, size: usize) -> Vec<u8> {
    let size = size.max(60);
    let mut frame = Vec::with_capacity(size);
    frame.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    frame.extend([0x45, 0]);
    frame.extend(((size - 14) as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend((0x0a00_0000 + index % 2000).to_be_bytes());
    frame.extend((0x0a01_0000 + index * 7 % 500).to_be_bytes());
    frame.extend((1024 + (index % 40_000) as u16).to_be_bytes());
    frame.extend(53u16.to_be_bytes());
    frame.extend(((size - 34) as u16).to_be_bytes());
    frame.resize(size, 0);
    frame
}

fn send(interface: &str, words: &[&str]) -> Result<String, CaptureError> {
    let size = number(words, 1, 60.0) as usize;
    let rate = number(words, 2, 0.0);
    let plan = TransmitPlan {
        count: number(words, 3, u64::MAX as f64) as u64,
        duration: Duration::from_secs_f64(number(words, 0, 2.0)),
        rate: (rate > 0.0).then_some(rate),
    };
    let frames: Vec<Vec<u8>> = (0..4000).map(|index| frame(index, size)).collect();
    let sent = Transmitter::open(interface)?.send(&frames, plan)?;
    let seconds = sent.elapsed.as_secs_f64();
    Ok(format!(
        "sent={} seconds={seconds:.3} mpps={:.3} refused={}",
        sent.packets,
        sent.packets as f64 / seconds / 1e6,
        sent.refused
    ))
}

fn receive(interface: &str, words: &[&str]) -> Result<String, CaptureError> {
    let limit = Duration::from_secs_f64(number(words, 0, 10.0));
    let mut config = RingConfig::new(interface);
    config.blocks = number(words, 1, 64.0) as usize;
    config.filter = words.get(2).map(|text| (*text).to_owned());
    let spend = Duration::from_nanos(number(words, 3, 0.0) as u64);
    let mut source = RingSource::open(config)?;
    let start = Instant::now();
    let cpu = processor_time();
    let (mut first, mut last) = (None, start);
    let mut checksum = 0u64;
    while start.elapsed() < limit {
        let Some(batch) = source.next(1024, Duration::from_millis(50))? else {
            break;
        };
        if batch.frames.is_empty() {
            if first.is_some() && last.elapsed() > Duration::from_secs(1) {
                break;
            }
            continue;
        }
        let now = Instant::now();
        first.get_or_insert(now);
        for frame in batch.frames {
            checksum += u64::from(batch.bytes(frame).get(26).copied().unwrap_or(0));
        }
        let busy = spend * batch.frames.len() as u32;
        while now.elapsed() < busy {
            std::hint::spin_loop();
        }
        last = Instant::now();
    }
    let seconds = last.duration_since(first.unwrap_or(last)).as_secs_f64();
    let busy = processor_time().saturating_sub(cpu).as_secs_f64();
    let size = source.ring_size();
    let counters = source.counters();
    Ok(format!(
        "received={} octets={} dropped={} frozen={} seconds={seconds:.3} mpps={:.3} \
         cpu_percent={:.1} ns_per_packet={:.1} ring={size} down={} losses={} checksum={checksum}",
        counters.packets,
        counters.octets,
        counters.dropped,
        counters.frozen,
        counters.packets as f64 / seconds / 1e6,
        100.0 * busy / seconds,
        1e9 * busy / counters.packets as f64,
        counters.link_down,
        counters.link_losses,
    ))
}

/// Reads files as fast as it goes and touches each frame's first lines.
fn read(files: &[&str]) -> Result<String, CaptureError> {
    let paths: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let mut source = FileSource::open(&paths, std::env::var("FILTER").ok().as_deref())?;
    let start = Instant::now();
    let cpu = processor_time();
    let mut checksum = 0u64;
    while let Some(batch) = source.next(1024, Duration::from_secs(1))? {
        for frame in batch.frames {
            let bytes = batch.bytes(frame);
            checksum += u64::from(bytes.get(30).copied().unwrap_or(0));
            checksum += u64::from(bytes.get(70).copied().unwrap_or(0));
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let busy = processor_time().saturating_sub(cpu).as_secs_f64();
    let counters = source.counters();
    for fault in &counters.faults {
        eprintln!("{fault}");
    }
    Ok(format!(
        "packets={} octets={} seconds={seconds:.3} mpps={:.2} cpu_seconds={busy:.3} checksum={checksum}",
        counters.packets,
        counters.octets,
        counters.packets as f64 / seconds / 1e6,
    ))
}

/// Processor time of this thread so far (the first two figures of `schedstat` are nanoseconds
/// running and waiting).
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_ascii_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    Duration::from_nanos(nanoseconds)
}
