//! One direction of a stream, followed to its end: octets are handed on in order, never kept twice.
//!
//! What arrives first wins where segments overlap, as in [`super::Reassembler`].

use std::collections::BTreeMap;

/// Segments that wait for an earlier one.
const WAITING: usize = 256;
/// Octets that wait for an earlier one: a window of today's stacks on a path of a few milliseconds.
const HELD: usize = 1 << 20;

/// What a segment did to a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// It was taken, or was not news.
    On,
    /// The direction has ended: all octets up to its FIN were handed on.
    Over,
    /// Too much waits for a segment that was not seen: the direction is lost.
    Lost,
}

/// One direction of a stream.
#[derive(Debug)]
pub struct Following {
    /// Sequence number of the next octet.
    next: u32,
    /// Octets handed on.
    delivered: u64,
    /// By offset, without overlap.
    waiting: BTreeMap<u64, Vec<u8>>,
    held: usize,
    /// Offset after the last octet, once a FIN was seen.
    end: Option<u64>,
}

impl Following {
    /// Begins a direction whose first octet has a sequence number: that of the SYN and one.
    pub fn new(first: u32) -> Self {
        Self {
            next: first,
            delivered: 0,
            waiting: BTreeMap::new(),
            held: 0,
            end: None,
        }
    }

    /// Whether it is the direction whose first octet has this sequence number.
    pub fn starts_at(&self, first: u32) -> bool {
        u64::from(self.next.wrapping_sub(first)) == self.delivered & 0xffff_ffff
    }

    /// Octets of memory.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes a segment; hands on what is in order now. `fin` ends the direction after it.
    pub fn push(
        &mut self,
        sequence: u32,
        payload: &[u8],
        fin: bool,
        deliver: &mut dyn FnMut(&[u8]),
    ) -> Followed {
        let ahead = i64::from(sequence.wrapping_sub(self.next) as i32);
        let offset = self.delivered as i64 + ahead;
        if fin && self.end.is_none() {
            self.end = u64::try_from(offset)
                .ok()
                .map(|at| at + payload.len() as u64);
        }
        let (from, payload) = if ahead < 0 {
            let known = ahead.unsigned_abs() as usize;
            (self.delivered, payload.get(known..).unwrap_or(&[]))
        } else {
            (offset as u64, payload)
        };
        if !payload.is_empty() {
            if from == self.delivered && self.waiting.is_empty() {
                self.hand_on(payload, deliver);
            } else if !self.hold(from, payload) {
                return Followed::Lost;
            }
        }
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() != self.delivered {
                break;
            }
            let data = entry.remove();
            self.held -= data.len();
            self.hand_on(&data, deliver);
        }
        match self.end {
            Some(end) if self.delivered >= end => Followed::Over,
            _ => Followed::On,
        }
    }

    fn hand_on(&mut self, data: &[u8], deliver: &mut dyn FnMut(&[u8])) {
        self.next = self.next.wrapping_add(data.len() as u32);
        self.delivered += data.len() as u64;
        deliver(data);
    }

    /// Keeps what no earlier segment covers; answers whether there was room.
    fn hold(&mut self, mut from: u64, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            let before = self.waiting.range(..=from).next_back();
            let covered = before.map_or(0, |(start, held)| {
                (start + held.len() as u64).saturating_sub(from) as usize
            });
            if covered > 0 {
                from += covered as u64;
                data = data.get(covered..).unwrap_or(&[]);
                continue;
            }
            let room = match self.waiting.range(from..).next() {
                Some((start, _)) => data.len().min((start - from) as usize),
                None => data.len(),
            };
            if self.waiting.len() >= WAITING || self.held + room > HELD {
                return false;
            }
            let (piece, rest) = data.split_at(room);
            self.waiting.insert(from, piece.to_vec());
            self.held += room;
            from += room as u64;
            data = rest;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn push(to: &mut Following, into: &mut Vec<u8>, at: u32, data: &[u8], fin: bool) -> Followed {
        to.push(at, data, fin, &mut |more| into.extend_from_slice(more))
    }

    #[test]
    fn octets_come_in_order_whatever_the_order_of_segments() {
        let (mut stream, mut out) = (Following::new(u32::MAX - 1), Vec::new());
        assert_eq!(push(&mut stream, &mut out, 3, b"fg", true), Followed::On);
        assert_eq!(push(&mut stream, &mut out, 0, b"cdeX", false), Followed::On);
        assert_eq!(
            push(&mut stream, &mut out, u32::MAX - 1, b"ab", false),
            Followed::Over
        );
        assert_eq!(out, b"abcdefg");
        assert_eq!(stream.held(), 0);
    }

    #[test]
    fn what_came_first_stays() {
        let (mut stream, mut out) = (Following::new(0), Vec::new());
        push(&mut stream, &mut out, 2, b"CD", false);
        push(&mut stream, &mut out, 1, b"bxxe", false);
        push(&mut stream, &mut out, 0, b"aYYYYf", false);
        assert_eq!(out, b"abCDef");
    }

    #[test]
    fn a_gap_that_stays_loses_the_direction() {
        let (mut stream, mut out) = (Following::new(0), Vec::new());
        let mut last = Followed::On;
        for place in 1..=WAITING as u32 + 1 {
            last = push(&mut stream, &mut out, place * 2, b"x", false);
        }
        assert_eq!(last, Followed::Lost);
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn any_cut_and_order_gives_the_stream(
            data in proptest::collection::vec(any::<u8>(), 1..400),
            first in any::<u32>(),
            cuts in proptest::collection::vec((0_usize..400, 1_usize..60), 0..60),
        ) {
            let (mut stream, mut out) = (Following::new(first), Vec::new());
            let mut segments: Vec<(usize, usize)> = cuts
                .iter()
                .map(|&(at, length)| (at % data.len(), (at % data.len() + length).min(data.len())))
                .collect();
            segments.push((0, data.len()));
            for (from, to) in segments {
                let piece = data.get(from..to).unwrap_or(&[]);
                let sequence = first.wrapping_add(from as u32);
                let end = to == data.len();
                prop_assert_ne!(push(&mut stream, &mut out, sequence, piece, end), Followed::Lost);
            }
            prop_assert_eq!(out, data);
            prop_assert_eq!(stream.held(), 0);
        }
    }
}
