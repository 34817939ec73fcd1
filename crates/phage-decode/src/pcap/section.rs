//! The pcapng format: sections of blocks.

use super::interface::Interface;
use super::reader::Order;
use super::{CaptureCounters, CaptureFaultKind, Progress, Stop, LARGEST_CAPTURED};
use crate::frame::FrameHeader;

/// Block type of a section header; reads the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;

/// Other block types that are read.
mod kind {
    pub(super) const INTERFACE: u32 = 1;
    /// Obsolete, as early tools wrote it.
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// The number behind a section header's length that tells the byte order.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Type, total length, and total length again at the end.
const FRAME: usize = 12;

/// Length of a block that is asked for whole: the largest frame, and as much again as the longest
/// option list that tools write beside one. Longer blocks without a frame are skipped as they
/// stream by.
const LARGEST_BLOCK: usize = LARGEST_CAPTURED as usize + 262_144;

/// Interfaces that are kept in a section: as many as the frame header can tell apart.
const INTERFACES: usize = 1 << 16;

/// The state of reading a pcapng file.
#[derive(Debug)]
pub(super) struct Ng {
    order: Order,
    interfaces: Vec<Interface>,
    /// Interfaces of this section that were described but not kept.
    beyond: u64,
    /// Interfaces described in all sections.
    described: u64,
    /// Time of the last frame, which stands in for that of a block without one.
    last_time: i64,
    skip: Option<Skip>,
}

/// A long block that streams by.
#[derive(Clone, Copy, Debug)]
struct Skip {
    /// Bytes that are left before the trailing length.
    left: u64,
    /// What the trailing length must be.
    total: u32,
}

/// What became of one block.
enum Block {
    Frame(FrameHeader),
    Other,
    Fault(CaptureFaultKind),
}

impl Ng {
    pub(super) fn new() -> Self {
        Self {
            order: Order::Little,
            interfaces: Vec::new(),
            beyond: 0,
            described: 0,
            last_time: 0,
            skip: None,
        }
    }

    /// Bytes of a block that streams by which are done with; 0 between blocks.
    pub(super) fn begun(&self) -> u64 {
        self.skip
            .map_or(0, |skip| u64::from(skip.total) - 4 - skip.left)
    }

    /// Reads blocks from `data`, which starts with one or within one that is skipped.
    pub(super) fn parse(
        &mut self,
        data: &[u8],
        limit: usize,
        frames: &mut Vec<FrameHeader>,
        counters: &mut CaptureCounters,
    ) -> Progress {
        let mut at = 0;
        let mut found = 0;
        let stop = loop {
            if found == limit {
                break Stop::Full;
            }
            if let Some(skip) = self.skip {
                match self.skip(data, &mut at, skip) {
                    Some(stop) => break stop,
                    None => continue,
                }
            }
            let rest = data.get(at..).unwrap_or(&[]);
            let total = match self.total_length(rest) {
                Ok(total) => total,
                Err(Stop::Fault(kind, _)) => break Stop::Fault(kind, at as i64),
                Err(stop) => break stop,
            };
            let Some(block) = rest.get(..total) else {
                if total <= LARGEST_BLOCK {
                    break Stop::Needs(total);
                }
                match self.begin_skip(rest, total, counters) {
                    Ok(()) => {
                        at += 8;
                        continue;
                    }
                    Err(kind) => break Stop::Fault(kind, at as i64),
                }
            };
            match self.block(block, counters) {
                Block::Frame(mut header) => {
                    header.offset += at as u64;
                    frames.push(header);
                    found += 1;
                }
                Block::Other => {}
                Block::Fault(kind) => break Stop::Fault(kind, at as i64),
            }
            at += total;
        };
        Progress { consumed: at, stop }
    }

