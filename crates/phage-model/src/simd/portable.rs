//! The portable kernel: arrays of 8 floats that the compiler vectorises.

use super::arithmetic::{Arithmetic, Simd, STEEPEST, TINY};
use super::eight::{Eight, Triple};
use crate::table::Set;

/// The token of the portable kernel: every CPU has it.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Eight lanes.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Lanes([f32; 8]);

#[inline(always)]
fn map(a: Lanes, f: impl Fn(f32) -> f32) -> Lanes {
    Lanes(a.0.map(f))
}

#[inline(always)]
fn map2(a: Lanes, b: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    let mut out = a;
    for (x, y) in out.0.iter_mut().zip(b.0) {
        *x = f(*x, y);
    }
    out
}

#[inline(always)]
fn map3(a: Lanes, b: Lanes, c: Lanes, f: impl Fn(f32, f32, f32) -> f32) -> Lanes {
    let mut out = a;
    for ((x, y), z) in out.0.iter_mut().zip(b.0).zip(c.0) {
        *x = f(*x, y, z);
    }
    out
}

/// `a * b + c`, fused where that is one instruction of every CPU of the kind.
#[inline(always)]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// The nearest integer, for numbers below 2^22: adding 1.5 * 2^23 drops the fraction.
#[inline(always)]
fn nearest(x: f32) -> f32 {
    const DROP: f32 = 12_582_912.0;
    (x + DROP) - DROP
}

/// `2^k` for a whole k in -126 to 127: the sum holds k in its low bits, which become the exponent.
#[inline(always)]
fn power(k: f32) -> f32 {
    const DROP: f32 = 12_582_912.0;
    f32::from_bits((k + DROP).to_bits().wrapping_add(127) << 23)
}

impl Arithmetic for Portable {
    type V = Lanes;

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        Lanes([x; 8])
    }
    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        map3(a, b, c, fused)
    }
    #[inline(always)]
    fn min(self, a: Lanes, b: Lanes) -> Lanes {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: Lanes, b: Lanes) -> Lanes {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn select(self, mask: Lanes, a: Lanes, b: Lanes) -> Lanes {
        map3(mask, a, b, |m, a, b| if m > 0.0 { a } else { b })
    }
    #[inline(always)]
    fn reciprocal(self, a: Lanes) -> Lanes {
        map(a, |a| 1.0 / a)
    }
    #[inline(always)]
    fn roots(self, a: Lanes) -> (Lanes, Lanes) {
        let root = map(a, |a| if a > TINY { a.sqrt() } else { 0.0 });
        (root, map(root, |r| if r > 0.0 { 1.0 / r } else { 0.0 }))
    }
    #[inline(always)]
    fn exp2(self, x: Lanes) -> (Lanes, Lanes) {
        let k = map(x, nearest);
        (map(k, power), self.exp2_fraction(self.sub(x, k)))
    }
}

impl Simd for Portable {
    const WIDTH: usize = 8;
    type Streams = Triple<Self>;

    #[inline(always)]
    fn streams(self) -> Triple<Self> {
        Triple(self)
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Lanes {
        from.first_chunk().map_or(Lanes([0.0; 8]), |x| Lanes(*x))
    }
    #[inline(always)]
    fn store(self, v: Lanes, to: &mut [f32]) {
        if let Some(to) = to.first_chunk_mut() {
            *to = v.0;
        }
    }
    #[inline(always)]
    fn root(self, a: Lanes) -> Lanes {
        map(a, f32::sqrt)
    }
    #[inline(always)]
    fn odds(self, x: Lanes) -> Lanes {
        let x = self.max(self.min(x, self.splat(STEEPEST)), self.splat(-STEEPEST));
        let (scale, rest) = self.exp2(x);
        let power = self.mul_add(scale, rest, scale);
        self.add(power, self.splat(1.0))
    }
    #[inline(always)]
    fn log2_1p(self, x: Lanes) -> Lanes {
        let bits = map(x, |x| 1.0 + x.abs());
        let exponent = map(bits, |y| (y.to_bits() >> 23) as i32 as f32 - 127.0);
        let mantissa = map(bits, |y| {
            f32::from_bits(y.to_bits() & 0x007f_ffff | 0x3f80_0000) - 1.0
        });
        let log = self.log2_mantissa(mantissa, exponent);
        map2(log, x, f32::copysign)
    }
    #[inline(always)]
    fn transpose(self, square: &mut [Lanes]) {
        let Ok(square): Result<&mut [Lanes; 8], _> = square.try_into() else {
            return;
        };
        let rows = *square;
        for (column, out) in square.iter_mut().enumerate() {
            for (x, row) in out.0.iter_mut().zip(&rows) {
                *x = row.0.get(column).copied().unwrap_or(0.0);
            }
        }
    }
    #[inline(always)]
    fn sum(self, v: Lanes) -> f32 {
        let [a, b, c, d, e, f, g, h] = v.0;
        ((a + e) + (b + f)) + ((c + g) + (d + h))
    }
    #[inline(always)]
    fn gather(self, from: &[f32; 128], index: &[u32]) -> Lanes {
        let mut out = Lanes([0.0; 8]);
        for (x, i) in out.0.iter_mut().zip(index) {
            *x = from.get((*i & 127) as usize).copied().unwrap_or(0.0);
        }
        out
    }
    #[inline(always)]
    fn equal(self, tags: &[u32; 8], tag: u32) -> u32 {
        let mut mask = 0;
        for (way, found) in tags.iter().enumerate() {
            mask |= u32::from(*found == tag) << way;
        }
        mask
    }
    #[inline(always)]
    fn weakest(self, set: &Set, base: i64, dead: i32) -> usize {
        let mut weakest = (i32::MAX, 0);
        for (way, score) in set.scores(base, dead).into_iter().enumerate() {
            if score < weakest.0 {
                weakest = (score, way);
            }
        }
        weakest.1
    }
}

impl Eight for Portable {
    #[inline(always)]
    fn load_five(self, from: &[f32; 5]) -> Lanes {
        let [a, b, c, d, e] = *from;
        Lanes([a, b, c, d, e, 0.0, 0.0, 0.0])
    }
    #[inline(always)]
    fn store_five(self, v: Lanes, to: &mut [f32; 5]) {
        let [a, b, c, d, e, ..] = v.0;
        *to = [a, b, c, d, e];
    }
    #[inline(always)]
    fn lane_three(self, v: Lanes) -> f32 {
        let [_, _, _, x, ..] = v.0;
        x
    }
}
