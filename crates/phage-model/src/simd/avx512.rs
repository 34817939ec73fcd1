//! The AVX-512 kernel: 16 lanes.
#![expect(
    unsafe_code,
    reason = "intrinsics; a value of the token type proves that the CPU has them"
)]
#![cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "intrinsics by the dozen")
)]

use std::arch::x86_64::*;

use super::arithmetic::{Arithmetic, Simd, STEEPEST, TINY};
use super::Task;
use crate::table::Set;

/// Proof that this CPU has AVX-512 F, VL, BW and DQ.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// Calls intrinsics of AVX-512.
macro_rules! cpu {
    ($call:expr) => {
        // SAFETY: `self` exists only where `detect` found the instructions; pointers come from references to arrays
        // of the width that is read or written.
        unsafe { $call }
    };
}
pub(super) use cpu;

impl Avx512 {
    /// Looks whether the CPU has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt"))
        .then_some(Self(()))
    }

    /// Runs a task compiled with the instructions.
    #[inline]
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2,lzcnt")]
        fn inside<T: Task>(simd: Avx512, task: T) -> T::Output {
            task.run(simd)
        }
        cpu!(inside(self, task))
    }

    /// `2^r` on 0 to 1, relative to 1e-7.
    #[inline(always)]
    fn exp2_upper(self, r: __m512) -> __m512 {
        let p = self.mul_add(self.splat(0.001_877_58), r, self.splat(0.008_989_34));
        let p = self.mul_add(p, r, self.splat(0.055_826_32));
        let p = self.mul_add(p, r, self.splat(0.240_153_61));
        let p = self.mul_add(p, r, self.splat(0.693_153_1));
        self.mul_add(p, r, self.splat(0.999_999_94))
    }
}

impl Arithmetic for Avx512 {
    type V = __m512;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        cpu!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        cpu!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn select(self, mask: __m512, a: __m512, b: __m512) -> __m512 {
        cpu!({
            let some = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(mask, _mm512_setzero_ps());
            _mm512_mask_blend_ps(some, b, a)
        })
    }
    #[inline(always)]
    fn reciprocal(self, a: __m512) -> __m512 {
        // 14 bits from the table, doubled by one step of Newton.
        cpu!({
            let r = _mm512_rcp14_ps(a);
            let error = _mm512_fnmadd_ps(a, r, _mm512_set1_ps(1.0));
            _mm512_fmadd_ps(r, error, r)
        })
    }
    #[inline(always)]
    fn roots(self, a: __m512) -> (__m512, __m512) {
        cpu!({
            let some = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, _mm512_set1_ps(TINY));
            let r = _mm512_maskz_rsqrt14_ps(some, a);
            let root = _mm512_mul_ps(a, r);
            let error = _mm512_fnmadd_ps(root, r, _mm512_set1_ps(1.0));
            let half = _mm512_mul_ps(error, _mm512_set1_ps(0.5));
            (
                _mm512_maskz_fmadd_ps(some, root, half, root),
                _mm512_maskz_fmadd_ps(some, r, half, r),
            )
        })
    }
    #[inline(always)]
    fn exp2(self, x: __m512) -> (__m512, __m512) {
        cpu!({
            let k = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
            let power = _mm512_scalef_ps(_mm512_set1_ps(1.0), k);
            (power, self.exp2_fraction(_mm512_sub_ps(x, k)))
        })
    }
}

impl Simd for Avx512 {
    const WIDTH: usize = 16;
    type Streams = Self;

