//! The three streams in one AVX-512 register: lanes 0-4 source, 5-9 channel, 10-14 socket.
//!
//! A line of a record is one register too, so every access is a whole aligned line: it forwards
//! from the last store of the same line, which masked stores of parts would not. Permutations
//! turn lines into streams and back.
#![expect(
    unsafe_code,
    clippy::unused_self,
    reason = "intrinsics; a value of the token type proves that the CPU has them"
)]
#![cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "intrinsics by the dozen")
)]

use std::arch::x86_64::*;

use super::avx512::{cpu, Avx512};
use super::streams::{Emission, Streams, Touch};
use super::Simd;
use crate::damped::record::{Gap, GapLow, Joint, Moments};
use crate::damped::DAMPED_STRIDE;

/// Lanes of the first, second and third group of five.
const FIRST: __mmask16 = 0x001f;
const SECOND: __mmask16 = 0x03e0;
const THIRD: __mmask16 = 0x7c00;

impl Avx512 {
    /// Indices that bring a group of five to every group.
    #[inline(always)]
    fn group(self, number: i32) -> __m512i {
        let g = number * 5;
        cpu!(_mm512_setr_epi32(
            g,
            g + 1,
            g + 2,
            g + 3,
            g + 4,
            g,
            g + 1,
            g + 2,
            g + 3,
            g + 4,
            g,
            g + 1,
            g + 2,
            g + 3,
            g + 4,
            15
        ))
    }

    #[inline(always)]
    fn line(self, line: &[f32; 16]) -> __m512 {
        self.load(line)
    }

    /// One group of five of each of three lines, as three streams.
    #[inline(always)]
    fn streams_of(self, group: i32, source: __m512, channel: __m512, socket: __m512) -> __m512 {
        let index = self.group(group);
        cpu!({
            let v = _mm512_maskz_permutexvar_ps(FIRST, index, source);
            let v = _mm512_mask_permutexvar_ps(v, SECOND, index, channel);
            _mm512_mask_permutexvar_ps(v, THIRD, index, socket)
        })
    }

    /// The slot of one stream of three vectors, as the groups of a line; lane 15 of `line` stays.
    #[inline(always)]
    fn line_of(self, slot: i32, line: __m512, [a, b, c]: [__m512; 3]) -> __m512 {
        let index = self.group(slot);
        cpu!({
            let v = _mm512_mask_permutexvar_ps(line, FIRST, index, a);
            let v = _mm512_mask_permutexvar_ps(v, SECOND, index, b);
            _mm512_mask_permutexvar_ps(v, THIRD, index, c)
        })
    }

    #[inline(always)]
    fn put_line(self, slot: i32, to: &mut Moments, values: [__m512; 3]) {
        let to: &mut [f32; 16] = bytemuck::cast_mut(to);
        let line = self.line_of(slot, self.line(to), values);
        self.store(line, to);
    }

    #[inline(always)]
    fn put_joint(self, slot: i32, joint: &mut Joint, touch: Touch, [high, low]: [__m512; 2]) {
        let to: &mut [f32; 16] = bytemuck::cast_mut(joint);
        let index = self.group(slot);
        let side = touch.side as u32 & 1;
        let v = cpu!({
            let v = _mm512_mask_permutexvar_ps(self.line(to), FIRST, index, high);
            let v = _mm512_mask_permutexvar_ps(v, SECOND, index, low);
            // Lanes 10 and 11 are the last lengths, quads 6 and 7 the times of both sides.
            let v = _mm512_mask_mov_ps(v, 0x400 << side, _mm512_set1_ps(touch.length));
            let v = _mm512_castps_si512(v);
            _mm512_castsi512_ps(_mm512_mask_set1_epi64(v, 0x40 << side, touch.time))
        });
        self.store(v, to);
    }

    /// Writes lanes of a vector to the places of a row that they stand for.
    #[inline(always)]
    fn put_part(self, row: &mut [f32; DAMPED_STRIDE], at: usize, mask: __mmask16, v: __m512) {
        if let Some(to) = row.get_mut(at..at + 16) {
            cpu!(_mm512_mask_storeu_ps(to.as_mut_ptr(), mask, v));
        }
    }
}

