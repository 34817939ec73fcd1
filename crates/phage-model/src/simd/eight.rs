//! The three streams on kernels of 8 lanes: one vector a stream, five lanes of it in use.

use super::arithmetic::{Arithmetic, Simd};
use super::streams::{Emission, Streams, Touch};
use crate::damped::record::{Gap, GapLow, Joint, Moments};
use crate::damped::DAMPED_STRIDE;

/// A kernel of 8 lanes that can read and write groups of five.
pub(crate) trait Eight: Simd {
    fn load_five(self, from: &[f32; 5]) -> Self::V;
    fn store_five(self, v: Self::V, to: &mut [f32; 5]);
    /// The fourth lane: the decay of 0.1 per second.
    fn lane_three(self, v: Self::V) -> f32;
}

/// Three vectors of 8 lanes as one.
#[derive(Clone, Copy)]
pub(crate) struct Triple<S>(pub(crate) S);

macro_rules! each {
    ($($name:ident($($argument:ident),+);)+) => {
        $(
            #[inline(always)]
            fn $name(self, $($argument: Self::V),+) -> Self::V {
                $(let [x, y, z] = $argument; let $argument = (x, y, z);)+
                [
                    self.0.$name($($argument.0),+),
                    self.0.$name($($argument.1),+),
                    self.0.$name($($argument.2),+),
                ]
            }
        )+
    };
}

impl<S: Eight> Arithmetic for Triple<S> {
    type V = [S::V; 3];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [self.0.splat(x); 3]
    }
    each! {
        add(a, b);
        sub(a, b);
        mul(a, b);
        mul_add(a, b, c);
        min(a, b);
        max(a, b);
        select(mask, a, b);
        reciprocal(a);
    }
    #[inline(always)]
    fn roots(self, [a, b, c]: Self::V) -> (Self::V, Self::V) {
        let (a, b, c) = (self.0.roots(a), self.0.roots(b), self.0.roots(c));
        ([a.0, b.0, c.0], [a.1, b.1, c.1])
    }
    #[inline(always)]
    fn exp2(self, [a, b, c]: Self::V) -> (Self::V, Self::V) {
        let (a, b, c) = (self.0.exp2(a), self.0.exp2(b), self.0.exp2(c));
        ([a.0, b.0, c.0], [a.1, b.1, c.1])
    }
}

impl<S: Eight> Triple<S> {
    #[inline(always)]
    fn three(self, m: &Moments) -> [S::V; 3] {
        [
            self.0.load_five(&m.weight),
            self.0.load_five(&m.mean),
            self.0.load_five(&m.variance),
        ]
    }

    #[inline(always)]
    fn put_three(self, m: &mut Moments, [weight, mean, variance]: [S::V; 3]) {
        self.0.store_five(weight, &mut m.weight);
        self.0.store_five(mean, &mut m.mean);
        self.0.store_five(variance, &mut m.variance);
    }

    #[inline(always)]
    fn put_joint(self, joint: &mut Joint, touch: Touch, covariance: S::V, low: S::V) {
        self.0.store_five(covariance, &mut joint.covariance);
        self.0.store_five(low, &mut joint.covariance_low);
        joint.touch(touch.side, touch.time, touch.length);
    }
}

/// Turns three streams of three statistics into three statistics of three streams, or back.
#[inline(always)]
fn turn<V: Copy>(rows: [[V; 3]; 3]) -> [[V; 3]; 3] {
    let [[a, b, c], [d, e, f], [g, h, i]] = rows;
    [[a, d, g], [b, e, h], [c, f, i]]
}

