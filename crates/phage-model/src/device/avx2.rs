//! Sixteen lanes in two AVX2 registers.
#![expect(
    unsafe_code,
    reason = "intrinsics; a value of the token type proves that the processor has them"
)]

use std::arch::x86_64::{
    __m256, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256, _mm256_andnot_ps,
    _mm256_blendv_ps, _mm256_castps256_ps128, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_cmpeq_epi32, _mm256_cvtepi32_ps, _mm256_cvtps_epi32, _mm256_div_ps,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps,
    _mm256_min_ps, _mm256_mul_ps, _mm256_or_ps, _mm256_or_si256, _mm256_permute2f128_ps,
    _mm256_round_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_srli_epi32,
    _mm256_storeu_ps, _mm256_sub_epi32, _mm256_sub_ps, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32,
    _mm_movehl_ps, _mm_shuffle_ps, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT,
};

use super::kernel::{Plain, Sixteen, Work};
use super::lanes::{Neurons, HIDDEN, INPUTS, NEURONS};

/// Proof that this processor has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

/// Calls intrinsics.
macro_rules! cpu {
    ($call:expr) => {
        // SAFETY: a token exists only where `detect` found the instructions; pointers come from
        // references to arrays of the width that is read or written.
        unsafe { $call }
    };
}

/// Lanes 0 to 7, lanes 8 to 15.
#[derive(Clone, Copy)]
pub(crate) struct Pair(__m256, __m256);

impl Avx2 {
    /// Looks whether the processor has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// Runs work that is compiled with the instructions.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx2,fma")]
        fn inside<W: Work>(lanes: Avx2, work: W) -> W::Output {
            work.run(lanes)
        }
        cpu!(inside(self, work))
    }

    /// `p * x + c`
    #[inline(always)]
    fn step(self, p: Pair, x: Pair, c: f32) -> Pair {
        self.mul_add(p, x, self.splat(c))
    }

    /// `2^k` for whole numbers.
    #[inline(always)]
    fn power(k: __m256) -> __m256 {
        cpu!({
            let k = _mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(k))
        })
    }

    /// Exponent and mantissa (0.75 to 1.5) of numbers from 1.
    #[inline(always)]
    fn split(x: __m256) -> (__m256, __m256) {
        cpu!({
            let bits = _mm256_castps_si256(x);
            let above = _mm256_and_si256(_mm256_srli_epi32::<22>(bits), _mm256_set1_epi32(1));
            let bias = _mm256_set1_epi32(127);
            let exponent = _mm256_add_epi32(_mm256_srli_epi32::<23>(bits), above);
            let exponent = _mm256_cvtepi32_ps(_mm256_sub_epi32(exponent, bias));
            let mantissa = _mm256_or_si256(
                _mm256_and_si256(bits, _mm256_set1_epi32(0x007f_ffff)),
                _mm256_slli_epi32::<23>(_mm256_sub_epi32(bias, above)),
            );
            (exponent, _mm256_castsi256_ps(mantissa))
        })
    }
}

