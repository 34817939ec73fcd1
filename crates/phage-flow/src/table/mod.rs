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
