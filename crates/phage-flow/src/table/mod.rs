//! The bounded structures that the tables are made of.

pub(crate) mod entries;
pub(crate) mod index;
pub(crate) mod wheel;

/// One of two counters: `[0]` for the initiator or the sender, `[1]` for the other side.
#[inline(always)]
pub(crate) fn side<T>(pair: &mut [T; 2], second: bool) -> &mut T {
    let [first, other] = pair;
    if second {
        other
    } else {
        first
    }
}

/// No slot.
pub(crate) const NIL: u32 = u32::MAX;

/// Zeroed words of which those from the returned offset on lie on a cache-line border. Zeroed
/// memory comes from the system untouched, so it costs nothing until it is used.
pub(crate) fn aligned_words(count: usize) -> (Vec<u32>, usize) {
    let words = vec![0_u32; count + 16];
    let offset = words.as_ptr().align_offset(64).min(16);
    (words, offset)
}
