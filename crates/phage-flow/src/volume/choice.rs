//! Which traffic is shown: a choice in proportion to packets.
//!
//! Every so many packets, at random gaps, the record that carries the next one is taken, and stands
//! for them all. When there are more rows than fit, one of each two goes, by lot, and gaps double. Of busy hosts some are taken besides, denser at first,
//! so that a small attack in a large network has its own.

use super::rows::TrafficRow;
use super::traffic::Traffic;

/// Rows of one slot.
#[derive(Debug)]
pub(super) struct Choice {
    rows: Vec<TrafficRow>,
    own: Vec<TrafficRow>,
    capacity: usize,
    /// Packets that one row stands for, in the mean.
    step: u64,
    /// Packets since the last row, and those at which the next one is taken.
    since: u64,
    next: u64,
    random: u64,
}

impl Choice {
    pub(super) fn new(capacity: usize, seed: u64) -> Self {
        Self {
            rows: Vec::new(),
            own: Vec::new(),
            capacity: capacity.max(2),
            step: 1,
            since: 0,
            next: 1,
            random: seed | 1,
        }
    }

    /// Sees traffic; `home` as in [`TrafficRow::home`].
    #[inline]
    pub(super) fn see(&mut self, traffic: &Traffic, home: u8) {
        self.since += traffic.packets;
        if self.since < self.next {
            return;
        }
        let octets = mean(traffic) * self.since;
        self.rows.push(row(traffic, self.since, octets, home, 0));
        self.since = 0;
        // Gaps of equal length would fall in step with traffic that repeats itself.
        self.next = 1 + self.draw() % (2 * self.step - 1);
        if self.rows.len() >= self.capacity {
            self.thin();
        }
    }

    /// The next number of a xorshift sequence (Marsaglia, "Xorshift RNGs", 2003).
    #[inline]
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Lets one row of each two go; the other one stands for both.
    #[cold]
    fn thin(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        for pair in rows.chunks_exact(2) {
            let [one, two] = pair else { continue };
            let packets = one.packets + two.packets;
            let kept = if self.draw() % packets < one.packets {
                one
            } else {
                two
            };
            self.rows.push(TrafficRow {
                packets,
                octets: u64::from(kept.length) * packets,
                ..*kept
            });
        }
        rows.clear();
        self.step = self.step.saturating_mul(2).min(1 << 40);
    }

    /// Takes traffic of a busy host that stands for `packets` of its packets.
    #[inline]
    pub(super) fn add_own(&mut self, traffic: &Traffic, packets: u64, home: u8, sent: bool) {
        if self.own.len() < self.capacity {
            let octets = mean(traffic) * packets;
            let chosen = if sent { 2 } else { 1 };
            self.own.push(row(traffic, packets, octets, home, chosen));
        }
    }

    /// Hands the rows of a slot on.
    pub(super) fn take(&mut self, time: i64) -> Vec<TrafficRow> {
        // The next slot will have about as many.
        let room = Vec::with_capacity(self.rows.len() + self.own.len());
        let mut rows = std::mem::replace(&mut self.rows, room);
        rows.append(&mut self.own);
        for row in &mut rows {
            row.time = time;
        }
        // The step follows the traffic: half as many rows as fit are wanted.
        if rows.len() < self.capacity / 4 {
            self.step = (self.step / 2).max(1);
        }
        rows
    }
}

/// Mean length of the packets, rounded.
#[inline]
fn mean(traffic: &Traffic) -> u64 {
    let packets = traffic.packets.max(1);
    (traffic.octets + packets / 2) / packets
}

#[inline]
fn row(traffic: &Traffic, packets: u64, octets: u64, home: u8, chosen: u8) -> TrafficRow {
    TrafficRow {
        time: 0,
        packets,
        octets,
        src: traffic.src,
        dst: traffic.dst,
        src_as: traffic.src_as,
        dst_as: traffic.dst_as,
        src_port: traffic.src_port,
        dst_port: traffic.dst_port,
        length: u16::try_from(mean(traffic)).unwrap_or(u16::MAX),
        protocol: traffic.protocol,
        flags: traffic.flags,
        class: traffic.class as u8,
        home,
        chosen,
        reserved: [0; 5],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(port: u16, packets: u64) -> Traffic {
        Traffic {
            packets,
            octets: packets * 100,
            src_port: port,
            ..Traffic::default()
        }
    }

    #[test]
    fn rows_stand_for_all_packets_in_proportion() {
        let mut choice = Choice::new(256, 7);
        for i in 0..100_000_u64 {
            let port = if i % 10 == 0 { 1 } else { 2 };
            choice.see(&packet(port, 1 + i % 3), 0);
        }
        let rows = choice.take(9);
        assert!(rows.len() < 256 && rows.len() > 60);
        let all: u64 = rows.iter().map(|row| row.packets).sum();
        assert!(all > 195_000 && all <= 200_000, "{all}");
        let one: u64 = rows
            .iter()
            .filter(|row| row.src_port == 1)
            .map(|row| row.packets)
            .sum();
        let share = one as f64 / all as f64;
        assert!((0.03..0.25).contains(&share), "{share}");
        assert!(rows.iter().all(|row| row.length == 100 && row.time == 9));
    }

    #[test]
    fn a_few_packets_are_all_shown() {
        let mut choice = Choice::new(256, 7);
        for _ in 0..20 {
            choice.see(&packet(1, 1), 3);
        }
        let rows = choice.take(1);
        assert_eq!(rows.len(), 20);
        assert!(rows.iter().all(|row| row.packets == 1 && row.home == 3));
    }
}