impl Sixteen for Avx2 {
    type V = Pair;

    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        let v = cpu!(_mm256_set1_ps(x));
        Pair(v, v)
    }
    #[inline(always)]
    fn load(self, from: &Neurons) -> Pair {
        cpu!(Pair(
            _mm256_loadu_ps(from.as_ptr()),
            _mm256_loadu_ps(from.as_ptr().add(NEURONS / 2))
        ))
    }
    #[inline(always)]
    fn store(self, v: Pair, to: &mut Neurons) {
        cpu!({
            _mm256_storeu_ps(to.as_mut_ptr(), v.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(NEURONS / 2), v.1);
        });
    }
    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        cpu!(Pair(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn sub(self, a: Pair, b: Pair) -> Pair {
        cpu!(Pair(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        cpu!(Pair(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn mul_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
        cpu!(Pair(
            _mm256_fmadd_ps(a.0, b.0, c.0),
            _mm256_fmadd_ps(a.1, b.1, c.1)
        ))
    }
    #[inline(always)]
    fn div(self, a: Pair, b: Pair) -> Pair {
        cpu!(Pair(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn clamp(self, a: Pair, low: f32, high: f32) -> Pair {
        // `max` answers with its second operand where the first is NaN.
        cpu!({
            let (low, high) = (_mm256_set1_ps(low), _mm256_set1_ps(high));
            Pair(
                _mm256_min_ps(_mm256_max_ps(a.0, low), high),
                _mm256_min_ps(_mm256_max_ps(a.1, low), high),
            )
        })
    }
    #[inline(always)]
    fn logistic(self, a: Pair) -> Pair {
        let x = self.mul(
            self.clamp(a, -30.0, 30.0),
            self.splat(-std::f32::consts::LOG2_E),
        );
        let k = cpu!(Pair(
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x.0),
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x.1)
        ));
        let r = self.sub(x, k);
        let p = self.step(self.splat(0.001_333_355_8), r, 0.009_618_129);
        let p = self.step(p, r, 0.055_504_11);
        let p = self.step(p, r, 0.240_226_5);
        let p = self.step(p, r, std::f32::consts::LN_2);
        let p = self.step(p, r, 1.0);
        let one = self.splat(1.0);
        let power = Pair(Self::power(k.0), Self::power(k.1));
        self.div(one, self.mul_add(p, power, one))
    }
    #[inline(always)]
    fn curve(self, a: Pair) -> Pair {
        let one = self.splat(1.0);
        let sign = cpu!(_mm256_set1_ps(-0.0));
        let magnitude = cpu!(Pair(
            _mm256_andnot_ps(sign, a.0),
            _mm256_andnot_ps(sign, a.1)
        ));
        let x = self.add(magnitude, one);
        let ((e0, m0), (e1, m1)) = (Self::split(x.0), Self::split(x.1));
        let (e, m) = (Pair(e0, e1), Pair(m0, m1));
        let r = self.div(self.sub(m, one), self.add(m, one));
        let s = self.mul(r, r);
        let p = self.step(self.splat(1.0 / 9.0), s, 1.0 / 7.0);
        let p = self.step(p, s, 0.2);
        let p = self.step(p, s, 1.0 / 3.0);
        let p = self.step(p, s, 1.0);
        let log = self.mul_add(
            e,
            self.splat(std::f32::consts::LN_2),
            self.mul(self.add(r, r), p),
        );
        cpu!(Pair(
            _mm256_or_ps(log.0, _mm256_and_ps(sign, a.0)),
            _mm256_or_ps(log.1, _mm256_and_ps(sign, a.1))
        ))
    }
    #[inline(always)]
    fn select(self, mask: &[u32; NEURONS], a: Pair, b: Pair) -> Pair {
        cpu!({
            let one = _mm256_set1_epi32(1);
            let low = _mm256_cmpeq_epi32(_mm256_loadu_si256(mask.as_ptr().cast()), one);
            let high = mask.as_ptr().add(NEURONS / 2).cast();
            let high = _mm256_cmpeq_epi32(_mm256_loadu_si256(high), one);
            Pair(
                _mm256_blendv_ps(b.0, a.0, _mm256_castsi256_ps(low)),
                _mm256_blendv_ps(b.1, a.1, _mm256_castsi256_ps(high)),
            )
        })
    }
    #[inline(always)]
    fn sum(self, a: Pair) -> f32 {
        cpu!({
            let v = _mm256_add_ps(a.0, a.1);
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps::<1>(v, v)))
        })
    }
    #[inline(always)]
    fn spread(self, a: Pair) -> [Pair; HIDDEN] {
        let twice = |v| Pair(v, v);
        cpu!([
            twice(_mm256_permute2f128_ps::<0x00>(a.0, a.0)),
            twice(_mm256_permute2f128_ps::<0x11>(a.0, a.0)),
            twice(_mm256_permute2f128_ps::<0x00>(a.1, a.1)),
            twice(_mm256_permute2f128_ps::<0x11>(a.1, a.1)),
        ])
    }
    #[inline(always)]
    fn fold(self, [a, b, c, d]: [Pair; HIDDEN]) -> Pair {
        cpu!({
            let (a, b) = (_mm256_add_ps(a.0, a.1), _mm256_add_ps(b.0, b.1));
            let (c, d) = (_mm256_add_ps(c.0, c.1), _mm256_add_ps(d.0, d.1));
            Pair(
                _mm256_add_ps(
                    _mm256_permute2f128_ps::<0x20>(a, b),
                    _mm256_permute2f128_ps::<0x31>(a, b),
                ),
                _mm256_add_ps(
                    _mm256_permute2f128_ps::<0x20>(c, d),
                    _mm256_permute2f128_ps::<0x31>(c, d),
                ),
            )
        })
    }
    #[inline(always)]
    fn arrange(self, features: &[f32; INPUTS]) -> [Pair; 2] {
        let [first, second] = Plain.arrange(features);
        [self.load(&first), self.load(&second)]
    }
}
