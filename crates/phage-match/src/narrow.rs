//! Look-ups of IPv4 addresses: a bit for each /24, then a search in 2^14 addresses.
//!
//! Most addresses asked lie in a /24 of which nothing is listed, and a branch that is nearly always
//! taken the same way lets the processor ask many at a time. What is listed costs three more memory
//! accesses: the block of 2^14 addresses, its interval starts (16 bits each), the value.

use crate::intervals::{Intervals, NOTHING};

/// Bits of an address within a block: 2^18 blocks are an index of 1 MiB, and a million prefixes
/// leave some ten starts to a block, which is one cache line.
const BLOCK_BITS: u32 = 14;
const BLOCKS: usize = 1 << (u32::BITS - BLOCK_BITS);
const LOW: u32 = (1 << BLOCK_BITS) - 1;

/// Words of the bitmap: a bit for each /24.
const WORDS: usize = 1 << (24 - 6);

/// Starts of a block that are counted all at once, without a branch, rather than searched.
const COUNTED: usize = 16;

/// Intervals of IPv4 addresses, laid out for look-ups; nothing is allocated while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Narrow {
    listed: Vec<u64>,
    blocks: Vec<u32>,
    lows: Vec<i16>,
    values: Vec<u32>,
}

impl Narrow {
    /// Lays out the intervals of prefixes `(address, length, value)`.
    pub(crate) fn new(prefixes: Vec<(u32, u32, u32)>) -> Self {
        let Intervals { starts, values } = Intervals::new(prefixes);
        if values.iter().all(|&value| value == NOTHING) {
            return Self::default();
        }
        let mut blocks = vec![0; BLOCKS + 1];
        for start in &starts {
            if let Some(count) = blocks.get_mut((start >> BLOCK_BITS) as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut blocks {
            sum += *count;
            *count = sum;
        }
        Self {
            listed: listed(&starts, &values),
            blocks,
            lows: starts
                .iter()
                .map(|start| (start & LOW) as i16)
                // So that as many as are counted can be read from any place.
                .chain([0; COUNTED])
                .collect(),
            values,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Octets of memory held.
    pub(crate) fn octets(&self) -> usize {
        size_of_val(self.listed.as_slice())
            + size_of_val(self.blocks.as_slice())
            + size_of_val(self.lows.as_slice())
            + size_of_val(self.values.as_slice())
    }

    /// Whether anything is listed in the address's /24.
    #[inline]
    pub(crate) fn may_hold(&self, address: u32) -> bool {
        self.listed
            .get((address >> 14) as usize)
            .is_some_and(|word| word >> (address >> 8 & 63) & 1 != 0)
    }

    /// The value of an address; `NOTHING` where no prefix holds it.
    #[inline]
    pub(crate) fn lookup(&self, address: u32) -> u32 {
        if self.may_hold(address) {
            self.search(self.block(address), address)
        } else {
            NOTHING
        }
    }

    /// The first interval that begins in an address's block, and the first behind it.
    #[inline]
    pub(crate) fn block(&self, address: u32) -> [u32; 2] {
        let block = (address >> BLOCK_BITS) as usize;
        let ends = self.blocks.get(block..block + 2);
        ends.and_then(|ends| ends.try_into().ok()).unwrap_or([0; 2])
    }

    /// Reads where a search will begin; what it returns says nothing.
    #[inline]
    pub(crate) fn touch(&self, [from, _]: [u32; 2]) -> u32 {
        let low = self.lows.get(from as usize).copied().unwrap_or(0);
        low as u32 ^ self.value(from as usize)
    }

    /// The value of an address among the intervals of its block.
    #[inline]
    pub(crate) fn search(&self, [from, to]: [u32; 2], address: u32) -> u32 {
        let (from, to) = (from as usize, to as usize);
        let low = (address & LOW) as i16;
        let within = if to - from <= COUNTED {
            self.count(from, (to - from) as i16, low)
        } else {
            let lows = self.lows.get(from..to).unwrap_or(&[]);
            lows.partition_point(|&start| start <= low)
        };
        // The interval may have begun in an earlier block; the first begins at address 0.
        self.value((from + within).wrapping_sub(1))
    }

    /// How many of so many starts from one on are not above a low half; signed 16-bit numbers are
    /// what every x86-64 compares eight at a time.
    #[inline]
    fn count(&self, from: usize, many: i16, low: i16) -> usize {
        let lows = self.lows.get(from..from + COUNTED).unwrap_or(&[]);
        let Ok(lows) = <&[i16; COUNTED]>::try_from(lows) else {
            return 0;
        };
        let mut count = 0_i16;
        for (&start, number) in lows.iter().zip(0..) {
            count += i16::from(start <= low) & i16::from(number < many);
        }
        count as usize
    }

    #[inline]
    fn value(&self, place: usize) -> u32 {
        self.values.get(place).copied().unwrap_or(NOTHING)
    }
}

/// Marks each /24 in which an address has a value.
fn listed(starts: &[u32], values: &[u32]) -> Vec<u64> {
    let mut words = vec![0_u64; WORDS];
    let ends = starts
        .iter()
        .skip(1)
        .map(|next| next - 1)
        .chain(std::iter::once(u32::MAX));
    for ((&start, end), &value) in starts.iter().zip(ends).zip(values) {
        if value == NOTHING {
            continue;
        }
        let (first, last) = (start >> 8, end >> 8);
        for word in first >> 6..=last >> 6 {
            let from = if word == first >> 6 { first & 63 } else { 0 };
            let to = if word == last >> 6 { last & 63 } else { 63 };
            if let Some(bits) = words.get_mut(word as usize) {
                *bits |= u64::MAX << from & u64::MAX >> (63 - to);
            }
        }
    }
    words
}
