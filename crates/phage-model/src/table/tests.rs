#![expect(
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "tests: whole numbers, exact in a float"
)]

use super::*;
use crate::damped::record::Source;
use crate::simd::{Chosen, Kernel, Task};

const MOMENT: Moment = Moment {
    base: 0,
    now: 100_000,
    dead: 10,
};

struct Touch<'a>(&'a mut Table<Source>, u64, First);

impl Task for Touch<'_> {
    type Output = Place;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Place {
        self.0.touch(simd, self.1, self.2, &MOMENT)
    }
}

struct Weakest(Set, i64, i32);

impl Task for Weakest {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        simd.weakest(&self.0, self.1, self.2)
    }
}

fn first(time: i64, length: u32, side: usize) -> First {
    First { time, length, side }
}

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
}

#[test]
fn the_second_packet_finds_what_the_first_left() {
    for kernel in kernels() {
        let mut table = Table::<Source>::new(64);
        let chosen = Chosen::new(Some(kernel));
        let key = 0xdead_beef_1234_5678;
        assert_eq!(
            chosen.run(Touch(&mut table, key, first(7, 1514, 1))),
            Place::New
        );
        let Place::Known(stream) = chosen.run(Touch(&mut table, key, first(9, 60, 0))) else {
            unreachable!("the stream is known");
        };
        assert_eq!(*table.time(stream), 7);
        let record = table.record(stream);
        assert_eq!(record.side.high.mean, [1514.0; 5]);
        assert_eq!(record.side.high.weight, [1.0; 5]);
        assert_eq!(record.check(), 0x1234_5678);
    }
}

/// Keys of one set that share their tag but not their check words never mix.
#[test]
fn streams_of_one_tag_do_not_mix() {
    for kernel in kernels() {
        let mut table = Table::<Source>::new(64);
        let chosen = Chosen::new(Some(kernel));
        let keys = [
            0xaaaa_0001_0000_0003,
            0xaaaa_0001_8000_0003,
            0xaaaa_0001_0010_0003_u64,
        ];
        // The first and second differ in the check bits of a first packet.
        chosen.run(Touch(&mut table, keys[0], first(1, 100, 0)));
        assert_eq!(
            chosen.run(Touch(&mut table, keys[1], first(2, 200, 0))),
            Place::New
        );
        let Place::Known(stream) = chosen.run(Touch(&mut table, keys[1], first(3, 200, 0))) else {
            unreachable!("the stream is known");
        };
        table.rate(stream, 50_000);
        assert_eq!(table.record(stream).side.high.mean, [200.0; 5]);
        // The third differs only in bits that a full record compares.
        assert_eq!(
            chosen.run(Touch(&mut table, keys[2], first(4, 300, 0))),
            Place::New
        );
        assert_eq!(table.counters().collisions, 2);
        assert_eq!(table.counters().records, 0);
    }
}

#[test]
fn every_kernel_finds_the_same_weakest_way() {
    let mut random = 0x1357_9bdf_2468_ace0_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for _ in 0..2_000 {
        let mut set = Set::default();
        let base = (next() >> 8) as i64;
        for way in 0..8 {
            set.tags[way] = if next() % 9 == 0 {
                0
            } else {
                next() as u32 | 1
            };
            set.times[way] = base + (next() % (1 << 50)) as i64;
            // Few different scores, so that there are ties.
            let score = (next() % 16) as u32 * 1_000;
            set.marks[way] = if next() % 2 == 0 {
                score
            } else {
                1 << 31 | score
            };
        }
        let dead = (next() % 16_000) as i32;
        let scores = set.scores(base, dead);
        let least = scores.iter().min().copied().unwrap_or(0);
        let expected = scores.iter().position(|score| *score == least).unwrap_or(0);
        for kernel in kernels() {
            assert_eq!(
                Chosen::new(Some(kernel)).run(Weakest(set, base, dead)),
                expected
            );
        }
    }
}

#[test]
fn capacities_are_rounded_down_and_bounded() {
    assert_eq!(Table::<Source>::new(0).counters().capacity, 8);
    assert_eq!(Table::<Source>::new(1_000).counters().capacity, 512);
    assert_eq!(Table::<Source>::new(65_536).counters().capacity, 65_536);
}
