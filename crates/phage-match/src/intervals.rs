//! Disjoint intervals of addresses, from prefixes.

/// An address as an unsigned number.
pub(crate) trait Address: Copy + Ord + Default {
    /// How many bits it has.
    const BITS: u32;

    /// The first and the last address of a prefix.
    fn span(self, length: u32) -> (Self, Self);

    /// The address after this one, if there is one.
    fn after(self) -> Option<Self>;
}

macro_rules! address {
    ($kind:ty) => {
        impl Address for $kind {
            const BITS: u32 = <$kind>::BITS;

            fn span(self, length: u32) -> (Self, Self) {
                let host = <$kind>::MAX.checked_shr(length).unwrap_or(0);
                (self & !host, self | host)
            }

            fn after(self) -> Option<Self> {
                self.checked_add(1)
            }
        }
    };
}

address!(u32);
address!(u128);

/// No prefix holds these addresses.
pub(crate) const NOTHING: u32 = u32::MAX;

/// Starts of intervals in order, and the value of each.
///
/// The first begins at address 0, each ends where the next begins, and neighbours differ in value.
#[derive(Debug)]
pub(crate) struct Intervals<A> {
    pub(crate) starts: Vec<A>,
    pub(crate) values: Vec<u32>,
}

impl<A: Address> Intervals<A> {
    /// Flattens prefixes `(address, length, value)`; values of `NOTHING` are taken for nothing.
    pub(crate) fn new(prefixes: Vec<(A, u32, u32)>) -> Self {
        let mut prefixes: Vec<_> = prefixes
            .into_iter()
            .map(|(address, length, value)| {
                let length = length.min(A::BITS);
                (address.span(length), length, value)
            })
            .collect();
        // Outer prefixes before inner ones; of equal ones the later stays last.
        prefixes.sort_by_key(|&((first, _), length, _)| (first, length));
        let mut made = Self {
            starts: Vec::with_capacity(2 * prefixes.len() + 1),
            values: Vec::with_capacity(2 * prefixes.len() + 1),
        };
        made.begin(A::default(), NOTHING);
        let mut open: Vec<(A, u32)> = Vec::new();
        for ((first, last), _, value) in prefixes {
            while let Some(&(end, _)) = open.last().filter(|(end, _)| *end < first) {
                open.pop();
                made.resume(end, &open);
            }
            made.begin(first, value);
            open.push((last, value));
        }
        while let Some((end, _)) = open.pop() {
            made.resume(end, &open);
        }
        made.join();
        made
    }

    /// Goes on with the enclosing prefix behind the end of an inner one.
    fn resume(&mut self, end: A, open: &[(A, u32)]) {
        let outer = open.last();
        if let Some(next) = end.after() {
            if outer.is_none_or(|(last, _)| *last >= next) {
                self.begin(next, outer.map_or(NOTHING, |(_, value)| *value));
            }
        }
    }

    fn begin(&mut self, start: A, value: u32) {
        if self.starts.last() == Some(&start) {
            if let Some(last) = self.values.last_mut() {
                *last = value;
            }
        } else {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// Makes one of neighbours with the same value, and gives memory back.
    fn join(&mut self) {
        let mut before = None;
        let keep: Vec<bool> = self
            .values
            .iter()
            .map(|&value| before.replace(value) != Some(value))
            .collect();
        let mut kept = keep.iter();
        self.starts.retain(|_| kept.next() == Some(&true));
        let mut kept = keep.iter();
        self.values.retain(|_| kept.next() == Some(&true));
        self.starts.shrink_to_fit();
        self.values.shrink_to_fit();
    }
}
