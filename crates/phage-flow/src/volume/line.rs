//! Counters of one direction: a cache line.

use super::class::{Class, CLASSES, GROUPS};

/// Octets are counted in units of eight, so that 32 bits last for half a second of 500 Gbit/s.
pub(super) const UNIT: u64 = 8;

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub(super) struct Line {
    pub(super) packets: [u32; CLASSES],
    pub(super) flows: u32,
    pub(super) octets: [u32; GROUPS],
}

const _: () = assert!(size_of::<Line>() == 64);

impl Line {
    #[inline]
    pub(super) fn add(&mut self, class: Class, packets: u64, octets: u64) {
        if let Some(count) = self.packets.get_mut(class as usize) {
            *count = count.saturating_add(narrow(packets));
        }
        if let Some(count) = self.octets.get_mut(class.group()) {
            *count = count.saturating_add(narrow((octets + UNIT / 2) / UNIT));
        }
        self.flows = self.flows.saturating_add(1);
    }

    #[inline]
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.packets.iter_mut().zip(other.packets) {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in self.octets.iter_mut().zip(other.octets) {
            *mine = mine.saturating_add(theirs);
        }
        self.flows = self.flows.saturating_add(other.flows);
    }

    /// Packets of all classes.
    #[inline]
    pub(super) fn total(&self) -> u64 {
        self.packets.iter().copied().map(u64::from).sum()
    }

    /// Packets of a class.
    #[inline]
    pub(super) fn of(&self, class: Class) -> u32 {
        self.packets.get(class as usize).copied().unwrap_or(0)
    }
}

/// Takes the largest count where one does not fit.
#[inline]
pub(super) fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
