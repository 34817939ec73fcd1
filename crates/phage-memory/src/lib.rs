//! What the caches and the system are told of the hot path's tables, which are larger than both the
//! caches and the processor's memory of page addresses.

mod pages;
mod prefetch;

pub use pages::Pages;
pub use prefetch::{prefetch, prefetch_line, prefetch_within};
