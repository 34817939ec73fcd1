//! Options of pcapng blocks.

use super::reader::Order;

/// The options in a piece of a block: code and value. Ends at the end-of-options mark, and where
/// a length lies.
pub(super) fn options(order: Order, bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let code = order.u16_at(rest, 0)?;
        let length = usize::from(order.u16_at(rest, 2)?);
        if code == 0 {
            return None;
        }
        let value = rest.get(4..4 + length)?;
        rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((code, value))
    })
}
