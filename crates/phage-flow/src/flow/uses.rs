//! Uses: what each device at home does, merged by service and peer.
//!
//! A profile is made of what a device begins and of what it serves. So a flow is a use of its
//! initiator as soon as it begins, and of its responder once that has answered: a probe is no
//! service. Flows of one service with one peer are one row, however many there are. The first of
//! them is told in its window; what follows is gathered, and told every ten seconds.

use std::collections::hash_map::Entry;
use std::collections::HashMap;

use phage_decode::packet::protocol;

use super::record::{traits, Flow, SECOND};
use crate::rows::{state, UseRow, NO_SERVICE_PORT};

/// Ports from here on belong to no service (RFC 6335, section 6): they are one.
const DYNAMIC_PORT: u16 = 49_152;

/// Uses of one device that are followed: who scans leaves room for the rest.
const MOST_OF_DEVICE: u16 = 256;

/// How long what is done again is gathered.
const GATHERED: i64 = 10 * SECOND;

/// Bit of a MAC address that is a group's (IEEE 802, 8.2).
const GROUP: u64 = 1 << 40;

/// What uses have in common that are one row.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct UseKey {
    mac: u64,
    address: [u8; 16],
    peer: [u8; 16],
    port: i32,
    protocol: u8,
    way: u8,
    near: u8,
}

/// A use that was told, or is to be, and what was done since.
struct Followed {
    key: UseKey,
    row: UseRow,
}

/// The uses that are followed.
pub(super) struct Uses {
    followed: Vec<Followed>,
    /// When each is told again: apart from them, for every window asks all.
    due: Vec<i64>,
    places: HashMap<UseKey, u32>,
    devices: HashMap<(u64, [u8; 16]), u16>,
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
    pub(super) fn new(most: usize) -> Self {
        Self {
            followed: Vec::new(),
            due: Vec::new(),
            places: HashMap::new(),
            devices: HashMap::new(),
            most,
            over: false,
            merged: 0,
            dropped: 0,
        }
    }

