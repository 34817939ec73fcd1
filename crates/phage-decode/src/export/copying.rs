//! Copying one field of all records of a set: a load, a byte swap and a store each.

use super::meaning::{Target, Time};
use super::record::FlowRecord;
use crate::packet::ipv4_mapped;

/// One field to copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) target: Target,
    /// Which run of fixed fields it stands in: as many variable fields stand before it.
    pub(super) run: u32,
    /// Octets from the start of the run.
    pub(super) offset: u32,
    pub(super) length: u16,
    /// An address that stands only if it is not zero: another one was sent before it.
    pub(super) spare: bool,
}

/// What times are relative to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// When the datagram was exported, nanoseconds since the Unix epoch.
    pub(super) export: i64,
    /// The exporter's uptime then, milliseconds; wraps.
    pub(super) uptime: Option<u32>,
}

impl Clock {
    fn of_uptime(self, value: u64) -> i64 {
        let age = self
            .uptime
            .map_or(0, |uptime| uptime.wrapping_sub(value as u32) as i32);
        self.export.saturating_sub(i64::from(age) * 1_000_000)
    }
}

/// The records of one set.
#[derive(Clone, Copy, Debug)]
pub enum Records<'a> {
    /// Records of one length.
    Fixed {
        /// Their octets.
        data: &'a [u8],
        /// Octets of one.
        length: usize,
    },
    /// Records of different lengths.
    Variable {
        /// Their octets.
        data: &'a [u8],
        /// Where the runs of fixed fields of each record start, and where it ends.
        starts: &'a [u32],
        /// Numbers in `starts` for each record.
        stride: usize,
    },
}

