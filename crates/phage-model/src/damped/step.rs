//! One packet: the arithmetic of the three streams.

use super::clock::gap;
use super::record::{pick, Channel, Socket, Source};
use super::DAMPED_STRIDE;
use crate::simd::{Emission, Streams, Touch, DEEPEST};

/// A packet, as the statistics see it.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    /// Nanoseconds.
    pub(super) time: i64,
    /// Octets.
    pub(super) length: f32,
    /// Seconds since the source's last packet.
    pub(super) source_gap: f32,
    /// Which way it goes in its channel and in its socket.
    pub(super) channel_side: usize,
    pub(super) socket_side: usize,
}

/// Adds with the error of the sum: `high + rest` as the nearest float and what is left.
#[inline(always)]
fn accumulate<S: Streams>(s: S, high: S::V, rest: S::V) -> (S::V, S::V) {
    let sum = s.add(high, rest);
    (sum, s.sub(rest, s.sub(sum, high)))
}

/// Up to this weight a stream remembers so little that old and new are mixed afresh.
const LIGHT: f32 = 4.0;

/// How a new value is mixed into what a stream remembers.
#[derive(Clone, Copy)]
struct Blend<V> {
    /// Above zero for a stream whose weight is above [`LIGHT`].
    heavy: V,
    /// The new value's share, `1 / w'`.
    share: V,
    /// The old values' share, `w f / w'`: not `1 - share`, which is nothing where the old ones have all but decayed.
    remaining: V,
}

impl<V: Copy> Blend<V> {
    /// A moving mean: `old + (new - old) share`, compensated, for a heavy stream. For a light one the sum would
    /// cancel where a large old value has decayed: `old remaining + new share`.
    #[inline(always)]
    fn mean<S: Streams<V = V>>(&self, s: S, [high, low]: [V; 2], new: V) -> [V; 2] {
        let (sum, rest) = accumulate(s, high, s.mul_add(self.share, s.sub(new, high), low));
        let mixed = s.mul_add(s.add(high, low), self.remaining, s.mul(self.share, new));
        [
            s.select(self.heavy, sum, mixed),
            s.select(self.heavy, rest, s.splat(0.0)),
        ]
    }

    /// A moving variance: of the square distance to the old mean, the part that the old values have.
    #[inline(always)]
    fn spread<S: Streams<V = V>>(&self, s: S, kept: [V; 2], square: V) -> [V; 2] {
        let [high, low] = self.mean(s, kept, s.mul(self.remaining, square));
        [s.max(high, s.splat(0.0)), low]
    }
}

/// The factors that the three streams' weights fall by in so many seconds, as [`crate::simd::Arithmetic::exp2`] has them.
#[inline(always)]
fn decay<S: Streams>(s: S, [source, channel, socket]: [f32; 3]) -> (S::V, S::V) {
    let x = s.mul(s.rates(), s.slots(source, channel, socket));
    s.exp2(s.max(x, s.splat(DEEPEST)))
}

