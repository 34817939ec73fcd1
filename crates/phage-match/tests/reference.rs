//! Ten million look-ups against a slow and independent way of finding the longest prefix: a table
//! for each length, asked from the longest on. A debug build asks a tenth of it.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::HashMap;

use phage_match::{Prefix, PrefixSet};

const LOOKUPS: usize = if cfg!(debug_assertions) {
    1_000_000
} else {
    10_000_000
};
const MAPPED: u128 = 0xffff_0000_0000;

/// Marsaglia's xorshift: the same numbers at each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}

fn mask(length: u8) -> u128 {
    !u128::MAX.checked_shr(u32::from(length)).unwrap_or(0)
}

fn is_v4(address: u128) -> bool {
    address >> 32 == MAPPED >> 32
}

/// The reference: prefixes of each length by what they begin with, IPv4 apart.
struct Reference(Vec<(bool, u8, HashMap<u128, u32>)>);

impl Reference {
    fn new(prefixes: &[Prefix]) -> Self {
        let mut tables: HashMap<(bool, u8), HashMap<u128, u32>> = HashMap::new();
        for prefix in prefixes {
            let address = u128::from_be_bytes(prefix.address);
            let narrow = is_v4(address) && prefix.length >= 96;
            tables
                .entry((narrow, prefix.length))
                .or_default()
                .insert(address & mask(prefix.length), prefix.value);
        }
        let mut tables: Vec<_> = tables
            .into_iter()
            .map(|((narrow, length), table)| (narrow, length, table))
            .collect();
        tables.sort_by_key(|(_, length, _)| std::cmp::Reverse(*length));
        Self(tables)
    }

    fn lookup(&self, address: u128) -> Option<u32> {
        let narrow = is_v4(address);
        self.0
            .iter()
            .filter(|(kind, _, _)| *kind == narrow)
            .find_map(|(_, length, table)| table.get(&(address & mask(*length))).copied())
    }
}

fn random_prefixes(random: &mut Random, count: usize) -> Vec<(u128, u8)> {
    (0..count)
        .map(|_| {
            if random.below(10) < 8 {
                let length = [128, 128, 128, 120, 120, 112, 116, 125][random.below(8)];
                (MAPPED | random.wide() >> 96, length)
            } else {
                let length = [128, 64, 64, 56, 48, 48, 32, 29][random.below(8)];
                (0x2001_0db8_u128 << 96 | random.wide() >> 36, length)
            }
        })
        .collect()
}

/// What is hard: chains of every length, whole blocks of single addresses, the ends of all numbers,
/// and the same prefix twice.
fn adversarial_prefixes(random: &mut Random) -> Vec<(u128, u8)> {
    let mut found = Vec::new();
    for _ in 0..50 {
        let narrow = MAPPED | random.wide() >> 96;
        found.extend((100..=128).map(|length| (narrow, length)));
        let wide = 0x2a_u128 << 120 | random.wide() >> 8;
        found.extend((3..=128).map(|length| (wide, length)));
    }
    let dense = MAPPED | 0xc633_0000;
    found.extend((0..1 << 16).step_by(2).map(|last| (dense | last, 128)));
    let network = 0x2a00_1450_u128 << 96;
    found.extend((0..1 << 14).step_by(2).map(|last| (network | last, 128)));
    found.extend(
        (0..1 << 14)
            .step_by(2)
            .map(|last| (network | 1 << 80 | last << 64, 64)),
    );
    for end in [0, u128::MAX, MAPPED, MAPPED | 0xffff_ffff] {
        found.extend([(end, 128), (end, 128), (end, 127), (end, 112)]);
    }
    found
}

/// Any address, one in a prefix, and those at the ends of a prefix and beside it.
fn asked(random: &mut Random, prefixes: &[(u128, u8)]) -> u128 {
    let (address, length) = prefixes[random.below(prefixes.len())];
    let (first, last) = (address & mask(length), address | !mask(length));
    match random.below(8) {
        0 => MAPPED | random.wide() >> 96,
        1 => 0x2001_0db8_u128 << 96 | random.wide() >> 36,
        2 => first,
        3 => last,
        4 => first.wrapping_sub(1),
        5 => last.wrapping_add(1),
        _ => first | random.wide() & !mask(length),
    }
}

fn agree(prefixes: &[(u128, u8)], lookups: usize, random: &mut Random) {
    let built: Vec<_> = prefixes
        .iter()
        .zip(0..)
        .map(|(&(address, length), value)| Prefix {
            address: address.to_be_bytes(),
            length,
            value,
        })
        .collect();
    let set = PrefixSet::new(&built);
    let reference = Reference::new(&built);
    let mut values = vec![0; 10_000];
    for _ in 0..lookups.div_ceil(values.len()) {
        let wanted: Vec<_> = values.iter().map(|_| asked(random, prefixes)).collect();
        let octets: Vec<_> = wanted.iter().map(|address| address.to_be_bytes()).collect();
        set.lookup_all(&octets, &mut values);
        for ((address, octets), value) in wanted.iter().zip(&octets).zip(&values) {
            let expected = reference.lookup(*address);
            assert_eq!(set.lookup(octets), expected, "{address:x}");
            assert_eq!(*value, expected.unwrap_or(u32::MAX), "{address:x}");
        }
    }
}

#[test]
fn random_prefixes_are_found_as_the_reference_finds_them() {
    let mut random = Random(1);
    let prefixes = random_prefixes(&mut random, 200_000);
    agree(&prefixes, LOOKUPS / 2, &mut random);
}

#[test]
fn adversarial_prefixes_are_found_as_the_reference_finds_them() {
    let mut random = Random(2);
    let prefixes = adversarial_prefixes(&mut random);
    agree(&prefixes, LOOKUPS / 2, &mut random);
}

#[test]
fn a_default_route_holds_everything_of_its_own_family() {
    let mut random = Random(3);
    let mut prefixes = random_prefixes(&mut random, 1000);
    prefixes.extend([(MAPPED, 96), (0, 0)]);
    agree(&prefixes, 100_000, &mut random);
}
