//! Sets of prefixes: the longest prefix that holds an address, and the value it stands for.
//!
//! A set is built whole, never changed, and replaced whole: who looks up never waits. Prefixes
//! are flattened to disjoint intervals, each with the value of its longest prefix; `narrow` and
//! `wide` lay them out for IPv4 and IPv6.
#![forbid(unsafe_code)]

use std::hint::black_box;

mod intervals;
mod narrow;
mod wide;

use intervals::NOTHING;
use narrow::Narrow;
use wide::{Wide, LANES};

/// A prefix of an address in 16 bytes (IPv4 as `::ffff:a.b.c.d`), and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The address; bits behind the length do not count.
    pub address: [u8; 16],
    /// Bits of the prefix, of 128: an IPv4 /24 has 120.
    pub length: u8,
    /// What a look-up answers.
    pub value: u32,
}

/// An immutable set of prefixes.
///
/// IPv4 and IPv6 are kept apart: an interval takes 6 octets there besides 3 MB in all, some 25 here.
#[derive(Debug, Default)]
pub struct PrefixSet {
    v4: Narrow,
    v6: Wide,
}

const MAPPED: u128 = 0xffff_0000_0000;

impl PrefixSet {
    /// Builds a set; of two equal prefixes the later one counts.
    ///
    /// Lengths above 128 are taken as 128. A prefix shorter than /96 of mapped addresses counts
    /// for IPv6 only, so that `::/0` does not swallow IPv4.
    pub fn new(prefixes: &[Prefix]) -> Self {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for prefix in prefixes {
            let address = u128::from_be_bytes(prefix.address);
            let length = prefix.length.min(128);
            if address >> 32 == MAPPED >> 32 && length >= 96 {
                v4.push((address as u32, u32::from(length - 96), prefix.value));
            } else {
                v6.push((address, u32::from(length), prefix.value));
            }
        }
        Self {
            v4: Narrow::new(v4),
            v6: Wide::new(v6),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Octets of memory held.
    pub fn octets(&self) -> usize {
        self.v4.octets() + self.v6.octets()
    }

    /// The value of the longest prefix that holds an address.
    #[inline]
    pub fn lookup(&self, address: &[u8; 16]) -> Option<u32> {
        let address = u128::from_be_bytes(*address);
        let value = if address >> 32 == MAPPED >> 32 {
            self.v4.lookup(address as u32)
        } else {
            self.v6.lookup(address)
        };
        (value != NOTHING).then_some(value)
    }

    /// Looks many addresses up, as fast as memory allows; `u32::MAX` for those in no prefix.
    ///
    /// As many are answered as there is room for.
    pub fn lookup_all(&self, addresses: &[[u8; 16]], values: &mut [u32]) {
        for (addresses, values) in addresses.chunks(CHUNK).zip(values.chunks_mut(CHUNK)) {
            self.lookup_chunk(addresses, values);
        }
    }

    /// Each step is made for all addresses before the next: their memory accesses overlap.
    fn lookup_chunk(&self, addresses: &[[u8; 16]], values: &mut [u32]) {
        let mut narrow = Waiting::<u32>::default();
        let mut wide = Waiting::<u128>::default();
        for ((octets, value), number) in addresses.iter().zip(values.iter_mut()).zip(0_u8..) {
            let address = u128::from_be_bytes(*octets);
            let is_mapped = address >> 32 == MAPPED >> 32;
            *value = NOTHING;
            narrow.add(
                number,
                address as u32,
                is_mapped && self.v4.may_hold(address as u32),
            );
            wide.add(number, address, !is_mapped);
        }
        let mut blocks = [[0; 2]; CHUNK];
        for (block, (_, address)) in blocks.iter_mut().zip(narrow.each()) {
            *block = self.v4.block(address);
        }
        let mut touched = 0;
        for block in blocks.iter().take(narrow.count) {
            touched ^= self.v4.touch(*block);
        }
        black_box(touched);
        for (block, (number, address)) in blocks.iter().zip(narrow.each()) {
            put(values, number, self.v4.search(*block, address));
        }
        for lanes in (0..wide.count).step_by(LANES) {
            let found = self.v6.lookup_lanes(&wide.lanes(lanes));
            for (value, (number, _)) in found.iter().zip(wide.each().skip(lanes)) {
                put(values, number, *value);
            }
        }
    }
}

/// Addresses that are looked up together: what waits for them stays in the first cache.
const CHUNK: usize = 64;

fn put(values: &mut [u32], number: u8, value: u32) {
    if let Some(place) = values.get_mut(usize::from(number)) {
        *place = value;
    }
}

/// Addresses of a chunk that need another step, with their numbers in it.
struct Waiting<A> {
    numbers: [u8; CHUNK],
    addresses: [A; CHUNK],
    count: usize,
}

impl<A: Copy + Default> Default for Waiting<A> {
    fn default() -> Self {
        Self {
            numbers: [0; CHUNK],
            addresses: [A::default(); CHUNK],
            count: 0,
        }
    }
}

impl<A: Copy + Default> Waiting<A> {
    /// Adds an address that waits; without a branch, since nobody can foretell which do.
    #[inline]
    fn add(&mut self, number: u8, address: A, waits: bool) {
        if let (Some(place), Some(room)) = (
            self.numbers.get_mut(self.count),
            self.addresses.get_mut(self.count),
        ) {
            *place = number;
            *room = address;
        }
        self.count += usize::from(waits);
    }

    #[inline]
    fn each(&self) -> impl Iterator<Item = (u8, A)> + '_ {
        let both = self.numbers.iter().zip(&self.addresses);
        both.take(self.count)
            .map(|(number, address)| (*number, *address))
    }

    /// So many addresses from one on; behind the last anything.
    #[inline]
    fn lanes(&self, from: usize) -> [A; LANES] {
        let lanes = self.addresses.get(from..from + LANES);
        lanes
            .and_then(|lanes| lanes.try_into().ok())
            .unwrap_or([A::default(); LANES])
    }
}

#[cfg(test)]
mod tests;