impl Streams for Avx512 {
    #[inline(always)]
    fn repeat(self, five: &[f32; 5]) -> __m512 {
        let [a, b, c, d, e] = *five;
        cpu!(_mm512_setr_ps(
            a, b, c, d, e, a, b, c, d, e, a, b, c, d, e, 0.0
        ))
    }
    #[inline(always)]
    fn slots(self, source: f32, channel: f32, socket: f32) -> __m512 {
        cpu!({
            let v = _mm512_set1_ps(source);
            let v = _mm512_mask_mov_ps(v, SECOND, _mm512_set1_ps(channel));
            _mm512_mask_mov_ps(v, THIRD, _mm512_set1_ps(socket))
        })
    }
    #[inline(always)]
    fn moments(self, source: &Moments, channel: &Moments, socket: &Moments) -> [__m512; 3] {
        let source = self.line(bytemuck::cast_ref(source));
        let channel = self.line(bytemuck::cast_ref(channel));
        let socket = self.line(bytemuck::cast_ref(socket));
        [
            self.streams_of(0, source, channel, socket),
            self.streams_of(1, source, channel, socket),
            self.streams_of(2, source, channel, socket),
        ]
    }
    #[inline(always)]
    fn put_moments(
        self,
        source: &mut Moments,
        channel: &mut Moments,
        socket: &mut Moments,
        values: [__m512; 3],
    ) {
        self.put_line(0, source, values);
        self.put_line(1, channel, values);
        self.put_line(2, socket, values);
    }
    #[inline(always)]
    fn pair_moments(self, channel: &Moments, socket: &Moments) -> [__m512; 3] {
        let channel = self.line(bytemuck::cast_ref(channel));
        let socket = self.line(bytemuck::cast_ref(socket));
        let nothing = cpu!(_mm512_setzero_ps());
        [
            self.streams_of(0, nothing, channel, socket),
            self.streams_of(1, nothing, channel, socket),
            self.streams_of(2, nothing, channel, socket),
        ]
    }
    #[inline(always)]
    fn joints(self, channel: &Joint, socket: &Joint) -> [__m512; 2] {
        let channel = self.line(bytemuck::cast_ref(channel));
        let socket = self.line(bytemuck::cast_ref(socket));
        let nothing = cpu!(_mm512_setzero_ps());
        [
            self.streams_of(0, nothing, channel, socket),
            self.streams_of(1, nothing, channel, socket),
        ]
    }
    #[inline(always)]
    fn put_joints(
        self,
        channel: (&mut Joint, Touch),
        socket: (&mut Joint, Touch),
        values: [__m512; 2],
    ) {
        self.put_joint(1, channel.0, channel.1, values);
        self.put_joint(2, socket.0, socket.1, values);
    }
    #[inline(always)]
    fn gaps(self, gap: &Gap, low: &GapLow, side: usize) -> [__m512; 4] {
        let gap = self.line(bytemuck::cast_ref(gap));
        let low = self.line(bytemuck::cast_ref(low));
        // The low parts of the first side are the first group, of the second the second.
        cpu!({
            let lift = _mm512_set1_epi32(side as i32 * 5);
            let index = _mm512_add_epi32(self.group(0), lift);
            [
                _mm512_maskz_mov_ps(FIRST, gap),
                _mm512_maskz_permutexvar_ps(FIRST, self.group(1), gap),
                _mm512_maskz_permutexvar_ps(FIRST, self.group(2), gap),
                _mm512_maskz_permutexvar_ps(FIRST, index, low),
            ]
        })
    }
    #[inline(always)]
    fn put_gaps(self, gap: &mut Gap, low: &mut GapLow, side: usize, values: [__m512; 4]) {
        let [mean, variance, mean_low, variance_low] = values;
        let to: &mut [f32; 16] = bytemuck::cast_mut(gap);
        let line = self.line_of(0, self.line(to), [mean, variance, mean_low]);
        self.store(line, to);
        let to: &mut [f32; 16] = bytemuck::cast_mut(low);
        let line = cpu!({
            let mask = FIRST << ((side as u32 & 1) * 5);
            _mm512_mask_permutexvar_ps(self.line(to), mask, self.group(0), variance_low)
        });
        self.store(line, to);
    }
    #[inline(always)]
    fn channel_first(self, v: __m512) -> __m512 {
        cpu!(_mm512_mask_permutexvar_ps(v, FIRST, self.group(1), v))
    }
    #[inline(always)]
    fn join(self, first: __m512, rest: __m512) -> __m512 {
        cpu!(_mm512_mask_mov_ps(rest, FIRST, first))
    }
    #[inline(always)]
    fn tenths(self, v: __m512) -> [f32; 3] {
        cpu!({
            let index = _mm512_setr_epi32(3, 8, 13, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3);
            let v = _mm512_castps512_ps128(_mm512_permutexvar_ps(index, v));
            let mut lanes = [0.0; 4];
            _mm_storeu_ps(lanes.as_mut_ptr(), v);
            let [a, b, c, _] = lanes;
            [a, b, c]
        })
    }
    #[inline(always)]
    fn emit(self, row: &mut [f32; DAMPED_STRIDE], values: &Emission<__m512>) {
        const ALL: __mmask16 = 0xffff;
        let zero = cpu!(_mm512_setzero_ps());
        self.put_part(row, 0, ALL, values.weight);
        self.put_part(row, 15, ALL, values.mean);
        self.put_part(row, 30, ALL, values.deviation);
        // From here on the first slot is not wanted: the groups begin five lanes further.
        self.put_part(row, 40, SECOND | THIRD, values.magnitude);
        self.put_part(row, 50, SECOND | THIRD, values.radius);
        self.put_part(row, 60, SECOND | THIRD, values.covariance);
        self.put_part(row, 70, SECOND | THIRD, values.correlation);
        self.put_part(row, 80, SECOND, values.weight);
        self.put_part(row, 90, FIRST, values.gap_mean);
        self.put_part(row, 96, ALL, zero);
        self.put_part(row, 95, FIRST, values.gap_deviation);
    }
}