/// Adds a packet to its three records and writes the row. Answers the decayed weights of source,
/// channel and socket at 0.1 per second, both directions together.
///
/// With `w` the weight, `m` the mean, `v` the variance, `x` the length and `f = 2^(-rate * gap)`:
/// `w' = w f + 1`, `m' = m + (x - m) / w'`, `v' = v + ((1 - 1/w') (x - m)^2 - v) / w'`
/// (West 1979, with decay); covariance `c' = c + (r r_other - c) / (w' + w_other)` with the
/// residuals `r = x - m'` of this packet and of the other direction's last one.
#[inline(always)]
#[expect(
    clippy::too_many_lines,
    reason = "one chain of formulas over two dozen registers, which parts would have to hand around"
)]
pub(super) fn step<S: Streams>(
    s: S,
    source: &mut Source,
    channel: &mut Channel,
    socket: &mut Socket,
    arrival: &Arrival,
    row: &mut [f32; DAMPED_STRIDE],
) -> [f32; 3] {
    let one = s.splat(1.0);
    let (channel_side, socket_side) = (arrival.channel_side, arrival.socket_side);
    let (own_channel, other_channel) = pick(&mut channel.sides, channel_side);
    let (own_socket, other_socket) = pick(&mut socket.sides, socket_side);
    let source = &mut source.side;

    let times = pick(&mut channel.joint.time, channel_side);
    let (channel_gap, channel_time) = gap(arrival.time, *times.0);
    let (channel_other_gap, _) = gap(arrival.time, *times.1);
    let times = pick(&mut socket.joint.time, socket_side);
    let (socket_gap, socket_time) = gap(arrival.time, *times.0);
    let (socket_other_gap, _) = gap(arrival.time, *times.1);
    let channel_last = *pick(&mut channel.joint.last, channel_side).1;
    let socket_last = *pick(&mut socket.joint.last, socket_side).1;

    let (power, rest) = decay(s, [arrival.source_gap, channel_gap, socket_gap]);
    let (other_power, other_rest) = decay(s, [0.0, channel_other_gap, socket_other_gap]);

    let [weight, mean, variance] = s.moments(&source.high, &own_channel.high, &own_socket.high);
    let [weight_low, mean_low, variance_low] =
        s.moments(&source.low, &own_channel.low, &own_socket.low);
    let [other_weight, other_mean, other_variance] =
        s.pair_moments(&other_channel.high, &other_socket.high);
    // A direction without a packet has no gap yet.
    let had_packet = own_channel.high.weight[4] > 0.0;

    // The factor is (power, 1 + rest): a factor near 1 keeps its digits.
    let decayed = s.mul(weight, power);
    let decayed_low = s.mul(weight_low, power);
    let low = s.mul_add(decayed_low, rest, decayed_low);
    let (weight, weight_low) = accumulate(s, decayed, s.add(s.mul_add(decayed, rest, one), low));
    let before = s.add(s.mul_add(decayed, rest, decayed), low);
    let other_weight = s.mul(other_weight, other_power);
    let other_weight = s.mul_add(other_weight, other_rest, other_weight);

    let share = s.reciprocal(weight);
    let remaining = s.mul(before, share);
    let x = s.splat(arrival.length);
    let off = s.sub(s.sub(x, mean), mean_low);
    let (mean, mean_low) = accumulate(s, mean, s.mul_add(share, off, mean_low));
    let blend = Blend {
        heavy: s.sub(weight, s.splat(LIGHT)),
        share,
        remaining,
    };
    let [variance, variance_low] = blend.spread(s, [variance, variance_low], s.mul(off, off));

    let both = s.add(weight, other_weight);
    let [covariance, covariance_low] = s.joints(&channel.joint, &socket.joint);
    let other_off = s.sub(s.slots(0.0, channel_last, socket_last), other_mean);
    // What is left of the distance once the mean has moved: `x - m'` without its cancellation.
    let product = s.mul(s.mul(remaining, off), other_off);
    let share_of_both = s.reciprocal(both);
    let blend_of_both = Blend {
        heavy: s.sub(both, s.splat(LIGHT)),
        share: share_of_both,
        remaining: s.mul(s.add(before, other_weight), share_of_both),
    };
    let [covariance, covariance_low] = blend_of_both.mean(s, [covariance, covariance_low], product);

    // Gaps in milliseconds, in the first slot; they share the weight of their direction.
    let wait = if had_packet { channel_gap * 1e3 } else { 0.0 };
    let gap_own = &mut channel.gaps;
    let gap_own = pick(gap_own, channel_side).0;
    let [gap_mean, gap_variance, gap_mean_low, gap_variance_low] =
        s.gaps(gap_own, &channel.gap_low, channel_side);
    let gap_share = s.channel_first(share);
    let wait = s.splat(wait);
    let off = s.sub(s.sub(wait, gap_mean), gap_mean_low);
    let gap_blend = Blend {
        heavy: s.channel_first(blend.heavy),
        share: gap_share,
        remaining: s.channel_first(remaining),
    };
    // Gaps go over many orders of magnitude: a mean of hours must not leave its rounding in one of microseconds.
    let [gap_mean, gap_mean_low] = gap_blend.mean(s, [gap_mean, gap_mean_low], wait);
    let [gap_variance, gap_variance_low] =
        gap_blend.spread(s, [gap_variance, gap_variance_low], s.mul(off, off));

    s.put_moments(
        &mut source.high,
        &mut own_channel.high,
        &mut own_socket.high,
        [weight, mean, variance],
    );
    s.put_moments(
        &mut source.low,
        &mut own_channel.low,
        &mut own_socket.low,
        [weight_low, mean_low, variance_low],
    );
    let length = arrival.length;
    let channel_touch = Touch {
        side: channel_side,
        time: channel_time,
        length,
    };
    let socket_touch = Touch {
        side: socket_side,
        time: socket_time,
        length,
    };
    s.put_joints(
        (&mut channel.joint, channel_touch),
        (&mut socket.joint, socket_touch),
        [covariance, covariance_low],
    );
    s.put_gaps(
        gap_own,
        &mut channel.gap_low,
        channel_side,
        [gap_mean, gap_variance, gap_mean_low, gap_variance_low],
    );

    let (deviation, inverse) = s.roots(variance);
    // The gaps' roots ride in the first slot of the other direction's.
    let (second_deviation, second_inverse) = s.roots(s.join(gap_variance, other_variance));
    let correlation = s.mul(s.mul(covariance, inverse), second_inverse);
    let (magnitude, _) = s.roots(s.mul_add(mean, mean, s.mul(other_mean, other_mean)));
    let square = s.mul_add(variance, variance, s.mul(other_variance, other_variance));
    let (radius, _) = s.roots(square);
    s.emit(
        row,
        &Emission {
            weight,
            mean,
            deviation,
            magnitude,
            radius,
            covariance,
            // Residuals of different packets: the quotient is a correlation only up to noise.
            correlation: s.max(s.min(correlation, one), s.splat(-1.0)),
            gap_mean,
            gap_deviation: second_deviation,
        },
    );
    s.tenths(both)
}

/// The row of a packet whose three streams begin with it: weights 1, means its length, all else 0.
#[inline(always)]
pub(super) fn first_row(length: f32, row: &mut [f32; DAMPED_STRIDE]) {
    let mut fresh = [0.0; DAMPED_STRIDE];
    let (statistics, pairs) = fresh.split_at_mut(45);
    let (weights, rest) = statistics.split_at_mut(15);
    weights.fill(1.0);
    rest.split_at_mut(15).0.fill(length);
    let (magnitudes, rest) = pairs.split_at_mut(10);
    magnitudes.fill(length);
    rest.split_at_mut(30).1.split_at_mut(5).0.fill(1.0);
    *row = fresh;
}
