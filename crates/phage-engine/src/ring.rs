//! The last frames seen, kept so that a finding can show the packets around it.
//!
//! One block of memory, written round and round: a frame is cut to a snap length and copied once,
//! around the caches. Nothing is allocated once the block is full, and what is overwritten is simply
//! no longer there.

use std::collections::VecDeque;

use phage_decode::packet::decode;
use phage_decode::{Batch, FrameHeader, LinkType, Packet};

use crate::uncached;

/// What is kept of a frame beside its bytes; the rest is decoded again when a finding asks.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Position of the first byte, counted over all bytes ever written.
    position: u64,
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
        decode(frame.bytes, &frame.header(), packet);
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
    pub bytes: &'a [u8],
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
            written: 0,
            start: 0,
            snap,
        }
    }

    /// Keeps frames of a batch.
    pub fn keep(&mut self, batch: &Batch<'_>, frames: &[FrameHeader]) {
        for frame in frames {
            self.push(frame, batch.bytes(frame));
        }
        uncached::settle();
    }

    #[inline]
    fn push(&mut self, frame: &FrameHeader, bytes: &[u8]) {
        let kept = bytes.get(..self.snap).unwrap_or(bytes);
        let room = uncached::room(kept.len());
        if self.start + room > self.size {
            // A frame lies in one piece: the rest of the block is left unused.
            self.written += (self.size - self.start) as u64;
            self.start = 0;
        }
        let from = self.offset + self.start;
        if let Some(place) = self.bytes.get_mut(from..from + room) {
            uncached::copy(place, kept);
        }
        self.start += room;
        let position = self.written;
        self.written += room as u64;
        while self.entries.len() >= self.most
            || self
                .entries
                .front()
                .is_some_and(|oldest| oldest.position + (self.size as u64) < self.written)
        {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            position,
            time: frame.time,
            captured: kept.len() as u32,
            length: frame.length.max(frame.captured),
            link: frame.link,
        });
    }

    /// The frames that are still there and selected, oldest first.
    pub fn select(&self, selection: &Selection) -> Vec<KeptFrame<'_>> {
        let mut packet = Packet::default();
        let mut frames: Vec<_> = self
            .entries
            .iter()
            .filter_map(|entry| {
                let start = self.offset + (entry.position % self.size as u64) as usize;
                let bytes = self.bytes.get(start..start + entry.captured as usize)?;
                let frame = KeptFrame {
                    time: entry.time,
                    length: entry.length,
                    link: entry.link,
                    bytes,
                };
                selection.wants(&frame, &mut packet).then_some(frame)
            })
            .collect();
        if frames.len() > selection.limit {
            frames.drain(..frames.len() - selection.limit);
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]
    use super::*;

    /// Puts an Ethernet frame of an experiment into a ring: from `mac`, filled with `fill`.
    fn push(ring: &mut FrameRing, time: i64, mac: u8, octets: usize, fill: u8) {
        let mut data = vec![fill; octets];
        let head = [0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, mac, 0x88, 0xb5];
        data.splice(..head.len(), head);
        let frame = FrameHeader {
            time,
            offset: 0,
            captured: octets as u32,
            length: octets as u32,
            link: LinkType::ETHERNET,
            interface: 0,
            vlan: 0,
        };
        let batch = Batch {
            data: &data,
            frames: &[frame],
        };
        ring.keep(&batch, &[frame]);
    }

    fn all(macs: Vec<u64>) -> Selection {
        Selection {
            since: i64::MIN,
            until: i64::MAX,
            macs,
            limit: 1_000_000,
            ..Selection::default()
        }
    }

    #[test]
    fn keeps_the_latest_frames_of_the_one_asked_for() {
        for (octets, snap) in [(100, 64), (100, 1514), (61, 1514), (77, 77)] {
            let mut ring = FrameRing::new(4096, snap);
            for time in 0..1000 {
                push(
                    &mut ring,
                    time,
                    1 + time as u8 % 2,
                    octets,
                    (time % 251) as u8,
                );
            }
            let frames = ring.select(&all(vec![2]));
            assert!(!frames.is_empty() && frames.len() <= 4096 / 64);
            assert_eq!(frames.last().unwrap().time, 999);
            for frame in frames {
                assert_eq!(frame.time % 2, 1);
                assert_eq!(frame.length as usize, octets);
                assert_eq!(frame.bytes.len(), octets.min(snap));
                let (head, rest) = frame.bytes.split_at(14);
                assert_eq!(head.get(11), Some(&2));
                assert!(rest.iter().all(|&byte| byte == (frame.time % 251) as u8));
            }
        }
    }

    #[test]
    fn keeps_the_last_when_a_limit_is_given() {
        let mut ring = FrameRing::new(1 << 16, 64);
        for time in 0..100 {
            push(&mut ring, time, 1, 60, 0);
        }
        let frames = ring.select(&Selection {
            limit: 3,
            ..all(vec![1])
        });
        let times: Vec<_> = frames.iter().map(|frame| frame.time).collect();
        assert_eq!(times, [97, 98, 99]);
    }
}
