//! SMB over TCP (MS-SMB, MS-SMB2): frames of both dialects, and files that are read and written.

use crate::body::Body;
use crate::smb1::Smb1;
use crate::smb2::Smb2;
use crate::stream::Output;

/// What a frame holds besides the octets of a file.
const OVERHEAD: usize = 64 * 1024;
/// Files that one connection may have open here.
const OPEN: usize = 64;
/// Parts of a file that wait for what lies between them.
const PARTS: usize = 64;
/// Requests of one kind that wait for their answers.
pub(crate) const PENDING: usize = 512;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Smb {
    frames: [Vec<u8>; 2],
    /// Octets of a frame that are passed over, by direction.
    skip: [usize; 2],
    one: Smb1,
    two: Smb2,
    is_deaf: bool,
}

impl Smb {
    pub(crate) fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    pub(crate) fn held(&self) -> usize {
        let frames: usize = self.frames.iter().map(Vec::capacity).sum();
        frames + self.one.held() + self.two.held()
    }

    pub(crate) fn push(&mut self, reverse: bool, data: &[u8], out: &mut Output<'_>) {
        let mut rest = data;
        while !rest.is_empty() && !self.is_deaf {
            rest = self.frame(reverse, rest, out);
        }
    }

    pub(crate) fn end(&mut self, reverse: bool, out: &mut Output<'_>) {
        if !reverse {
            self.one.end(out);
            self.two.end(out);
        }
    }

    /// Takes octets of a frame (RFC 1002, 4.3.1: a type and 24 bits of length); returns the rest.
    fn frame<'a>(&mut self, reverse: bool, data: &'a [u8], out: &mut Output<'_>) -> &'a [u8] {
        let side = usize::from(reverse);
        let (Some(frame), Some(skip)) = (self.frames.get_mut(side), self.skip.get_mut(side)) else {
            return &[];
        };
        if *skip > 0 {
            let count = data.len().min(*skip);
            *skip -= count;
            return data.get(count..).unwrap_or(&[]);
        }
        let wanted = |frame: &[u8]| match *frame {
            [_, a, b, c, ..] => 4 + u32::from_be_bytes([0, a, b, c]) as usize,
            _ => 4,
        };
        let target = wanted(frame);
        let count = data.len().min(target - frame.len());
        let (piece, rest) = data.split_at(count);
        frame.extend_from_slice(piece);
        let target = wanted(frame);
        if frame.len() == 4 && target > out.limits.file + OVERHEAD {
            *skip = target - 4;
            frame.clear();
            out.counters.too_large += 1;
        } else if frame.len() == target && target > 4 {
            let whole = std::mem::take(frame);
            if whole.first() == Some(&0) {
                self.message(whole.get(4..).unwrap_or(&[]), out);
            }
        } else if frame.len() == 4 && target == 4 {
            frame.clear();
        }
        rest
    }

    fn message(&mut self, message: &[u8], out: &mut Output<'_>) {
        match message {
            [0xff, b'S', b'M', b'B', ..] => self.one.message(message, out),
            [0xfe, b'S', b'M', b'B', ..] => self.two.messages(message, out),
            // Encrypted or packed: there is nothing to see in this connection.
            [0xfd | 0xfc, b'S', b'M', b'B', ..] => {
                out.counters.encrypted += 1;
                self.is_deaf = true;
            }
            _ => {
                out.counters.malformed += 1;
                self.is_deaf = true;
            }
        }
    }
}

/// A file that is open. What was not seen of it takes no memory: who writes one octet far behind
/// all others makes nobody reserve what lies between.
#[derive(Debug, Default)]
pub(crate) struct Open {
    name: String,
    /// What of it was seen: where each part begins, in order; none overlaps another.
    parts: Vec<(usize, Vec<u8>)>,
    /// Which way it went; a file that is read and written is two.
    to_initiator: bool,
    is_lost: bool,
}

impl Open {
    fn held(&self) -> usize {
        let octets: usize = self.parts.iter().map(|(_, data)| data.capacity()).sum();
        octets + self.name.capacity() + self.parts.capacity() * 32
    }

    /// Adds a piece; what was there before is replaced.
    fn put(&mut self, offset: u64, piece: &[u8], limit: usize) {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if from.saturating_add(piece.len()) > limit {
            self.lose();
        }
        if self.is_lost {
            return;
        }
        let (mut at, mut rest) = (from, piece);
        while !rest.is_empty() {
            let next = self
                .parts
                .partition_point(|(start, data)| start + data.len() <= at);
            let count = match self.parts.get_mut(next) {
                Some((start, data)) if *start <= at => replace(data, at - *start, rest),
                Some((start, _)) => rest.len().min(*start - at),
                None => rest.len(),
            };
            let (fresh, more) = rest.split_at(count);
            if self.parts.get(next).is_none_or(|(start, _)| *start > at) {
                self.insert(next, at, fresh);
            }
            (at, rest) = (at + count, more);
        }
        if self.parts.len() > PARTS {
            self.lose();
        }
    }

