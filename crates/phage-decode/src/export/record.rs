//! The normalised flow record: what every format becomes.

/// Bits of [`FlowRecord::present`]: what the exporter sent.
pub mod present {
    /// A source address.
    pub const SRC: u32 = 1;
    /// A destination address.
    pub const DST: u32 = 1 << 1;
    /// A count of octets.
    pub const OCTETS: u32 = 1 << 2;
    /// A count of packets.
    pub const PACKETS: u32 = 1 << 3;
    /// A time of the first packet.
    pub const START: u32 = 1 << 4;
    /// A time of the last packet.
    pub const END: u32 = 1 << 5;
    /// Counts of the reverse direction (RFC 5103, or initiator and responder).
    pub const REVERSE: u32 = 1 << 6;
    /// The counts are totals since the flow began, not since the last record.
    pub const TOTALS: u32 = 1 << 7;
    /// The record is one sampled packet.
    pub const SAMPLE: u32 = 1 << 8;
    /// An IP fragment.
    pub const FRAGMENT: u32 = 1 << 9;
    /// Ports, or type and code of ICMP.
    pub const PORTS: u32 = 1 << 10;
    /// An IP protocol.
    pub const PROTOCOL: u32 = 1 << 11;
}

/// One flow record, or one sampled packet, of any exporter: copied freely, never allocated.
///
/// Addresses are 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`; `[0]` is the direction of
/// the record, `[1]` the reverse one of a biflow. Counts are as exported: `sampling` is told beside
/// them and multiplied by whoever counts, once. Fields that were not sent are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::NoUninit)]
#[repr(C)]
pub struct FlowRecord {
    /// Time of the first packet, nanoseconds since the Unix epoch; without one, of the export.
    pub start: i64,
    /// Time of the last packet; without one, of the export.
    pub last: i64,
    /// Source address.
    pub src: [u8; 16],
    /// Destination address.
    pub dst: [u8; 16],
    /// Packets in each direction.
    pub packets: [u64; 2],
    /// Octets in each direction: of IP from flow exporters, on the wire from sFlow.
    pub octets: [u64; 2],
    /// Interface that the flow came in by (SNMP index).
    pub in_interface: u32,
    /// Interface that it left by.
    pub out_interface: u32,
    /// Autonomous system of the source.
    pub src_as: u32,
    /// Autonomous system of the destination.
    pub dst_as: u32,
    /// One packet in so many was looked at; 0 where the exporter does not tell.
    pub sampling: u32,
    /// Which sampler of the exporter looked; 0 where it does not tell.
    pub sampler: u32,
    /// Number of the exporter, see `ExportDecoder::exporters`.
    pub exporter: u32,
    /// Observation domain, source identifier, engine or sub-agent.
    pub domain: u32,
    /// Bits of [`present`].
    pub present: u32,
    /// Source port; 0 for ICMP.
    pub src_port: u16,
    /// Destination port; ICMP as routers write it: type in the high octet, code in the low one.
    pub dst_port: u16,
    /// VLAN identifier; 0 for none.
    pub vlan: u16,
    /// Template that the record was laid out by; 0 where the format has none.
    pub template: u16,
    /// TCP flags seen in each direction, or-ed.
    pub flags: [u8; 2],
    /// IP protocol.
    pub protocol: u8,
    /// 4, 6, or 0 where no address was sent.
    pub ip_version: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Length of the prefix that the source was routed by.
    pub src_mask: u8,
    /// Length of the prefix that the destination was routed by.
    pub dst_mask: u8,
    /// 0 seen coming in, 1 going out.
    pub direction: u8,
    /// Forwarding status (RFC 7270, 4.12): 128 and above is dropped.
    pub forwarding: u8,
    /// Version of the format: 5, 7, 9, 10 (IPFIX), or 105 (sFlow 5).
    pub version: u8,
    /// Fills the record up to a multiple of its alignment.
    pub reserved: [u8; 2],
}

const _: () = assert!(size_of::<FlowRecord>() == 136);

impl FlowRecord {
    /// Whether a bit of [`present`] is set.
    #[inline]
    pub fn has(&self, bit: u32) -> bool {
        self.present & bit != 0
    }
}
