//! Requests: packets by their source, for thresholds on who asks too much.
//!
//! A window's sources stand in one table that is emptied with it. Beyond its size sources are
//! counted together: forged ones are no use one by one.

use phage_decode::Packet;

/// Places that a source may stand at, from the one that its hash says.
const PROBES: usize = 8;

/// What one source sent in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::NoUninit)]
#[repr(C)]
pub struct RequestRow {
    /// Time of the last packet, nanoseconds since the Unix epoch.
    pub last: i64,
    /// Packets.
    pub packets: u64,
    /// Octets on the wire.
    pub octets: u64,
    /// The source.
    pub address: [u8; 16],
}

const _: () = assert!(size_of::<RequestRow>() == 40);

/// What was counted since the table was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounters {
    /// Packets that are requests.
    pub requests: u64,
    /// Of these, packets of sources for which there was no place.
    pub crowded: u64,
    /// Sources that were left out of a full window.
    pub omitted: u64,
}

/// Counts packets by source.
pub struct Requests {
    places: Box<[RequestRow]>,
    taken: Vec<u32>,
    rows: usize,
    counters: RequestCounters,
}

impl Requests {
    /// Makes an empty table for so many sources, and so many rows of a window.
    pub fn new(sources: usize, rows: usize) -> Self {
        let places = sources.clamp(64, 1 << 22).next_power_of_two() * 2;
        Self {
            places: vec![RequestRow::default(); places].into_boxed_slice(),
            taken: Vec::new(),
            rows: rows.max(1),
            counters: RequestCounters::default(),
        }
    }

    /// Counts a packet; `key` is the keyed hash of its source.
    #[inline]
    pub fn add(&mut self, packet: &Packet, key: u64) {
        self.counters.requests += 1;
        let mask = self.places.len() - 1;
        for probe in 0..PROBES {
            let place = (key as usize).wrapping_add(probe) & mask;
            let Some(row) = self.places.get_mut(place) else {
                break;
            };
            if row.packets == 0 {
                row.address = packet.src;
                self.taken.push(place as u32);
            } else if row.address != packet.src {
                continue;
            }
            row.packets += 1;
            row.octets += u64::from(packet.length);
            row.last = row.last.max(packet.time);
            return;
        }
        self.counters.crowded += 1;
    }

    /// Appends the rows of the window, the busiest first, and begins another.
    pub fn window(&mut self, rows: &mut Vec<RequestRow>) {
        let from = rows.len();
        for place in self.taken.drain(..) {
            if let Some(row) = self.places.get_mut(place as usize) {
                rows.push(std::mem::take(row));
            }
        }
        let own = rows.get_mut(from..).unwrap_or(&mut []);
        own.sort_unstable_by_key(|row| (std::cmp::Reverse(row.packets), row.address));
        self.counters.omitted += own.len().saturating_sub(self.rows) as u64;
        rows.truncate(from + self.rows);
        self.taken.shrink_to(65_536);
    }

    /// What was counted.
    pub fn counters(&self) -> RequestCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phage_decode::{Keys, Secret};

    fn packet(source: u32) -> Packet {
        let mut packet = Packet {
            ip_version: 4,
            length: 100,
            time: 7,
            ..Packet::default()
        };
        packet.src = (0xffff_0000_0000_u128 | u128::from(source)).to_be_bytes();
        packet
    }

    fn add(requests: &mut Requests, source: u32) {
        let packet = packet(source);
        let key = Keys::of(&packet, &Secret::from_seed(3)).src;
        requests.add(&packet, key);
    }

    #[test]
    fn sources_are_counted_and_the_busiest_come_first() {
        let mut requests = Requests::new(64, 2);
        for (source, count) in [(1, 3), (2, 9), (3, 5)] {
            for _ in 0..count {
                add(&mut requests, source);
            }
        }
        let mut rows = Vec::new();
        requests.window(&mut rows);
        let counts: Vec<_> = rows.iter().map(|row| (row.packets, row.octets)).collect();
        assert_eq!(counts, [(9, 900), (5, 500)]);
        assert_eq!(requests.counters().omitted, 1);
        rows.clear();
        requests.window(&mut rows);
        assert!(rows.is_empty());
    }

    #[test]
    fn a_flood_of_sources_is_bounded_and_counted() {
        let mut requests = Requests::new(64, 10_000);
        for source in 0..100_000 {
            add(&mut requests, source);
        }
        let mut rows = Vec::new();
        requests.window(&mut rows);
        assert!(rows.len() <= 128);
        let counted: u64 = rows.iter().map(|row| row.packets).sum();
        assert_eq!(counted + requests.counters().crowded, 100_000);
    }
}
