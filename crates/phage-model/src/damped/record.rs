//! Full records of the three tables: whole cache lines of five decays.

use phage_memory::prefetch_within;

use crate::table::{First, Record};

/// Weight, mean and variance of one direction of a stream, or the low parts of the three.
///
/// Mean and variance are kept instead of sums: they do not change as time passes, and their
/// difference does not cancel. Each value has a low part (compensated summation, Kahan 1965), without
/// which nothing is added any more once a weight passes 2^24.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Moments {
    pub(crate) weight: [f32; 5],
    pub(crate) mean: [f32; 5],
    pub(crate) variance: [f32; 5],
    /// The low half of the stream's key, in the first line of a record.
    pub(crate) check: u32,
}

/// What the two directions of a pair share.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Joint {
    pub(crate) covariance: [f32; 5],
    pub(crate) covariance_low: [f32; 5],
    /// Length of the last packet of each direction.
    pub(crate) last: [f32; 2],
    /// Time of the last packet of each direction, nanoseconds.
    pub(crate) time: [i64; 2],
}

impl Joint {
    /// Notes a packet.
    #[inline(always)]
    pub(crate) fn touch(&mut self, side: usize, time: i64, length: f32) {
        let (
            Joint {
                last: [last0, last1],
                time: [time0, time1],
                ..
            },
            second,
        ) = (self, side != 0);
        *(if second { last1 } else { last0 }) = length;
        *(if second { time1 } else { time0 }) = time;
    }
}

/// Statistics of the gaps between packets of one direction.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Gap {
    pub(crate) mean: [f32; 5],
    pub(crate) variance: [f32; 5],
    pub(crate) mean_low: [f32; 5],
    spare: u32,
}

/// Low parts of the variances of both directions' gaps.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct GapLow {
    variance: [[f32; 5]; 2],
    spare: [u32; 6],
}

impl GapLow {
    /// Of one side.
    #[inline(always)]
    pub(crate) fn of(&self, side: usize) -> &[f32; 5] {
        let [first, second] = &self.variance;
        if side == 0 {
            first
        } else {
            second
        }
    }

    /// Of one side, to write.
    #[inline(always)]
    pub(crate) fn of_mut(&mut self, side: usize) -> &mut [f32; 5] {
        let [first, second] = &mut self.variance;
        if side == 0 {
            first
        } else {
            second
        }
    }
}

/// One direction: values and their low parts.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Side {
    pub(crate) high: Moments,
    pub(crate) low: Moments,
}

impl Side {
    fn begin(&mut self, length: u32) {
        self.high.weight = [1.0; 5];
        self.high.mean = [length as f32; 5];
    }
}

/// The side of a packet, and the other one.
#[inline(always)]
pub(crate) fn pick<T>(both: &mut [T; 2], side: usize) -> (&mut T, &mut T) {
    let [first, second] = both;
    if side == 0 {
        (first, second)
    } else {
        (second, first)
    }
}

/// A source. The time of its last packet stands in the table's set.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Source {
    pub(crate) side: Side,
}

/// A socket: both directions.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Socket {
    pub(crate) sides: [Side; 2],
    pub(crate) joint: Joint,
}

/// A channel: both directions, and the gaps of each.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Channel {
    pub(crate) sides: [Side; 2],
    pub(crate) joint: Joint,
    pub(crate) gap_low: GapLow,
    pub(crate) gaps: [Gap; 2],
}

const _: () = assert!(size_of::<Source>() == 128);
const _: () = assert!(size_of::<Socket>() == 320);
const _: () = assert!(size_of::<Channel>() == 512);

/// Begins both directions of a pair with the first packet.
fn begin(sides: &mut [Side; 2], joint: &mut Joint, check: u32, first: First) {
    sides[0].high.check = check;
    pick(sides, first.side).0.begin(first.length);
    joint.touch(first.side, first.time, first.length as f32);
}

impl Record for Source {
    const TIMED: bool = true;

    #[inline(always)]
    fn begin(&mut self, check: u32, first: First) {
        *self = Self::default();
        self.side.high.check = check;
        self.side.begin(first.length);
    }
    #[inline(always)]
    fn check(&self) -> u32 {
        self.side.high.check
    }
    #[inline(always)]
    fn fetch(&self, _side: usize) {
        prefetch_within(self, 0);
        prefetch_within(self, 64);
    }
}

impl Record for Socket {
    const TIMED: bool = false;

    #[inline(always)]
    fn begin(&mut self, check: u32, first: First) {
        *self = Self::default();
        begin(&mut self.sides, &mut self.joint, check, first);
    }
    #[inline(always)]
    fn check(&self) -> u32 {
        self.sides[0].high.check
    }
    #[inline(always)]
    fn fetch(&self, side: usize) {
        // The low parts of the other direction are not touched.
        prefetch_within(self, 0);
        prefetch_within(self, 64 + side * 128);
        prefetch_within(self, 128);
        prefetch_within(self, 256);
    }
}

impl Record for Channel {
    const TIMED: bool = false;

    #[inline(always)]
    fn begin(&mut self, check: u32, first: First) {
        *self = Self::default();
        begin(&mut self.sides, &mut self.joint, check, first);
    }
    #[inline(always)]
    fn check(&self) -> u32 {
        self.sides[0].high.check
    }
    #[inline(always)]
    fn fetch(&self, side: usize) {
        prefetch_within(self, 0);
        prefetch_within(self, 64 + side * 128);
        prefetch_within(self, 128);
        prefetch_within(self, 256);
        prefetch_within(self, 320);
        prefetch_within(self, 384 + side * 64);
    }
}