    /// Notes that a flow goes on: it is a use once of each end at home.
    #[inline]
    pub(super) fn see(&mut self, flow: &mut Flow) {
        if self.most > 0 && flow.home & !flow.used() != 0 {
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

    /// Has the next rows be the last: nothing comes after them.
    pub(super) fn finish(&mut self) {
        self.over = true;
    }

    /// Appends the rows that are due.
    pub(super) fn window(&mut self, now: i64, rows: &mut Vec<UseRow>) {
        // Where there is little room, what was told is not followed on.
        let gathered = if self.followed.len() > self.most / 2 {
            0
        } else {
            GATHERED
        };
        let mut place = 0;
        while let Some(due) = self.due.get_mut(place) {
            // One that is due hours ahead was dated by a clock that has been set back since.
            let waits = *due > now && due.saturating_sub(now) <= GATHERED;
            if waits && !self.over {
                place += 1;
                continue;
            }
            let Some(followed) = self.followed.get_mut(place) else {
                break;
            };
            if followed.row.begun + followed.row.ended > 0 {
                rows.push(followed.row);
                followed.row = empty(&followed.key, &followed.row);
                *due = now.saturating_add(gathered);
                place += 1;
            } else {
                self.forget(place);
            }
        }
        self.over = false;
    }

    /// Follows a use no longer of which nothing more came.
    fn forget(&mut self, place: usize) {
        let gone = self.followed.swap_remove(place);
        self.due.swap_remove(place);
        self.places.remove(&gone.key);
        if let Entry::Occupied(mut count) = self.devices.entry((gone.key.mac, gone.key.address)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if let Some(moved) = self.followed.get(place) {
            self.places.insert(moved.key, place as u32);
        }
        if self.followed.is_empty() {
            // What a flood needed is given back.
            *self = Self {
                merged: self.merged,
                dropped: self.dropped,
                over: self.over,
                ..Self::new(self.most)
            };
        }
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
        let key = key_of(flow, end);
        let place = match self.places.entry(key) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(vacant) => {
                if self.followed.len() >= self.most {
                    self.dropped += 1;
                    return None; // Before its device is noted: nothing would take it out again.
                }
                let of_device = self.devices.entry((key.mac, key.address)).or_insert(0);
                if *of_device >= MOST_OF_DEVICE {
                    self.dropped += 1;
                    return None;
                }
                *of_device += 1;
                let ends = UseRow {
                    peer: if end == 0 { flow.dst } else { flow.src },
                    peer_mac: if end == 0 { flow.dst_mac } else { flow.src_mac },
                    ..UseRow::default()
                };
                self.followed.push(Followed {
                    key,
                    row: empty(&key, &ends),
                });
                self.due.push(i64::MIN);
                *vacant.insert(self.followed.len() as u32 - 1)
            }
        };
        self.merged += 1;
        let row = &mut self.followed.get_mut(place as usize)?.row;
        row.ports[0] = row.ports[0].min(flow.dst_port);
        row.ports[1] = row.ports[1].max(flow.dst_port);
        Some(row)
    }
}

/// A row of which nothing is told yet, with the ends of one before it.
fn empty(key: &UseKey, before: &UseRow) -> UseRow {
    UseRow {
        mac: key.mac,
        address: key.address,
        peer: before.peer,
        peer_mac: before.peer_mac,
        port: key.port,
        ports: [u16::MAX, 0],
        protocol: key.protocol,
        way: key.way,
        near: key.near,
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

/// Who is far and asks is anybody: peers are told apart where the device chose them, and at home.
fn key_of(flow: &Flow, end: usize) -> UseKey {
    let near = flow.home >> (1 - end) & 1;
    let port = match flow.protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP | DCCP | UDP_LITE => flow.dst_port,
        _ => 0,
    };
    UseKey {
        mac: if end == 0 { flow.src_mac } else { flow.dst_mac },
        address: if end == 0 { flow.src } else { flow.dst },
        peer: match (end, near) {
            (0, _) => flow.dst,
            (_, 0) => [0; 16],
            _ => flow.src,
        },
        port: if port < DYNAMIC_PORT {
            i32::from(port)
        } else {
            NO_SERVICE_PORT
        },
        protocol: flow.protocol,
        way: end as u8,
        near,
    }
}

/// Datagram Congestion Control Protocol (RFC 4340), which has ports.
const DCCP: u8 = 33;
/// UDP-Lite (RFC 3828).
const UDP_LITE: u8 = 136;

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: u16 = 443;

    fn flow(peer: u8, port: u16, start: i64) -> Flow {
        Flow {
            id: 1,
            src: [1; 16],
            dst: [peer; 16],
            src_mac: 7,
            dst_mac: 9,
            protocol: protocol::UDP,
            dst_port: port,
            home: 1,
            start,
            last: start + SECOND,
            packets: [2, 3],
            octets: [100, 923],
            ..Flow::vacant()
        }
    }

    fn told(uses: &mut Uses, now: i64) -> Vec<UseRow> {
        let mut rows = Vec::new();
        uses.window(now, &mut rows);
        rows
    }

    fn one(rows: &[UseRow]) -> UseRow {
        rows.first().copied().unwrap_or_default()
    }

    #[test]
    fn what_is_new_is_told_at_once_and_what_is_done_again_every_ten_seconds() {
        let mut uses = Uses::new(64);
        let mut first = flow(2, PORT, 0);
        uses.see(&mut first);
        uses.see(&mut first);
        let rows = told(&mut uses, SECOND);
        assert_eq!((rows.len(), one(&rows).begun, one(&rows).ended), (1, 1, 0));
        uses.end(&first);
        uses.end(&flow(2, PORT, 5 * SECOND));
        assert!(told(&mut uses, 6 * SECOND).is_empty());
        let rows = told(&mut uses, 12 * SECOND);
        let row = one(&rows);
        assert_eq!((row.begun, row.ended, row.failed), (1, 2, 0));
        assert_eq!(
            (row.first, row.octets, row.largest),
            (5 * SECOND, [200, 1846], [100, 923])
        );
        assert_eq!((row.sizes, row.squares), (20.0, 200.0));
        assert!(told(&mut uses, 23 * SECOND).is_empty());
        assert!(uses.places.is_empty() && uses.devices.is_empty());
    }

    #[test]
    fn a_responder_uses_what_it_answers_and_far_peers_are_one() {
        let mut uses = Uses::new(64);
        let mut asked = flow(2, 23, 0);
        asked.home = 2;
        asked.packets = [3, 0];
        uses.end(&asked);
        assert!(told(&mut uses, 0).is_empty());
        asked.packets = [3, 3];
        uses.end(&asked);
        uses.end(&Flow {
            src: [5; 16],
            ..asked
        });
        let rows = told(&mut uses, 0);
        let row = one(&rows);
        assert_eq!((rows.len(), row.begun, row.way), (1, 2, 1));
        assert_eq!((row.address, row.peer), ([2; 16], [1; 16]));
        assert_eq!(row.octets, [2 * 923, 200]);
    }

    #[test]
    fn ports_of_no_service_are_one_and_their_span_is_told() {
        let mut uses = Uses::new(64);
        for port in [50_000, 60_000, 49_152] {
            uses.end(&flow(2, port, 0));
        }
        let rows = told(&mut uses, 0);
        assert_eq!((rows.len(), one(&rows).port), (1, NO_SERVICE_PORT));
        assert_eq!(one(&rows).ports, [49_152, 60_000]);
    }

    #[test]
    fn who_scans_leaves_room_and_what_does_not_fit_is_counted() {
        let mut uses = Uses::new(300);
        for port in 1..=1000 {
            uses.end(&flow(2, port, 0));
        }
        uses.end(&Flow {
            src_mac: 8,
            ..flow(2, PORT, 0)
        });
        assert_eq!(told(&mut uses, 0).len(), 257);
        // Each was dropped as it began and as it ended.
        assert_eq!(uses.dropped, 2 * 744);
    }

    #[test]
    fn devices_that_find_no_room_are_not_remembered() {
        let mut uses = Uses::new(8);
        for device in 0..10_000 {
            uses.end(&Flow {
                src_mac: device,
                ..flow(2, PORT, 0)
            });
        }
        assert_eq!((uses.followed.len(), uses.devices.len()), (8, 8));
        assert_eq!(uses.dropped, 2 * 9_992);
    }

    #[test]
    fn the_end_and_a_clock_that_was_set_back_leave_nothing_behind() {
        let mut uses = Uses::new(64);
        uses.end(&flow(2, PORT, 0));
        told(&mut uses, 1000 * SECOND);
        uses.end(&flow(2, PORT, 0));
        assert_eq!(told(&mut uses, 0).len(), 1);
        uses.end(&flow(2, PORT, 0));
        uses.finish();
        assert_eq!(told(&mut uses, 1).len(), 1);
    }
}