    #[inline(always)]
    fn streams(self) -> Self {
        self
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        match from.first_chunk::<16>() {
            Some(from) => cpu!(_mm512_loadu_ps(from.as_ptr())),
            None => self.splat(0.0),
        }
    }
    #[inline(always)]
    fn store(self, v: __m512, to: &mut [f32]) {
        if let Some(to) = to.first_chunk_mut::<16>() {
            cpu!(_mm512_storeu_ps(to.as_mut_ptr(), v));
        }
    }
    #[inline(always)]
    fn root(self, a: __m512) -> __m512 {
        cpu!(_mm512_sqrt_ps(a))
    }
    #[inline(always)]
    fn odds(self, x: __m512) -> __m512 {
        cpu!({
            let x = _mm512_min_ps(x, _mm512_set1_ps(STEEPEST));
            let r = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x);
            let power = _mm512_scalef_ps(self.exp2_upper(r), x);
            _mm512_add_ps(power, _mm512_set1_ps(1.0))
        })
    }
    #[inline(always)]
    fn log2_1p(self, x: __m512) -> __m512 {
        cpu!({
            let sign = _mm512_set1_ps(-0.0);
            let y = _mm512_add_ps(_mm512_abs_ps(x), _mm512_set1_ps(1.0));
            let mantissa = _mm512_sub_ps(
                _mm512_getmant_ps::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO>(y),
                _mm512_set1_ps(1.0),
            );
            let log = self.log2_mantissa(mantissa, _mm512_getexp_ps(y));
            // Bits of the sign from x, all others from the logarithm.
            _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<0xca>(
                _mm512_castps_si512(sign),
                _mm512_castps_si512(x),
                _mm512_castps_si512(log),
            ))
        })
    }
    #[inline(always)]
    fn transpose(self, square: &mut [__m512]) {
        let Ok(square): Result<&mut [__m512; 16], _> = square.try_into() else {
            return;
        };
        cpu!({
            // Within the 128-bit quarters first: pairs, then fours.
            let fours = |a, b, c, d| {
                let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                let (ab_high, cd_high) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                [
                    _mm512_shuffle_ps::<0x44>(ab, cd),
                    _mm512_shuffle_ps::<0xee>(ab, cd),
                    _mm512_shuffle_ps::<0x44>(ab_high, cd_high),
                    _mm512_shuffle_ps::<0xee>(ab_high, cd_high),
                ]
            };
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *square;
            let (top, upper) = (fours(a, b, c, d), fours(e, f, g, h));
            let (lower, bottom) = (fours(i, j, k, l), fours(m, n, o, p));
            // Then the quarters among the vectors: quarter q of vector v of a group is column 4q + v of its rows.
            let quarters = |a, b, c, d| {
                let (ab, cd) = (
                    _mm512_shuffle_f32x4::<0x88>(a, b),
                    _mm512_shuffle_f32x4::<0x88>(c, d),
                );
                let (ab_odd, cd_odd) = (
                    _mm512_shuffle_f32x4::<0xdd>(a, b),
                    _mm512_shuffle_f32x4::<0xdd>(c, d),
                );
                [
                    _mm512_shuffle_f32x4::<0x88>(ab, cd),
                    _mm512_shuffle_f32x4::<0x88>(ab_odd, cd_odd),
                    _mm512_shuffle_f32x4::<0xdd>(ab, cd),
                    _mm512_shuffle_f32x4::<0xdd>(ab_odd, cd_odd),
                ]
            };
            let ([a, b, c, d], [e, f, g, h]) = (top, upper);
            let ([i, j, k, l], [m, n, o, p]) = (lower, bottom);
            let [c0, c4, c8, c12] = quarters(a, e, i, m);
            let [c1, c5, c9, c13] = quarters(b, f, j, n);
            let [c2, c6, c10, c14] = quarters(c, g, k, o);
            let [c3, c7, c11, c15] = quarters(d, h, l, p);
            *square = [
                c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15,
            ];
        });
    }
    #[inline(always)]
    fn sum(self, v: __m512) -> f32 {
        cpu!(_mm512_reduce_add_ps(v))
    }
    #[inline(always)]
    fn gather(self, from: &[f32; 128], index: &[u32]) -> __m512 {
        match (index.first_chunk::<16>(), from.as_chunks::<16>().0) {
            // Two registers at a time by the low five bits, then the pair by the other two: a gather
            // costs a load for each lane.
            (Some(index), [a, b, c, d, e, f, g, h]) => cpu!({
                let index = _mm512_loadu_si512(index.as_ptr().cast());
                let pair = |low: &[f32; 16], high: &[f32; 16]| {
                    let low = _mm512_loadu_ps(low.as_ptr());
                    let high = _mm512_loadu_ps(high.as_ptr());
                    _mm512_permutex2var_ps(low, index, high)
                };
                let odd = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
                let upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(64));
                let first = _mm512_mask_blend_ps(odd, pair(a, b), pair(c, d));
                let second = _mm512_mask_blend_ps(odd, pair(e, f), pair(g, h));
                _mm512_mask_blend_ps(upper, first, second)
            }),
            _ => self.splat(0.0),
        }
    }
    #[inline(always)]
    fn equal(self, tags: &[u32; 8], tag: u32) -> u32 {
        cpu!({
            let tags = _mm256_loadu_si256(tags.as_ptr().cast());
            u32::from(_mm256_cmpeq_epi32_mask(tags, _mm256_set1_epi32(tag as i32)))
        })
    }
    #[inline(always)]
    fn weakest(self, set: &Set, base: i64, dead: i32) -> usize {
        cpu!({
            let times = _mm512_loadu_si512(set.times.as_ptr().cast());
            let age = _mm512_sub_epi64(times, _mm512_set1_epi64(base));
            let ages = _mm512_cvtepi64_epi32(_mm512_srli_epi64::<{ Set::UNIT_BITS }>(age));
            let marks = _mm256_loadu_si256(set.marks.as_ptr().cast());
            let tags = _mm256_loadu_si256(set.tags.as_ptr().cast());
            let single = _mm256_movepi32_mask(marks);
            let free = _mm256_testn_epi32_mask(tags, tags);
            let scores = _mm256_mask_blend_epi32(single, marks, ages);
            let scores = _mm256_mask_mov_epi32(scores, free, _mm256_set1_epi32(dead));
            let least = _mm_min_epi32(
                _mm256_castsi256_si128(scores),
                _mm256_extracti128_si256::<1>(scores),
            );
            let least = _mm_min_epi32(least, _mm_shuffle_epi32::<0x4e>(least));
            let least = _mm_min_epi32(least, _mm_shuffle_epi32::<0xb1>(least));
            let equal = _mm256_cmpeq_epi32_mask(scores, _mm256_broadcastd_epi32(least));
            equal.trailing_zeros() as usize & 7
        })
    }
}
