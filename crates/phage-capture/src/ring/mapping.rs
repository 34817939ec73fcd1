//! The memory that the kernel writes frames to, block by block.
#![expect(
    unsafe_code,
    reason = "memory shared with the kernel; every block says who may touch it when"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the status word stands in a block's header (`tpacket_block_desc`).
const STATUS: usize = 8;

/// The block is the reader's (`TP_STATUS_USER`).
const OURS: u32 = 1;

/// A mapped `TPACKET_V3` ring.
///
/// Each block is either the kernel's or the reader's. It becomes the reader's when the kernel sets
/// its status, and the kernel's when [`Mapping::release`] clears it; in between the kernel neither
/// writes to it nor moves it.
pub(super) struct Mapping {
    start: NonNull<u8>,
    block_size: usize,
    blocks: usize,
}

// SAFETY: the mapping is owned by one `Mapping`, and nothing in it belongs to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the ring of a socket that has one of this size.
    pub(super) fn new(
        socket: BorrowedFd<'_>,
        block_size: usize,
        blocks: usize,
    ) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                block_size * blocks,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("the ring was mapped at address 0"))?;
        Ok(Self {
            start,
            block_size,
            blocks,
        })
    }

    fn status(&self, block: usize) -> Option<&AtomicU32> {
        if block >= self.blocks {
            return None;
        }
        // SAFETY: the block lies within the mapping, which lives as long as `self`; blocks start
        // at page boundaries, so the word is aligned. The kernel's side accesses it atomically,
        // and this side only through this function.
        Some(unsafe {
            AtomicU32::from_ptr(
                self.start
                    .as_ptr()
                    .add(block * self.block_size + STATUS)
                    .cast(),
            )
        })
    }

    /// The bytes of a block, if it is the reader's.
    ///
    /// The borrow is exclusive, so that the block cannot be released while it is read.
    pub(super) fn block(&mut self, block: usize) -> Option<&[u8]> {
        let status = self.status(block)?;
        // Acquire: what the kernel wrote before it handed the block over is seen after this.
        if status.load(Ordering::Acquire) & OURS == 0 {
            return None;
        }
        // SAFETY: the block lies within the mapping. It is the reader's, so the kernel does not
        // write to it until `release`, which needs `&mut self` and so cannot run while the slice
        // lives. The status word in it is written only by `release` as well.
        Some(unsafe {
            std::slice::from_raw_parts(
                self.start.as_ptr().add(block * self.block_size),
                self.block_size,
            )
        })
    }

    /// Gives a block back to the kernel.
    pub(super) fn release(&mut self, block: usize) {
        if let Some(status) = self.status(block) {
            // Release: every read of the block is done before the kernel may write to it.
            status.store(0, Ordering::Release);
        }
    }

    /// Whether the kernel handed a block over.
    pub(super) fn is_ready(&self, block: usize) -> bool {
        self.status(block)
            .is_some_and(|status| status.load(Ordering::Acquire) & OURS != 0)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and no borrow of it outlives
        // `self`.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.block_size * self.blocks);
        }
    }
}
