//! Long flow records, paid out in instalments.
//!
//! A router tells of a long flow once a minute or so. Booked at once it would look like a flood of
//! one second; here its counts are spread over as many slots as it lasted, from its arrival on: the
//! right rate, a little late. Only records that weigh something are spread, small ones average out
//! by their number. Where too many are open the bar rises.

use super::traffic::Traffic;

/// Slots that a record is spread over at most: five minutes.
const MOST_SLOTS: u32 = 600;
/// Packets in a slot from which on a record is spread, at first.
const BAR: u64 = 4;
/// Octets that weigh as much as one packet.
const OCTETS: u64 = 1024;

/// What is still to be booked of a record.
#[derive(Clone, Copy, Debug)]
struct Open {
    left: Traffic,
    slots: u32,
}

/// The records that are being paid out.
#[derive(Debug)]
pub(super) struct Instalments {
    open: Vec<Open>,
    capacity: usize,
    bar: u64,
}

impl Instalments {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            open: Vec::new(),
            capacity,
            bar: BAR,
        }
    }

    /// Takes a record that lasted for `slots`; returns what is to be booked now, and whether it had
    /// to be all for want of room.
    #[inline]
    pub(super) fn take(&mut self, traffic: Traffic, slots: i64) -> (Traffic, bool) {
        let weight = traffic.packets.max(traffic.octets / OCTETS);
        if slots <= 1 || weight / slots.unsigned_abs() < self.bar {
            return (traffic, false);
        }
        if self.open.len() >= self.capacity {
            return (traffic, true);
        }
        let mut open = Open {
            left: traffic,
            slots: slots.min(i64::from(MOST_SLOTS)) as u32,
        };
        let now = open.pay();
        self.open.push(open);
        (now, false)
    }

    /// Takes one instalment of every record out, for a slot that begins.
    pub(super) fn pay(&mut self, booked: &mut Vec<Traffic>) {
        booked.clear();
        booked.extend(self.open.iter_mut().map(Open::pay));
        self.open.retain(|open| open.slots > 0);
        if self.open.len() > self.capacity / 4 * 3 {
            self.bar = self.bar.saturating_mul(2);
        } else if self.open.len() < self.capacity / 4 {
            self.bar = (self.bar / 2).max(BAR);
        }
    }

    /// Whether nothing is left to be paid.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Open {
    /// One instalment; the shares add up to the whole.
    #[inline]
    fn pay(&mut self) -> Traffic {
        let slots = u64::from(self.slots.max(1));
        let mut part = self.left;
        part.packets = self.left.packets / slots;
        part.octets = self.left.octets / slots;
        part.seen = self.left.seen / self.slots.max(1);
        self.left.packets -= part.packets;
        self.left.octets -= part.octets;
        self.left.seen -= part.seen;
        self.slots = self.slots.saturating_sub(1);
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(packets: u64) -> Traffic {
        Traffic {
            packets,
            octets: packets * 100,
            seen: packets as u32,
            ..Traffic::default()
        }
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        let mut instalments = Instalments::new(10);
        let (now, hurried) = instalments.take(flow(1003), 10);
        assert!(!hurried);
        let (mut packets, mut octets, mut seen) = (now.packets, now.octets, now.seen);
        assert!(now.packets <= 101);
        let mut booked = Vec::new();
        let mut slots = 1;
        while !instalments.is_empty() {
            instalments.pay(&mut booked);
            slots += 1;
            for part in &booked {
                assert!((100..=101).contains(&part.packets));
                packets += part.packets;
                octets += part.octets;
                seen += part.seen;
            }
        }
        assert_eq!((slots, packets, octets, seen), (10, 1003, 100_300, 1003));
    }

    #[test]
    fn short_and_small_ones_are_booked_at_once() {
        let mut instalments = Instalments::new(10);
        assert_eq!(instalments.take(flow(1000), 1).0.packets, 1000);
        assert_eq!(instalments.take(flow(300), 120).0.packets, 300);
        assert!(instalments.is_empty());
    }

    #[test]
    fn without_room_all_is_booked() {
        let mut instalments = Instalments::new(2);
        for _ in 0..2 {
            assert!(!instalments.take(flow(1000), 4).1);
        }
        let (now, hurried) = instalments.take(flow(1000), 4);
        assert_eq!((now.packets, hurried), (1000, true));
    }
}
