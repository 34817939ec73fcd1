//! Vectors of sixteen floats for the ensembles of devices, and the choice of instructions.
//!
//! Four autoencoders lie side by side: lane `4 i + g` belongs to group `g`. Two operations move
//! values between the lanes of a group: [`Sixteen::spread`] gives every neuron of a group the same
//! input, [`Sixteen::fold`] sums what the neurons of a group say of four inputs.

use crate::simd::Kernel;

use super::lanes::{logarithm, logistic, Neurons, GROUPS, HIDDEN, INPUTS, NEURONS, VISIBLE};

/// Sixteen lanes. All operations are total.
pub(crate) trait Sixteen: Copy {
    /// A vector.
    type V: Copy;

    fn splat(self, x: f32) -> Self::V;
    fn load(self, from: &Neurons) -> Self::V;
    fn store(self, v: Self::V, to: &mut Neurons);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// Clamped to `low..=high`; `low` where `a` is NaN.
    fn clamp(self, a: Self::V, low: f32, high: f32) -> Self::V;
    fn logistic(self, a: Self::V) -> Self::V;
    /// `ln(1 + x)`, and `-ln(1 - x)` below zero.
    fn curve(self, a: Self::V) -> Self::V;
    /// `a` where the mask is 1, `b` where it is 0.
    fn select(self, mask: &[u32; NEURONS], a: Self::V, b: Self::V) -> Self::V;
    fn sum(self, a: Self::V) -> f32;
    /// The lanes `4 i + g` of the i-th vector of the answer, for any `h` in `4 h + g`, are the lane
    /// `4 i + g` of `a`: the inputs of all groups, each for all hidden neurons.
    fn spread(self, a: Self::V) -> [Self::V; HIDDEN];
    /// Lane `4 i + g` of the answer is the sum of the lanes `4 h + g` of `vectors[i]`.
    fn fold(self, vectors: [Self::V; HIDDEN]) -> Self::V;
    /// Features in the order of the catalog to the order of the lanes (see [`super::place`]).
    fn arrange(self, features: &[f32; INPUTS]) -> [Self::V; 2];
}

/// A computation over sixteen lanes. Implementations mark `run` as `#[inline(always)]`, so that it
/// is compiled with the instructions of the kernel.
pub(crate) trait Work {
    type Output;
    fn run<S: Sixteen>(self, lanes: S) -> Self::Output;
}

/// The instructions that were found on this processor.
#[derive(Clone, Copy, Debug)]
pub enum DeviceKernel {
    /// AVX-512 F and DQ.
    #[cfg(target_arch = "x86_64")]
    Avx512(super::avx512::Avx512),
    /// AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(super::avx2::Avx2),
    /// What every processor has.
    Portable,
}

impl DeviceKernel {
    /// The wanted one; the fastest where none is wanted or the processor lacks it.
    pub fn new(wanted: Option<Kernel>) -> Self {
        match wanted {
            #[cfg(target_arch = "x86_64")]
            Some(Kernel::Avx2) => super::avx2::Avx2::detect().map_or(Self::Portable, Self::Avx2),
            Some(Kernel::Portable) => Self::Portable,
            _ => Self::best(),
        }
    }

    /// The fastest one.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(token) = super::avx512::Avx512::detect() {
                return Self::Avx512(token);
            }
            if let Some(token) = super::avx2::Avx2::detect() {
                return Self::Avx2(token);
            }
        }
        Self::Portable
    }

    /// Every one that this processor has.
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(super::avx2::Avx2::detect().map(Self::Avx2));
            kernels.extend(super::avx512::Avx512::detect().map(Self::Avx512));
        }
        kernels
    }

    /// Runs a computation.
    #[inline(always)]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.run(work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.run(work),
            Self::Portable => work.run(Plain),
        }
    }
}

/// Arrays, vectorised by the compiler as far as it can.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

#[inline(always)]
fn zip(a: Neurons, b: Neurons, f: impl Fn(f32, f32) -> f32) -> Neurons {
    let mut out = a;
    for (a, b) in out.iter_mut().zip(b) {
        *a = f(*a, b);
    }
    out
}

impl Sixteen for Plain {
    type V = Neurons;

    #[inline(always)]
    fn splat(self, x: f32) -> Neurons {
        [x; NEURONS]
    }
    #[inline(always)]
    fn load(self, from: &Neurons) -> Neurons {
        *from
    }
    #[inline(always)]
    fn store(self, v: Neurons, to: &mut Neurons) {
        *to = v;
    }
    #[inline(always)]
    fn add(self, a: Neurons, b: Neurons) -> Neurons {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Neurons, b: Neurons) -> Neurons {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Neurons, b: Neurons) -> Neurons {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: Neurons, b: Neurons, c: Neurons) -> Neurons {
        zip(zip(a, b, |a, b| a * b), c, |ab, c| ab + c)
    }
    #[inline(always)]
    fn div(self, a: Neurons, b: Neurons) -> Neurons {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn clamp(self, a: Neurons, low: f32, high: f32) -> Neurons {
        a.map(|a| a.max(low).min(high))
    }
    #[inline(always)]
    fn logistic(self, a: Neurons) -> Neurons {
        a.map(logistic)
    }
    #[inline(always)]
    fn curve(self, a: Neurons) -> Neurons {
        a.map(|a| logarithm(1.0 + a.abs()).copysign(a))
    }
    #[inline(always)]
    fn select(self, mask: &[u32; NEURONS], a: Neurons, b: Neurons) -> Neurons {
        let mut out = b;
        for ((out, a), mask) in out.iter_mut().zip(a).zip(mask) {
            *out = if *mask == 1 { a } else { *out };
        }
        out
    }
    #[inline(always)]
    fn sum(self, a: Neurons) -> f32 {
        a.iter().sum()
    }
    #[inline(always)]
    fn spread(self, a: Neurons) -> [Neurons; HIDDEN] {
        let mut out = [[0.0; NEURONS]; HIDDEN];
        for (out, four) in out.iter_mut().zip(a.as_chunks::<GROUPS>().0) {
            for block in out.as_chunks_mut::<GROUPS>().0 {
                *block = *four;
            }
        }
        out
    }
    #[inline(always)]
    fn fold(self, vectors: [Neurons; HIDDEN]) -> Neurons {
        let mut out = [0.0; NEURONS];
        for (sums, vector) in out.as_chunks_mut::<GROUPS>().0.iter_mut().zip(vectors) {
            for block in vector.as_chunks::<GROUPS>().0 {
                for (sum, value) in sums.iter_mut().zip(block) {
                    *sum += value;
                }
            }
        }
        out
    }
    #[inline(always)]
    fn arrange(self, features: &[f32; INPUTS]) -> [Neurons; 2] {
        let mut out = [[0.0; NEURONS]; 2];
        for (group, values) in features.as_chunks::<VISIBLE>().0.iter().enumerate() {
            let (first, second) = values.split_at(VISIBLE / 2);
            for (out, values) in out.iter_mut().zip([first, second]) {
                for (block, value) in out.as_chunks_mut::<GROUPS>().0.iter_mut().zip(values) {
                    if let Some(lane) = block.get_mut(group) {
                        *lane = *value;
                    }
                }
            }
        }
        out
    }
}
