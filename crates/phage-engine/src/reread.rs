//! Reads pieces of a capture again, several of them at a time.

use std::ops::Range;

use phage_decode::Origin;

/// Most bytes that are read at once.
const LARGEST: u64 = 256 << 10;
/// Bytes between two pieces that are rather read than left out.
const GAP: u64 = 4096;

/// Pieces of a capture, in the order in which they are asked for.
pub(crate) struct Reread<'a, P> {
    origin: &'a dyn Origin,
    /// Positions and lengths of the pieces that are to come.
    places: P,
    /// What was read, and its position.
    bytes: Vec<u8>,
    position: u64,
}

impl<'a, P: Iterator<Item = (u64, usize)> + Clone> Reread<'a, P> {
    /// Begins before the first of the pieces; reads nothing yet.
    pub(crate) fn new(origin: &'a dyn Origin, places: P) -> Self {
        Self {
            origin,
            places,
            bytes: Vec::new(),
            position: 0,
        }
    }

    /// The next piece; none where the capture no longer has it.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let ahead = self.places.clone();
        let (at, length) = self.places.next()?;
        if !self.holds(at, length) {
            let end = reach(ahead, at);
            self.bytes.resize((end - at) as usize, 0);
            self.position = at;
            let read = self.origin.read_at(at, &mut self.bytes);
            self.bytes.truncate(read);
        }
        let start = at.checked_sub(self.position)? as usize;
        self.bytes.get(range(start, length))
    }

    fn holds(&self, at: u64, length: usize) -> bool {
        at.checked_sub(self.position)
            .is_some_and(|start| range(start as usize, length).end <= self.bytes.len())
    }
}

fn range(start: usize, length: usize) -> Range<usize> {
    start..start.saturating_add(length)
}

/// Where a read from `at` on ends that takes along what lies close behind.
fn reach(places: impl Iterator<Item = (u64, usize)>, at: u64) -> u64 {
    let mut end = at;
    for (next, length) in places {
        let behind = next.saturating_add(length as u64);
        let near = (end..=end.saturating_add(GAP)).contains(&next);
        if end != at && !(near && behind - at <= LARGEST) {
            break;
        }
        end = end.max(behind);
    }
    end
}
