//! Zeroed memory that is committed only where it is touched.
#![expect(
    unsafe_code,
    reason = "anonymous memory from the operating system; plain records only, checked by their type"
)]

use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error, Layout};
use std::ptr::NonNull;

use phage_memory::Pages;

/// The size of a huge page on the machines that have them.
const HUGE: usize = 2 << 20;

/// A fixed array of records, a power of two of them, that never moves.
///
/// An index is taken modulo the length, so every access lies inside.
pub(crate) struct Arena<T> {
    first: NonNull<T>,
    mask: usize,
    /// What was mapped: more than the records, for their alignment. `None`: from the allocator.
    mapped: Option<(NonNull<u8>, usize)>,
    pages: Pages,
}

// SAFETY: the arena owns its memory alone and `T` is plain data.
unsafe impl<T: Send> Send for Arena<T> {}
// SAFETY: shared references give shared access only.
unsafe impl<T: Sync> Sync for Arena<T> {}

impl<T: bytemuck::Pod> Arena<T> {
    /// Maps an arena for `length` records (a power of two); `None` if the system has no room.
    pub(crate) fn new(length: usize) -> Option<Self> {
        assert!(length.is_power_of_two(), "indexes are masked");
        let bytes = length.checked_mul(size_of::<T>())?;
        // Large arenas begin at a huge page, so that all of them can become huge ones.
        let align = if bytes >= HUGE { HUGE } else { 4096 };
        let total = bytes.checked_add(align)?;
        let Some(mapped) = map(total) else {
            return (!cfg!(unix)).then(|| Self::of(length));
        };
        let skip = mapped.as_ptr().align_offset(align);
        // SAFETY: `skip` is below `align`, and `total` is `align` longer than the records.
        let first = unsafe { mapped.add(skip) }.cast();
        Some(Self {
            first,
            mask: length - 1,
            mapped: Some((mapped, total)),
            pages: Pages::default(),
        })
    }

    /// An arena of one record from the allocator.
    pub(crate) fn one() -> Self {
        Self::of(1)
    }

    /// An arena from the allocator, for the smallest tables where nothing can be mapped.
    pub(crate) fn of(length: usize) -> Self {
        let length = length.next_power_of_two();
        let layout = layout::<T>(length);
        // SAFETY: the layout has a size: `T` is at least one cache line (`layout` makes it so).
        let Some(first) = NonNull::new(unsafe { alloc_zeroed(layout) }) else {
            handle_alloc_error(layout)
        };
        Self {
            first: first.cast(),
            mask: length - 1,
            mapped: None,
            pages: Pages::default(),
        }
    }

    /// Records that there are.
    pub(crate) fn len(&self) -> usize {
        self.mask + 1
    }

    /// A record.
    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> &T {
        // SAFETY: the masked index is below the length; zeroed memory is a `T` (it is `Pod`).
        unsafe { self.first.add(index & self.mask).as_ref() }
    }

    /// A record, to write.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        // SAFETY: as in `get`; the arena is borrowed alone.
        unsafe { self.first.add(index & self.mask).as_mut() }
    }

    /// Goes one step towards huge pages.
    pub(crate) fn settle(&mut self) {
        // SAFETY: so many records begin here, zeroed or written, and nothing writes to them meanwhile.
        let records = unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len()) };
        self.pages.settle(records);
    }
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        match self.mapped {
            Some((start, total)) => unmap(start, total),
            // SAFETY: this is the layout that `of` allocated.
            None => unsafe { dealloc(self.first.as_ptr().cast(), layout::<T>(self.mask + 1)) },
        }
    }
}

/// The layout of a small arena: at least one cache line.
fn layout<T>(length: usize) -> Layout {
    Layout::array::<T>(length)
        .and_then(|layout| layout.align_to(64))
        .unwrap_or(Layout::new::<[u64; 8]>())
        .pad_to_align()
}

#[cfg(unix)]
fn map(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: a private anonymous mapping at an address of the system's choice touches nothing.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        None
    } else {
        NonNull::new(start.cast())
    }
}

#[cfg(unix)]
fn unmap(start: NonNull<u8>, bytes: usize) {
    // SAFETY: exactly what `map` mapped, and nobody holds a reference into it any more.
    unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
}

#[cfg(not(unix))]
fn map(_bytes: usize) -> Option<NonNull<u8>> {
    None
}

#[cfg(not(unix))]
fn unmap(_start: NonNull<u8>, _bytes: usize) {}
