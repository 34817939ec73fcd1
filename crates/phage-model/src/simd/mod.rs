//! Vectors of floats behind one trait, and the choice of the kernel at run time.
//!
//! An algorithm is written once as a [`Task`], generic over [`Simd`]. [`Kernel::run`] runs it with
//! the instructions of a kernel. A kernel is a value of a type that only its detection can make
//! (a token), so that holding it proves that the CPU has the instructions.

mod arithmetic;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_streams;
mod eight;
mod portable;
mod streams;

pub(crate) use arithmetic::{Arithmetic, Simd, DEEPEST};
pub(crate) use streams::{Emission, Streams, Touch};

use portable::Portable;

/// An algorithm that runs on any kernel. Implementations mark `run` as `#[inline(always)]`, so that
/// it is compiled with the instructions of the kernel.
pub(crate) trait Task {
    /// What it answers.
    type Output;
    /// Runs it.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The instructions that the hot loops run on. Results agree to about 1e-6 of their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// AVX-512 F, VL, BW and DQ: 16 lanes.
    Avx512,
    /// AVX2 with FMA: 8 lanes.
    Avx2,
    /// What every CPU has (SSE2 on x86-64, NEON on `AArch64`), laid out for the compiler to vectorise.
    Portable,
}

impl Kernel {
    /// All kernels, fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Name in reports and options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// The kernel of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kernel| kernel.name() == name)
    }

    /// Whether this CPU has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::Avx2::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// The fastest kernel that this CPU has.
    pub fn best() -> Self {
        Self::ALL
            .into_iter()
            .find(|kernel| kernel.is_available())
            .unwrap_or(Self::Portable)
    }
}

/// A kernel that was found on this CPU.
#[derive(Clone, Copy)]
pub(crate) enum Chosen {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    Portable(Portable),
}

impl Chosen {
    /// Takes the wanted kernel, or the best where none is wanted or the CPU lacks it.
    pub(crate) fn new(wanted: Option<Kernel>) -> Self {
        #[cfg(target_arch = "x86_64")]
        match wanted
            .filter(|kernel| kernel.is_available())
            .unwrap_or_else(Kernel::best)
        {
            Kernel::Avx512 => {
                if let Some(token) = avx512::Avx512::detect() {
                    return Self::Avx512(token);
                }
            }
            Kernel::Avx2 => {
                if let Some(token) = avx2::Avx2::detect() {
                    return Self::Avx2(token);
                }
            }
            Kernel::Portable => {}
        }
        let _ = wanted;
        Self::Portable(Portable)
    }

    /// Which kernel it is.
    pub(crate) fn kernel(self) -> Kernel {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Kernel::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Kernel::Avx2,
            Self::Portable(_) => Kernel::Portable,
        }
    }

    /// Runs a task with the kernel's instructions.
    #[inline]
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.run(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.run(task),
            Self::Portable(token) => task.run(token),
        }
    }
}

#[cfg(test)]
mod tests;
