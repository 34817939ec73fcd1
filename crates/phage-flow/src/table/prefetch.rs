//! Asks the cache for memory that is needed some packets later, and the system for huge pages.

/// Begins to load an element; no effect where it does not exist.
///
/// Worth its place: the tables are larger than the second-level cache, and asking some packets
/// ahead nearly doubles the rate of the flow table (see `examples/flow_rate.rs`).
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    for offset in (0..size_of::<T>()).step_by(64) {
        prefetch_line(slice, index, offset);
    }
}

/// Begins to load the cache line of an element that lies `offset` octets from its beginning.
#[inline(always)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the prefetch instruction takes a pointer")
)]
pub(crate) fn prefetch_line<T>(slice: &[T], index: usize, offset: usize) {
    if let Some(element) = slice.get(index) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
            let line = std::ptr::from_ref(element)
                .cast::<i8>()
                .wrapping_add(offset);
            // SAFETY: a prefetch reads nothing and faults on no address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (element, offset);
    }
}

/// The size of a huge page on the machines that have them.
const HUGE: usize = 2 << 20;

/// Which pieces of a table that grows are huge pages already.
///
/// A table of some megabytes has more pages of 4 kB than the processor remembers addresses of, so
/// each look-up waits for that of its page as well.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pages {
    /// Address of the table when the pieces were turned.
    begin: usize,
    settled: usize,
}

impl Pages {
    /// Turns the next piece of the table into a huge page, once `records` take most of it: a
    /// small table takes no more memory than it did. One piece a call, because it is copied.
    /// Where the system has no huge pages nothing happens.
    pub(crate) fn settle<T>(&mut self, records: &[T]) {
        let begin = records.as_ptr().addr();
        let end = begin + size_of_val(records);
        if self.begin != begin {
            *self = Self { begin, settled: 0 };
        }
        // Pieces are those of the address space: the first and the last may hold other data too.
        let piece = begin - begin % HUGE + self.settled * HUGE;
        let taken = end.min(piece + HUGE).saturating_sub(begin.max(piece));
        if taken < HUGE / 4 * 3 {
            // Less than that at the end of the first piece will never be more.
            self.settled += usize::from(piece < begin && piece + HUGE < end);
            return;
        }
        self.settled += 1;
        advise(records.as_ptr().cast::<u8>().with_addr(piece).cast_mut());
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "advice to the operating system")]
fn advise(piece: *mut u8) {
    // Since Linux 6.1, collapses at once instead of leaving it to a kernel thread.
    const MADV_COLLAPSE: i32 = 25;
    // SAFETY: neither advice changes what is read, whosever memory of this process it is; where
    // nothing is mapped the call is refused, and a refusal changes nothing.
    unsafe {
        libc::madvise(piece.cast(), HUGE, libc::MADV_HUGEPAGE);
        libc::madvise(piece.cast(), HUGE, MADV_COLLAPSE);
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_piece: *mut u8) {}
