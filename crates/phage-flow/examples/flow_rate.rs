//! Measures the tables on synthetic traffic: `cargo run --release -p phage-flow --example flow_rate`.
//!
//! `zipf`: a million packets among 2,000 hosts at home and 40,000 sockets, popular ones first.
//! `flood`: a million packets from a million sources to one target. Prints the median of several
//! runs in millions of packets a second, batches of 512.
#![expect(clippy::indexing_slicing, reason = "a measurement that is run by hand")]

use std::time::Instant;

use phage_decode::packet::{protocol, tcp};
use phage_decode::{Keys, Packet, Secret};
use phage_flow::{FlowLimits, FlowTable, FlowTouch, Home, HostLimits, HostTable, BEHAVIOUR};

const PACKETS: usize = 1_000_000;
const BATCH: usize = 512;
const RUNS: usize = 7;

/// A splitmix64 sequence.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A rank below `count`, the density falling as one over the rank.
    fn zipf(&mut self, count: f64) -> u64 {
        (count.powf(self.unit()) - 1.0) as u64
    }
}

fn v4(value: u32) -> [u8; 16] {
    (0xffff_u128 << 32 | u128::from(value)).to_be_bytes()
}

fn host(rank: u64) -> (u64, [u8; 16]) {
    (0x0200_0000_0000 + rank, v4(0x0a00_0001 + rank as u32))
}

fn zipf() -> Vec<Packet> {
    let mut random = Random(7);
    let sockets: Vec<Packet> = (0..40_000)
        .map(|_| {
            let (src_mac, src) = host(random.zipf(2000.0));
            let (dst_mac, dst) = if random.unit() < 0.5 {
                host(random.zipf(2000.0))
            } else {
                (
                    0x0200_ffff_ffff,
                    v4(0x0800_0000 + random.zipf(5000.0) as u32),
                )
            };
            Packet {
                src_mac,
                dst_mac,
                src,
                dst,
                src_port: 32_768 + (random.next() % 28_000) as u16,
                dst_port: [443, 80, 53, 22, 8080][(random.next() % 5) as usize],
                protocol: if random.unit() < 0.8 {
                    protocol::TCP
                } else {
                    protocol::UDP
                },
                ip_version: 4,
                ether_type: 0x0800,
                ..Packet::default()
            }
        })
        .collect();
    let mut begun = vec![false; sockets.len()];
    (0..PACKETS)
        .map(|i| {
            let rank = random.zipf(40_000.0) as usize;
            let mut packet = sockets[rank];
            let first = !std::mem::replace(&mut begun[rank], true);
            if !first && random.unit() < 0.5 {
                std::mem::swap(&mut packet.src, &mut packet.dst);
                std::mem::swap(&mut packet.src_mac, &mut packet.dst_mac);
                std::mem::swap(&mut packet.src_port, &mut packet.dst_port);
            }
            packet.time = 1_700_000_000_000_000_000 + i as i64 * 100_000;
            packet.length = 60 + (random.next() % 1400) as u32;
            packet.payload_length = packet.length - 60;
            if packet.protocol == protocol::TCP {
                packet.tcp_flags = if first { tcp::SYN } else { tcp::ACK };
            }
            packet
        })
        .collect()
}

fn flood() -> Vec<Packet> {
    let mut random = Random(9);
    (0..PACKETS)
        .map(|i| Packet {
            time: 1_700_000_000_000_000_000 + i as i64 * 1000,
            src_mac: 0x0200_ffff_ffff,
            dst_mac: 0x0200_0000_0001,
            src: v4(0x1000_0000 + (random.next() as u32 >> 2)),
            dst: v4(0x0a00_0001),
            src_port: random.next() as u16,
            dst_port: 80,
            length: 60,
            protocol: protocol::TCP,
            tcp_flags: tcp::SYN,
            ip_version: 4,
            ether_type: 0x0800,
            ..Packet::default()
        })
        .collect()
}

fn report(name: &str, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let rate = |value: f64| PACKETS as f64 / value / 1e6;
    println!(
        "{name:<24} {:6.2} Mpps median, {:6.2} best",
        rate(seconds[seconds.len() / 2]),
        rate(seconds[0])
    );
}

/// Seconds that this thread has been on a core (Linux; elsewhere wall time), so that a busy
/// machine does not blur the figure more than its caches do.
fn busy(start: Instant) -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(
            || start.elapsed().as_secs_f64(),
            |nanoseconds| nanoseconds * 1e-9,
        )
}

/// How much of the path a run takes.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Path {
    Copy,
    Flows,
    Hosts,
}

/// Runs the tables over the packets, batch by batch; seconds. Each batch is copied first, so that
/// it lies in the cache as it does behind the decoder.
fn run(packets: &[Packet], keys: &[Keys], path: Path) -> f64 {
    let start = Instant::now();
    let home = Home::default();
    let secret = Secret::from_seed(42);
    let mut flows = FlowTable::new(&FlowLimits::default(), &home, secret);
    let mut hosts = HostTable::new(&HostLimits::default(), &home, secret);
    let mut touches = vec![FlowTouch::default(); BATCH];
    let mut subjects = vec![0; BATCH];
    let mut features = vec![0.0; BATCH * BEHAVIOUR];
    let (mut rows, mut host_rows) = (Vec::new(), Vec::new());
    let (mut near, mut near_keys) = (Vec::new(), Vec::new());
    let mut due = 0;
    let begin = busy(start);
    for (packets, keys) in packets.chunks(BATCH).zip(keys.chunks(BATCH)) {
        near.clear();
        near.extend_from_slice(packets);
        near_keys.clear();
        near_keys.extend_from_slice(keys);
        std::hint::black_box((&mut near, &mut near_keys));
        let close = packets[0].time >= due;
        if close {
            due = packets[0].time + 250_000_000;
        }
        if path >= Path::Flows {
            flows.observe(&near, &near_keys, &mut touches);
            if close {
                rows.clear();
                flows.window(packets[0].time, &mut rows);
            }
        }
        if path >= Path::Hosts {
            hosts.observe(&near, &near_keys, &touches, &mut subjects, &mut features);
            if close {
                host_rows.clear();
                hosts.window(&mut host_rows);
            }
        }
    }
    busy(start) - begin
}

fn main() {
    let secret = Secret::from_seed(42);
    for (name, packets) in [("zipf", zipf()), ("flood", flood())] {
        let keys: Vec<Keys> = packets.iter().map(|p| Keys::of(p, &secret)).collect();
        let (mut flows, mut hosts) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let copy = run(&packets, &keys, Path::Copy);
            let with_flows = run(&packets, &keys, Path::Flows);
            let with_hosts = run(&packets, &keys, Path::Hosts);
            flows.push(with_flows - copy);
            hosts.push(with_hosts - with_flows);
        }
        report(&format!("flows.{name}"), flows);
        report(&format!("hosts.{name}"), hosts);
    }
}
