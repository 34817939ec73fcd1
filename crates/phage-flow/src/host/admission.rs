//! Who becomes a device: bounds that a flood of forged sources cannot use against the known.
//!
//! A newcomer gets a slot at once while newcomers come at a bearable rate; beyond it only one
//! that keeps coming. It stays for good once it has sent several packets over half a minute; until
//! then the oldest newcomer goes when room is needed. The known go only when they have been silent
//! for hours and others wait.

use std::collections::VecDeque;

use super::device::{traits, Device};

/// Newcomers let in at once, and how many a second after that.
const BURST: i64 = 1024;
const PER_SECOND: i64 = 64;
/// The same for newcomers that keep coming while the first allowance is used up.
const PATIENT_BURST: i64 = 64;
const PATIENT_PER_SECOND: i64 = 16;
/// Times that a newcomer must come while the first allowance is used up.
const TIMES: u64 = 3;
/// Newcomers remembered for that; a power of two.
const REMEMBERED: usize = 16_384;
/// Packets, and nanoseconds between the first and the last, after which a newcomer is known.
const KNOWN_PACKETS: u32 = 4;
const KNOWN_TIME: i64 = 30_000_000_000;
/// Nanoseconds of silence after which a known device may give way.
const SILENT: i64 = 6 * 3_600_000_000_000;
/// Nanoseconds between two searches for one.
const SEARCH: i64 = 60_000_000_000;

/// An allowance of so many at once and so many a second (generic cell rate algorithm).
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    step: i64,
    burst: i64,
    next: i64,
}

impl Allowance {
    pub(super) fn new(burst: i64, per_second: i64) -> Self {
        let step = 1_000_000_000 / per_second;
        Self {
            step,
            burst: burst * step,
            next: i64::MIN,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: i64) -> bool {
        let full = now.saturating_add(self.burst);
        // A clock set back leaves no debt beyond an empty allowance.
        self.next = self.next.clamp(now, full);
        if self.next.saturating_add(self.step) > full {
            return false;
        }
        self.next += self.step;
        true
    }
}

/// The bookkeeping of newcomers and known devices.
pub(super) struct Admission {
    capacity: usize,
    known: usize,
    /// Newcomers, the oldest first: slot and generation. Those who have become known are dropped
    /// when they come up.
    waiting: VecDeque<(u32, u32)>,
    first: Allowance,
    patient: Allowance,
    /// Parts of keys and how often they came, one a place.
    knocks: Vec<u64>,
    searched: i64,
}

/// Where a newcomer may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To a new slot.
    Fresh,
    /// To the slot of the newcomer that has to go.
    Instead(u32),
    /// Nowhere for now.
    Refused,
}

impl Admission {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            known: 0,
            waiting: VecDeque::new(),
            first: Allowance::new(BURST, PER_SECOND),
            patient: Allowance::new(PATIENT_BURST, PATIENT_PER_SECOND),
            knocks: vec![0; REMEMBERED],
            searched: i64::MIN,
        }
    }

    /// Says where a newcomer may go.
    pub(super) fn place(&mut self, key: u64, now: i64, devices: &[Device]) -> Place {
        if !(self.first.take(now) || self.knock(key) && self.patient.take(now)) {
            return Place::Refused;
        }
        if devices.len() < self.capacity {
            return Place::Fresh;
        }
        while let Some((slot, generation)) = self.waiting.pop_front() {
            let is_newcomer = devices
                .get(slot as usize)
                .is_some_and(|device| device.generation == generation && !device.is(traits::KNOWN));
            if is_newcomer {
                return Place::Instead(slot);
            }
        }
        Place::Refused
    }

    /// Counts a newcomer that was not let in; true once it has come often enough.
    fn knock(&mut self, key: u64) -> bool {
        let Some(place) = self.knocks.get_mut(key as usize % REMEMBERED) else {
            return false;
        };
        let tag = key & !0xff;
        let times = if *place & !0xff == tag {
            (*place & 0xff) + 1
        } else {
            1
        };
        *place = tag | times.min(0xff);
        times >= TIMES
    }

    /// Enters a newcomer that was given a slot.
    pub(super) fn enter(&mut self, slot: u32, generation: u32) {
        self.waiting.push_back((slot, generation));
    }

    /// Whether a newcomer has been seen often and long enough to be judged.
    #[inline]
    pub(super) fn is_ripe(device: &Device) -> bool {
        !device.is(traits::KNOWN)
            && device.seen >= KNOWN_PACKETS
            && device.last.saturating_sub(device.first) >= KNOWN_TIME
    }

    /// Makes a ripe newcomer known, if there is room: a quarter of the slots stays for newcomers.
    pub(super) fn know(&mut self, slot: u32, now: i64, devices: &mut [Device]) {
        if self.known >= self.capacity - self.capacity / 4 && !self.forget(now, devices) {
            return;
        }
        if let Some(device) = devices.get_mut(slot as usize) {
            device.traits |= traits::KNOWN;
            self.known += 1;
        }
    }

    /// Makes the known device that has been silent longest a newcomer again.
    fn forget(&mut self, now: i64, devices: &mut [Device]) -> bool {
        if now.saturating_sub(self.searched) < SEARCH {
            return false;
        }
        self.searched = now;
        let silent = devices
            .iter_mut()
            .enumerate()
            .filter(|(_, device)| device.is(traits::KNOWN))
            .min_by_key(|(_, device)| device.last);
        match silent {
            Some((slot, device)) if now.saturating_sub(device.last) > SILENT => {
                device.traits &= !traits::KNOWN;
                self.waiting.push_front((slot as u32, device.generation));
                self.known -= 1;
                true
            }
            _ => false,
        }
    }

    /// Known devices.
    pub(super) fn known(&self) -> usize {
        self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_refills() {
        let mut allowance = Allowance::new(3, 10);
        let taken = (0..10).filter(|_| allowance.take(1_000_000_000)).count();
        assert_eq!(taken, 3);
        assert!(!allowance.take(1_050_000_000));
        assert!(allowance.take(1_100_000_000));
        // Set back by an hour: at worst empty, never in debt for an hour.
        assert!(!allowance.take(-3_600_000_000_000));
        assert!(allowance.take(-3_599_000_000_000));
    }

    #[test]
    fn beyond_the_allowance_only_the_persistent_get_in() {
        let mut admission = Admission::new(16);
        for key in 0..BURST as u64 {
            assert_eq!(admission.place(key << 20, 0, &[]), Place::Fresh);
        }
        for key in 5000..8000_u64 {
            assert_eq!(admission.place(key << 20 | key, 0, &[]), Place::Refused);
        }
        let places: Vec<Place> = (0..3).map(|_| admission.place(77, 0, &[])).collect();
        assert_eq!(places, [Place::Refused, Place::Refused, Place::Fresh]);
    }
}
