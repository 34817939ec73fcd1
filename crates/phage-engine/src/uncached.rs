//! Copies around the caches: what is written once and hardly ever read must not push the tables of
//! the hot loop out of them.

/// A place for a copy begins, and has room, at multiples of so many octets: a cache line.
pub(crate) const LINE: usize = 64;

/// Copies `from` to the beginning of `to`, as far as `to` has room for whole lines; up to 63 octets
/// after the copy become zero. A place that begins elsewhere than on a cache line is copied to through
/// the caches.
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
    // A line at a time: what is written of a line in one go leaves the processor in one piece.
    let line = |to: &mut [u8; LINE], from: &[u8; LINE]| {
        let (to, from) = (to.as_mut_ptr(), from.as_ptr());
        // SAFETY: both are 64 octets long; `copy` calls only where `to` begins on a multiple of 64,
        // and each line is 64 further; `from` needs no alignment; SSE2 is part of every x86-64.
        unsafe {
            let pieces: [__m128i; 4] =
                [0, 16, 32, 48].map(|at| _mm_loadu_si128(from.add(at).cast::<__m128i>()));
            for (at, piece) in [0, 16, 32, 48].into_iter().zip(pieces) {
                _mm_stream_si128(to.add(at).cast::<__m128i>(), piece);
            }
        }
    };
    let (whole, rest) = from.as_chunks::<LINE>();
    let mut places = to.as_chunks_mut::<LINE>().0.iter_mut();
    // In this order, for a pair whose second is missing loses its first.
    for (from, to) in whole.iter().zip(places.by_ref()) {
        line(to, from);
    }
    if let (Some(to), false) = (places.next(), rest.is_empty()) {
        let mut last = [0; LINE];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        line(to, &last);
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

#[cfg(test)]
mod tests {
    #![expect(
        clippy::indexing_slicing,
        reason = "a test stops at what it did not expect"
    )]
    use super::*;

    /// A place that begins on a cache line, and one that does not.
    #[repr(C, align(64))]
    struct Places([u8; 4 * LINE + 8]);

    #[test]
    fn every_length_arrives_and_nothing_is_written_beyond_its_room() {
        let source: Vec<u8> = (1..=200).collect();
        for begin in [0, 8] {
            for length in 0..source.len() {
                let mut places = Places([0xff; 4 * LINE + 8]);
                let end = begin + room(length).min(3 * LINE);
                copy(&mut places.0[begin..end], &source[..length]);
                settle();
                let (written, beyond) = places.0[begin..].split_at(end - begin);
                let kept = length.min(written.len());
                assert_eq!(
                    written[..kept],
                    source[..kept],
                    "{length} octets at {begin}"
                );
                assert!(beyond.iter().all(|&byte| byte == 0xff));
            }
        }
    }
}
