//! Look-ups a second in a million IPv4 and 100,000 IPv6 prefixes: `cargo run --release --example lookup_rate`.

use std::hint::black_box;
use std::time::Instant;

use phage_match::{Prefix, PrefixSet};

/// Marsaglia's xorshift: the same numbers at each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

fn v4(address: u32) -> [u8; 16] {
    (0xffff_0000_0000 | u128::from(address)).to_be_bytes()
}

/// Lengths as real lists have them: 47 % hosts, 28 % /24, the rest /16 to /31.
fn prefixes(random: &mut Random) -> Vec<Prefix> {
    let mut found = Vec::new();
    for value in 0..1_000_000 {
        let length = match random.below(100) {
            0..47 => 32,
            47..75 => 24,
            _ => 16 + random.below(16) as u8,
        };
        let address = v4(random.next() as u32);
        found.push(Prefix {
            address,
            length: 96 + length,
            value,
        });
    }
    for value in 0..100_000 {
        let length = match random.below(100) {
            0..40 => 128,
            40..70 => 64,
            _ => 32 + random.below(32) as u8,
        };
        found.push(Prefix {
            address: v6(random),
            length,
            value,
        });
    }
    found
}

/// An address in one of 4096 /32 under `2000::/3`, as registries hand them out.
fn v6(random: &mut Random) -> [u8; 16] {
    let registry = 0x2400_0000 + (random.below(8) << 25) + (random.below(512) << 3);
    let high = registry << 32 | random.next() >> 32;
    (u128::from(high) << 64 | u128::from(random.next())).to_be_bytes()
}

fn rate(name: &str, set: &PrefixSet, asked: &[[u8; 16]]) {
    let mut values = vec![0; asked.len()];
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        set.lookup_all(black_box(asked), &mut values);
        best = best.min(began.elapsed().as_secs_f64());
    }
    let began = Instant::now();
    let hits = asked
        .iter()
        .filter(|address| set.lookup(address).is_some())
        .count();
    let one = began.elapsed().as_secs_f64();
    let count = asked.len() as f64 / 1e6;
    println!(
        "{name:14} {:6.1} M/s together, {:6.1} M/s one at a time, {:.1} % listed",
        count / best,
        count / one,
        hits as f64 / count / 1e4
    );
}

fn main() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let prefixes = prefixes(&mut random);
    let began = Instant::now();
    let set = PrefixSet::new(&prefixes);
    println!(
        "built in {:.2} s, {:.1} MB",
        began.elapsed().as_secs_f64(),
        set.octets() as f64 / 1e6
    );
    let asked: Vec<_> = (0..4_000_000).map(|_| v4(random.next() as u32)).collect();
    rate("ipv4.random", &set, &asked);
    let listed: Vec<_> = (0..4_000_000)
        .map(|_| {
            let chosen = prefixes.get(random.below(1_000_000) as usize);
            chosen.map_or([0; 16], |prefix| prefix.address)
        })
        .collect();
    rate("ipv4.listed", &set, &listed);
    let few: Vec<_> = asked
        .iter()
        .take(1000)
        .chain(listed.iter().take(1000))
        .copied()
        .collect();
    let hot: Vec<_> = (0..4_000_000)
        .filter_map(|_| few.get(random.below(2000) as usize).copied())
        .collect();
    rate("ipv4.hot", &set, &hot);
    let asked: Vec<_> = (0..4_000_000).map(|_| v6(&mut random)).collect();
    rate("ipv6.random", &set, &asked);
    let listed: Vec<_> = (0..4_000_000)
        .filter_map(|_| prefixes.get(1_000_000 + random.below(100_000) as usize))
        .map(|prefix| prefix.address)
        .collect();
    rate("ipv6.listed", &set, &listed);
}
