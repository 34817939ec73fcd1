//! Uses: what each device at home does, merged by service and peer.
//!
//! A profile is made of what a device begins and of what it serves. So a flow is a use of its
//! initiator as soon as it begins, and of its responder once that has answered: a probe is no
//! service. Flows of one service with one peer are one row, however many there are. The first of
//! them is told in its window; what follows is gathered, and told every ten seconds.

mod key;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use phage_decode::packet::protocol;
use phage_decode::Secret;
use phage_memory::prefetch;

use super::record::{traits, Flow, SECOND};
use crate::rows::{state, UseRow};
use crate::table::index::{Score, SetIndex};
use key::UseKey;

/// Uses of one device that are followed: who scans leaves room for the rest.
const MOST_OF_DEVICE: u16 = 256;

/// Counts of uses, by a hash of the device. Of two devices that share one, each has what the other
/// leaves.
const DEVICES: usize = 16_384;

/// How long what is done again is gathered.
const GATHERED: i64 = 10 * SECOND;

/// Bit of a MAC address that is a group's (IEEE 802, 8.2).
const GROUP: u64 = 1 << 40;

/// Uses ahead that are asked for: those that are due were last touched seconds ago.
const AHEAD: usize = 8;

/// A use that was told, or is to be, and what was done since: three cache lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Followed {
    row: UseRow,
    hash: u64,
    /// Which of the devices' counts it is in.
    device: u32,
}

const _: () = assert!(size_of::<Followed>() == 192);

impl Followed {
    /// Whether anything was done since it was told.
    fn has_news(&self) -> bool {
        self.row.begun + self.row.ended > 0
    }
}

/// The uses that are followed.
pub(super) struct Uses {
    secret: Secret,
    index: SetIndex,
    /// By place; those of `free` are not followed.
    followed: Vec<Followed>,
    free: Vec<u32>,
    /// Places that the next window looks at.
    next: Vec<u32>,
    /// Places that are gathered, and until when: in that order.
    gathered: VecDeque<(i64, u32)>,
    /// How many uses of each device are followed.
    devices: Vec<u16>,
    most: usize,
    /// All is over, and is told.
    over: bool,
    /// Uses that were merged into rows.
    pub(super) merged: u64,
    /// Uses that did not fit.
    pub(super) dropped: u64,
}

impl Uses {
    /// Follows so many at a time; 0 follows none.
    pub(super) fn new(most: usize, secret: Secret) -> Self {
        Self {
            secret,
            // Four times the ways: a set hardly ever overflows, even if all are followed.
            index: SetIndex::new(most * 4),
            followed: Vec::new(),
            free: Vec::new(),
            next: Vec::new(),
            gathered: VecDeque::new(),
            devices: vec![0; DEVICES],
            most,
            over: false,
            merged: 0,
            dropped: 0,
        }
    }

    /// Uses that are followed.
    fn len(&self) -> usize {
        self.followed.len() - self.free.len()
    }

    /// Notes that a flow goes on: it is a use once of each end at home.
    #[inline]
    pub(super) fn see(&mut self, flow: &mut Flow) {
        if self.most > 0 && flow.may_be_used() {
            for end in [0, 1] {
                if self.begin(flow, end) {
                    flow.traits |= traits::USED << end;
                }
            }
        }
    }

    /// Notes that a flow ends, with what it moved.
    #[inline]
    pub(super) fn end(&mut self, flow: &Flow) {
        if self.most == 0 || flow.home == 0 {
            return;
        }
        for end in [0, 1] {
            if flow.used() & 1 << end != 0 || self.begin(flow, end) {
                self.settle(flow, end);
            }
        }
    }

    /// Begins to load the sets by which the uses of a flow are found.
    #[inline]
    pub(super) fn fetch_sets(&self, flow: &Flow) {
        for end in [0, 1] {
            if is_use(flow, end) {
                let (hash, _) = UseKey::of(flow, end).hash(&self.secret);
                self.index.prefetch(hash);
            }
        }
    }

    /// Begins to load the uses of a flow; `fetch_sets` was called for it before.
    #[inline]
    pub(super) fn fetch(&self, flow: &Flow) {
        for end in [0, 1] {
            if is_use(flow, end) {
                let (hash, _) = UseKey::of(flow, end).hash(&self.secret);
                if let Some(place) = self.index.peek(hash) {
                    prefetch(&self.followed, place as usize);
                }
            }
        }
    }

    /// Has the next rows be the last: nothing comes after them.
    pub(super) fn finish(&mut self) {
        self.over = true;
    }

    /// Appends the rows that are due.
    pub(super) fn window(&mut self, now: i64, rows: &mut Vec<UseRow>) {
        // Where there is little room, what was told is not followed on.
        let follows = self.len() <= self.most / 2;
        let mut due = std::mem::take(&mut self.next);
        while let Some(&(until, place)) = self.gathered.front() {
            // One that is due hours ahead was dated by a clock that has been set back since.
            let waits = until > now && until.saturating_sub(now) <= GATHERED;
            if waits && !self.over {
                break;
            }
            due.push(place);
            self.gathered.pop_front();
        }
        rows.reserve(due.len());
        for (number, &place) in due.iter().enumerate() {
            if let Some(&ahead) = due.get(number + AHEAD) {
                prefetch(&self.followed, ahead as usize);
            }
            if let Some(&ahead) = due.get(number + AHEAD / 2) {
                self.fetch_set(ahead);
            }
            let Some(followed) = self.followed.get_mut(place as usize) else {
                continue;
            };
            if !followed.has_news() {
                self.forget(place);
                continue;
            }
            rows.push(followed.row);
            followed.row = empty(&followed.row);
            if follows {
                let until = now.saturating_add(GATHERED);
                self.gathered.push_back((until, place));
            } else {
                self.next.push(place);
            }
        }
        self.over = false;
        if self.len() == 0 {
            // What a flood needed is given back.
            (self.followed, self.free) = (Vec::new(), Vec::new());
            (self.next, self.gathered) = (Vec::new(), VecDeque::new());
        }
    }

