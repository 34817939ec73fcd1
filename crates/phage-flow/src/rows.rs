//! The rows that a window carries to Python, as laid out in memory.
//!
//! `src/phage/records/columns.py` holds the same layout as `NumPy` dtypes; a test compares both.

/// No device: the index of a packet or row that belongs to none.
pub const NO_DEVICE: u32 = u32::MAX;

/// Bits of [`FlowRow::event`].
pub mod event {
    /// The flow began in this window.
    pub const STARTED: u8 = 1;
    /// The flow carried packets since its last row.
    pub const UPDATED: u8 = 1 << 1;
    /// The flow ended in this window; its totals are final.
    pub const ENDED: u8 = 1 << 2;
}

/// Values of [`FlowRow::end_reason`] (RFC 5102, 5.11.3).
pub mod end_reason {
    /// The flow goes on.
    pub const NONE: u8 = 0;
    /// Nothing seen for the idle timeout.
    pub const IDLE_TIMEOUT: u8 = 1;
    /// Lasted longer than the active timeout; it is continued by a new record.
    pub const ACTIVE_TIMEOUT: u8 = 2;
    /// The end of the flow was seen (TCP FIN or RST).
    pub const END_OF_FLOW: u8 = 3;
    /// Ended from outside: the input ended or phage stopped.
    pub const FORCED_END: u8 = 4;
    /// Evicted to make room.
    pub const LACK_OF_RESOURCES: u8 = 5;
}

/// Values of [`FlowRow::state`]: how far a TCP connection came (0 for other protocols).
pub mod state {
    /// Not TCP, or the beginning was not seen.
    pub const NONE: u8 = 0;
    /// SYN seen, no answer yet.
    pub const SYN_SENT: u8 = 1;
    /// SYN and SYN-ACK seen.
    pub const SYN_RECEIVED: u8 = 2;
    /// Handshake complete, or data in both directions.
    pub const ESTABLISHED: u8 = 3;
    /// FIN seen from one or both sides.
    pub const CLOSING: u8 = 4;
    /// Both sides closed.
    pub const CLOSED: u8 = 5;
    /// Reset by the responder before the handshake was complete: refused.
    pub const REFUSED: u8 = 6;
    /// Reset after the handshake.
    pub const RESET: u8 = 7;
}

/// One flow as it stands at the end of a window. `[0]` is the direction of the initiator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::NoUninit)]
#[repr(C)]
pub struct FlowRow {
    /// Number of the flow since the start, from 1.
    pub id: u64,
    /// Time of the first packet, nanoseconds since the Unix epoch.
    pub start: i64,
    /// Time of the last packet.
    pub last: i64,
    /// Address of the initiator.
    pub src: [u8; 16],
    /// Address of the responder.
    pub dst: [u8; 16],
    /// MAC of the initiator's side.
    pub src_mac: u64,
    /// MAC of the responder's side.
    pub dst_mac: u64,
    /// Packets in each direction.
    pub packets: [u64; 2],
    /// Octets on the wire in each direction, link layer included.
    pub octets: [u64; 2],
    /// Transport payload octets in each direction.
    pub payload: [u64; 2],
    /// Index of the device that the flow is about ([`NO_DEVICE`] for none): the initiator if it is
    /// at home, else the responder.
    pub device: u32,
    /// Longest packet seen, in octets.
    pub longest: u32,
    /// Round-trip time of the TCP handshake in microseconds; 0 where unknown.
    pub handshake: u32,
    /// VLAN identifier; 0 for none.
    pub vlan: u16,
    /// Port of the initiator; ICMP: type.
    pub src_port: u16,
    /// Port of the responder; ICMP: code.
    pub dst_port: u16,
    /// IP protocol; 0 where there is no IP layer.
    pub protocol: u8,
    /// 4, 6 or 0.
    pub ip_version: u8,
    /// One of [`state`].
    pub state: u8,
    /// TCP flags seen in each direction, or-ed.
    pub flags: [u8; 2],
    /// One of [`end_reason`].
    pub end_reason: u8,
    /// Bits of [`event`].
    pub event: u8,
    /// Bit 0: the initiator is at home; bit 1: the responder is.
    pub home: u8,
    /// Application protocol, numbered as in `phage_decode::app`; 0 for unknown.
    pub application: u8,
    /// Resets and ICMP errors that answered the flow.
    pub errors: u8,
    /// Fills the row up to a multiple of its alignment.
    pub reserved: [u8; 4],
}

