//! A file on its way: its octets so far, within bounds.

use crate::stream::Output;

/// Octets of a name that are kept.
const NAME: usize = 300;

/// A file on its way.
#[derive(Debug, Default)]
pub(crate) struct Body {
    name: String,
    data: Vec<u8>,
    /// Octets that came after it had grown too large; it is let go of then.
    is_too_large: bool,
}

impl Body {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.chars().take(NAME).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn rename(&mut self, name: &str) {
        self.name = name.chars().take(NAME).collect();
    }

    pub(crate) fn held(&self) -> usize {
        self.data.capacity() + self.name.capacity()
    }

    /// Adds octets.
    pub(crate) fn take(&mut self, piece: &[u8], out: &Output<'_>) {
        if self.is_too_large {
            return;
        }
        if self.data.len() + piece.len() > out.limits.file {
            self.data = Vec::new();
            self.is_too_large = true;
        } else {
            self.data.extend_from_slice(piece);
        }
    }

    /// Hands it on: it is whole. `to_initiator` says which way it went.
    pub(crate) fn finish(self, to_initiator: bool, out: &mut Output<'_>) {
        if self.is_too_large {
            out.counters.too_large += 1;
        } else if !self.data.is_empty() {
            out.emit(to_initiator, self.name, self.data);
        }
    }

    /// Lets go of it: some of it was not seen.
    pub(crate) fn abandon(self, out: &mut Output<'_>) {
        out.counters.incomplete += u64::from(!self.data.is_empty());
    }
}
