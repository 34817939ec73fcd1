//! Zeroed memory that is committed only where it is touched.
//!
//! Tables smaller than a huge page lie side by side in one: alone none would ever fill it, and
//! each look-up would wait for the address of its small page as well.
#![expect(
    unsafe_code,
    reason = "anonymous memory from the operating system, for plain numbers and records"
)]

use std::alloc::{handle_alloc_error, Layout};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::pages::HUGE;

/// Bytes of a region that small tables share; address space, which costs nothing.
const REGION: usize = 4 * HUGE;
/// A page, at which tables of a page and more begin.
const PAGE: usize = 4096;

/// The region that takes the next small table.
static OPEN: Mutex<Weak<Region>> = Mutex::new(Weak::new());

/// Zeroed bytes at a fixed place; as many as a huge page has begin with one.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    region: Arc<Region>,
}

// SAFETY: the bytes are this mapping's alone.
unsafe impl Send for Mapping {}
// SAFETY: shared references to it give nothing but the address.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Where it begins at least: the border of two cache lines, which are fetched together.
    pub const ALIGN: usize = 128;

    /// Takes so many bytes; `None` if the system has no room.
    pub fn new(bytes: usize) -> Option<Self> {
        let bytes = bytes.max(1).checked_next_multiple_of(Self::ALIGN)?;
        if bytes >= HUGE {
            return Region::new(bytes)?.cut(bytes);
        }
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cut) = open.upgrade().and_then(|region| region.cut(bytes)) {
            return Some(cut);
        }
        let region = Region::new(REGION)?;
        *open = Arc::downgrade(&region);
        region.cut(bytes)
    }

    /// The first byte.
    #[inline(always)]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // The last one takes the region with it.
        if Arc::strong_count(&self.region) > 1 {
            let skip = self.start.as_ptr().align_offset(PAGE);
            let bytes = self.bytes.saturating_sub(skip) / PAGE * PAGE;
            // SAFETY: whole pages of this mapping, to which nobody holds a reference any more.
            unsafe { system::forget(self.start.add(skip.min(self.bytes)), bytes) };
        }
    }
}

/// Memory of the system's, from which tables are cut.
#[derive(Debug)]
struct Region {
    /// What was mapped: more than is used, for the alignment.
    mapped: NonNull<u8>,
    total: usize,
    /// Where it begins on the border of a huge page, and how much of it is cut off.
    skip: usize,
    used: AtomicUsize,
}

// SAFETY: it hands out each byte once, and is freed after all who have some.
unsafe impl Send for Region {}
// SAFETY: what is cut off is counted by an atomic number.
unsafe impl Sync for Region {}

impl Region {
    fn new(bytes: usize) -> Option<Arc<Self>> {
        let total = bytes.checked_add(HUGE)?;
        let mapped = system::map(total)?;
        Some(Arc::new(Self {
            mapped,
            total,
            skip: mapped.as_ptr().align_offset(HUGE).min(HUGE),
            used: AtomicUsize::new(0),
        }))
    }

    /// Cuts off bytes, if there are as many.
    fn cut(self: Arc<Self>, bytes: usize) -> Option<Mapping> {
        let align = if bytes < PAGE { Mapping::ALIGN } else { PAGE };
        let room = self.total - HUGE;
        let place = |used: usize| used.next_multiple_of(align);
        let used = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let end = place(used).checked_add(bytes)?;
                (end <= room).then_some(end)
            })
            .ok()?;
        // SAFETY: the end lies inside of what was mapped.
        let start = unsafe { self.mapped.add(self.skip + place(used)) };
        Some(Mapping {
            start,
            bytes,
            region: self,
        })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped; whoever had some of it held this region.
        unsafe { system::unmap(self.mapped, self.total) };
    }
}

/// Zeroed words of a table of fixed size, aligned as a [`Mapping`].
#[derive(Debug)]
pub struct Words {
    memory: Mapping,
    count: usize,
}

impl Words {
    /// Takes so many words.
    pub fn zeroed(count: usize) -> Self {
        let bytes = count.saturating_mul(size_of::<u32>());
        let Some(memory) = Mapping::new(bytes) else {
            handle_alloc_error(Layout::array::<u32>(count).unwrap_or(Layout::new::<u32>()))
        };
        Self { memory, count }
    }
}

impl Deref for Words {
    type Target = [u32];

    #[inline(always)]
    fn deref(&self) -> &[u32] {
        // SAFETY: so many words begin here, aligned, zeroed or written.
        unsafe { std::slice::from_raw_parts(self.memory.start().cast().as_ptr(), self.count) }
    }
}

impl DerefMut for Words {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u32] {
        // SAFETY: as in `deref`; they are borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.memory.start().cast().as_ptr(), self.count) }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::ptr::{null_mut, NonNull};

    pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: a private anonymous mapping at an address of the system's choice touches nothing.
        let start = unsafe {
            libc::mmap(
                null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        NonNull::new(start.cast())
    }

    /// SAFETY: exactly what `map` mapped, and no reference into it is left.
    pub(super) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: as the caller says.
        unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }

    /// Gives pages back, which are zero when they are touched again.
    ///
    /// SAFETY: whole pages of what `map` mapped, and no reference into them is left.
    pub(super) unsafe fn forget(start: NonNull<u8>, bytes: usize) {
        // SAFETY: as the caller says.
        unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTNEED) };
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::alloc::{alloc_zeroed, dealloc, Layout};
    use std::ptr::NonNull;

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, super::PAGE).ok()
    }

    pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: a mapping is never empty.
        NonNull::new(unsafe { alloc_zeroed(layout(bytes)?) })
    }

    /// SAFETY: exactly what `map` mapped, and no reference into it is left.
    pub(super) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        if let Some(layout) = layout(bytes) {
            // SAFETY: this is the layout that it was allocated with.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }

    /// SAFETY: there is nothing to see to.
    pub(super) unsafe fn forget(_start: NonNull<u8>, _bytes: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_lie_apart_and_are_zero() {
        let mut tables: Vec<Words> = [1, 16, 1000, 5000, 1 << 18, 1 << 18, 1 << 20, 17]
            .map(Words::zeroed)
            .into();
        for (number, table) in (1..).zip(&mut tables) {
            assert_eq!(table.as_ptr().addr() % Mapping::ALIGN, 0);
            assert!(table.iter().all(|&word| word == 0));
            table.fill(number);
        }
        for (number, table) in (1..).zip(&tables) {
            assert!(table.iter().all(|&word| word == number));
        }
        let large = Words::zeroed(HUGE / 4);
        let border = large.as_ptr().addr() % HUGE;
        assert_eq!(border, 0, "a large one begins with a huge page");
    }

    #[test]
    fn what_is_given_back_is_zero_for_the_next() {
        for round in 0..100 {
            let kept = Words::zeroed(3000);
            let mut table = Words::zeroed(1 << 18);
            assert!(table.iter().all(|&word| word == 0), "{round}");
            table.fill(7);
            drop(table);
            assert!(kept.iter().all(|&word| word == 0), "{round}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        assert!(Mapping::new(usize::MAX).is_none());
        assert!(Mapping::new(1 << 62).is_none());
    }
}
