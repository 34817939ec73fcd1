//! The AVX2 kernel: 8 lanes.
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
use super::eight::{Eight, Triple};
use super::Task;
use crate::table::Set;

/// Proof that this CPU has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

/// Calls intrinsics of AVX2 and FMA.
macro_rules! cpu {
    ($call:expr) => {
        // SAFETY: `self` exists only where `detect` found the instructions; pointers come from references to arrays
        // of the width that is read or written.
        unsafe { $call }
    };
}

impl Avx2 {
    /// Looks whether the CPU has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// Runs a task compiled with the instructions.
    #[inline]
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        #[target_feature(enable = "avx2,fma")]
        fn inside<T: Task>(simd: Avx2, task: T) -> T::Output {
            task.run(simd)
        }
        cpu!(inside(self, task))
    }
}

impl Arithmetic for Avx2 {
    type V = __m256;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        cpu!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        cpu!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        cpu!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        cpu!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        cpu!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        cpu!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        cpu!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn select(self, mask: __m256, a: __m256, b: __m256) -> __m256 {
        cpu!({
            let some = _mm256_cmp_ps::<_CMP_GT_OQ>(mask, _mm256_setzero_ps());
            _mm256_blendv_ps(b, a, some)
        })
    }
    #[inline(always)]
    fn reciprocal(self, a: __m256) -> __m256 {
        cpu!(_mm256_div_ps(_mm256_set1_ps(1.0), a))
    }
    #[inline(always)]
    fn roots(self, a: __m256) -> (__m256, __m256) {
        cpu!({
            let some = _mm256_cmp_ps::<_CMP_GT_OQ>(a, _mm256_set1_ps(TINY));
            let root = _mm256_sqrt_ps(a);
            let inverse = _mm256_div_ps(_mm256_set1_ps(1.0), root);
            (_mm256_and_ps(some, root), _mm256_and_ps(some, inverse))
        })
    }
    #[inline(always)]
    fn exp2(self, x: __m256) -> (__m256, __m256) {
        cpu!({
            let k = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127));
            let power = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent));
            (power, self.exp2_fraction(_mm256_sub_ps(x, k)))
        })
    }
}

impl Simd for Avx2 {
    const WIDTH: usize = 8;
    type Streams = Triple<Self>;

