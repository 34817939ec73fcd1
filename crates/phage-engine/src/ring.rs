//! The last frames seen, kept so that a finding can show the packets around it.
//!
//! One block of memory, written round and round: a frame is cut to a snap length and copied once.
//! Nothing is allocated once the block is full, and what is overwritten is simply no longer there.

use std::collections::VecDeque;

use phage_decode::{FrameHeader, LinkType, Packet};

/// What is kept of a frame beside its bytes: enough to select it without decoding it again.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Position of the first byte, counted over all bytes ever written.
    position: u64,
    time: i64,
    src: [u8; 16],
    dst: [u8; 16],
    src_mac: u64,
    dst_mac: u64,
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
    fn wants(&self, entry: &Entry) -> bool {
        (self.since..=self.until).contains(&entry.time)
            && (self.addresses.contains(&entry.src)
                || self.addresses.contains(&entry.dst)
                || self.macs.contains(&entry.src_mac)
                || self.macs.contains(&entry.dst_mac))
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
        Self {
            bytes: vec![0; octets.max(snap)],
            entries: VecDeque::new(),
            // 128 octets is what a frame takes on average where they are small.
            most: (octets / 128).max(1),
            written: 0,
            start: 0,
            snap,
        }
    }

    /// Keeps a frame.
    #[inline]
    pub fn push(&mut self, packet: &Packet, link: LinkType, frame: &[u8]) {
        let kept = frame.get(..self.snap).unwrap_or(frame);
        let size = self.bytes.len();
        if self.start + kept.len() > size {
            // A frame lies in one piece: the rest of the block is left unused.
            self.written += (size - self.start) as u64;
            self.start = 0;
        }
        if let Some(place) = self.bytes.get_mut(self.start..self.start + kept.len()) {
            place.copy_from_slice(kept);
        }
        self.start += kept.len();
        let position = self.written;
        self.written += kept.len() as u64;
        while self.entries.len() >= self.most
            || self
                .entries
                .front()
                .is_some_and(|oldest| oldest.position + (size as u64) < self.written)
        {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            position,
            time: packet.time,
            src: packet.src,
            dst: packet.dst,
            src_mac: packet.src_mac,
            dst_mac: packet.dst_mac,
            captured: kept.len() as u32,
            length: packet.length,
            link,
        });
    }

    /// The frames that are still there and selected, oldest first.
    pub fn select(&self, selection: &Selection) -> Vec<KeptFrame<'_>> {
        let size = self.bytes.len() as u64;
        let mut frames: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| selection.wants(entry))
            .filter_map(|entry| {
                let start = (entry.position % size) as usize;
                let bytes = self.bytes.get(start..start + entry.captured as usize)?;
                Some(KeptFrame {
                    time: entry.time,
                    length: entry.length,
                    link: entry.link,
                    bytes,
                })
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

    fn packet(time: i64, mac: u64) -> Packet {
        Packet {
            time,
            src_mac: mac,
            length: 100,
            ..Packet::default()
        }
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
        let mut ring = FrameRing::new(4096, 64);
        for time in 0..1000 {
            let bytes = [(time % 251) as u8; 100];
            ring.push(
                &packet(time, 1 + time as u64 % 2),
                LinkType::ETHERNET,
                &bytes,
            );
        }
        let frames = ring.select(&all(vec![2]));
        assert!(!frames.is_empty() && frames.len() <= 4096 / 64);
        assert_eq!(frames.last().unwrap().time, 999);
        for frame in frames {
            assert_eq!(frame.time % 2, 1);
            assert_eq!(frame.bytes, [(frame.time % 251) as u8; 64]);
        }
    }

    #[test]
    fn keeps_the_last_when_a_limit_is_given() {
        let mut ring = FrameRing::new(1 << 16, 64);
        for time in 0..100 {
            ring.push(&packet(time, 1), LinkType::ETHERNET, &[0; 60]);
        }
        let frames = ring.select(&Selection {
            limit: 3,
            ..all(vec![1])
        });
        let times: Vec<_> = frames.iter().map(|frame| frame.time).collect();
        assert_eq!(times, [97, 98, 99]);
    }
}
