//! Huge pages for tables that are in use.

/// The size of a huge page on the machines that have them.
pub(crate) const HUGE: usize = 2 << 20;
/// A table of fewer bytes has so few pages that the processor remembers where they are.
const SMALLEST: usize = 512 << 10;
/// Pieces of a table that are looked after: of a larger one the rest stays as it is.
const PIECES: usize = u128::BITS as usize;
/// Calls that pass after a piece was found mostly empty.
const PAUSE: u32 = 4;

/// Which pieces of a table are huge pages already.
///
/// A table of some megabytes has more pages of 4 kB than the processor remembers addresses of, so
/// each look-up waits for that of its page as well: a tenth of the time of a packet, and more in a
/// virtual machine, where addresses are looked up twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages {
    /// Address of the table when the pieces were turned.
    begin: usize,
    /// A bit for each piece that is settled.
    settled: u128,
    /// The piece that is looked at next, and calls until then.
    next: usize,
    wait: u32,
}

impl Pages {
    /// Turns one piece of a table into a huge page if seven eighths of it are in memory, so that no
    /// table takes much more memory than it did: pieces are those of the address space, and the first
    /// and the last may hold other tables. One piece a call, because it is copied.
    ///
    /// Called once in a while; where the system has no huge pages nothing happens.
    pub fn settle<T>(&mut self, table: &[T]) {
        let (begin, bytes) = (table.as_ptr().addr(), size_of_val(table));
        if bytes < SMALLEST {
            return;
        }
        if self.begin != begin {
            *self = Self {
                begin,
                ..Self::default()
            };
        }
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        let count = ((begin + bytes).div_ceil(HUGE) - begin / HUGE).min(PIECES);
        let order = (self.next..count).chain(0..self.next.min(count));
        let Some(number) = order
            .into_iter()
            .find(|number| self.settled >> number & 1 == 0)
        else {
            self.wait = PAUSE;
            return;
        };
        self.next = number + 1;
        let piece = (begin / HUGE + number) * HUGE;
        if system::is_mostly_present(table, piece) {
            self.settled |= 1 << number;
            system::advise(table, piece);
        } else {
            self.wait = PAUSE;
        }
    }

    /// How many pieces are settled.
    pub fn settled(&self) -> u32 {
        self.settled.count_ones()
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "questions and advice to the operating system")]
mod system {
    use super::HUGE;

    /// The smallest pages that there are.
    const SMALL: usize = 4096;

    /// A piece of the address space in which a table lies, as the system takes it.
    fn at<T>(table: &[T], piece: usize) -> *mut libc::c_void {
        table.as_ptr().with_addr(piece).cast_mut().cast()
    }

    /// Whether seven eighths of a piece are in memory.
    pub(super) fn is_mostly_present<T>(table: &[T], piece: usize) -> bool {
        let mut present = [0_u8; HUGE / SMALL];
        // SAFETY: asks about addresses only, mapped or not; writes a byte for each page, of which
        // there are at most as many as of the smallest size.
        let (answer, page) = unsafe {
            (
                libc::mincore(at(table, piece), HUGE, present.as_mut_ptr()),
                libc::sysconf(libc::_SC_PAGESIZE),
            )
        };
        let count = present.iter().filter(|&&page| page & 1 == 1).count();
        answer == 0 && count * usize::try_from(page).unwrap_or(0) >= HUGE / 8 * 7
    }

    /// Asks for a huge page in place of the small ones of a piece.
    pub(super) fn advise<T>(table: &[T], piece: usize) {
        // Since Linux 6.1, collapses at once instead of leaving it to a kernel thread.
        const MADV_COLLAPSE: i32 = 25;
        // SAFETY: neither advice changes what is read, whosever memory of this process it is; where
        // nothing is mapped the call is refused, and a refusal changes nothing.
        unsafe {
            libc::madvise(at(table, piece), HUGE, libc::MADV_HUGEPAGE);
            libc::madvise(at(table, piece), HUGE, MADV_COLLAPSE);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn is_mostly_present<T>(_table: &[T], _piece: usize) -> bool {
        false
    }

    pub(super) fn advise<T>(_table: &[T], _piece: usize) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Calls often enough that every piece was looked at.
    fn settle(pages: &mut Pages, table: &[u64]) {
        for _ in 0..64 * (PAUSE + 1) {
            pages.settle(table);
        }
    }

    #[test]
    fn what_is_written_becomes_huge_and_what_is_not_stays() {
        let mut table: Vec<u64> = Vec::new();
        table.reserve_exact(8 * HUGE / 8);
        table.resize(3 * HUGE / 8, 7);
        let mut pages = Pages::default();
        settle(&mut pages, &table);
        // Of three huge pages' bytes two are whole pieces, wherever the table begins.
        let settled = pages.settled();
        assert!((2..=4).contains(&settled), "{settled}");
        assert!(table.iter().all(|&number| number == 7));
        let untouched = vec![0_u64; 8 * HUGE / 8];
        let mut pages = Pages::default();
        settle(&mut pages, &untouched);
        assert!(
            pages.settled() <= 1,
            "its ends may lie in a piece of others"
        );
    }

    #[test]
    fn small_tables_are_left_alone() {
        let mut pages = Pages::default();
        settle(&mut pages, &vec![1_u64; SMALLEST / 8 - 1]);
        assert_eq!(pages.settled(), 0);
    }

    #[test]
    fn a_table_that_moved_begins_anew() {
        let mut pages = Pages::default();
        let table = vec![1_u64; 2 * HUGE / 8];
        settle(&mut pages, &table);
        assert!(pages.settled() >= 1);
        pages.settle(&vec![2_u64; SMALLEST / 8]);
        assert!(pages.settled() <= 1);
    }
}
