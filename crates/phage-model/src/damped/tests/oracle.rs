//! `AfterImage`'s statistics in double precision, from sums (the published form), with no bound on streams.

use std::cell::Cell;
use std::collections::HashMap;

use super::*;

/// What weights fall by in so many seconds. Streams at an even pace ask for the same few again and again.
fn factors(gap: f64) -> [f64; 5] {
    thread_local! {
        static KNOWN: Cell<[(f64, [f64; 5]); 4]> = const { Cell::new([(0.0, [1.0; 5]); 4]) };
    }
    let mut known = KNOWN.get();
    if let Some((_, factors)) = known
        .iter()
        .find(|(known, _)| known.to_bits() == gap.to_bits())
    {
        return *factors;
    }
    known.rotate_right(1);
    known[0] = (gap, RATES.map(|rate| (-f64::from(rate) * gap).exp2()));
    KNOWN.set(known);
    known[0].1
}

/// One direction: sums that decay. Lengths are shifted by a constant, which changes no statistic but saves digits.
#[derive(Clone, Copy, Default)]
struct Direction {
    weight: [f64; 5],
    sum: [f64; 5],
    squares: [f64; 5],
    gap_mean: [f64; 5],
    gap_squares: [f64; 5],
    last: i64,
    last_length: f64,
    seen: bool,
}

const SHIFT: f64 = 500.0;

impl Direction {
    /// The seconds since the last packet.
    fn gap(&self, time: i64) -> f64 {
        if self.seen {
            ((time - self.last) as f64 * 1e-9).max(0.0)
        } else {
            0.0
        }
    }

    fn add(&mut self, time: i64, length: f64) {
        let gap = self.gap(time);
        let wait = gap * 1e3;
        let factors = factors(gap);
        for rate in 0..5 {
            let factor = factors[rate];
            let before = self.weight[rate] * factor;
            self.weight[rate] = before + 1.0;
            self.sum[rate] = self.sum[rate] * factor + (length - SHIFT);
            self.squares[rate] = self.squares[rate] * factor + (length - SHIFT).powi(2);
            // Gaps go over ten orders of magnitude, where even double sums of squares cancel.
            let off = wait - self.gap_mean[rate];
            self.gap_mean[rate] += off / self.weight[rate];
            let squares = &mut self.gap_squares[rate];
            *squares = *squares * factor + off * off * before / (before + 1.0);
        }
        self.last = if self.seen { self.last.max(time) } else { time };
        self.last_length = length;
        self.seen = true;
    }

    fn mean(&self, rate: usize) -> f64 {
        if self.seen {
            SHIFT + self.sum[rate] / self.weight[rate]
        } else {
            0.0
        }
    }

    fn variance(&self, rate: usize) -> f64 {
        if !self.seen {
            return 0.0;
        }
        let mean = self.sum[rate] / self.weight[rate];
        (self.squares[rate] / self.weight[rate] - mean * mean).max(0.0)
    }

    fn gap_deviation(&self, rate: usize) -> f64 {
        (self.gap_squares[rate] / self.weight[rate]).sqrt()
    }
}

/// Both directions of a pair; products of residuals, weighted like the packets.
#[derive(Clone, Copy, Default)]
struct Pair {
    sides: [Direction; 2],
    products: [f64; 5],
    weight: [f64; 5],
    last: i64,
    seen: bool,
}

impl Pair {
    fn add(&mut self, side: usize, time: i64, length: f64) {
        self.sides[side].add(time, length);
        let gap = if self.seen {
            ((time - self.last) as f64 * 1e-9).max(0.0)
        } else {
            0.0
        };
        let (own, other) = (self.sides[side], self.sides[1 - side]);
        let factors = factors(gap);
        for rate in 0..5 {
            let factor = factors[rate];
            let residual = length - own.mean(rate);
            let theirs = if other.seen {
                other.last_length - other.mean(rate)
            } else {
                0.0
            };
            self.products[rate] = self.products[rate] * factor + residual * theirs;
            self.weight[rate] = self.weight[rate] * factor + 1.0;
        }
        self.last = if self.seen { self.last.max(time) } else { time };
        self.seen = true;
    }