    /// Adds octets where there are none, before the part `next`.
    fn insert(&mut self, next: usize, at: usize, fresh: &[u8]) {
        let before = next.checked_sub(1);
        let place = match before.and_then(|before| self.parts.get_mut(before)) {
            Some((start, data)) if *start + data.len() == at => {
                data.extend_from_slice(fresh);
                next - 1
            }
            _ => {
                self.parts.insert(next, (at, fresh.to_vec()));
                next
            }
        };
        // Octets are moved only where their part grows by half at least: no order of writes has them
        // moved again and again, and of parts that touch each is twice as large as the one before.
        while self.is_joined(place) {
            let (_, other) = self.parts.remove(place + 1);
            if let Some((_, data)) = self.parts.get_mut(place) {
                data.extend(other);
            }
        }
    }

    /// Whether the part behind another is to become one with it.
    fn is_joined(&self, place: usize) -> bool {
        match (self.parts.get(place), self.parts.get(place + 1)) {
            (Some((start, data)), Some((after, other))) => {
                start + data.len() == *after && other.len() / 2 <= data.len()
            }
            _ => false,
        }
    }

    fn lose(&mut self) {
        self.is_lost = true;
        self.parts = Vec::new();
    }

    fn finish(self, out: &mut Output<'_>) {
        let mut body = Body::new(&self.name);
        let (mut end, mut is_whole) = (0, !self.is_lost);
        for (start, data) in &self.parts {
            is_whole &= *start == end;
            end = start + data.len();
            body.take(data, out);
        }
        if is_whole {
            body.finish(self.to_initiator, out); // Unless nothing of it was moved.
        } else {
            out.counters.incomplete += 1;
        }
    }
}

/// Puts octets in the place of others; returns how many had room.
fn replace(data: &mut [u8], at: usize, octets: &[u8]) -> usize {
    let place = data.get_mut(at..).unwrap_or_default();
    let count = place.len().min(octets.len());
    for (old, new) in place.iter_mut().zip(octets) {
        *old = *new;
    }
    count
}

/// The files that a connection has open, by the server's number for them.
#[derive(Debug)]
pub(crate) struct Files<Id> {
    open: Vec<(Id, Open)>,
}

impl<Id> Default for Files<Id> {
    fn default() -> Self {
        Self { open: Vec::new() }
    }
}

impl<Id: PartialEq> Files<Id> {
    pub(crate) fn held(&self) -> usize {
        self.open.iter().map(|(_, open)| open.held()).sum()
    }

    pub(crate) fn open(&mut self, id: Id, name: &str, out: &mut Output<'_>) {
        self.close(&id, out);
        if self.open.len() >= OPEN {
            self.open.remove(0).1.finish(out);
        }
        let name = crate::line::base_name(name).to_owned();
        let open = Open {
            name,
            ..Open::default()
        };
        self.open.push((id, open));
    }

    /// Adds a part of a file; one that was opened before we looked has no name.
    pub(crate) fn put(
        &mut self,
        id: Id,
        offset: u64,
        piece: &[u8],
        to_initiator: bool,
        out: &mut Output<'_>,
    ) {
        if piece.is_empty() {
            return;
        }
        if !self.open.iter().any(|(known, _)| *known == id) {
            self.open(id, "", out);
            if let Some((_, open)) = self.open.last_mut() {
                open.to_initiator = to_initiator;
                open.put(offset, piece, out.limits.file);
            }
            return;
        }
        let found = self.open.iter_mut().find(|(known, _)| *known == id);
        if let Some((_, open)) = found {
            if open.to_initiator != to_initiator && !open.parts.is_empty() {
                let name = open.name.clone();
                std::mem::take(open).finish(out);
                open.name = name;
            }
            open.to_initiator = to_initiator;
            open.put(offset, piece, out.limits.file);
        }
    }

    pub(crate) fn close(&mut self, id: &Id, out: &mut Output<'_>) {
        if let Some(place) = self.open.iter().position(|(known, _)| known == id) {
            self.open.remove(place).1.finish(out);
        }
    }

    pub(crate) fn end(&mut self, out: &mut Output<'_>) {
        for (_, open) in self.open.drain(..) {
            open.finish(out);
        }
    }
}

/// Little-endian numbers of a message.
pub(crate) fn u16_at(message: &[u8], at: usize) -> Option<u16> {
    let octets = message.get(at..at + 2)?;
    Some(u16::from_le_bytes(octets.try_into().ok()?))
}

pub(crate) fn u32_at(message: &[u8], at: usize) -> Option<u32> {
    let octets = message.get(at..at + 4)?;
    Some(u32::from_le_bytes(octets.try_into().ok()?))
}

pub(crate) fn u64_at(message: &[u8], at: usize) -> Option<u64> {
    let octets = message.get(at..at + 8)?;
    Some(u64::from_le_bytes(octets.try_into().ok()?))
}

/// A name in UTF-16, little-endian.
pub(crate) fn utf16(octets: &[u8]) -> String {
    let units: Vec<u16> = octets
        .chunks_exact(2)
        .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)))
        .take_while(|&unit| unit != 0)
        .collect();
    String::from_utf16_lossy(&units)
}
