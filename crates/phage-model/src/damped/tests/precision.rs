//! Every kernel against the oracle.

use std::sync::LazyLock;

use super::oracle::{compare, Expected, Oracle};
use super::*;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 32) % n
    }
}

/// Conversations of a few hosts with pauses from microseconds to minutes, some packets late.
fn conversations(count: usize) -> Vec<Packet> {
    let mut random = Random(0x00dd_ba11_5eed_1234);
    let mut time = 1_700_000_000_000_000_000_i64;
    (0..count)
        .map(|_| {
            let magnitude = 10_i64.pow(3 + random.below(8) as u32);
            if random.below(20) != 0 {
                time += random.below(magnitude as u64) as i64;
            }
            let late = if random.below(50) == 0 {
                random.below(5_000_000) as i64
            } else {
                0
            };
            let (a, b) = (random.below(4) as u32, 4 + random.below(4) as u32);
            let port = 1000 + random.below(3) as u16;
            let length = [60, 66, 60, 590, 1514][random.below(5) as usize];
            if random.below(2) == 0 {
                packet(time - late, a, b, (port, 80), length)
            } else {
                packet(time - late, b, a, (80, port), length)
            }
        })
        .collect()
}

#[test]
fn conversations_agree_with_double_precision() {
    let packets = conversations(20_000);
    let keys = keys(&packets);
    for kernel in kernels() {
        let mut damped = on(kernel);
        let mut oracle = Oracle::default();
        let mut rows = vec![0.0; 256 * DAMPED_STRIDE];
        for (packets, keys) in packets.chunks(256).zip(keys.chunks(256)) {
            damped.extract(packets, keys, &mut rows);
            for ((packet, keys), row) in packets.iter().zip(keys).zip(rows.chunks(DAMPED_STRIDE)) {
                oracle.add(packet, keys);
                let mut expected = oracle.row(keys, 16.0);
                // Covariances and correlations of streams that have all but decayed: the errors of two means
                // of a thousand octets (3e-4 octets each) times a residual as large.
                for scale in &mut expected.scales[65..85] {
                    *scale *= 10.0;
                }
                compare(row, &expected, 1e-4, kernel.name());
                assert_eq!(row[DAMPED..], [0.0; 12]);
            }
        }
    }
}

/// Packets of one stream, a million a second, whose lengths change half way; a few answers.
struct Stream {
    random: Random,
    both: [(Packet, Keys); 2],
    number: i64,
}

const SECONDS: i64 = 30;
const RATE: i64 = 1_000_000;

impl Stream {
    fn new() -> Self {
        let packets = [
            packet(0, 1, 2, (40_000, 443), 0),
            packet(0, 2, 1, (443, 40_000), 0),
        ];
        let keys = keys(&packets);
        Self {
            random: Random(99),
            both: [(packets[0], keys[0]), (packets[1], keys[1])],
            number: 0,
        }
    }
}

impl Iterator for Stream {
    type Item = (Packet, Keys);

    fn next(&mut self) -> Option<(Packet, Keys)> {
        let answer = self.number % 9 == 8;
        let (mut packet, keys) = self.both[usize::from(answer)];
        packet.time = 1_700_000_000_000_000_000 + self.number * (1_000_000_000 / RATE);
        packet.length = match (answer, self.number * 2 > SECONDS * RATE) {
            (false, false) => 60 + self.random.below(4) as u32,
            (false, true) => 1_000 + self.random.below(500) as u32,
            (true, _) => 60 + 10 * self.random.below(3) as u32,
        };
        self.number += 1;
        (self.number <= SECONDS * RATE).then_some((packet, keys))
    }
}

/// The oracle's rows at the end of each second; the oracle is slow and goes through once.
static EXPECTED: LazyLock<Vec<Expected>> = LazyLock::new(|| {
    let mut oracle = Oracle::default();
    let mut expected = Vec::new();
    for (number, (packet, keys)) in Stream::new().enumerate() {
        oracle.add(&packet, &keys);
        if (number as i64 + 1) % RATE == 0 {
            expected.push(oracle.row(&keys, 0.0));
        }
    }
    expected
});

/// Plain sums in single precision are 10 to 38 % off here: a weight of 3e7 takes no more additions of 1.
fn a_million_packets_a_second(kernel: Kernel) {
    if !kernel.is_available() {
        return;
    }
    let batch = 1_000;
    let mut damped = on(kernel);
    let mut rows = vec![0.0; batch * DAMPED_STRIDE];
    let mut stream = Stream::new();
    for expected in &*EXPECTED {
        for _ in 0..RATE / batch as i64 {
            let (packets, keys): (Vec<Packet>, Vec<Keys>) = stream.by_ref().take(batch).unzip();
            damped.extract(&packets, &keys, &mut rows);
        }
        compare(
            &rows[(batch - 1) * DAMPED_STRIDE..],
            expected,
            1e-4,
            kernel.name(),
        );
    }
    assert_eq!(EXPECTED.len() as i64, SECONDS);
    assert!(EXPECTED[29].values[4] > 2e7);
}

#[test]
fn a_million_packets_a_second_stay_precise_on_avx512() {
    a_million_packets_a_second(Kernel::Avx512);
}

#[test]
fn a_million_packets_a_second_stay_precise_on_avx2() {
    a_million_packets_a_second(Kernel::Avx2);
}

#[test]
fn a_million_packets_a_second_stay_precise_on_the_portable_kernel() {
    a_million_packets_a_second(Kernel::Portable);
}

/// Sources that answer after hours and years: nothing left of the first packet but its place.
#[test]
fn long_pauses_leave_the_newest_packet() {
    for kernel in kernels() {
        let mut damped = on(kernel);
        let second = 1_000_000_000_i64;
        let packets = [
            packet(0, 1, 2, (1, 2), 1500),
            packet(1000, 1, 2, (1, 2), 1500),
            packet(3600 * second, 1, 2, (1, 2), 60),
        ];
        let mut rows = vec![0.0; 3 * DAMPED_STRIDE];
        damped.extract(&packets, &keys(&packets), &mut rows);
        let last = &rows[2 * DAMPED_STRIDE..];
        for (feature, value) in last.iter().take(30).enumerate() {
            let right = if feature < 15 { 1.0 } else { 60.0 };
            assert!(
                (value - right).abs() <= right * 1e-5,
                "{} {value}",
                DAMPED_CATALOG[feature].name
            );
        }
    }
}
