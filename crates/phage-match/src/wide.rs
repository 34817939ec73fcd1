//! Look-ups of IPv6 addresses: a search tree over the high 64 bits, several look-ups at a time.
//!
//! The tree is a complete binary one in breadth-first order (Khuong and Morin, Array layouts for
//! comparison-based searching, 2017), filled up with the largest key: a look-up is the same number
//! of steps for every address, without a branch, so that many go on at once. The low 64 bits are
//! looked at only in a network (/64) that holds a longer prefix.

use std::hint::black_box;

use crate::intervals::{Intervals, NOTHING};

/// Look-ups that are made at a time: enough to hide the memory's latency.
pub(crate) const LANES: usize = 16;

/// Intervals of IPv6 addresses, laid out for look-ups; nothing is allocated while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Wide {
    /// The distinct high halves of starts, from index 1.
    tree: Vec<u64>,
    /// Levels of the tree.
    depth: u32,
    /// For each distinct high half the first of its intervals, and their number at the end.
    groups: Vec<u32>,
    lows: Vec<u64>,
    values: Vec<u32>,
}

impl Wide {
    /// Lays out the intervals of prefixes `(address, length, value)`.
    pub(crate) fn new(prefixes: Vec<(u128, u32, u32)>) -> Self {
        let Intervals { starts, values } = Intervals::new(prefixes);
        if values.iter().all(|&value| value == NOTHING) {
            return Self::default();
        }
        let mut highs = Vec::new();
        let mut groups = Vec::new();
        for (number, start) in (0..).zip(&starts) {
            let high = (start >> 64) as u64;
            if highs.last() != Some(&high) {
                highs.push(high);
                groups.push(number);
            }
        }
        groups.push(starts.len() as u32);
        let depth = usize::BITS - highs.len().leading_zeros();
        let mut tree = vec![u64::MAX; 1 << depth];
        plant(&mut tree, 1, &mut highs.into_iter());
        Self {
            tree,
            depth,
            groups,
            lows: starts.iter().map(|&start| start as u64).collect(),
            values,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Octets of memory held.
    pub(crate) fn octets(&self) -> usize {
        size_of_val(self.tree.as_slice())
            + size_of_val(self.groups.as_slice())
            + size_of_val(self.lows.as_slice())
            + size_of_val(self.values.as_slice())
    }

    /// The value of an address; `NOTHING` where no prefix holds it.
    #[inline]
    pub(crate) fn lookup(&self, address: u128) -> u32 {
        if self.is_empty() {
            return NOTHING;
        }
        let [leaf] = self.descend([(address >> 64) as u64]);
        self.search(self.group(leaf), address)
    }

    /// The values of several addresses.
    #[inline]
    pub(crate) fn lookup_lanes(&self, addresses: &[u128; LANES]) -> [u32; LANES] {
        if self.is_empty() {
            return [NOTHING; LANES];
        }
        let leaves = self.descend(addresses.map(|address| (address >> 64) as u64));
        let groups = leaves.map(|leaf| self.group(leaf));
        let touched = groups.map(|(_, [from, _])| self.touch(from));
        black_box(touched);
        let mut values = [NOTHING; LANES];
        for ((value, address), group) in values.iter_mut().zip(addresses).zip(groups) {
            *value = self.search(group, *address);
        }
        values
    }

    /// The leaves at which searches for high halves end.
    #[inline]
    fn descend<const N: usize>(&self, highs: [u64; N]) -> [usize; N] {
        let mut nodes = [1; N];
        for _ in 0..self.depth {
            for (node, high) in nodes.iter_mut().zip(&highs) {
                let key = self.tree.get(*node).copied().unwrap_or(u64::MAX);
                *node = 2 * *node + usize::from(key <= *high);
            }
        }
        nodes
    }

    /// The last group whose high half is not above what a search ended at a leaf for: its number,
    /// its first interval, the first behind it.
    #[inline]
    fn group(&self, leaf: usize) -> (usize, [u32; 2]) {
        // The leaf's number from the left is how many keys are not above; what fills the tree up
        // may be among them. The first key is 0.
        let keys = self.groups.len() - 1;
        let group = (leaf - (1 << self.depth)).min(keys).saturating_sub(1);
        let ends = self.groups.get(group..group + 2);
        let ends = ends.and_then(|ends| ends.try_into().ok());
        (group, ends.unwrap_or([0; 2]))
    }

    /// Reads where a search will begin; what it returns says nothing.
    #[inline]
    fn touch(&self, from: u32) -> u64 {
        let low = self.lows.get(from as usize).copied().unwrap_or(0);
        low ^ u64::from(self.values.get(from as usize).copied().unwrap_or(0))
    }

    /// The value of an address that is in a group, or behind it.
    #[inline]
    fn search(&self, (group, [from, to]): (usize, [u32; 2]), address: u128) -> u32 {
        let (from, to) = (from as usize, to as usize);
        // Of an earlier high half it is the last interval; else the low half tells.
        let ends = if self.high(group) < (address >> 64) as u64 {
            to
        } else {
            let lows = self.lows.get(from..to).unwrap_or(&[]);
            from + lows.partition_point(|&start| start <= address as u64)
        };
        // It may have begun in an earlier high half.
        let place = ends.wrapping_sub(1);
        self.values.get(place).copied().unwrap_or(NOTHING)
    }

    /// A high half by its number in order: where it stands in the tree.
    #[inline]
    fn high(&self, number: usize) -> u64 {
        let rank = number + 1;
        let above = rank.trailing_zeros();
        let node = (1 << (self.depth - 1 - above)) + (rank >> (above + 1));
        self.tree.get(node).copied().unwrap_or(u64::MAX)
    }
}

/// Puts keys in order into the tree below a node.
fn plant(tree: &mut [u64], node: usize, keys: &mut impl Iterator<Item = u64>) {
    if node < tree.len() {
        plant(tree, 2 * node, keys);
        if let (Some(place), Some(key)) = (tree.get_mut(node), keys.next()) {
            *place = key;
        }
        plant(tree, 2 * node + 1, keys);
    }
}
