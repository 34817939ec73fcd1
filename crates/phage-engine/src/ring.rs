//! The last frames seen, kept so that a finding can show the packets around it.
//!
//! One block of memory, written round and round: a frame is cut to a snap length and copied once,
//! around the caches. Nothing is allocated once the block is full, and what is overwritten is simply
//! no longer there. A frame that can be read again from its capture is not copied: only its place is
//! kept, for as long as a copy would have been, and it is read when a finding asks.

use std::borrow::Cow;
use std::collections::vec_deque::{Iter, VecDeque};
use std::sync::Arc;

use phage_decode::packet::decode;
use phage_decode::{Batch, FrameHeader, LinkType, Origin, Packet};

use crate::reread::Reread;
use crate::uncached;

/// Runs from which on frames are copied wherever they are from: each may hold a file open.
const MOST_RUNS: usize = 16;

/// What is kept of a frame beside its bytes; the rest is decoded again when a finding asks.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Position of the first byte, counted over all bytes ever written; of a frame that is not
    /// copied, where it would stand.
    position: u64,
    /// Position of the first byte where it can be read again.
    at: u64,
    time: i64,
    captured: u32,
    length: u32,
    link: LinkType,
}

/// Which frames a finding wants: those with one of its addresses or MACs at either end.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Not before this time, nanoseconds since the Unix epoch.
    pub since: i64,
    /// Not after this time.
    pub until: i64,
    /// Addresses, 16 bytes each; any of them at either end.
    pub addresses: Vec<[u8; 16]>,
    /// MACs; any of them at either end.
    pub macs: Vec<u64>,
    /// At most this many frames, the latest ones.
    pub limit: usize,
}

impl Selection {
    fn wants(&self, frame: &KeptFrame<'_>, packet: &mut Packet) -> bool {
        if !(self.since..=self.until).contains(&frame.time) {
            return false;
        }
        decode(&frame.bytes, &frame.header(), packet);
        self.addresses.contains(&packet.src)
            || self.addresses.contains(&packet.dst)
            || self.macs.contains(&packet.src_mac)
            || self.macs.contains(&packet.dst_mac)
    }
}

/// One frame out of the ring.
#[derive(Clone, Debug)]
pub struct KeptFrame<'a> {
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    /// Octets on the wire.
    pub length: u32,
    /// Link type of the frame.
    pub link: LinkType,
    /// The bytes, cut to the ring's snap length.
    pub bytes: Cow<'a, [u8]>,
}

impl KeptFrame<'_> {
    /// The frame's header, as a capture file wants it.
    pub fn header(&self) -> FrameHeader {
        FrameHeader {
            time: self.time,
            captured: self.bytes.len() as u32,
            length: self.length,
            link: self.link,
            offset: 0,
            interface: 0,
            vlan: 0,
        }
    }
}

/// Frames one after the other that came from the same place.
#[derive(Debug)]
struct Run {
    /// Number of the first, counted over all frames ever kept.
    first: u64,
    /// Where they can be read again; none for frames that were copied.
    origin: Option<Arc<dyn Origin>>,
}

/// A bounded ring of frames.
#[derive(Debug)]
pub struct FrameRing {
    bytes: Vec<u8>,
    /// Where the block begins in `bytes`: on a cache line.
    offset: usize,
    /// Octets of the block.
    size: usize,
    /// Of the frames whose bytes are still there, oldest first: no more of them than there are, so
    /// that the index stays in a cache.
    entries: VecDeque<Entry>,
    most: usize,
    /// Frames that are no longer there.
    gone: u64,
    /// Where the frames come from, oldest first.
    runs: VecDeque<Run>,
    written: u64,
    /// Where the next byte goes: `written`, counted from the beginning of the block.
    start: usize,
    snap: usize,
}

impl FrameRing {
    /// Makes a ring of `octets` bytes that keeps at most `snap` bytes of a frame.
    pub fn new(octets: usize, snap: usize) -> Self {
        let size = uncached::room(octets.max(snap));
        // Zeroed memory comes from the system untouched: it costs nothing until it is used.
        let bytes = vec![0; size + uncached::LINE];
        Self {
            offset: bytes.as_ptr().align_offset(uncached::LINE),
            bytes,
            size,
            entries: VecDeque::new(),
            // 128 octets is what a frame takes on average where they are small.
            most: (octets / 128).max(1),
            gone: 0,
            runs: VecDeque::new(),
            written: 0,
            start: 0,
            snap,
        }
    }

    /// Keeps frames of a batch.
    pub fn keep(&mut self, batch: &Batch<'_>, frames: &[FrameHeader]) {
        if frames.is_empty() {
            return;
        }
        let origin = batch
            .origin
            .filter(|&(origin, _)| self.runs.len() < MOST_RUNS || self.goes_on(Some(origin)));
        self.enter(origin.map(|(origin, _)| origin));
        if let Some((_, position)) = origin {
            for frame in frames {
                self.push(frame, frame.captured as usize, position + frame.offset);
            }
        } else {
            for frame in frames {
                let bytes = batch.bytes(frame);
                self.copy(bytes);
                self.push(frame, bytes.len(), 0);
            }
            uncached::settle();
        }
        let second = |runs: &VecDeque<Run>| runs.get(1).map(|run| run.first);
        while second(&self.runs).is_some_and(|first| first <= self.gone) {
            self.runs.pop_front();
        }
    }

