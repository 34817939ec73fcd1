//! The layout of a block: headers and frames, as the kernel packed them.
//!
//! Source: Linux `if_packet.h` (`tpacket_block_desc`, `tpacket3_hdr`).

use phage_decode::{FrameHeader, LinkType};

// Fields of the block's header.
const FRAMES: usize = 12;
const FIRST: usize = 16;

// Fields of a frame's header.
const NEXT: usize = 0;
const SECONDS: usize = 4;
const NANOSECONDS: usize = 8;
const CAPTURED: usize = 12;
const LENGTH: usize = 16;
const STATUS: usize = 20;
const LINK_START: usize = 24;
const NETWORK_START: usize = 26;
const TAG: usize = 32;

/// `TP_STATUS_VLAN_VALID`.
const TAGGED: u32 = 1 << 4;

/// Bytes that a VLAN tag has on the wire.
const TAG_LENGTH: u32 = 4;

/// Where reading a block stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    next: usize,
    left: u32,
}

fn word(data: &[u8], at: usize) -> u32 {
    data.get(at..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn half(data: &[u8], at: usize) -> usize {
    data.get(at..)
        .and_then(|rest| rest.first_chunk::<2>())
        .map_or(0, |bytes| usize::from(u16::from_ne_bytes(*bytes)))
}

impl Cursor {
    pub(super) fn new(block: &[u8]) -> Self {
        Self {
            next: word(block, FIRST) as usize,
            left: word(block, FRAMES),
        }
    }

    pub(super) fn is_done(self) -> bool {
        self.left == 0
    }

    /// Appends the headers of up to `limit` frames; answers their bytes on the wire.
    pub(super) fn read(
        &mut self,
        block: &[u8],
        limit: usize,
        link: LinkType,
        interface: u16,
        frames: &mut Vec<FrameHeader>,
    ) -> u64 {
        let mut octets = 0;
        // Frames of an interface without link layer start at the network header, wherever the
        // driver says that the link layer starts.
        let start = if link == LinkType::RAW {
            NETWORK_START
        } else {
            LINK_START
        };
        while self.left > 0 && frames.len() < limit {
            let Some(header) = block.get(self.next..) else {
                self.left = 0;
                break;
            };
            let skipped = half(header, start).saturating_sub(half(header, LINK_START)) as u32;
            let mut length = word(header, LENGTH).saturating_sub(skipped);
            let mut vlan = 0;
            if word(header, STATUS) & TAGGED != 0 {
                // The kernel took the tag off; it was on the wire.
                length += TAG_LENGTH;
                vlan = (word(header, TAG) & 0xfff) as u16;
            }
            octets += u64::from(length);
            frames.push(FrameHeader {
                time: i64::from(word(header, SECONDS)) * 1_000_000_000
                    + i64::from(word(header, NANOSECONDS)),
                offset: (self.next + half(header, start)) as u64,
                captured: word(header, CAPTURED).saturating_sub(skipped),
                length,
                link,
                interface,
                vlan,
            });
            self.left -= 1;
            match word(header, NEXT) as usize {
                // The last frame of a block has no next.
                0 => self.left = 0,
                step => self.next += step,
            }
        }
        octets
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::indexing_slicing,
        reason = "a test stops at what it did not expect"
    )]

    use super::*;

    fn put(block: &mut [u8], at: usize, value: u32) {
        block[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    /// A block of two frames: a tagged one of 60 bytes, and one that was cut to 4.
    fn block() -> Vec<u8> {
        let mut block = vec![0; 512];
        put(&mut block, FRAMES, 2);
        put(&mut block, FIRST, 48);
        for (start, next, captured, length, status) in
            [(48, 160, 56, 56, 1 | TAGGED), (208, 0, 4, 1500, 1)]
        {
            put(&mut block, start + NEXT, next);
            put(&mut block, start + SECONDS, 7);
            put(&mut block, start + NANOSECONDS, 9);
            put(&mut block, start + CAPTURED, captured);
            put(&mut block, start + LENGTH, length);
            put(&mut block, start + STATUS, status);
            put(
                &mut block,
                start + LINK_START,
                u32::from_ne_bytes([82, 0, 96, 0]),
            );
            put(&mut block, start + TAG, 0xe064);
        }
        block
    }

    #[test]
    fn frames_have_their_times_lengths_and_tags() {
        let block = block();
        let mut frames = Vec::new();
        let mut cursor = Cursor::new(&block);
        let octets = cursor.read(&block, 1, LinkType::ETHERNET, 3, &mut frames);
        assert_eq!((octets, cursor.is_done()), (60, false));
        frames.clear();
        let mut cursor = Cursor::new(&block);
        cursor.read(&block, 9, LinkType::ETHERNET, 3, &mut frames);
        assert!(cursor.is_done());
        let first = FrameHeader {
            time: 7_000_000_009,
            offset: 48 + 82,
            captured: 56,
            length: 60,
            link: LinkType::ETHERNET,
            interface: 3,
            vlan: 100,
        };
        let second = FrameHeader {
            offset: 208 + 82,
            captured: 4,
            length: 1500,
            vlan: 0,
            ..first
        };
        assert_eq!(frames, [first, second]);
    }

    #[test]
    fn without_a_link_layer_frames_start_at_the_network_layer() {
        let block = block();
        let mut frames = Vec::new();
        Cursor::new(&block).read(&block, 1, LinkType::RAW, 0, &mut frames);
        assert_eq!(
            (frames[0].offset, frames[0].captured, frames[0].length),
            (48 + 96, 42, 46)
        );
    }

    #[test]
    fn a_lying_block_ends() {
        for lie in 0..512 {
            let mut block = block();
            block[lie] ^= 0xff;
            let mut frames = Vec::new();
            let mut cursor = Cursor::new(&block);
            for _ in 0..1000 {
                cursor.read(&block, 1024, LinkType::ETHERNET, 0, &mut frames);
                frames.clear();
            }
        }
    }
}
