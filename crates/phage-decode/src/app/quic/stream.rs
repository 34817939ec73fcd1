//! Puts the CRYPTO frames of one connection in order (RFC 9000, section 19.6).

use std::ops::Range;

/// Most bytes of a stream that are kept: a client hello of any size that browsers send, post-quantum
/// shares included, fits eight times.
pub(crate) const MAX_STREAM: usize = 16 * 1024;

/// Most separate runs of bytes that wait for those between them; browsers that shuffle their
/// hello on purpose cut it into about 30.
const MAX_RUNS: usize = 64;

/// The bytes of a stream that have come, and which they are.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    data: Vec<u8>,
    /// Start and end of each run, ascending, none touching another.
    runs: Vec<(usize, usize)>,
}

impl Stream {
    /// Adds bytes at an offset; of bytes that come twice the first stay. `false` where a bound
    /// is passed: nothing is added then.
    pub(crate) fn insert(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(bytes.len());
        if end > MAX_STREAM {
            return false;
        }
        if bytes.is_empty() {
            return true;
        }
        let (mut merged, mut runs) = ((start, end), Vec::with_capacity(self.runs.len() + 1));
        for &(from, to) in &self.runs {
            if to < start || from > end {
                runs.push((from, to));
            } else {
                merged = (merged.0.min(from), merged.1.max(to));
            }
        }
        let place = runs.partition_point(|&(from, _)| from < merged.0);
        runs.insert(place, merged);
        if runs.len() > MAX_RUNS {
            return false;
        }
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        let mut at = start;
        for &(from, to) in &self.runs {
            copy(&mut self.data, start, bytes, at..from.min(end));
            at = at.max(to);
        }
        copy(&mut self.data, start, bytes, at..end);
        self.runs = runs;
        true
    }

    /// The bytes from the start of the stream up to the first gap.
    pub(crate) fn prefix(&self) -> &[u8] {
        match self.runs.first() {
            Some(&(0, end)) => self.data.get(..end).unwrap_or(&[]),
            _ => &[],
        }
    }
}

/// Writes those of `bytes`, which start at `start`, that belong to a span of `data`.
fn copy(data: &mut [u8], start: usize, bytes: &[u8], span: Range<usize>) {
    let source = span
        .start
        .checked_sub(start)
        .zip(span.end.checked_sub(start));
    let source = source.and_then(|(from, to)| bytes.get(from..to));
    if let (Some(source), Some(target)) = (source, data.get_mut(span)) {
        target.copy_from_slice(source);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]
    use super::{Stream, MAX_RUNS, MAX_STREAM};
    use proptest::prelude::*;

    #[test]
    fn the_first_of_two_stays() {
        let mut stream = Stream::default();
        assert!(stream.insert(2, b"cd") && stream.insert(0, b"AXYZef"));
        assert_eq!(stream.prefix(), b"AXcdef");
        assert!(stream.insert(8, b"ij"));
        assert_eq!(stream.prefix(), b"AXcdef");
        assert!(stream.insert(5, b"fghi"));
        assert_eq!(stream.prefix(), b"AXcdefghij");
    }

    #[test]
    fn bounds_hold() {
        let mut stream = Stream::default();
        assert!(!stream.insert(u64::MAX, b"a") && !stream.insert(MAX_STREAM as u64, b"a"));
        assert!(stream.insert(MAX_STREAM as u64 - 1, b"a"));
        let run = |index: usize| 1 + 2 * index as u64;
        assert!((0..MAX_RUNS - 1).all(|index| stream.insert(run(index), b"a")));
        assert!(!stream.insert(run(MAX_RUNS), b"a"));
        assert!(stream.prefix().is_empty() && stream.runs.len() == MAX_RUNS);
    }

    proptest! {
        #[test]
        fn any_order_with_overlaps_gives_the_stream(
            whole in prop::collection::vec(any::<u8>(), 1..200),
            cuts in prop::collection::vec((any::<u16>(), 1_usize..40), 0..60),
        ) {
            let mut stream = Stream::default();
            for (start, length) in cuts {
                let start = usize::from(start) % whole.len();
                let end = (start + length).min(whole.len());
                prop_assert!(stream.insert(start as u64, &whole[start..end]));
                prop_assert!(whole.starts_with(stream.prefix()));
            }
            for start in (0..whole.len()).step_by(7).rev() {
                let end = (start + 7).min(whole.len());
                prop_assert!(stream.insert(start as u64, &whole[start..end]));
            }
            prop_assert_eq!(stream.prefix(), &whole[..]);
        }
    }
}
