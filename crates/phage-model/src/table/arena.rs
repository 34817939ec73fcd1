//! Zeroed memory that is committed only where it is touched.
#![expect(
    unsafe_code,
    reason = "anonymous memory from the operating system; plain records only, checked by their type"
)]

use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error, Layout};
use std::ptr::NonNull;

use phage_memory::{Mapping, Pages};

/// A fixed array of records, a power of two of them, that never moves.
///
/// An index is taken modulo the length, so every access lies inside.
pub(crate) struct Arena<T> {
    first: NonNull<T>,
    mask: usize,
    /// What was mapped. `None`: from the allocator.
    mapped: Option<Mapping>,
    pages: Pages,
}

// SAFETY: the arena owns its memory alone and `T` is plain data.
unsafe impl<T: Send> Send for Arena<T> {}
// SAFETY: shared references give shared access only.
unsafe impl<T: Sync> Sync for Arena<T> {}

impl<T: bytemuck::Pod> Arena<T> {
    /// Maps an arena for `length` records (a power of two); `None` if the system has no room.
    pub(crate) fn new(length: usize) -> Option<Self> {
        const { assert!(align_of::<T>() <= Mapping::ALIGN) };
        assert!(length.is_power_of_two(), "indexes are masked");
        let bytes = length.checked_mul(size_of::<T>())?;
        let mapped = Mapping::new(bytes)?;
        Some(Self {
            first: mapped.start().cast(),
            mask: length - 1,
            mapped: Some(mapped),
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
        if self.mapped.is_none() {
            // SAFETY: this is the layout that `of` allocated.
            unsafe { dealloc(self.first.as_ptr().cast(), layout::<T>(self.mask + 1)) };
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
