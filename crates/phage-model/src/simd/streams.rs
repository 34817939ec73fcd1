//! The three streams of a packet, five decays each, as one vector.

use super::Arithmetic;
use crate::damped::record::{Gap, GapLow, Joint, Moments};
use crate::damped::{DAMPED_STRIDE, RATES};

/// What a packet changes in the joint line of a pair besides its covariance.
#[derive(Clone, Copy)]
pub(crate) struct Touch {
    /// 1 if the packet goes from the higher end to the lower one.
    pub(crate) side: usize,
    /// Its time in nanoseconds.
    pub(crate) time: i64,
    /// Its length in octets.
    pub(crate) length: f32,
}

/// The vectors that make a row.
pub(crate) struct Emission<V> {
    pub(crate) weight: V,
    pub(crate) mean: V,
    pub(crate) deviation: V,
    /// Slots channel and socket.
    pub(crate) magnitude: V,
    pub(crate) radius: V,
    pub(crate) covariance: V,
    pub(crate) correlation: V,
    /// First slot.
    pub(crate) gap_mean: V,
    pub(crate) gap_deviation: V,
}

/// Vectors of three slots of five lanes: source, channel, socket.
///
/// The first slot is also where the gaps of the channel are computed.
pub(crate) trait Streams: Arithmetic {
    /// The same five values in each slot.
    fn repeat(self, five: &[f32; 5]) -> Self::V;
    /// One value a slot.
    fn slots(self, source: f32, channel: f32, socket: f32) -> Self::V;
    /// Weights, means and variances of the three streams.
    fn moments(self, source: &Moments, channel: &Moments, socket: &Moments) -> [Self::V; 3];
    /// Writes them back; the check words stay.
    fn put_moments(
        self,
        source: &mut Moments,
        channel: &mut Moments,
        socket: &mut Moments,
        values: [Self::V; 3],
    );
    /// The same of the other side of channel and socket; the first slot is 0.
    fn pair_moments(self, channel: &Moments, socket: &Moments) -> [Self::V; 3];
    /// Covariances and their low parts; the first slot is 0.
    fn joints(self, channel: &Joint, socket: &Joint) -> [Self::V; 2];
    /// Writes them back with the packet's time and length.
    fn put_joints(
        self,
        channel: (&mut Joint, Touch),
        socket: (&mut Joint, Touch),
        values: [Self::V; 2],
    );
    /// Mean, variance and their low parts of the gaps of one side, in the first slot.
    fn gaps(self, gap: &Gap, low: &GapLow, side: usize) -> [Self::V; 4];
    /// Writes them back.
    fn put_gaps(self, gap: &mut Gap, low: &mut GapLow, side: usize, values: [Self::V; 4]);
    /// The channel's slot moved to the first.
    fn channel_first(self, v: Self::V) -> Self::V;
    /// The first slot of `first`, the others of `rest`.
    fn join(self, first: Self::V, rest: Self::V) -> Self::V;
    /// The value of each slot at the rate that eviction goes by (0.1 per second).
    fn tenths(self, v: Self::V) -> [f32; 3];
    /// Writes a row.
    fn emit(self, row: &mut [f32; DAMPED_STRIDE], values: &Emission<Self::V>);

    /// The decay rates with their sign, 1/s.
    #[inline(always)]
    fn rates(self) -> Self::V {
        let [a, b, c, d, e] = RATES;
        self.repeat(&[-a, -b, -c, -d, -e])
    }
}
