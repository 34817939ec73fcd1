//! Sets of prefixes: the longest prefix that holds an address, and the value it stands for.
//!
//! A set is built whole, never changed, and replaced whole: who looks up never waits. Prefixes
//! are flattened to disjoint intervals, each with the value of its longest prefix; a look-up is an
//! index by the first 16 bits and a search in what is left.
#![forbid(unsafe_code)]

mod intervals;

use intervals::Intervals;

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
/// IPv4 and IPv6 are kept apart, IPv4 in 32 bits: an interval takes 8 bytes there, 20 here.
#[derive(Debug, Default)]
pub struct PrefixSet {
    v4: Intervals<u32>,
    v6: Intervals<u128>,
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
            v4: Intervals::new(v4),
            v6: Intervals::new(v6),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The value of the longest prefix that holds an address.
    #[inline]
    pub fn lookup(&self, address: &[u8; 16]) -> Option<u32> {
        let address = u128::from_be_bytes(*address);
        if address >> 32 == MAPPED >> 32 {
            self.v4.lookup(address as u32)
        } else {
            self.v6.lookup(address)
        }
    }
}

#[cfg(test)]
mod tests;