impl<S: Eight> Streams for Triple<S> {
    #[inline(always)]
    fn repeat(self, five: &[f32; 5]) -> Self::V {
        [self.0.load_five(five); 3]
    }
    #[inline(always)]
    fn slots(self, source: f32, channel: f32, socket: f32) -> Self::V {
        [
            self.0.splat(source),
            self.0.splat(channel),
            self.0.splat(socket),
        ]
    }
    #[inline(always)]
    fn moments(self, source: &Moments, channel: &Moments, socket: &Moments) -> [Self::V; 3] {
        turn([self.three(source), self.three(channel), self.three(socket)])
    }
    #[inline(always)]
    fn put_moments(
        self,
        source: &mut Moments,
        channel: &mut Moments,
        socket: &mut Moments,
        values: [Self::V; 3],
    ) {
        let [a, b, c] = turn(values);
        self.put_three(source, a);
        self.put_three(channel, b);
        self.put_three(socket, c);
    }
    #[inline(always)]
    fn pair_moments(self, channel: &Moments, socket: &Moments) -> [Self::V; 3] {
        let nothing = [self.0.splat(0.0); 3];
        turn([nothing, self.three(channel), self.three(socket)])
    }
    #[inline(always)]
    fn joints(self, channel: &Joint, socket: &Joint) -> [Self::V; 2] {
        let zero = self.0.splat(0.0);
        [
            [
                zero,
                self.0.load_five(&channel.covariance),
                self.0.load_five(&socket.covariance),
            ],
            [
                zero,
                self.0.load_five(&channel.covariance_low),
                self.0.load_five(&socket.covariance_low),
            ],
        ]
    }
    #[inline(always)]
    fn put_joints(
        self,
        channel: (&mut Joint, Touch),
        socket: (&mut Joint, Touch),
        [covariance, low]: [Self::V; 2],
    ) {
        let ([_, channel_high, socket_high], [_, channel_low, socket_low]) = (covariance, low);
        self.put_joint(channel.0, channel.1, channel_high, channel_low);
        self.put_joint(socket.0, socket.1, socket_high, socket_low);
    }
    #[inline(always)]
    fn gaps(self, gap: &Gap, low: &GapLow, side: usize) -> [Self::V; 4] {
        let zero = self.0.splat(0.0);
        let first = |five| [self.0.load_five(five), zero, zero];
        [
            first(&gap.mean),
            first(&gap.variance),
            first(&gap.mean_low),
            first(low.of(side)),
        ]
    }
    #[inline(always)]
    fn put_gaps(self, gap: &mut Gap, low: &mut GapLow, side: usize, values: [Self::V; 4]) {
        let [[mean, ..], [variance, ..], [mean_low, ..], [variance_low, ..]] = values;
        self.0.store_five(mean, &mut gap.mean);
        self.0.store_five(variance, &mut gap.variance);
        self.0.store_five(mean_low, &mut gap.mean_low);
        self.0.store_five(variance_low, low.of_mut(side));
    }
    #[inline(always)]
    fn channel_first(self, [_, channel, socket]: Self::V) -> Self::V {
        [channel, channel, socket]
    }
    #[inline(always)]
    fn join(self, [first, ..]: Self::V, [_, channel, socket]: Self::V) -> Self::V {
        [first, channel, socket]
    }
    #[inline(always)]
    fn tenths(self, [a, b, c]: Self::V) -> [f32; 3] {
        [
            self.0.lane_three(a),
            self.0.lane_three(b),
            self.0.lane_three(c),
        ]
    }
    #[inline(always)]
    fn emit(self, row: &mut [f32; DAMPED_STRIDE], values: &Emission<Self::V>) {
        // Each store of 8 lanes leaves three too many, which the next one overwrites.
        let [weight_source, weight_channel, weight_socket] = values.weight;
        let [mean_source, mean_channel, mean_socket] = values.mean;
        let [deviation_source, deviation_channel, deviation_socket] = values.deviation;
        let [_, magnitude_channel, magnitude_socket] = values.magnitude;
        let [_, radius_channel, radius_socket] = values.radius;
        let [_, covariance_channel, covariance_socket] = values.covariance;
        let [_, correlation_channel, correlation_socket] = values.correlation;
        let [gap_mean, ..] = values.gap_mean;
        let [gap_deviation, ..] = values.gap_deviation;
        let groups = [
            weight_source,
            weight_channel,
            weight_socket,
            mean_source,
            mean_channel,
            mean_socket,
            deviation_source,
            deviation_channel,
            deviation_socket,
            magnitude_channel,
            magnitude_socket,
            radius_channel,
            radius_socket,
            covariance_channel,
            covariance_socket,
            correlation_channel,
            correlation_socket,
            weight_channel,
            gap_mean,
            gap_deviation,
        ];
        for (group, v) in groups.into_iter().enumerate() {
            if let Some(to) = row.get_mut(group * 5..group * 5 + 8) {
                self.0.store(v, to);
            }
        }
        if let Some(tail) = row.get_mut(100..) {
            tail.fill(0.0);
        }
    }
}