    /// Reads the type and length of a block, and the byte order where a section starts.
    #[inline]
    fn total_length(&mut self, rest: &[u8]) -> Result<usize, Stop> {
        let h = rest.first_chunk::<8>().ok_or(Stop::Needs(FRAME))?;
        if u32::from_be_bytes([h[0], h[1], h[2], h[3]]) == SECTION_HEADER {
            let mark = rest.get(8..).and_then(<[u8]>::first_chunk::<4>);
            let mark = *mark.ok_or(Stop::Needs(FRAME))?;
            self.order = if u32::from_le_bytes(mark) == BYTE_ORDER {
                Order::Little
            } else if u32::from_be_bytes(mark) == BYTE_ORDER {
                Order::Big
            } else {
                return Err(Stop::Fault(self.not_a_section(), 0));
            };
        }
        let total = self.order.u32([h[4], h[5], h[6], h[7]]) as usize;
        if total < FRAME || !total.is_multiple_of(4) {
            return Err(Stop::Fault(CaptureFaultKind::BlockMalformed, 0));
        }
        Ok(total)
    }

    /// A first section without a byte order is no capture; a later one is a damaged block.
    fn not_a_section(&self) -> CaptureFaultKind {
        if self.described == 0 && self.interfaces.is_empty() {
            CaptureFaultKind::NotACapture
        } else {
            CaptureFaultKind::BlockMalformed
        }
    }

    /// Reads a block that is whole.
    fn block(&mut self, block: &[u8], counters: &mut CaptureCounters) -> Block {
        let (body, trailer) = block.split_at(block.len() - 4);
        let total = self.order.u32_at(trailer, 0).unwrap_or(0);
        if total as usize != block.len() {
            return Block::Fault(CaptureFaultKind::BlockMalformed);
        }
        let number = self.order.u32_at(body, 0).unwrap_or(0);
        let body = body.get(8..).unwrap_or(&[]);
        let read = match number {
            kind::ENHANCED_PACKET => self.packet::<false>(body, counters),
            kind::SIMPLE_PACKET => self.simple_packet(body),
            kind::PACKET => self.packet::<true>(body, counters),
            kind::INTERFACE => self.interface(body, counters),
            SECTION_HEADER => self.section(body, counters),
            _ => {
                counters.blocks_skipped += 1;
                return Block::Other;
            }
        };
        // A body that is shorter than what its type has at least.
        read.unwrap_or(Block::Fault(CaptureFaultKind::BlockMalformed))
    }

    /// Reads the body of a section header.
    fn section(&mut self, body: &[u8], counters: &mut CaptureCounters) -> Option<Block> {
        // The length of the section may stand behind the version; blocks tell it anyway.
        body.get(..16)?;
        if self.order.u16_at(body, 4)? != 1 {
            return Some(Block::Fault(CaptureFaultKind::VersionUnknown));
        }
        self.interfaces.clear();
        self.beyond = 0;
        counters.sections += 1;
        Some(Block::Other)
    }

    /// Reads the body of an interface description.
    fn interface(&mut self, body: &[u8], counters: &mut CaptureCounters) -> Option<Block> {
        // More interfaces in all sections than numbers: the last number stands for the rest.
        let number = u16::try_from(self.described).unwrap_or(u16::MAX);
        let interface = Interface::read(self.order, body, number)?;
        self.described += 1;
        counters.interfaces += 1;
        if self.interfaces.len() < INTERFACES {
            self.interfaces.push(interface);
        } else {
            self.beyond += 1;
            counters.interfaces_dropped += 1;
        }
        Some(Block::Other)
    }

