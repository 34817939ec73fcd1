//! Sixteen lanes in one AVX-512 register.
#![expect(
    unsafe_code,
    reason = "intrinsics; a value of the token type proves that the processor has them"
)]

use std::arch::x86_64::{
    __m512, _mm512_add_epi32, _mm512_add_ps, _mm512_and_ps, _mm512_andnot_ps,
    _mm512_cmpeq_epi32_mask, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_getexp_ps,
    _mm512_getmant_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_blend_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_mul_ps, _mm512_or_ps, _mm512_permutex2var_ps, _mm512_rcp14_ps,
    _mm512_reduce_add_ps, _mm512_reduce_ps, _mm512_scalef_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setr_epi32, _mm512_shuffle_f32x4, _mm512_storeu_ps, _mm512_sub_ps, _MM_FROUND_NO_EXC,
    _MM_FROUND_TO_NEG_INF, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO,
};

use super::kernel::{Sixteen, Work};
use super::lanes::{Neurons, HIDDEN, INPUTS, NEURONS};

/// Proof that this processor has AVX-512 F and DQ.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

/// Calls intrinsics.
macro_rules! cpu {
    ($call:expr) => {
        // SAFETY: a token exists only where `detect` found the instructions; pointers come from
        // references to arrays of the width that is read or written.
        unsafe { $call }
    };
}

impl Avx512 {
    /// Looks whether the processor has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq"))
            .then_some(Self(()))
    }

    /// Runs work that is compiled with the instructions.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx512f,avx512dq")]
        fn inside<W: Work>(lanes: Avx512, work: W) -> W::Output {
            work.run(lanes)
        }
        cpu!(inside(self, work))
    }

    /// `1 / a`: 14 bits from the table, doubled by one step of Newton.
    #[inline(always)]
    fn reciprocal(a: __m512) -> __m512 {
        cpu!({
            let r = _mm512_rcp14_ps(a);
            let error = _mm512_fnmadd_ps(a, r, _mm512_set1_ps(1.0));
            _mm512_fmadd_ps(r, error, r)
        })
    }

    /// `p * x + c`
    #[inline(always)]
    fn step(self, p: __m512, x: __m512, c: f32) -> __m512 {
        self.mul_add(p, x, self.splat(c))
    }
}

impl Sixteen for Avx512 {
    type V = __m512;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        cpu!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, from: &Neurons) -> __m512 {
        cpu!(_mm512_loadu_ps(from.as_ptr()))
    }
    #[inline(always)]
    fn store(self, v: __m512, to: &mut Neurons) {
        cpu!(_mm512_storeu_ps(to.as_mut_ptr(), v));
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
    fn div(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_mul_ps(a, Self::reciprocal(b)))
    }
    #[inline(always)]
    fn clamp(self, a: __m512, low: f32, high: f32) -> __m512 {
        // `max` answers with its second operand where the first is NaN.
        cpu!(_mm512_min_ps(
            _mm512_max_ps(a, _mm512_set1_ps(low)),
            _mm512_set1_ps(high)
        ))
    }
    #[inline(always)]
    fn logistic(self, a: __m512) -> __m512 {
        cpu!({
            let x = _mm512_mul_ps(a, _mm512_set1_ps(-std::f32::consts::LOG2_E));
            // Beyond, the function is 0 in single precision; below, the power is 0 in any.
            let x = _mm512_min_ps(x, _mm512_set1_ps(44.0));
            // 2^r on 0 to 1, relative to 1e-7.
            let r = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x);
            let p = self.step(self.splat(0.001_877_58), r, 0.008_989_34);
            let p = self.step(p, r, 0.055_826_32);
            let p = self.step(p, r, 0.240_153_61);
            let p = self.step(p, r, 0.693_153_1);
            let p = self.step(p, r, 0.999_999_94);
            Self::reciprocal(_mm512_add_ps(self.splat(1.0), _mm512_scalef_ps(p, x)))
        })
    }
    #[inline(always)]
    fn curve(self, a: __m512) -> __m512 {
        cpu!({
            let sign = _mm512_set1_ps(-0.0);
            let x = _mm512_add_ps(_mm512_andnot_ps(sign, a), self.splat(1.0));
            let m = _mm512_getmant_ps::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO>(x);
            let m = _mm512_sub_ps(m, self.splat(1.0));
            // log2(1 + m) on 0 to 1, absolute error 2.2e-6, and exactly 0 at 0.
            let p = self.step(self.splat(-0.026_457_41), m, 0.123_451_4);
            let p = self.step(p, m, -0.279_538_03);
            let p = self.step(p, m, 0.458_270_8);
            let p = self.step(p, m, -0.718_281_9);
            let p = self.step(p, m, 1.442_553_2);
            let log = self.mul_add(p, m, _mm512_getexp_ps(x));
            let log = _mm512_mul_ps(log, self.splat(std::f32::consts::LN_2));
            _mm512_or_ps(log, _mm512_and_ps(sign, a))
        })
    }
    #[inline(always)]
    fn select(self, mask: &[u32; NEURONS], a: __m512, b: __m512) -> __m512 {
        cpu!({
            let mask = _mm512_loadu_si512(mask.as_ptr().cast());
            let mask = _mm512_cmpeq_epi32_mask(mask, _mm512_set1_epi32(1));
            _mm512_mask_blend_ps(mask, b, a)
        })
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        cpu!(_mm512_reduce_add_ps(a))
    }
    #[inline(always)]
    fn spread(self, a: __m512) -> [__m512; HIDDEN] {
        cpu!([
            _mm512_shuffle_f32x4::<0x00>(a, a),
            _mm512_shuffle_f32x4::<0x55>(a, a),
            _mm512_shuffle_f32x4::<0xaa>(a, a),
            _mm512_shuffle_f32x4::<0xff>(a, a),
        ])
    }
    #[inline(always)]
    fn fold(self, [a, b, c, d]: [__m512; HIDDEN]) -> __m512 {
        cpu!({
            let ab = _mm512_add_ps(
                _mm512_shuffle_f32x4::<0x44>(a, b),
                _mm512_shuffle_f32x4::<0xee>(a, b),
            );
            let cd = _mm512_add_ps(
                _mm512_shuffle_f32x4::<0x44>(c, d),
                _mm512_shuffle_f32x4::<0xee>(c, d),
            );
            _mm512_add_ps(
                _mm512_shuffle_f32x4::<0x88>(ab, cd),
                _mm512_shuffle_f32x4::<0xdd>(ab, cd),
            )
        })
    }
    #[inline(always)]
    fn arrange(self, features: &[f32; INPUTS]) -> [__m512; 2] {
        cpu!({
            let low = _mm512_loadu_ps(features.as_ptr());
            let high = _mm512_loadu_ps(features.as_ptr().add(NEURONS));
            let first = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
            let second = _mm512_add_epi32(first, _mm512_set1_epi32(4));
            [
                _mm512_permutex2var_ps(low, first, high),
                _mm512_permutex2var_ps(low, second, high),
            ]
        })
    }
}
