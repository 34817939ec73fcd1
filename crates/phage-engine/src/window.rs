//! A window: what one tick of the hot loop hands to Python.

use phage_carve::CarvedFile;
use phage_decode::app::Message;
use phage_flow::requests::RequestRow;
use phage_flow::volume::{TrafficRow, VolumeRow};
use phage_flow::{FlowRow, HostRow, UseRow};
use phage_model::ScoreRow;

use crate::matching::MatchRow;

/// An application or neighbour message with the packet it came in.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    /// Number of the packet in the input, from 0.
    pub packet: u64,
    /// Source address.
    pub src: [u8; 16],
    /// Destination address.
    pub dst: [u8; 16],
    /// Source MAC.
    pub src_mac: u64,
    /// Destination MAC.
    pub dst_mac: u64,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// VLAN identifier.
    pub vlan: u16,
    /// IP protocol.
    pub protocol: u8,
    /// Index of the subject device, or [`phage_flow::rows::NO_DEVICE`].
    pub device: u32,
    /// Identifier of the flow; 0 for none.
    pub flow: u64,
    /// What was said.
    pub message: Message,
}

/// What was seen between two times.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Time of the first packet.
    pub start: i64,
    /// Time up to which everything is in.
    pub end: i64,
    /// Packets in the window.
    pub packets: u64,
    /// Octets on the wire in the window.
    pub octets: u64,
    /// Flows touched or ended.
    pub flows: Vec<FlowRow>,
    /// What devices did, by service and peer.
    pub uses: Vec<UseRow>,
    /// Active hosts.
    pub hosts: Vec<HostRow>,
    /// Scored devices.
    pub scores: Vec<ScoreRow>,
    /// Flows with an end in the set of prefixes.
    pub matches: Vec<MatchRow>,
    /// Hosts and prefixes with much traffic, of the slots that ended.
    pub volumes: Vec<VolumeRow>,
    /// Sources of requests, the busiest first.
    pub requests: Vec<RequestRow>,
    /// Some of the traffic of these slots.
    pub traffic: Vec<TrafficRow>,
    /// Messages.
    pub observations: Vec<Observation>,
    /// Files that were carried without encryption.
    pub files: Vec<CarvedFile>,
    /// Whether the model is still learning what is normal.
    pub learning: bool,
}