    /// Reads the body of an enhanced packet block, or of the obsolete packet block, which has
    /// only 16 bits for the interface and a count of drops beside it.
    #[inline]
    fn packet<const OBSOLETE: bool>(
        &mut self,
        body: &[u8],
        counters: &mut CaptureCounters,
    ) -> Option<Block> {
        let h = body.first_chunk::<20>()?;
        let index = if OBSOLETE {
            u32::from(self.order.u16([h[0], h[1]]))
        } else {
            self.order.u32([h[0], h[1], h[2], h[3]])
        };
        let Some(interface) = self.interfaces.get(index as usize) else {
            return Some(self.no_interface(index, counters));
        };
        let high = self.order.u32([h[4], h[5], h[6], h[7]]);
        let low = self.order.u32([h[8], h[9], h[10], h[11]]);
        let captured = self.order.u32([h[12], h[13], h[14], h[15]]);
        let length = self.order.u32([h[16], h[17], h[18], h[19]]);
        if captured > LARGEST_CAPTURED {
            return Some(Block::Fault(CaptureFaultKind::RecordTooLong));
        }
        body.get(20..20 + captured as usize)?;
        let time = interface.time(u64::from(high) << 32 | u64::from(low));
        self.last_time = time;
        Some(Block::Frame(FrameHeader {
            time,
            // Behind the block's type and length, and what was read here.
            offset: 8 + 20,
            captured,
            length: length.max(captured),
            link: interface.link,
            interface: interface.number,
            vlan: 0,
        }))
    }

    /// Reads the body of a simple packet block: a length and the bytes, of the first interface.
    fn simple_packet(&mut self, body: &[u8]) -> Option<Block> {
        let Some(interface) = self.interfaces.first() else {
            return Some(Block::Fault(CaptureFaultKind::InterfaceUnknown));
        };
        let length = self.order.u32_at(body, 0)?;
        let snap = match interface.snap_length {
            0 => u32::MAX,
            limit => limit,
        };
        let captured = length.min(snap);
        if captured > LARGEST_CAPTURED {
            return Some(Block::Fault(CaptureFaultKind::RecordTooLong));
        }
        body.get(4..4 + captured as usize)?;
        Some(Block::Frame(FrameHeader {
            time: self.last_time,
            offset: 8 + 4,
            captured,
            length,
            link: interface.link,
            interface: interface.number,
            vlan: 0,
        }))
    }

    /// A frame of an interface that was not kept is dropped and counted; one that was never
    /// described is a fault.
    #[cold]
    fn no_interface(&self, index: u32, counters: &mut CaptureCounters) -> Block {
        if u64::from(index) < self.interfaces.len() as u64 + self.beyond {
            counters.frames_dropped += 1;
            return Block::Other;
        }
        Block::Fault(CaptureFaultKind::InterfaceUnknown)
    }

    /// Starts to skip a block that is too long to be asked for whole. No frame is that long.
    fn begin_skip(
        &mut self,
        rest: &[u8],
        total: usize,
        counters: &mut CaptureCounters,
    ) -> Result<(), CaptureFaultKind> {
        match self.order.u32_at(rest, 0) {
            Some(kind::ENHANCED_PACKET | kind::SIMPLE_PACKET | kind::PACKET) => {
                Err(CaptureFaultKind::RecordTooLong)
            }
            Some(kind::INTERFACE | SECTION_HEADER) => Err(CaptureFaultKind::BlockMalformed),
            _ => {
                counters.blocks_skipped += 1;
                self.skip = Some(Skip {
                    left: (total - FRAME) as u64,
                    total: total as u32,
                });
                Ok(())
            }
        }
    }

    /// Skips what there is of a long block; at its end, checks the trailing length.
    fn skip(&mut self, data: &[u8], at: &mut usize, skip: Skip) -> Option<Stop> {
        let available = data.len().saturating_sub(*at);
        let step = skip.left.min(available as u64);
        *at += step as usize;
        let left = skip.left - step;
        self.skip = Some(Skip { left, ..skip });
        if left > 0 {
            return Some(Stop::Needs(1));
        }
        match self.order.u32_at(data, *at) {
            None => Some(Stop::Needs(4)),
            Some(total) if total == skip.total => {
                *at += 4;
                self.skip = None;
                None
            }
            Some(_) => {
                let start = *at as i64 - self.begun() as i64;
                Some(Stop::Fault(CaptureFaultKind::BlockMalformed, start))
            }
        }
    }
}
