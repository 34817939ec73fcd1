//! Measures the rates of the damped statistics and of the network's ensemble, per kernel and kind of traffic.
//!
//! `cargo run --release -p phage-model --example damped_rate -- [--kernel avx512|avx2|portable] [--rounds N]
//! [--batch N] [--capacity N] [--traffic zipf|flood|mix]`
#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "an example")]

use std::hint::black_box;
use std::time::Instant;

use phage_decode::{Keys, Packet, Secret};
use phage_model::{Damped, DampedConfig, Kernel, Network, NetworkConfig, DAMPED_STRIDE};

/// A small generator of random numbers (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// A rank below `n`, Zipf-like: rank k about as often as 1/(k + 1).
    fn zipf(&mut self, n: f64) -> u64 {
        ((n + 1.0).powf(self.unit()) - 1.0) as u64
    }
}

fn address(number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[10] = 0xff;
    bytes[11] = 0xff;
    bytes[12..].copy_from_slice(&(number as u32 ^ 0x0a00_0000).to_be_bytes());
    bytes
}

fn packet(time: i64, src: u64, dst: u64, ports: (u16, u16), length: u32) -> Packet {
    Packet {
        time,
        src_mac: 0x0200_0000_0000 | src,
        dst_mac: 0x0200_0000_0000 | dst,
        src: address(src),
        dst: address(dst),
        src_port: ports.0,
        dst_port: ports.1,
        length,
        ip_version: 4,
        protocol: 6,
        ether_type: 0x0800,
        ..Packet::default()
    }
}

/// A million packets of about 2,000 hosts, 19,000 pairs and 40,000 sockets in 100 seconds.
fn zipf(count: usize) -> Vec<Packet> {
    let mut random = Random(0x1234_5678_9abc_def1);
    (0..count)
        .map(|number| {
            let client = random.zipf(2_000.0);
            let server = random.zipf(30.0) * 61 % 2_000;
            let port = 40_000 + random.zipf(6.0) as u16;
            let time = (number as f64 * 100e9 / count as f64) as i64;
            let length = [60, 66, 120, 590, 1514][(random.next() % 5) as usize];
            let server = if server == client { 2_001 } else { server };
            if random.next() & 1 == 0 {
                packet(time, client, server, (port, 443), length)
            } else {
                packet(time, server, client, (443, port), length)
            }
        })
        .collect()
}

/// As many sources as packets, all towards one target.
fn flood(count: usize) -> Vec<Packet> {
    let mut random = Random(0xfeed_beef_1234_5671);
    (0..count)
        .map(|number| {
            let source = 0x4000_0000 + (number as u64).wrapping_mul(2_654_435_761) % 0x3fff_ffff;
            let time = (number as f64 * 100e9 / count as f64) as i64;
            packet(time, source, 7, ((random.next() % 64_000) as u16, 80), 60)
        })
        .collect()
}

/// Half of each, by time.
fn mix(count: usize) -> Vec<Packet> {
    let (a, b) = (zipf(count / 2), flood(count / 2));
    let mut all: Vec<Packet> = a.into_iter().zip(b).flat_map(|(a, b)| [a, b]).collect();
    all.sort_by_key(|packet| packet.time);
    all
}

/// Seconds that this thread spent on a core (other programs' time does not count); wall time where Linux's
/// scheduler statistics are not to be had.
fn seconds(start: Instant) -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(|| start.elapsed().as_secs_f64(), |ns| ns * 1e-9)
}

/// Additions that wait for one another, millions a second: what the machine gives just now.
fn calibration() -> f64 {
    let origin = Instant::now();
    let start = seconds(origin);
    let mut sum = black_box(1.0_f64);
    let step = black_box(1.000_000_1_f64);
    for _ in 0..100_000_000 {
        sum += step;
    }
    black_box(sum);
    100.0 / (seconds(origin) - start)
}

fn median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[values.len() - 1])
}

fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn main() {
    let rounds = option("--rounds")
        .and_then(|n| n.parse().ok())
        .unwrap_or(5_usize);
    let wanted = option("--kernel").and_then(|name| Kernel::from_name(&name));
    let kernels: Vec<Kernel> = match wanted {
        Some(kernel) => vec![kernel],
        None => Kernel::ALL.into_iter().collect(),
    };
    let secret = Secret::from_seed(42);
    let mut traffics: [(&str, Vec<Packet>); 3] = [
        ("zipf", zipf(1_000_000)),
        ("flood", flood(1_000_000)),
        ("mix", mix(1_000_000)),
    ];
    println!("calibration: {:.0} M dependent additions/s", calibration());
    println!("Mpps of one core: median (best; median per 1,000 M additions/s)");
    for kernel in kernels.into_iter().filter(|kernel| kernel.is_available()) {
        for (name, packets) in &mut traffics {
            if option("--traffic").is_some_and(|wanted| wanted != *name) {
                continue;
            }
            let keys: Vec<Keys> = packets.iter().map(|p| Keys::of(p, &secret)).collect();
            let mut figures: [Vec<f64>; 5] = Default::default();
            let mut ratios: [Vec<f64>; 5] = Default::default();
            for _ in 0..rounds {
                let rates = measure(kernel, packets, &keys);
                let speed = calibration();
                for ((rate, figures), ratios) in rates.iter().zip(&mut figures).zip(&mut ratios) {
                    figures.push(*rate);
                    ratios.push(1e3 * rate / speed);
                }
            }
            print!("{:9} {name:6}", kernel.name());
            let names = [
                "features",
                "score",
                "train",
                "features+score",
                "features+train",
            ];
            for ((name, figures), ratios) in names.iter().zip(figures).zip(ratios) {
                let ((rate, best), (ratio, _)) = (median(figures), median(ratios));
                print!("  {name} {rate:.2} ({best:.2}; {ratio:.2})");
            }
            println!();
        }
    }
}

/// Million packets a second of: features, score, train, features and score, features and train.
fn measure(kernel: Kernel, packets: &mut [Packet], keys: &[Keys]) -> [f64; 5] {
    let kernel = Some(kernel);
    let batch = option("--batch")
        .and_then(|n| n.parse().ok())
        .unwrap_or(256_usize);
    let capacity = option("--capacity")
        .and_then(|n| n.parse().ok())
        .unwrap_or(65_536);
    let origin = Instant::now();
    let mut damped = Damped::new(&DampedConfig {
        sources: capacity,
        channels: capacity,
        sockets: capacity,
        kernel,
    });
    let mut network = Network::new(&NetworkConfig {
        kernel,
        ..NetworkConfig::default()
    });
    let mut rows = vec![0.0_f32; batch * DAMPED_STRIDE];
    let mut errors = vec![0.0_f32; batch];
    let count = packets.len() as f64 / 1e6;
    let mut pass = |work: &mut dyn FnMut(&[Packet], &[Keys])| {
        // Time goes on from pass to pass.
        for packet in packets.iter_mut() {
            packet.time += 100_000_000_000;
        }
        let start = seconds(origin);
        for (packets, keys) in packets.chunks(batch).zip(keys.chunks(batch)) {
            work(packets, keys);
        }
        count / (seconds(origin) - start)
    };
    // The first pass fills the tables and trains the network.
    pass(&mut |packets, keys| {
        damped.extract(packets, keys, &mut rows);
        network.learn(&rows, packets.len(), &mut errors);
    });
    let features = pass(&mut |packets, keys| damped.extract(packets, keys, &mut rows));
    let score = pass(&mut |packets, _| network.score(&rows, packets.len(), &mut errors));
    let both = pass(&mut |packets, keys| {
        damped.extract(packets, keys, &mut rows);
        network.score(&rows, packets.len(), &mut errors);
    });
    let train = pass(&mut |packets, _| network.learn(&rows, packets.len(), &mut errors));
    let learning = pass(&mut |packets, keys| {
        damped.extract(packets, keys, &mut rows);
        network.learn(&rows, packets.len(), &mut errors);
    });
    black_box(&errors);
    [features, score, train, both, learning]
}