    /// Begins to load the set of a use that will be forgotten.
    #[inline]
    fn fetch_set(&self, place: u32) {
        let followed = self.followed.get(place as usize);
        if let Some(followed) = followed.filter(|followed| !followed.has_news()) {
            self.index.prefetch(followed.hash);
        }
    }

    /// Follows a use no longer of which nothing more came.
    fn forget(&mut self, place: u32) {
        let Some(followed) = self.followed.get(place as usize) else {
            return;
        };
        self.index.remove(followed.hash, place);
        if let Some(count) = self.devices.get_mut(followed.device as usize) {
            *count = count.saturating_sub(1);
        }
        self.free.push(place);
    }

    /// Counts the beginning of a flow for one end; says whether it is a use of it.
    fn begin(&mut self, flow: &Flow, end: usize) -> bool {
        if flow.used() & 1 << end != 0 || !is_use(flow, end) {
            return false;
        }
        if let Some(row) = self.row(flow, end) {
            row.first = if row.begun == 0 {
                flow.start
            } else {
                row.first.min(flow.start)
            };
            row.begun = row.begun.saturating_add(1);
            row.last = row.last.max(flow.start);
        }
        true
    }

    fn settle(&mut self, flow: &Flow, end: usize) {
        let failed = u32::from(!answered(flow));
        let at = flow.row_last();
        if let Some(row) = self.row(flow, end) {
            let turned = |pair: [u64; 2]| if end == 0 { pair } else { [pair[1], pair[0]] };
            let (octets, packets) = (turned(flow.octets), turned(flow.packets));
            let moved = octets[0].saturating_add(octets[1]);
            let size = ((moved as f64) + 1.0).log2() as f32;
            row.ended = row.ended.saturating_add(1);
            row.failed = row.failed.saturating_add(failed);
            row.end = row.end.max(at);
            row.sizes += size;
            row.squares += size * size;
            add(&mut row.octets, octets);
            add(&mut row.packets, packets);
            if moved > row.largest[0].saturating_add(row.largest[1]) {
                row.largest = octets;
            }
        }
    }

    /// The row of a flow for one end; none where there is no room for it.
    fn row(&mut self, flow: &Flow, end: usize) -> Option<&mut UseRow> {
        let key = UseKey::of(flow, end);
        let (hash, device) = key.hash(&self.secret);
        let followed = &self.followed;
        let found = self.index.find(hash, |place| {
            followed
                .get(place as usize)
                .is_some_and(|followed| key.is_of(&followed.row))
        });
        let place = if let Some((_, place)) = found {
            place
        } else {
            let peer = if end == 0 {
                (flow.dst, flow.dst_mac)
            } else {
                (flow.src, flow.src_mac)
            };
            let place = self.follow(&key, peer, (hash, device));
            self.dropped += u64::from(place.is_none());
            place?
        };
        self.merged += 1;
        let row = &mut self.followed.get_mut(place as usize)?.row;
        row.ports[0] = row.ports[0].min(flow.dst_port);
        row.ports[1] = row.ports[1].max(flow.dst_port);
        Some(row)
    }

    /// Follows a use from now on, if there is room.
    fn follow(
        &mut self,
        key: &UseKey,
        (peer, peer_mac): ([u8; 16], u64),
        (hash, device): (u64, u64),
    ) -> Option<u32> {
        if self.len() >= self.most {
            return None;
        }
        let device = device as u32 % DEVICES as u32;
        let count = self.devices.get_mut(device as usize)?;
        if *count >= MOST_OF_DEVICE {
            return None;
        }
        let place = self
            .free
            .last()
            .map_or(self.followed.len() as u32, |&last| last);
        if !self.index.insert(hash, place, Score::new(0, 0)) {
            return None;
        }
        *count += 1;
        let row = empty(&UseRow {
            mac: key.mac,
            address: key.address,
            peer,
            peer_mac,
            port: key.port,
            protocol: key.protocol,
            way: key.way,
            near: key.near,
            ..UseRow::default()
        });
        let begun = Followed { row, hash, device };
        match self.free.pop() {
            Some(free) => *self.followed.get_mut(free as usize)? = begun,
            None => self.followed.push(begun),
        }
        self.next.push(place);
        Some(place)
    }
}

/// The row of the same use of which nothing is told yet.
fn empty(row: &UseRow) -> UseRow {
    UseRow {
        mac: row.mac,
        address: row.address,
        peer: row.peer,
        peer_mac: row.peer_mac,
        port: row.port,
        ports: [u16::MAX, 0],
        protocol: row.protocol,
        way: row.way,
        near: row.near,
        ..UseRow::default()
    }
}

/// Whether a flow is what a device at this end does: it began it, or answered.
fn is_use(flow: &Flow, end: usize) -> bool {
    let mac = if end == 0 { flow.src_mac } else { flow.dst_mac };
    flow.home & 1 << end != 0
        && flow.protocol != 0 // ARP: its rate is looked at.
        && mac & GROUP == 0
        && (end == 0 || answered(flow))
}

/// Whether the responder did what it was asked: a connection that was only opened tells nothing.
fn answered(flow: &Flow) -> bool {
    if flow.protocol == protocol::TCP {
        flow.state >= state::ESTABLISHED && flow.state != state::REFUSED && flow.payload != [0; 2]
    } else {
        flow.packets[1] > 0
    }
}

fn add(sums: &mut [u64; 2], more: [u64; 2]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.saturating_add(more);
    }
}
