//! Copies around the caches: what is written once and hardly ever read must not push the tables of
//! the hot loop out of them.

/// Octets that are written at once.
#[cfg(target_arch = "x86_64")]
const PIECE: usize = 16;
/// A place for a copy begins, and has room, at multiples of so many octets: a cache line.
pub(crate) const LINE: usize = 64;

/// Copies `from` to the beginning of `to`, as far as `to` has room for whole pieces of 16 octets; up
/// to 15 octets after the copy become zero. A place that begins elsewhere than on a cache line is
/// copied to through the caches.
///
/// [`settle`] is called before anything is read.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if to.as_ptr().addr().is_multiple_of(LINE) {
        return stream(to, from);
    }
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    clippy::cast_ptr_alignment,
    reason = "stores that go around the caches are intrinsics; `copy` sees to the alignment"
)]
fn stream(to: &mut [u8], from: &[u8]) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    let (to, _) = to.as_chunks_mut::<PIECE>();
    let (whole, rest) = from.as_chunks::<PIECE>();
    let mut last = [0; PIECE];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let last = (!rest.is_empty()).then_some(&last);
    for (to, from) in to.iter_mut().zip(whole.iter().chain(last)) {
        // SAFETY: both are 16 octets long; `copy` calls only where `to` begins on a multiple of 64,
        // and each piece is 16 further; `from` needs no alignment; SSE2 is part of every x86-64.
        unsafe {
            let piece = _mm_loadu_si128(from.as_ptr().cast::<__m128i>());
            _mm_stream_si128(to.as_mut_ptr().cast::<__m128i>(), piece);
        }
    }
}

/// Waits until what was copied can be read.
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the fence is an intrinsic")
)]
pub(crate) fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a fence touches no memory; SSE is part of every x86-64.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// Octets that a copy of so many takes.
pub(crate) fn room(octets: usize) -> usize {
    octets.next_multiple_of(LINE)
}
