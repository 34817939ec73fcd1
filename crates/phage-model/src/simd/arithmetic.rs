//! The operations that a kernel offers.

use super::Streams;
use crate::table::Set;

/// Below this a variance counts as none: a stream of equal lengths has no deviation to divide by.
pub(crate) const TINY: f32 = 1e-12;

/// Decay exponents are cut off here: `2^-100` of any weight is nothing, and stays clear of
/// denormal numbers, which are slow.
pub(crate) const DEEPEST: f32 = -100.0;

/// Arguments of the logistic function are cut off here: beyond, it is 0 or 1 to 1e-9, products of its values would be
/// denormal numbers, which made training up to twice as slow, and the product of four odds has to be finite.
pub(crate) const STEEPEST: f32 = 31.0;

/// Lane-wise arithmetic. All operations are total: they answer for NaN and infinities too.
pub(crate) trait Arithmetic: Copy {
    /// A vector.
    type V: Copy;

    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller; `b` where `a` is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` where `a` is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `mask` is above zero, else `b`.
    fn select(self, mask: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// `1 / a`, to 2e-7.
    fn reciprocal(self, a: Self::V) -> Self::V;
    /// The root and its reciprocal, to 3e-7; both 0 where `a` is not above [`TINY`].
    fn roots(self, a: Self::V) -> (Self::V, Self::V);
    /// `2^x` as `(2^k, 2^r - 1)` with `x = k + r`, so that a factor near 1 keeps its precision.
    /// `x` lies in [`DEEPEST`] to 0.
    fn exp2(self, x: Self::V) -> (Self::V, Self::V);

    /// `2^r - 1` on -0.5 to 0.5, relative to `2^r` to 1e-7; exact in the linear term, so that small decays
    /// add up rightly.
    #[inline(always)]
    fn exp2_fraction(self, r: Self::V) -> Self::V {
        let p = self.mul_add(self.splat(0.001_330_06), r, self.splat(0.009_669_69));
        let p = self.mul_add(p, r, self.splat(0.055_505_58));
        let p = self.mul_add(p, r, self.splat(0.240_222_83));
        let p = self.mul_add(p, r, self.splat(std::f32::consts::LN_2));
        self.mul(p, r)
    }
}

/// A kernel: vectors of [`Simd::WIDTH`] lanes in memory order.
pub(crate) trait Simd: Arithmetic {
    /// Lanes of a vector: 8 or 16.
    const WIDTH: usize;
    /// The layout of the damped statistics' three streams.
    type Streams: Streams;
    fn streams(self) -> Self::Streams;

    /// The first [`Simd::WIDTH`] values; zeros where there are fewer.
    fn load(self, from: &[f32]) -> Self::V;
    /// Writes the first [`Simd::WIDTH`] values; nothing where there is less room.
    fn store(self, v: Self::V, to: &mut [f32]);
    /// The root.
    fn root(self, a: Self::V) -> Self::V;
    /// `1 + 2^x`, to 2e-7 of it, for any x; as if x were at most [`STEEPEST`].
    fn odds(self, x: Self::V) -> Self::V;
    /// `log2(1 + x)`, and `-log2(1 - x)` below zero; absolute error 4e-6.
    fn log2_1p(self, x: Self::V) -> Self::V;
    /// Transposes a square of [`Simd::WIDTH`] vectors in place.
    fn transpose(self, square: &mut [Self::V]);
    /// The sum of all lanes.
    fn sum(self, v: Self::V) -> f32;
    /// `from[index]` for each lane; indices are taken modulo 128.
    fn gather(self, from: &[f32; 128], index: &[u32]) -> Self::V;

    /// Bit i is set where `tags[i]` equals `tag`.
    fn equal(self, tags: &[u32; 8], tag: u32) -> u32;
    /// The way whose stream has the smallest decayed weight; free ways count as `dead`.
    fn weakest(self, set: &Set, base: i64, dead: i32) -> usize;

    /// `1 / (1 + 2^x)`, to 1e-6, for any x.
    #[inline(always)]
    fn logistic(self, x: Self::V) -> Self::V {
        self.reciprocal(self.odds(x))
    }

    /// [`Simd::logistic`] of many; four share a reciprocal (Montgomery's trick), which takes as long as five
    /// multiplications.
    #[inline(always)]
    fn logistics(self, xs: &mut [Self::V]) {
        for x in &mut *xs {
            *x = self.odds(*x);
        }
        for xs in xs.chunks_mut(4) {
            match xs {
                [a, b, c, d] => {
                    let (ab, cd) = (self.mul(*a, *b), self.mul(*c, *d));
                    let all = self.reciprocal(self.mul(ab, cd));
                    let (ab, cd) = (self.mul(all, cd), self.mul(all, ab));
                    (*a, *b) = (self.mul(ab, *b), self.mul(ab, *a));
                    (*c, *d) = (self.mul(cd, *d), self.mul(cd, *c));
                }
                [a, b, c] => {
                    let ab = self.mul(*a, *b);
                    let all = self.reciprocal(self.mul(ab, *c));
                    let inverse = self.mul(all, *c);
                    (*a, *b) = (self.mul(inverse, *b), self.mul(inverse, *a));
                    *c = self.mul(all, ab);
                }
                [a, b] => {
                    let all = self.reciprocal(self.mul(*a, *b));
                    (*a, *b) = (self.mul(all, *b), self.mul(all, *a));
                }
                rest => {
                    for x in rest {
                        *x = self.reciprocal(*x);
                    }
                }
            }
        }
    }

    /// `ln(1 + x)`, and `-ln(1 - x)` below zero; absolute error 3e-6.
    #[inline(always)]
    fn log1p(self, x: Self::V) -> Self::V {
        self.mul(self.log2_1p(x), self.splat(std::f32::consts::LN_2))
    }

    /// `e + log2(1 + m)` for m in 0 to 1, absolute error 2.2e-6.
    #[inline(always)]
    fn log2_mantissa(self, m: Self::V, e: Self::V) -> Self::V {
        let p = self.mul_add(self.splat(-0.026_457_41), m, self.splat(0.123_451_4));
        let p = self.mul_add(p, m, self.splat(-0.279_538_03));
        let p = self.mul_add(p, m, self.splat(0.458_270_8));
        let p = self.mul_add(p, m, self.splat(-0.718_281_9));
        let p = self.mul_add(p, m, self.splat(1.442_553_2));
        self.mul_add(p, m, e)
    }
}