const _: () = assert!(size_of::<FlowRow>() == 152);

/// [`UseRow::port`] of ports that belong to no service.
pub const NO_SERVICE_PORT: i32 = -1;

/// What one device did in one window by one service with one peer, of all its flows that began or
/// ended. `[0]` is what the device sent, `[1]` what it received.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::NoUninit)]
#[repr(C)]
pub struct UseRow {
    /// When the first of its flows began that began, nanoseconds since the Unix epoch.
    pub first: i64,
    /// When the last of them began.
    pub last: i64,
    /// Time of the last packet of those that ended.
    pub end: i64,
    /// MAC of the device.
    pub mac: u64,
    /// MAC of the peer's side.
    pub peer_mac: u64,
    /// Address of the device.
    pub address: [u8; 16],
    /// Address of the peer; of several that are far and asked the device, the first.
    pub peer: [u8; 16],
    /// Packets of the flows that ended.
    pub packets: [u64; 2],
    /// Octets of the flows that ended.
    pub octets: [u64; 2],
    /// Octets of that flow among them that moved most.
    pub largest: [u64; 2],
    /// Flows that began.
    pub begun: u32,
    /// Flows that ended.
    pub ended: u32,
    /// Of these, flows without an answer.
    pub failed: u32,
    /// The service's port; 0 where there is none, [`NO_SERVICE_PORT`] where it belongs to none.
    pub port: i32,
    /// Sum of the logarithms (base 2) of the octets of each flow that ended.
    pub sizes: f32,
    /// Sum of their squares.
    pub squares: f32,
    /// The lowest and the highest port of the service.
    pub ports: [u16; 2],
    /// IP protocol.
    pub protocol: u8,
    /// 0: the device began; 1: the peer did, and was answered.
    pub way: u8,
    /// Whether the peer is at home too.
    pub near: u8,
    /// Fills the row up to a multiple of its alignment.
    pub reserved: u8,
}

const _: () = assert!(size_of::<UseRow>() == 152);

/// Bits of [`HostRow::marks`].
pub mod host {
    /// The address is at home (own networks).
    pub const HOME: u32 = 1;
    /// The MAC carries many addresses: a router stands there.
    pub const ROUTER: u32 = 1 << 1;
    /// First seen in this window.
    pub const NEW: u32 = 1 << 2;
    /// The row is a device (has an index and a profile of its own).
    pub const DEVICE: u32 = 1 << 3;
}

/// Counters of one host in one window. `[0]` counts what it sent, `[1]` what it received.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::NoUninit)]
#[repr(C)]
pub struct HostRow {
    /// Time of its first packet in the window.
    pub first: i64,
    /// Time of its last packet in the window.
    pub last: i64,
    /// MAC address; 0 where it is behind a router.
    pub mac: u64,
    /// Its address (the last one used, for a device known by its MAC).
    pub address: [u8; 16],
    /// Packets.
    pub packets: [u64; 2],
    /// Octets on the wire.
    pub octets: [u64; 2],
    /// TCP SYN without ACK.
    pub syn: [u32; 2],
    /// TCP SYN with ACK.
    pub syn_ack: [u32; 2],
    /// TCP RST.
    pub rst: [u32; 2],
    /// Handshakes that were without an answer for three seconds, counted in the window in which
    /// these were over.
    pub unanswered: [u32; 2],
    /// UDP packets.
    pub udp: [u32; 2],
    /// ICMP echo requests.
    pub echo: [u32; 2],
    /// ICMP destination unreachable and time exceeded.
    pub unreachable: [u32; 2],
    /// ARP requests.
    pub arp_request: [u32; 2],
    /// ARP replies.
    pub arp_reply: [u32; 2],
    /// Flows begun.
    pub flows: [u32; 2],
    /// Distinct peers over the last minute: contacted, contacting.
    pub peers: [f32; 2],
    /// Distinct peer and port pairs contacted, own ports contacted, over the last minute.
    pub ports: [f32; 2],
    /// DNS questions asked.
    pub dns_queries: u32,
    /// DNS answers that were NXDOMAIN or SERVFAIL.
    pub dns_failures: u32,
    /// Peers contacted that this host had never talked to before.
    pub new_peers: u32,
    /// Index of the device, or [`NO_DEVICE`].
    pub device: u32,
    /// Bits of [`host`].
    pub marks: u32,
    /// VLAN identifier.
    pub vlan: u32,
}

const _: () = assert!(size_of::<HostRow>() == 192);
