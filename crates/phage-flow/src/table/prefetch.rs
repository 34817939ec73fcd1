//! Asks the cache for memory that is needed some packets later.

/// Begins to load an element; no effect where it does not exist.
///
/// Worth its place: the tables are larger than the second-level cache, and asking some packets
/// ahead nearly doubles the rate of the flow table (see `examples/flow_rate.rs`).
#[inline(always)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the prefetch instruction takes a pointer")
)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    if let Some(element) = slice.get(index) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
            let start = std::ptr::from_ref(element).cast::<i8>();
            let mut offset = 0;
            while offset < size_of::<T>() {
                // SAFETY: a prefetch reads nothing and faults on no address; this one lies
                // inside the element besides.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(offset)) };
                offset += 64;
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = element;
    }
}
