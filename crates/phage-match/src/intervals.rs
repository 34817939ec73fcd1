//! Disjoint intervals of addresses, from prefixes.

/// An address as an unsigned number.
pub(crate) trait Address: Copy + Ord + Default {
    /// How many bits it has.
    const BITS: u32;

    /// The first and the last address of a prefix.
    fn span(self, length: u32) -> (Self, Self);

    /// The address after this one, if there is one.
    fn after(self) -> Option<Self>;

    /// The first 16 bits.
    fn top(self) -> usize;
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

            #[inline]
            fn top(self) -> usize {
                (self >> (Self::BITS - 16)) as usize
            }
        }
    };
}

address!(u32);
address!(u128);

/// No prefix holds these addresses.
const NOTHING: u32 = u32::MAX;

/// Starts of intervals in order, the value of each, and where the starts of each 16-bit block begin.
#[derive(Debug, Default)]
pub(crate) struct Intervals<A> {
    starts: Vec<A>,
    values: Vec<u32>,
    blocks: Vec<u32>,
}

impl<A: Address> Intervals<A> {
    /// Flattens prefixes `(address, length, value)`; values of `u32::MAX` are taken for nothing.
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
        let mut made = Self::default();
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
        made.index();
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

    fn index(&mut self) {
        if self.starts.is_empty() {
            return;
        }
        self.blocks = vec![0; (1 << 16) + 1];
        for start in &self.starts {
            if let Some(count) = self.blocks.get_mut(start.top() + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut self.blocks {
            sum += *count;
            *count = sum;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    #[inline]
    pub(crate) fn lookup(&self, address: A) -> Option<u32> {
        let top = address.top();
        let from = *self.blocks.get(top)? as usize;
        let to = *self.blocks.get(top + 1)? as usize;
        let within = self
            .starts
            .get(from..to)?
            .partition_point(|start| *start <= address);
        // The interval that holds the address may have begun in an earlier block.
        let value = *self.values.get((from + within).checked_sub(1)?)?;
        (value != NOTHING).then_some(value)
    }
}
