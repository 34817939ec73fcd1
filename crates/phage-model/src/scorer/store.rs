//! The profiles of devices, found by identity and by index.

use std::collections::BTreeMap;

use phage_memory::{prefetch_within, Pages};

use super::watch::Watch;
use crate::device::{Identity, Prior, Profile};
use crate::tail::Curve;

/// No profile.
pub(super) const NONE: u32 = u32::MAX;
/// A device gets a profile with this packet: one that was seen once is nobody's habit.
const ADMITTED: u32 = 4;
/// When no profile is free, those that were silent for this long are given away.
const STALE: i64 = 24 * 3600 * 1_000_000_000;

/// Profiles for which addresses are set aside at the start, so that growing does not move them;
/// memory is taken as they come.
const RESERVED: usize = 4096;

/// A profile with what is noted while it is watched.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub(super) struct Watched {
    pub(super) profile: Profile,
    pub(super) watch: Watch,
}

impl Watched {
    /// Asks for what every packet reads beside models and calibrations.
    #[inline(always)]
    pub(super) fn fetch(&self) {
        prefetch_within(&self.profile.mature, 0);
        self.watch.fetch();
    }
}

/// What a device's index stands for at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Batch in which the identity was last asked for.
    batch: u64,
    known: bool,
    pub(super) identity: Identity,
    pub(super) profile: u32,
    seen: u32,
}

/// All profiles; bounded by `capacity`, never searched on the way of a packet.
#[derive(Debug, Default)]
pub(super) struct Store {
    capacity: usize,
    pub(super) profiles: Vec<Watched>,
    /// Huge pages of `profiles`.
    pages: Pages,
    pub(super) index: BTreeMap<(u64, [u8; 16]), u32>,
    slots: Vec<Slot>,
    /// Packets of devices for which there was no room.
    pub(super) unprofiled: u64,
}

impl Store {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            profiles: Vec::with_capacity(capacity.min(RESERVED)),
            ..Self::default()
        }
    }

    /// Number of the profile of a subject, made from the prior if it is due; [`NONE`] for none.
    ///
    /// `identities` is asked once a batch for each device, so an index that is given to another
    /// device inside a batch is noticed with the next one.
    #[inline]
    pub(super) fn resolve(
        &mut self,
        subject: u32,
        batch: u64,
        time: i64,
        identities: &dyn Fn(u32) -> Option<Identity>,
        (prior, network): (&Prior, &Curve),
    ) -> u32 {
        let place = subject as usize;
        if place >= self.slots.len() {
            if place >= self.capacity {
                self.unprofiled += 1;
                return NONE;
            }
            self.slots.resize_with(place + 1, || Slot {
                profile: NONE,
                ..Slot::default()
            });
        }
        let Some(slot) = self.slots.get_mut(place) else {
            return NONE;
        };
        if slot.batch != batch {
            slot.batch = batch;
            let Some(identity) = identities(subject) else {
                slot.known = false;
                slot.profile = NONE;
                return NONE;
            };
            if !slot.known
                || slot.identity.generation != identity.generation
                || slot.identity.key() != identity.key()
            {
                slot.known = true;
                slot.seen = 0;
                slot.profile = self.index.get(&identity.key()).copied().unwrap_or(NONE);
            }
            slot.identity = identity;
        }
        if slot.profile != NONE || !slot.known {
            return slot.profile;
        }
        slot.seen = slot.seen.saturating_add(1);
        if slot.seen < ADMITTED {
            return NONE;
        }
        if self.profiles.len() >= self.capacity {
            self.unprofiled += 1;
            return NONE;
        }
        let number = self.profiles.len() as u32;
        self.profiles.push(Watched {
            profile: Profile::new(slot.identity, prior, network, time),
            watch: Watch::default(),
        });
        self.index.insert(slot.identity.key(), number);
        slot.profile = number;
        number
    }

    /// The profile of a number.
    #[inline(always)]
    pub(super) fn get(&self, number: u32) -> Option<&Watched> {
        self.profiles.get(number as usize)
    }

    /// The same, to change it.
    #[inline(always)]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Watched> {
        self.profiles.get_mut(number as usize)
    }

    /// The profile that a subject's index stood for when it was last resolved.
    #[inline(always)]
    pub(super) fn peek(&self, subject: u32) -> Option<&Watched> {
        let slot = self.slots.get(subject as usize)?;
        self.get(slot.profile)
    }

    /// The identity behind a subject's index: what it is now, unless the index was given to another
    /// device since it was resolved.
    pub(super) fn identity(
        &self,
        subject: u32,
        identities: &dyn Fn(u32) -> Option<Identity>,
    ) -> Identity {
        let known = self
            .slots
            .get(subject as usize)
            .map_or_else(Identity::default, |slot| slot.identity);
        identities(subject)
            .filter(|now| now.generation == known.generation && now.mac == known.mac)
            .unwrap_or(known)
    }

    /// Asks for the identity behind a subject's index.
    #[inline(always)]
    pub(super) fn fetch_identity(&self, subject: u32) {
        if let Some(slot) = self.slots.get(subject as usize) {
            prefetch_within(&slot.identity, 0);
        }
    }

    /// Gives stale profiles away when there is no room; called once a window, not on the way of a
    /// packet. Answers the numbers whose meaning changed.
    pub(super) fn make_room(&mut self, now: i64) -> Vec<u32> {
        self.pages.settle(&self.profiles);
        let mut changed = Vec::new();
        if self.profiles.len() < self.capacity {
            return changed;
        }
        let mut number = 0;
        while let Some(watched) = self.profiles.get(number) {
            if now.saturating_sub(watched.profile.last) < STALE {
                number += 1;
                continue;
            }
            self.index.remove(&watched.profile.identity.key());
            self.profiles.swap_remove(number);
            if let Some(moved) = self.profiles.get(number) {
                self.index
                    .insert(moved.profile.identity.key(), number as u32);
                changed.push(self.profiles.len() as u32);
            }
            changed.push(number as u32);
        }
        if !changed.is_empty() {
            for slot in &mut self.slots {
                slot.profile = self
                    .index
                    .get(&slot.identity.key())
                    .copied()
                    .unwrap_or(NONE);
            }
        }
        changed
    }
}
