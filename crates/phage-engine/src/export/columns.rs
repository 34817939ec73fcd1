//! Flow records as the tables take them: the ends as a packet, the counts as a share.

use phage_decode::export::{present, FlowRecord};
use phage_decode::packet::{marks, protocol, tcp, Packet};
use phage_decode::{Keys, Secret};
use phage_flow::rows::{state, NO_DEVICE};
use phage_flow::{touch, FlowTouch, Share, BEHAVIOUR};

use crate::stages::BATCH;

/// An hour: a record may be older than its arrival by any time, but newer only by as much.
const AHEAD: i64 = 3600 * 1_000_000_000;

/// The columns of one batch, reused from batch to batch.
pub(super) struct ShareColumns {
    pub(super) packets: Vec<Packet>,
    pub(super) shares: Vec<Share>,
    pub(super) keys: Vec<Keys>,
    pub(super) touches: Vec<FlowTouch>,
    pub(super) subjects: Vec<u32>,
    pub(super) behaviour: Vec<f32>,
}

impl ShareColumns {
    pub(super) fn new() -> Self {
        Self {
            packets: Vec::with_capacity(BATCH),
            shares: Vec::with_capacity(BATCH),
            keys: Vec::with_capacity(BATCH),
            touches: vec![FlowTouch::default(); BATCH],
            subjects: vec![NO_DEVICE; BATCH],
            behaviour: vec![0.0; BATCH * BEHAVIOUR],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether records of this exporter fit into the batch: either all are sampled, or none.
    pub(super) fn suits(&self, record: &FlowRecord) -> bool {
        self.len() + 2 <= BATCH
            && self
                .shares
                .first()
                .is_none_or(|share| share.sampled == (record.sampling > 1))
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.shares.clear();
        self.keys.clear();
    }

    /// Adds the directions of a record that arrived at a time.
    pub(super) fn push(&mut self, record: &FlowRecord, arrival: i64, secret: &Secret) {
        for reverse in [false, true] {
            let count = usize::from(reverse);
            let packets = record.packets.get(count).copied().unwrap_or(0);
            let octets = record.octets.get(count).copied().unwrap_or(0);
            if packets == 0 && octets == 0 && (reverse || !record.has(present::SRC)) {
                continue;
            }
            let rate = u64::from(record.sampling.max(1));
            let last = record.last.clamp(0, arrival.saturating_add(AHEAD).max(0));
            let share = Share {
                start: record.start.clamp(0, last),
                last,
                // Octets alone stand for a packet at least.
                packets: packets.max(1).saturating_mul(rate),
                octets: octets.saturating_mul(rate),
                flags: record.flags.get(count).copied().unwrap_or(0),
                sampled: rate > 1,
            };
            let mut packet = ends(record, reverse);
            packet.time = arrival;
            if packet.protocol == protocol::TCP {
                packet.tcp_flags = share.opening();
            }
            self.keys.push(Keys::of(&packet, secret));
            self.packets.push(packet);
            self.shares.push(share);
        }
    }

    /// Makes of the batch what the counters of hosts understand: one packet for each record, whose
    /// answer says how its handshake went on.
    pub(super) fn for_hosts(&mut self) {
        let work = self.packets.iter_mut().zip(&self.shares);
        for ((packet, share), answer) in work.zip(&mut self.touches) {
            packet.length = share.octets.min(u64::from(u32::MAX)) as u32;
            if packet.protocol != protocol::TCP {
                continue;
            }
            let is_whole = share.flags & (tcp::SYN | tcp::ACK) == tcp::SYN | tcp::ACK;
            let reverse = answer.has(touch::REVERSE);
            if is_whole && !reverse && answer.has(touch::NEW) {
                // It began, and went on: it was answered.
                packet.tcp_flags = tcp::SYN;
                answer.change |= touch::FIRST_REPLY;
                answer.state = state::SYN_RECEIVED;
            } else if is_whole && reverse && !answer.has(touch::NEW) {
                packet.tcp_flags = tcp::SYN | tcp::ACK;
            }
        }
    }
}

/// The ends of a direction of a record, without counts.
fn ends(record: &FlowRecord, reverse: bool) -> Packet {
    let mut packet = Packet {
        src: record.src,
        dst: record.dst,
        src_port: record.src_port,
        dst_port: record.dst_port,
        vlan: record.vlan & 0xfff,
        ip_version: record.ip_version,
        protocol: record.protocol,
        traffic_class: record.tos,
        ether_type: if record.ip_version == 6 {
            0x86dd
        } else {
            0x0800
        },
        ..Packet::default()
    };
    if matches!(record.protocol, protocol::ICMP | protocol::ICMPV6) {
        [packet.src_port, packet.dst_port] = record.dst_port.to_be_bytes().map(u16::from);
    }
    if reverse {
        std::mem::swap(&mut packet.src, &mut packet.dst);
        std::mem::swap(&mut packet.src_port, &mut packet.dst_port);
        // The answer to an echo request, as far as a record of both directions tells.
        match (record.protocol, record.dst_port >> 8) {
            (protocol::ICMP, _) => (packet.src_port, packet.dst_port) = (0, 0),
            (protocol::ICMPV6, _) => (packet.src_port, packet.dst_port) = (129, 0),
            _ => {}
        }
    }
    if is_group(&packet.dst) {
        packet.marks |= marks::GROUP;
    }
    if record.has(present::FRAGMENT) {
        packet.marks |= marks::FRAGMENT;
    }
    packet
}

/// Whether an address is multicast or the broadcast one.
fn is_group(address: &[u8; 16]) -> bool {
    let value = u128::from_be_bytes(*address);
    if value >> 32 == 0xffff {
        let v4 = value as u32;
        v4 >> 28 == 14 || v4 == u32::MAX
    } else {
        value >> 120 == 0xff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_arrive_at_no_time_are_taken() {
        let secret = Secret::from_seed(1);
        let mut columns = ShareColumns::new();
        let record = FlowRecord {
            packets: [1, 0],
            last: i64::MAX,
            ..FlowRecord::default()
        };
        for arrival in [i64::MIN, -1, 0, i64::MAX] {
            columns.push(&record, arrival, &secret);
        }
        let ends: Vec<i64> = columns.shares.iter().map(|share| share.last).collect();
        assert_eq!(ends, [0, AHEAD - 1, AHEAD, i64::MAX]);
    }
}
