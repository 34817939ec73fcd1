//! Matching: the ends of each flow are looked up among the prefixes that somebody reports.
//!
//! A flow is looked up when it begins and again with its first packet of each half-minute, so that
//! a set that was replaced meanwhile finds what goes on.

use std::sync::Arc;

use phage_decode::Packet;
use phage_flow::{touch, FlowTouch};
use phage_match::PrefixSet;

/// A packet's end that lies in a prefix of the set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::NoUninit)]
#[repr(C)]
pub struct MatchRow {
    /// Number of the packet in the input, from 0.
    pub packet: u64,
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    /// Number of the flow.
    pub flow: u64,
    /// Source address.
    pub src: [u8; 16],
    /// Destination address.
    pub dst: [u8; 16],
    /// Source MAC.
    pub src_mac: u64,
    /// Destination MAC.
    pub dst_mac: u64,
    /// What the prefix stands for, as the set was given it.
    pub value: u32,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// IP protocol.
    pub protocol: u8,
    /// Which end lies in the prefix: 0 the source, 1 the destination.
    pub end: u8,
    /// Whether the packet was sent by the flow's responder.
    pub reverse: u8,
    /// Nothing.
    pub reserved: u8,
    /// VLAN identifier.
    pub vlan: u16,
    /// Nothing.
    pub padding: u16,
}

/// The set in force and the matches of the open window.
#[derive(Default)]
pub(crate) struct Matching {
    set: Arc<PrefixSet>,
    rows: Vec<MatchRow>,
    most: usize,
    /// Matches so far.
    pub(crate) matches: u64,
    /// Matches left out of a full window.
    pub(crate) omitted: u64,
}

impl Matching {
    /// With an empty set and room for so many rows in a window.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Puts another set in force; the old one is freed by whoever holds it last.
    pub(crate) fn replace(&mut self, set: Arc<PrefixSet>) {
        self.set = set;
    }

    /// Looks up the ends of the flows that began, or that are due.
    pub(crate) fn see(&mut self, packets: &[Packet], touches: &[FlowTouch], first_packet: u64) {
        if self.set.is_empty() {
            return;
        }
        for ((packet, touch), number) in packets.iter().zip(touches).zip(first_packet..) {
            if touch.has(touch::NEW | touch::CONTINUED | touch::FRESH) {
                for (end, address) in [(0, &packet.src), (1, &packet.dst)] {
                    if let Some(value) = self.set.lookup(address) {
                        self.add(packet, *touch, number, end, value);
                    }
                }
            }
        }
    }

    /// Takes the matches of the window.
    pub(crate) fn take(&mut self) -> Vec<MatchRow> {
        std::mem::take(&mut self.rows)
    }

    fn add(&mut self, packet: &Packet, touch: FlowTouch, number: u64, end: u8, value: u32) {
        self.matches += 1;
        if self.rows.len() >= self.most {
            self.omitted += 1;
            return;
        }
        self.rows.push(MatchRow {
            packet: number,
            time: packet.time,
            flow: touch.id,
            src: packet.src,
            dst: packet.dst,
            src_mac: packet.src_mac,
            dst_mac: packet.dst_mac,
            value,
            src_port: packet.src_port,
            dst_port: packet.dst_port,
            protocol: packet.protocol,
            end,
            reverse: u8::from(touch.has(touch::REVERSE)),
            reserved: 0,
            vlan: packet.vlan,
            padding: 0,
        });
    }
}
