//! The pcap format: a file header, then records one behind the other.

use super::reader::Order;
use super::{CaptureFaultKind, Progress, Stop, LARGEST_CAPTURED};
use crate::frame::{FrameHeader, LinkType};

/// Length of the header of the file.
pub(super) const FILE_HEADER: usize = 24;

/// Magic numbers as the writing host wrote them.
pub(super) mod magic {
    /// Times in microseconds.
    pub(in crate::pcap) const MICROSECONDS: u32 = 0xa1b2_c3d4;
    /// Times in nanoseconds.
    pub(in crate::pcap) const NANOSECONDS: u32 = 0xa1b2_3c4d;
    /// Times in microseconds; records carry interface, protocol and direction behind the lengths
    /// (A. Kuznetsov's patch to libpcap, still written by some tools).
    pub(in crate::pcap) const MODIFIED: u32 = 0xa1b2_cd34;
}

/// How the records of a file are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classic {
    order: Order,
    /// Nanoseconds in a unit of the fraction of a second.
    unit: i64,
    modified: bool,
    /// Whether the lengths may stand in either order, as in files before version 2.4.
    lengths_mixed: bool,
    link: LinkType,
}

impl Classic {
    /// Reads the header of the file.
    pub(super) fn open(data: &[u8]) -> Result<Self, Stop> {
        let Some(first) = data.first_chunk::<4>() else {
            return Err(Stop::Needs(FILE_HEADER));
        };
        let known = |order: Order| {
            let number = order.u32(*first);
            matches!(
                number,
                magic::MICROSECONDS | magic::NANOSECONDS | magic::MODIFIED
            )
            .then_some((order, number))
        };
        let Some((order, number)) = known(Order::Little).or_else(|| known(Order::Big)) else {
            return Err(Stop::Fault(CaptureFaultKind::NotACapture, 0));
        };
        let (Some(major), Some(minor), Some(link), true) = (
            order.u16_at(data, 4),
            order.u16_at(data, 6),
            order.u32_at(data, 20),
            data.len() >= FILE_HEADER,
        ) else {
            return Err(Stop::Needs(FILE_HEADER));
        };
        if major != 2 {
            return Err(Stop::Fault(CaptureFaultKind::VersionUnknown, 0));
        }
        Ok(Self {
            order,
            unit: if number == magic::NANOSECONDS {
                1
            } else {
                1000
            },
            modified: number == magic::MODIFIED,
            lengths_mixed: minor < 4,
            // The upper half tells about frame check sequences.
            link: LinkType(link as u16),
        })
    }

    /// Reads records from `data`, which starts with one.
    pub(super) fn parse(
        &self,
        data: &[u8],
        limit: usize,
        frames: &mut Vec<FrameHeader>,
    ) -> Progress {
        match (self.order, self.modified) {
            (Order::Little, false) => self.records::<false, 16>(data, limit, frames),
            (Order::Big, false) => self.records::<true, 16>(data, limit, frames),
            (Order::Little, true) => self.records::<false, 24>(data, limit, frames),
            (Order::Big, true) => self.records::<true, 24>(data, limit, frames),
        }
    }

    fn records<const BIG: bool, const HEADER: usize>(
        &self,
        data: &[u8],
        limit: usize,
        frames: &mut Vec<FrameHeader>,
    ) -> Progress {
        let order = if BIG { Order::Big } else { Order::Little };
        let number = |bytes: &[u8; 16], at: usize| order.u32_at(bytes, at).unwrap_or(0);
        let mut at = 0;
        for _ in 0..limit {
            let Some(h) = data
                .get(at..at + HEADER)
                .and_then(<[u8]>::first_chunk::<16>)
            else {
                return Progress {
                    consumed: at,
                    stop: Stop::Needs(HEADER),
                };
            };
            let mut captured = number(h, 8);
            let mut length = number(h, 12);
            if self.lengths_mixed {
                (captured, length) = (captured.min(length), captured.max(length));
            }
            if captured > LARGEST_CAPTURED {
                return Progress {
                    consumed: at,
                    stop: Stop::Fault(CaptureFaultKind::RecordTooLong, at as i64),
                };
            }
            let start = at + HEADER;
            let end = start + captured as usize;
            if end > data.len() {
                return Progress {
                    consumed: at,
                    stop: Stop::Needs(end - at),
                };
            }
            frames.push(FrameHeader {
                time: i64::from(number(h, 0)) * 1_000_000_000 + i64::from(number(h, 4)) * self.unit,
                offset: start as u64,
                captured,
                length: length.max(captured),
                link: self.link,
                interface: 0,
                vlan: 0,
            });
            at = end;
        }
        Progress {
            consumed: at,
            stop: Stop::Full,
        }
    }
}
