//! What the caches and the system are told of the hot path's tables, which are larger than both the
//! caches and the processor's memory of page addresses.

mod mapping;
mod pages;
mod prefetch;

pub use mapping::{Mapping, Words};
pub use pages::Pages;
pub use prefetch::{prefetch, prefetch_line, prefetch_within};