    /// Magnitude, radius, covariance, correlation.
    fn joint(&self, side: usize, rate: usize) -> [f64; 4] {
        let (own, other) = (&self.sides[side], &self.sides[1 - side]);
        let covariance = self.products[rate] / self.weight[rate];
        let scale = (own.variance(rate) * other.variance(rate)).sqrt();
        [
            own.mean(rate).hypot(other.mean(rate)),
            own.variance(rate).hypot(other.variance(rate)),
            covariance,
            if scale > 1e-9 {
                (covariance / scale).clamp(-1.0, 1.0)
            } else {
                0.0
            },
        ]
    }
}

/// The oracle.
#[derive(Default)]
pub(super) struct Oracle {
    sources: HashMap<u64, Direction>,
    channels: HashMap<u64, Pair>,
    sockets: HashMap<u64, Pair>,
}

/// A row of the oracle, and how large each value's natural scale is: covariances and correlations cancel, so their
/// error is measured against the product of the deviations, or 1; a deviation below `least` counts as that. (A residual is
/// the difference of a length and a mean, and the mean of 1,000 octets is known to 6e-5 octets.)
pub(super) struct Expected {
    pub(super) values: [f64; DAMPED],
    pub(super) scales: [f64; DAMPED],
}

impl Oracle {
    pub(super) fn add(&mut self, packet: &Packet, keys: &Keys) {
        let length = f64::from(packet.length);
        self.sources
            .entry(keys.source)
            .or_default()
            .add(packet.time, length);
        let side = usize::from(keys.channel_reverse);
        self.channels
            .entry(keys.channel)
            .or_default()
            .add(side, packet.time, length);
        let side = usize::from(keys.socket_reverse);
        self.sockets
            .entry(keys.socket)
            .or_default()
            .add(side, packet.time, length);
    }

    pub(super) fn row(&self, keys: &Keys, least: f64) -> Expected {
        let source = &self.sources[&keys.source];
        let (channel, socket) = (&self.channels[&keys.channel], &self.sockets[&keys.socket]);
        let sides = (
            usize::from(keys.channel_reverse),
            usize::from(keys.socket_reverse),
        );
        let (from, ends) = (&channel.sides[sides.0], &socket.sides[sides.1]);
        let mut expected = Expected {
            values: [0.0; DAMPED],
            scales: [0.0; DAMPED],
        };
        for rate in 0..5 {
            let joint = [channel.joint(sides.0, rate), socket.joint(sides.1, rate)];
            let groups = [
                source.weight[rate],
                from.weight[rate],
                ends.weight[rate],
                source.mean(rate),
                from.mean(rate),
                ends.mean(rate),
                source.variance(rate).sqrt(),
                from.variance(rate).sqrt(),
                ends.variance(rate).sqrt(),
                joint[0][0],
                joint[1][0],
                joint[0][1],
                joint[1][1],
                joint[0][2],
                joint[1][2],
                joint[0][3],
                joint[1][3],
                from.weight[rate],
                from.gap_mean[rate],
                from.gap_deviation(rate),
            ];
            for (group, value) in groups.into_iter().enumerate() {
                let pair = if group % 2 == 1 { channel } else { socket };
                expected.values[group * 5 + rate] = value;
                expected.scales[group * 5 + rate] = match group {
                    13 | 14 => {
                        let [a, b] = pair.sides.map(|side| side.variance(rate).sqrt().max(least));
                        value.abs().max(a * b)
                    }
                    15 | 16 => {
                        let [a, b] = pair.sides.map(|side| side.variance(rate).sqrt());
                        (a.max(least) / a.max(1e-6)) * (b.max(least) / b.max(1e-6))
                    }
                    _ => value.abs(),
                };
            }
        }
        expected
    }
}

/// Asserts that a row is within `tolerance` of its oracle.
pub(super) fn compare(row: &[f32], expected: &Expected, tolerance: f64, what: &str) {
    for (feature, value) in row.iter().take(DAMPED).enumerate() {
        let (right, scale) = (expected.values[feature], expected.scales[feature]);
        let off = (f64::from(*value) - right).abs();
        // What lies far below a feature's floor means nothing to anybody.
        let floor = f64::from(DAMPED_CATALOG[feature].floor) * 0.1;
        assert!(
            off <= tolerance * scale.max(floor),
            "{what}: {} is {value}, should be {right}",
            DAMPED_CATALOG[feature].name
        );
    }
}
