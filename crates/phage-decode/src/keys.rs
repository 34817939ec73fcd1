//! Keys of the streams that a packet belongs to: keyed hashes of binary fields.
//!
//! Every table of the hot path takes its key from here, so a packet is hashed once. The hash is a
//! folded 64x64 multiplication under a per-process secret: an attacker who does not know the
//! secret cannot aim at one set of a table.

use crate::packet::Packet;

/// The secret that keys are made under. Random for each process; fixed for a replay.
#[derive(Clone, Copy, Debug)]
pub struct Secret([u64; 10]);

impl Secret {
    /// Expands a seed (splitmix64) to odd multipliers and masks.
    pub fn from_seed(seed: u64) -> Self {
        let mut state = seed;
        let mut words = [0_u64; 10];
        for word in &mut words {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *word = (mixed ^ (mixed >> 31)) | 1;
        }
        Self(words)
    }

    /// Hashes two words under the secret, for a use numbered 0 to 4.
    #[inline]
    pub fn hash(&self, a: u64, b: u64, purpose: usize) -> u64 {
        let lane = (purpose % 5) * 2;
        let [x, y] = match self.0.get(lane..lane + 2) {
            Some(&[x, y]) => [x, y],
            _ => [1, 1],
        };
        fold(a ^ x, b ^ y)
    }
}

/// Multiplies to 128 bits and folds the halves.
#[inline]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    (product as u64) ^ ((product >> 64) as u64)
}

/// The keys of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Hash of the source address (of the source MAC where there is no IP).
    pub src: u64,
    /// Hash of the destination address (of the destination MAC where there is no IP).
    pub dst: u64,
    /// Source MAC and source address, VLAN.
    pub source: u64,
    /// The unordered pair of addresses, VLAN.
    pub channel: u64,
    /// The unordered pair of endpoints, protocol, VLAN: the flow's key.
    pub socket: u64,
    /// Whether the packet goes from the higher endpoint of the pair to the lower one.
    pub channel_reverse: bool,
    /// The same for the socket.
    pub socket_reverse: bool,
}

impl Keys {
    /// Hashes the fields of a packet.
    #[inline]
    pub fn of(packet: &Packet, secret: &Secret) -> Self {
        let (src, dst) = if packet.ip_version == 0 && packet.src == [0; 16] {
            (
                secret.hash(packet.src_mac, 0x11, 0),
                secret.hash(packet.dst_mac, 0x11, 0),
            )
        } else {
            (address(&packet.src, secret), address(&packet.dst, secret))
        };
        let place = u64::from(packet.vlan) | u64::from(packet.inner_vlan) << 16;
        let source = secret.hash(src, packet.src_mac | place << 48, 1);
        let channel_reverse = src > dst;
        let (low, high) = if channel_reverse {
            (dst, src)
        } else {
            (src, dst)
        };
        let channel = secret.hash(low ^ place, high, 2);
        // ICMP keeps type and code out of the endpoints, so that a request and its reply share one flow.
        let ports = !matches!(packet.protocol, 1 | 58) && packet.ip_version != 0;
        let (from, to) = if ports {
            (
                fold(src, u64::from(packet.src_port) | 0x5bd1_e995_0000_0000),
                fold(dst, u64::from(packet.dst_port) | 0x5bd1_e995_0000_0000),
            )
        } else {
            (src, dst)
        };
        let socket_reverse = from > to;
        let (low, high) = if socket_reverse {
            (to, from)
        } else {
            (from, to)
        };
        let kind = u64::from(packet.protocol) << 32 | u64::from(packet.ether_type) << 40 | place;
        let socket = secret.hash(low ^ kind, high, 3);
        Self {
            src,
            dst,
            source,
            channel,
            socket,
            channel_reverse,
            socket_reverse,
        }
    }
}

/// Hashes an address.
#[inline]
pub fn address(address: &[u8; 16], secret: &Secret) -> u64 {
    let value = u128::from_be_bytes(*address);
    secret.hash((value >> 64) as u64, value as u64, 4)
}