    /// Whether frames come from where the last ones did.
    fn goes_on(&self, origin: Option<&Arc<dyn Origin>>) -> bool {
        let last = self.runs.back().map(|run| run.origin.as_ref());
        match (last, origin) {
            (Some(Some(last)), Some(origin)) => Arc::ptr_eq(last, origin),
            (Some(None), None) => true,
            _ => false,
        }
    }

    /// Begins another run where frames come from elsewhere than the last ones.
    fn enter(&mut self, origin: Option<&Arc<dyn Origin>>) {
        if !self.goes_on(origin) {
            self.runs.push_back(Run {
                first: self.gone + self.entries.len() as u64,
                origin: origin.cloned(),
            });
        }
    }

    /// Octets that are kept of a frame, and those that they take.
    #[inline]
    fn room(&self, captured: usize) -> (usize, usize) {
        let kept = captured.min(self.snap);
        (kept, uncached::room(kept))
    }

    /// Where the next frame begins in the block: it lies in one piece.
    #[inline]
    fn next(&self, room: usize) -> usize {
        if self.start + room > self.size {
            0
        } else {
            self.start
        }
    }

    /// Copies a frame to where [`FrameRing::push`] will say that it stands.
    #[inline]
    fn copy(&mut self, bytes: &[u8]) {
        let (kept, room) = self.room(bytes.len());
        let from = self.offset + self.next(room);
        if let (Some(place), Some(kept)) =
            (self.bytes.get_mut(from..from + room), bytes.get(..kept))
        {
            uncached::copy(place, kept);
        }
    }

    /// Enters a frame, and lets go of those that it overwrites.
    #[inline]
    fn push(&mut self, frame: &FrameHeader, captured: usize, at: u64) {
        let (kept, room) = self.room(captured);
        let start = self.next(room);
        if start < self.start {
            // The rest of the block is left unused.
            self.written += (self.size - self.start) as u64;
        }
        let position = self.written;
        self.start = start + room;
        self.written += room as u64;
        while self.entries.len() >= self.most
            || self
                .entries
                .front()
                .is_some_and(|oldest| oldest.position + (self.size as u64) < self.written)
        {
            self.entries.pop_front();
            self.gone += 1;
        }
        self.entries.push_back(Entry {
            position,
            at,
            time: frame.time,
            captured: kept as u32,
            length: frame.length.max(frame.captured),
            link: frame.link,
        });
    }

    /// The frames that are still there and selected, oldest first.
    pub fn select(&self, selection: &Selection) -> Vec<KeptFrame<'_>> {
        let mut frames = Vec::new();
        let ends = self.runs.iter().skip(1).map(|run| run.first);
        for (run, end) in self.runs.iter().zip(ends.chain([u64::MAX])) {
            let from = run.first.saturating_sub(self.gone) as usize;
            let end = end.saturating_sub(self.gone).min(self.entries.len() as u64) as usize;
            let entries = self.entries.range(from.min(end)..end);
            match &run.origin {
                None => self.select_copied(entries, selection, &mut frames),
                Some(origin) => select_again(origin.as_ref(), entries, selection, &mut frames),
            }
        }
        if frames.len() > selection.limit {
            frames.drain(..frames.len() - selection.limit);
        }
        frames
    }

    /// Selects among frames that were copied.
    fn select_copied<'a>(
        &'a self,
        entries: Iter<'_, Entry>,
        selection: &Selection,
        frames: &mut Vec<KeptFrame<'a>>,
    ) {
        let mut packet = Packet::default();
        for entry in entries {
            let start = self.offset + (entry.position % self.size as u64) as usize;
            let Some(bytes) = self.bytes.get(start..start + entry.captured as usize) else {
                continue;
            };
            let frame = entry.frame(bytes);
            if selection.wants(&frame, &mut packet) {
                frames.push(frame);
            }
        }
    }
}

/// Selects among frames that are read again.
fn select_again(
    origin: &dyn Origin,
    entries: Iter<'_, Entry>,
    selection: &Selection,
    frames: &mut Vec<KeptFrame<'_>>,
) {
    let mut packet = Packet::default();
    let places = entries
        .clone()
        .map(|entry| (entry.at, entry.captured as usize));
    let mut again = Reread::new(origin, places);
    for entry in entries {
        let Some(bytes) = again.next() else {
            continue;
        };
        let frame = entry.frame(bytes);
        if selection.wants(&frame, &mut packet) {
            frames.push(KeptFrame {
                bytes: Cow::Owned(bytes.to_vec()),
                ..frame
            });
        }
    }
}

impl Entry {
    /// The frame of which these are the bytes.
    fn frame(self, bytes: &[u8]) -> KeptFrame<'_> {
        KeptFrame {
            time: self.time,
            length: self.length,
            link: self.link,
            bytes: Cow::Borrowed(bytes),
        }
    }
}

#[cfg(test)]
mod tests;