impl<'a> Records<'a> {
    /// The octets of one record.
    pub fn record(&self, place: usize) -> &'a [u8] {
        match *self {
            Self::Fixed { data, length } => data.get(place * length..(place + 1) * length),
            Self::Variable {
                data,
                starts,
                stride,
            } => starts
                .get(place * stride..(place + 1) * stride)
                .and_then(|starts| Some((*starts.first()?, *starts.last()?)))
                .and_then(|(from, to)| data.get(from as usize..to as usize)),
        }
        .unwrap_or(&[])
    }

    /// Hands `length` octets of each record to `put`.
    #[inline(always)]
    fn slices(&self, step: &Step, rows: &mut [FlowRecord], put: impl Fn(&mut FlowRecord, &[u8])) {
        let (offset, width) = (step.offset as usize, usize::from(step.length));
        match *self {
            Self::Fixed { data, length } => {
                for (record, row) in data.chunks_exact(length).zip(rows) {
                    if let Some(value) = record.get(offset..offset + width) {
                        put(row, value);
                    }
                }
            }
            Self::Variable {
                data,
                starts,
                stride,
            } => {
                let run = step.run as usize;
                for (starts, row) in starts.chunks_exact(stride).zip(rows) {
                    let at = starts
                        .get(run)
                        .map_or(usize::MAX - width, |start| *start as usize + offset);
                    if let Some(value) = data.get(at..at + width) {
                        put(row, value);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn arrays<const N: usize>(
        &self,
        step: &Step,
        rows: &mut [FlowRecord],
        put: impl Fn(&mut FlowRecord, [u8; N]),
    ) {
        let step = Step {
            length: N as u16,
            ..*step
        };
        self.slices(&step, rows, |row, value| {
            if let Some(value) = value.first_chunk() {
                put(row, *value);
            }
        });
    }

    /// Hands a number to `put`, of any length (RFC 7011, 6.2); of more than eight octets the last.
    #[inline(always)]
    fn numbers(
        &self,
        step: &Step,
        rows: &mut [FlowRecord],
        put: impl Fn(&mut FlowRecord, u64) + Copy,
    ) {
        match step.length {
            1 => self.arrays::<1>(step, rows, |row, value| put(row, u64::from(value[0]))),
            2 => self.arrays(step, rows, |row, value| {
                put(row, u64::from(u16::from_be_bytes(value)));
            }),
            4 => self.arrays(step, rows, |row, value| {
                put(row, u64::from(u32::from_be_bytes(value)));
            }),
            8 => self.arrays(step, rows, |row, value| put(row, u64::from_be_bytes(value))),
            _ => self.slices(step, rows, |row, value| put(row, number(value))),
        }
    }
}

/// A big-endian number of any length; of more than eight octets the last count.
pub(super) fn number(octets: &[u8]) -> u64 {
    octets
        .iter()
        .fold(0, |value, octet| value << 8 | u64::from(*octet))
}

impl Step {
    /// Copies the field of each record.
    #[inline(never)]
    pub(super) fn run(&self, set: &Records<'_>, clock: Clock, rows: &mut [FlowRecord]) {
        match self.target {
            Target::Src4 | Target::Dst4 | Target::Src6 | Target::Dst6 => self.address(set, rows),
            Target::Start(time) => self.time(set, rows, time, clock, |row, time| row.start = time),
            Target::End(time) => self.time(set, rows, time, clock, |row, time| row.last = time),
            Target::Packets => set.numbers(self, rows, |row, value| row.packets[0] = value),
            Target::Octets => set.numbers(self, rows, |row, value| row.octets[0] = value),
            Target::ReversePackets => set.numbers(self, rows, |row, value| row.packets[1] = value),
            Target::ReverseOctets => set.numbers(self, rows, |row, value| row.octets[1] = value),
            Target::InInterface => {
                set.numbers(self, rows, |row, value| row.in_interface = value as u32);
            }
            Target::OutInterface => {
                set.numbers(self, rows, |row, value| row.out_interface = value as u32);
            }
            Target::SrcAs => set.numbers(self, rows, |row, value| row.src_as = value as u32),
            Target::DstAs => set.numbers(self, rows, |row, value| row.dst_as = value as u32),
            Target::Sampling => set.numbers(self, rows, |row, value| {
                row.sampling = u32::try_from(value).unwrap_or(u32::MAX);
            }),
            Target::Sampler => set.numbers(self, rows, |row, value| row.sampler = value as u32),
            Target::Vlan => set.numbers(self, rows, |row, value| row.vlan = value as u16 & 0x0fff),
            Target::SrcPort => set.numbers(self, rows, |row, value| row.src_port = value as u16),
            Target::DstPort => set.numbers(self, rows, |row, value| row.dst_port = value as u16),
            Target::IcmpTypeCode => set.numbers(self, rows, |row, value| {
                if matches!(row.protocol, 0 | 1 | 58) && row.dst_port == 0 {
                    row.dst_port = value as u16;
                }
            }),
            Target::IcmpType => set.numbers(self, rows, |row, value| {
                if matches!(row.protocol, 1 | 58) {
                    row.dst_port = row.dst_port & 0x00ff | (value as u16) << 8;
                }
            }),
            Target::IcmpCode => set.numbers(self, rows, |row, value| {
                if matches!(row.protocol, 1 | 58) {
                    row.dst_port = row.dst_port & 0xff00 | value as u16 & 0xff;
                }
            }),
            Target::Flags => set.numbers(self, rows, |row, value| row.flags[0] = value as u8),
            Target::ReverseFlags => {
                set.numbers(self, rows, |row, value| row.flags[1] = value as u8);
            }
            Target::Protocol => set.numbers(self, rows, |row, value| row.protocol = value as u8),
            Target::IpVersion => set.numbers(self, rows, |row, value| {
                if matches!(value, 4 | 6) && row.ip_version == 0 {
                    row.ip_version = value as u8;
                }
            }),
            Target::Tos => set.numbers(self, rows, |row, value| row.tos = value as u8),
            Target::SrcMask => set.numbers(self, rows, |row, value| row.src_mask = value as u8),
            Target::DstMask => set.numbers(self, rows, |row, value| row.dst_mask = value as u8),
            Target::Direction => set.numbers(self, rows, |row, value| row.direction = value as u8),
            Target::Forwarding => {
                set.numbers(self, rows, |row, value| row.forwarding = value as u8);
            }
        }
    }

    fn address(&self, set: &Records<'_>, rows: &mut [FlowRecord]) {
        let spare = self.spare;
        match (self.target, spare) {
            (Target::Src4, false) => set.arrays(self, rows, |row, value| {
                row.src = ipv4_mapped(value);
                row.ip_version = 4;
            }),
            (Target::Dst4, false) => set.arrays(self, rows, |row, value| {
                row.dst = ipv4_mapped(value);
                row.ip_version = 4;
            }),
            (Target::Src6, false) => set.arrays(self, rows, |row, value| {
                row.src = value;
                row.ip_version = 6;
            }),
            (Target::Dst6, false) => set.arrays(self, rows, |row, value| {
                row.dst = value;
                row.ip_version = 6;
            }),
            (Target::Src4, true) => set.arrays(self, rows, |row, value: [u8; 4]| {
                if value != [0; 4] {
                    row.src = ipv4_mapped(value);
                    row.ip_version = 4;
                }
            }),
            (Target::Dst4, true) => set.arrays(self, rows, |row, value: [u8; 4]| {
                if value != [0; 4] {
                    row.dst = ipv4_mapped(value);
                    row.ip_version = 4;
                }
            }),
            (Target::Src6, true) => set.arrays(self, rows, |row, value: [u8; 16]| {
                if value != [0; 16] {
                    row.src = value;
                    row.ip_version = 6;
                }
            }),
            _ => set.arrays(self, rows, |row, value: [u8; 16]| {
                if value != [0; 16] {
                    row.dst = value;
                    row.ip_version = 6;
                }
            }),
        }
    }

    #[inline(always)]
    fn time(
        &self,
        set: &Records<'_>,
        rows: &mut [FlowRecord],
        time: Time,
        clock: Clock,
        put: impl Fn(&mut FlowRecord, i64) + Copy,
    ) {
        match time {
            Time::Uptime => set.numbers(self, rows, |row, value| put(row, clock.of_uptime(value))),
            Time::Milliseconds => {
                set.numbers(self, rows, |row, value| put(row, scaled(value, 1_000_000)));
            }
            Time::Seconds => set.numbers(self, rows, |row, value| {
                put(row, scaled(value, 1_000_000_000));
            }),
            Time::Ntp => set.numbers(self, rows, |row, value| put(row, of_ntp(value))),
            Time::Ago => set.numbers(self, rows, |row, value| {
                put(row, clock.export.saturating_sub(scaled(value, 1_000)));
            }),
        }
    }
}

fn scaled(value: u64, unit: i64) -> i64 {
    i64::try_from(value).map_or(i64::MAX, |value| value.saturating_mul(unit))
}

/// Nanoseconds since the Unix epoch of a 64-bit NTP time (RFC 7011, 6.1.9).
pub(super) fn of_ntp(value: u64) -> i64 {
    /// Seconds from 1900 to 1970.
    const EPOCH: i64 = 2_208_988_800;
    let seconds = (value >> 32) as i64 - EPOCH;
    let fraction = ((value & 0xffff_ffff) * 1_000_000_000) >> 32;
    seconds * 1_000_000_000 + fraction as i64
}
