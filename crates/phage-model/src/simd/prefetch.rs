//! Software prefetch.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "a prefetch is an intrinsic; it reads nothing and never faults"
    )
)]

/// Asks for the cache line at a byte offset of a record.
#[inline(always)]
pub(crate) fn prefetch<T>(record: &T, offset: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        let line = std::ptr::from_ref(record).cast::<i8>().wrapping_add(offset);
        // SAFETY: the instruction is in every x86-64 CPU and does nothing where the address is not mapped.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (record, offset);
}
