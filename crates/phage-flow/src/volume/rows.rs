//! What a slot hands on, as laid out in memory.
//!
//! `src/phage/records/columns.py` holds the same layout as `NumPy` dtypes; a test compares both.

use super::class::{CLASSES, GROUPS};

/// What one host or prefix received (`[0]`) and sent (`[1]`) in one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::NoUninit)]
#[repr(C)]
pub struct VolumeRow {
    /// End of the slot, nanoseconds since the Unix epoch.
    pub time: i64,
    /// The first address of the prefix, IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
    /// Octets, as the exporter or the wire tells them.
    pub octets: [u64; 2],
    /// Packets by class.
    pub packets: [[u32; CLASSES]; 2],
    /// Octets by group of classes, in units of eight.
    pub grouped: [[u32; GROUPS]; 2],
    /// Flow records, or packets where packets are counted.
    pub flows: [u32; 2],
    /// Packets that somebody has really seen: what sampling leaves of the packets.
    pub samples: [u32; 2],
    /// Distinct peers that sent to it, by an estimate.
    pub sources: f32,
    /// Hosts of the prefix that moved.
    pub hosts: u32,
    /// SYN-ACKs that a host received in the last minutes without having sent so many SYNs.
    pub unasked: u32,
    /// Of these, packets that somebody has really seen; 65,535 for more.
    pub unasked_samples: u16,
    /// Length of the prefix, 0 to 128; that of an IPv4 prefix is 96 longer. From 129 on it is a
    /// service of the host ([`super::watch::FIRST_SERVICE`]); 255 is a group, whose name is the
    /// address.
    pub length: u8,
    /// Fills the row up to a multiple of its alignment.
    pub reserved: [u8; 1],
}

const _: () = assert!(size_of::<VolumeRow>() == 192);

/// Some of the traffic of a slot, chosen in proportion to packets; one row stands for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::NoUninit)]
#[repr(C)]
pub struct TrafficRow {
    /// End of the slot, nanoseconds since the Unix epoch.
    pub time: i64,
    /// Packets that the row stands for.
    pub packets: u64,
    /// Octets that the row stands for.
    pub octets: u64,
    /// Source address.
    pub src: [u8; 16],
    /// Destination address.
    pub dst: [u8; 16],
    /// Autonomous system of the source; 0 for unknown.
    pub src_as: u32,
    /// Autonomous system of the destination; 0 for unknown.
    pub dst_as: u32,
    /// Source port; of ICMP as the exporter or the packet tells it.
    pub src_port: u16,
    /// Destination port; of ICMP type and code.
    pub dst_port: u16,
    /// Mean length of its packets.
    pub length: u16,
    /// IP protocol.
    pub protocol: u8,
    /// TCP flags.
    pub flags: u8,
    /// The class.
    pub class: u8,
    /// Bit 0: the source is at home; bit 1: the destination is.
    pub home: u8,
    /// 0: chosen among all traffic; 1: among what a busy host received, 2: what it sent.
    pub chosen: u8,
    /// Fills the row up to a multiple of its alignment.
    pub reserved: [u8; 5],
}

const _: () = assert!(size_of::<TrafficRow>() == 80);