    #[inline(always)]
    fn streams(self) -> Triple<Self> {
        Triple(self)
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        match from.first_chunk::<8>() {
            Some(from) => cpu!(_mm256_loadu_ps(from.as_ptr())),
            None => self.splat(0.0),
        }
    }
    #[inline(always)]
    fn store(self, v: __m256, to: &mut [f32]) {
        if let Some(to) = to.first_chunk_mut::<8>() {
            cpu!(_mm256_storeu_ps(to.as_mut_ptr(), v));
        }
    }
    #[inline(always)]
    fn root(self, a: __m256) -> __m256 {
        cpu!(_mm256_sqrt_ps(a))
    }
    #[inline(always)]
    fn odds(self, x: __m256) -> __m256 {
        let x = self.max(self.min(x, self.splat(STEEPEST)), self.splat(-STEEPEST));
        let (scale, rest) = self.exp2(x);
        let power = self.mul_add(scale, rest, scale);
        self.add(power, self.splat(1.0))
    }
    #[inline(always)]
    fn log2_1p(self, x: __m256) -> __m256 {
        cpu!({
            let sign = _mm256_set1_ps(-0.0);
            let y = _mm256_castps_si256(self.add(_mm256_andnot_ps(sign, x), self.splat(1.0)));
            let exponent = _mm256_cvtepi32_ps(_mm256_sub_epi32(
                _mm256_srli_epi32::<23>(y),
                _mm256_set1_epi32(127),
            ));
            let bits = _mm256_or_si256(
                _mm256_and_si256(y, _mm256_set1_epi32(0x007f_ffff)),
                _mm256_set1_epi32(0x3f80_0000),
            );
            let mantissa = self.sub(_mm256_castsi256_ps(bits), self.splat(1.0));
            let log = self.log2_mantissa(mantissa, exponent);
            _mm256_or_ps(_mm256_andnot_ps(sign, log), _mm256_and_ps(sign, x))
        })
    }
    #[inline(always)]
    fn transpose(self, square: &mut [__m256]) {
        let Ok(square): Result<&mut [__m256; 8], _> = square.try_into() else {
            return;
        };
        let [a, b, c, d, e, f, g, h] = *square;
        cpu!({
            let pair = |x, y| (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
            let (ab_lo, ab_hi) = pair(a, b);
            let (cd_lo, cd_hi) = pair(c, d);
            let (ef_lo, ef_hi) = pair(e, f);
            let (gh_lo, gh_hi) = pair(g, h);
            let four = |x, y| {
                (
                    _mm256_shuffle_ps::<0x44>(x, y),
                    _mm256_shuffle_ps::<0xee>(x, y),
                )
            };
            let (left0, left1) = four(ab_lo, cd_lo);
            let (left2, left3) = four(ab_hi, cd_hi);
            let (right0, right1) = four(ef_lo, gh_lo);
            let (right2, right3) = four(ef_hi, gh_hi);
            *square = [
                _mm256_permute2f128_ps::<0x20>(left0, right0),
                _mm256_permute2f128_ps::<0x20>(left1, right1),
                _mm256_permute2f128_ps::<0x20>(left2, right2),
                _mm256_permute2f128_ps::<0x20>(left3, right3),
                _mm256_permute2f128_ps::<0x31>(left0, right0),
                _mm256_permute2f128_ps::<0x31>(left1, right1),
                _mm256_permute2f128_ps::<0x31>(left2, right2),
                _mm256_permute2f128_ps::<0x31>(left3, right3),
            ];
        });
    }
    #[inline(always)]
    fn sum(self, v: __m256) -> f32 {
        cpu!({
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps::<1>(v, v)))
        })
    }
    #[inline(always)]
    fn gather(self, from: &[f32; 128], index: &[u32]) -> __m256 {
        let mut lanes = [0.0; 8];
        for (x, i) in lanes.iter_mut().zip(index) {
            *x = from.get((*i & 127) as usize).copied().unwrap_or(0.0);
        }
        self.load(&lanes)
    }
    #[inline(always)]
    fn equal(self, tags: &[u32; 8], tag: u32) -> u32 {
        cpu!({
            let tags = _mm256_loadu_si256(tags.as_ptr().cast());
            let equal = _mm256_cmpeq_epi32(tags, _mm256_set1_epi32(tag as i32));
            _mm256_movemask_ps(_mm256_castsi256_ps(equal)) as u32
        })
    }
    #[inline(always)]
    fn weakest(self, set: &Set, base: i64, dead: i32) -> usize {
        cpu!({
            let age = |times: &[i64]| {
                let times = times
                    .first_chunk::<4>()
                    .map_or(_mm256_setzero_si256(), |times| {
                        _mm256_loadu_si256(times.as_ptr().cast())
                    });
                _mm256_srli_epi64::<{ Set::UNIT_BITS as i32 }>(_mm256_sub_epi64(
                    times,
                    _mm256_set1_epi64x(base),
                ))
            };
            let (low, high) = set.times.split_at(4);
            // The low words of both halves, in order again after the permutation.
            let ages = _mm256_shuffle_ps::<0x88>(
                _mm256_castsi256_ps(age(low)),
                _mm256_castsi256_ps(age(high)),
            );
            let ages = _mm256_permute4x64_epi64::<0xd8>(_mm256_castps_si256(ages));
            let marks = _mm256_loadu_si256(set.marks.as_ptr().cast());
            let tags = _mm256_loadu_si256(set.tags.as_ptr().cast());
            let free = _mm256_cmpeq_epi32(tags, _mm256_setzero_si256());
            let scores = _mm256_blendv_ps(
                _mm256_castsi256_ps(marks),
                _mm256_castsi256_ps(ages),
                _mm256_castsi256_ps(marks),
            );
            let scores =
                _mm256_blendv_epi8(_mm256_castps_si256(scores), _mm256_set1_epi32(dead), free);
            let least = _mm_min_epi32(
                _mm256_castsi256_si128(scores),
                _mm256_extracti128_si256::<1>(scores),
            );
            let least = _mm_min_epi32(least, _mm_shuffle_epi32::<0x4e>(least));
            let least = _mm_min_epi32(least, _mm_shuffle_epi32::<0xb1>(least));
            let equal = _mm256_cmpeq_epi32(scores, _mm256_broadcastd_epi32(least));
            let mask = _mm256_movemask_ps(_mm256_castsi256_ps(equal)) as u32;
            mask.trailing_zeros() as usize & 7
        })
    }
}

impl Eight for Avx2 {
    #[inline(always)]
    fn load_five(self, from: &[f32; 5]) -> __m256 {
        let [first @ .., last] = from;
        cpu!({
            let first = _mm_loadu_ps(first.as_ptr());
            _mm256_set_m128(_mm_set_ss(*last), first)
        })
    }
    #[inline(always)]
    fn store_five(self, v: __m256, to: &mut [f32; 5]) {
        let [first @ .., last] = to;
        cpu!({
            _mm_storeu_ps(first.as_mut_ptr(), _mm256_castps256_ps128(v));
            *last = _mm_cvtss_f32(_mm256_extractf128_ps::<1>(v));
        });
    }
    #[inline(always)]
    fn lane_three(self, v: __m256) -> f32 {
        cpu!({
            let low = _mm256_castps256_ps128(v);
            _mm_cvtss_f32(_mm_shuffle_ps::<3>(low, low))
        })
    }
}
