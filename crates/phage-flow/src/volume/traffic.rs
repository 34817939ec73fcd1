//! One kind for packets and flow records: what is counted of either.

use phage_decode::export::{present, FlowRecord};
use phage_decode::packet::{marks, Packet};

use super::class::Class;

/// Something that went from one host to another, sampling applied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) src: [u8; 16],
    pub(super) dst: [u8; 16],
    /// Packets and octets that it stands for.
    pub(super) packets: u64,
    pub(super) octets: u64,
    /// Packets that somebody has really seen.
    pub(super) seen: u32,
    pub(super) src_as: u32,
    pub(super) dst_as: u32,
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) protocol: u8,
    pub(super) flags: u8,
    pub(super) class: Class,
}

impl Traffic {
    /// A packet; none without IP, and none that only names addresses (ARP).
    #[inline]
    pub(super) fn of_packet(packet: &Packet) -> Option<Self> {
        if packet.ip_version == 0 || packet.has(marks::ARP) {
            return None;
        }
        let later = packet.has(marks::LATER_FRAGMENT);
        Some(Self {
            src: packet.src,
            dst: packet.dst,
            packets: 1,
            octets: u64::from(packet.length),
            seen: 1,
            src_as: 0,
            dst_as: 0,
            src_port: packet.src_port,
            dst_port: packet.dst_port,
            protocol: packet.protocol,
            flags: packet.tcp_flags,
            class: Class::of(
                packet.protocol,
                packet.tcp_flags,
                packet.src_port,
                packet.dst_port,
                later,
            ),
        })
    }

    /// The direction of a flow record, and the reverse one where it is a biflow.
    #[inline]
    pub(super) fn of_record(record: &FlowRecord, reverse: bool) -> Option<Self> {
        if record.ip_version == 0 {
            return None;
        }
        let [forth, back] = record.packets;
        let [octets, octets_back] = record.octets;
        let [flags, flags_back] = record.flags;
        let (packets, octets, flags) = if reverse {
            (back, octets_back, flags_back)
        } else {
            (forth, octets, flags)
        };
        if packets == 0 && octets == 0 {
            return None;
        }
        // Records of octets alone stand for a packet at least.
        let packets = packets.max(1);
        let rate = u64::from(record.sampling.max(1));
        let (src_port, dst_port) = (record.src_port, record.dst_port);
        let mut traffic = Self {
            src: record.src,
            dst: record.dst,
            packets: packets.saturating_mul(rate),
            octets: octets.saturating_mul(rate),
            seen: u32::try_from(packets).unwrap_or(u32::MAX),
            src_as: record.src_as,
            dst_as: record.dst_as,
            src_port,
            dst_port,
            protocol: record.protocol,
            flags,
            class: Class::Other,
        };
        if reverse {
            std::mem::swap(&mut traffic.src, &mut traffic.dst);
            std::mem::swap(&mut traffic.src_as, &mut traffic.dst_as);
            std::mem::swap(&mut traffic.src_port, &mut traffic.dst_port);
        }
        // The first fragment has its ports and is told by them.
        let fragment = record.has(present::FRAGMENT) && src_port == 0 && dst_port == 0;
        traffic.class = Class::of(
            traffic.protocol,
            flags,
            traffic.src_port,
            traffic.dst_port,
            fragment,
        );
        Some(traffic)
    }
}
