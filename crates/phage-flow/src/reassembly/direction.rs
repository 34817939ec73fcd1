//! One direction of a stream: what is in order, and what waits for a gap to close.

use super::ReassemblyLimits;

/// Octets that arrived before those in front of them.
#[derive(Debug)]
struct Segment {
    offset: usize,
    data: Vec<u8>,
}

impl Segment {
    fn end(&self) -> usize {
        self.offset + self.data.len()
    }
}

/// How far a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// No SYN yet.
    #[default]
    Unknown,
    /// Octets are taken.
    Open,
    /// As long as it may get, or given up; nothing more is taken.
    Over,
}

/// What a segment did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent events of one segment"
)]
pub(super) struct Outcome {
    pub(super) grew: bool,
    pub(super) missing_start: bool,
    pub(super) out_of_order: bool,
    pub(super) overlapping: bool,
    pub(super) dropped: bool,
}

/// The beginning of one direction.
#[derive(Debug, Default)]
pub(super) struct Direction {
    stage: Stage,
    /// Sequence number of the first octet.
    base: u32,
    prefix: Vec<u8>,
    /// By offset, without overlap, none touching the prefix.
    waiting: Vec<Segment>,
}

impl Direction {
    /// The octets in order.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Octets of memory.
    pub(super) fn octets(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(|s| s.data.capacity() + 32).sum();
        self.prefix.capacity() + waiting
    }

    /// Takes a segment.
    pub(super) fn push(
        &mut self,
        sequence: u32,
        syn: bool,
        payload: &[u8],
        limits: &ReassemblyLimits,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        // SYN counts as one (RFC 9293, section 3.4).
        let first = sequence.wrapping_add(u32::from(syn));
        if syn && self.prefix.is_empty() && self.waiting.is_empty() && self.stage != Stage::Over {
            self.stage = Stage::Open;
            self.base = first;
        }
        if payload.is_empty() {
            return outcome;
        }
        match self.stage {
            Stage::Unknown => {
                self.give_up();
                outcome.missing_start = true;
                return outcome;
            }
            Stage::Over => {
                self.give_up();
                return outcome;
            }
            Stage::Open => {}
        }
        let ahead = first.wrapping_sub(self.base) as i32;
        let (offset, payload) = if ahead < 0 {
            outcome.overlapping = true;
            (
                0,
                payload.get(ahead.unsigned_abs() as usize..).unwrap_or(&[]),
            )
        } else {
            (ahead as usize, payload)
        };
        let end = (offset + payload.len()).min(limits.prefix);
        let length = self.prefix.len();
        if offset > length {
            outcome.out_of_order = true;
        }
        if offset < length && !payload.is_empty() {
            outcome.overlapping = true;
        }
        self.fill(offset, end, payload, limits, &mut outcome);
        self.join();
        outcome.grew = self.prefix.len() > length;
        if self.prefix.len() >= limits.prefix {
            self.stage = Stage::Over;
            self.waiting = Vec::new();
        }
        outcome
    }

    /// Keeps of `payload` (at `offset`, cut at `end`) what no earlier segment covers.
    fn fill(
        &mut self,
        offset: usize,
        end: usize,
        payload: &[u8],
        limits: &ReassemblyLimits,
        outcome: &mut Outcome,
    ) {
        let mut from = offset.max(self.prefix.len());
        let mut place = self.waiting.partition_point(|s| s.end() <= from);
        while from < end {
            let next = self.waiting.get(place);
            let (covered, resume) = match next {
                Some(segment) => (segment.offset, segment.end()),
                None => (usize::MAX, usize::MAX),
            };
            if covered <= from {
                outcome.overlapping = true;
                from = resume;
                place += 1;
                continue;
            }
            let to = end.min(covered);
            let piece = payload.get(from - offset..to - offset).unwrap_or(&[]);
            if from == self.prefix.len() {
                self.prefix.extend_from_slice(piece);
            } else if self.waiting.len() < limits.waiting {
                let data = piece.to_vec();
                self.waiting.insert(place, Segment { offset: from, data });
                place += 1;
            } else {
                outcome.dropped = true;
            }
            from = to;
        }
    }

    /// Moves to the prefix what waits no longer.
    fn join(&mut self) {
        let mut joined = 0;
        for segment in &self.waiting {
            if segment.offset != self.prefix.len() {
                break;
            }
            self.prefix.extend_from_slice(&segment.data);
            joined += 1;
        }
        self.waiting.drain(..joined);
    }

    fn give_up(&mut self) {
        *self = Self {
            stage: Stage::Over,
            ..Self::default()
        };
    }
}
