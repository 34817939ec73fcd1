//! Asks the cache for memory that is needed some packets later.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Begins to load an element; no effect where it does not exist.
///
/// Worth its place: asking some packets ahead nearly doubles the rate of the flow table (see
/// `phage-flow`'s `examples/flow_rate.rs`).
#[inline(always)]
pub fn prefetch<T>(elements: &[T], index: usize) {
    if let Some(element) = elements.get(index) {
        for offset in (0..size_of::<T>()).step_by(LINE) {
            prefetch_within(element, offset);
        }
    }
}

/// Begins to load the cache line of an element that lies `offset` bytes from its beginning.
#[inline(always)]
pub fn prefetch_line<T>(elements: &[T], index: usize, offset: usize) {
    if let Some(element) = elements.get(index) {
        prefetch_within(element, offset);
    }
}

/// Begins to load the cache line that lies `offset` bytes from the beginning of a record.
#[inline(always)]
#[cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "the instruction takes a pointer")
)]
pub fn prefetch_within<T>(record: &T, offset: usize) {
    let line = std::ptr::from_ref(record).cast::<i8>().wrapping_add(offset);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults on no address; it is in every x86-64 CPU.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch reads nothing and faults on no address; it is in every AArch64 CPU.
    unsafe {
        std::arch::asm!(
            "prfm pldl1keep, [{line}]",
            line = in(reg) line,
            options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = line;
}
