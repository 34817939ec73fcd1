//! What makes two flows one use.

use phage_decode::packet::protocol;
use phage_decode::{keys, Secret};

use crate::flow::record::Flow;
use crate::rows::{UseRow, NO_SERVICE_PORT};

/// Ports from here on belong to no service (RFC 6335, section 6): they are one.
const DYNAMIC_PORT: u16 = 49_152;

/// Datagram Congestion Control Protocol (RFC 4340), which has ports.
const DCCP: u8 = 33;
/// UDP-Lite (RFC 3828).
const UDP_LITE: u8 = 136;

/// What uses have in common that are one row.
#[derive(Clone, Copy)]
pub(super) struct UseKey {
    pub(super) mac: u64,
    pub(super) address: [u8; 16],
    pub(super) peer: [u8; 16],
    pub(super) port: i32,
    pub(super) protocol: u8,
    pub(super) way: u8,
    pub(super) near: u8,
}

impl UseKey {
    /// The use that a flow is of one end. Who is far and asks is anybody: peers are told apart
    /// where the device chose them, and at home.
    pub(super) fn of(flow: &Flow, end: usize) -> Self {
        let near = flow.home >> (1 - end) & 1;
        let port = match flow.protocol {
            protocol::TCP | protocol::UDP | protocol::SCTP | DCCP | UDP_LITE => flow.dst_port,
            _ => 0,
        };
        Self {
            mac: if end == 0 { flow.src_mac } else { flow.dst_mac },
            address: if end == 0 { flow.src } else { flow.dst },
            peer: match (end, near) {
                (0, _) => flow.dst,
                (_, 0) => [0; 16],
                _ => flow.src,
            },
            port: if port < DYNAMIC_PORT {
                i32::from(port)
            } else {
                NO_SERVICE_PORT
            },
            protocol: flow.protocol,
            way: end as u8,
            near,
        }
    }

    /// Whether a row is of this use.
    #[inline]
    pub(super) fn is_of(&self, row: &UseRow) -> bool {
        let anybody = self.way == 1 && self.near == 0;
        (self.mac, self.address) == (row.mac, row.address)
            && (self.port, self.protocol) == (row.port, row.protocol)
            && (self.way, self.near) == (row.way, row.near)
            && (anybody || self.peer == row.peer)
    }

    /// Hashes of the use and of its device.
    #[inline]
    pub(super) fn hash(&self, secret: &Secret) -> (u64, u64) {
        let device = secret.hash(keys::address(&self.address, secret), self.mac, 1);
        let kind = u64::from(self.port as u32)
            | u64::from(self.protocol) << 32
            | u64::from(self.way) << 40
            | u64::from(self.near) << 48;
        let peer = keys::address(&self.peer, secret);
        (secret.hash(device ^ kind, peer, 2), device)
    }
}
