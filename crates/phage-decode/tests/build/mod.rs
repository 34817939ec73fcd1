//! Builds frames layer by layer, as the RFCs draw them; shared by tests, benchmark and fuzz seeds.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "every user takes another part of it"
)]

pub(crate) mod capture;
pub(crate) mod reading;
pub(crate) mod samples;

use phage_decode::packet::{marks, protocol};
use phage_decode::{decode, Fault, FrameHeader, LinkType, Packet};

pub(crate) const SRC_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
pub(crate) const DST_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
pub(crate) const SRC4: [u8; 4] = [192, 0, 2, 1];
pub(crate) const DST4: [u8; 4] = [198, 51, 100, 2];
pub(crate) const SRC6: [u8; 16] = [
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,
];
pub(crate) const DST6: [u8; 16] = [
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02,
];

pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(crate) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&DST_MAC, &SRC_MAC, &ether_type.to_be_bytes(), payload])
}

/// A tag's control information and the type behind it, to stand behind a tag type.
pub(crate) fn tag(vlan: u16, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    join(&[
        &(0x6000 | vlan).to_be_bytes(),
        &ether_type.to_be_bytes(),
        payload,
    ])
}

pub(crate) struct Ipv4 {
    pub(crate) src: [u8; 4],
    pub(crate) dst: [u8; 4],
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) fragment: u16,
    pub(crate) options: Vec<u8>,
    /// Overrides the total length.
    pub(crate) total: Option<u16>,
}

impl Default for Ipv4 {
    fn default() -> Self {
        Self {
            src: SRC4,
            dst: DST4,
            protocol: 17,
            ttl: 64,
            fragment: 0,
            options: Vec::new(),
            total: None,
        }
    }
}

impl Ipv4 {
    pub(crate) fn build(&self, payload: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let total = self
            .total
            .unwrap_or(u16::try_from(header + payload.len()).unwrap_or(0));
        let mut bytes = vec![0x40 | u8::try_from(header / 4).unwrap_or(15), 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend([0x12, 0x34]);
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([self.ttl, self.protocol, 0, 0]);
        bytes.extend(self.src);
        bytes.extend(self.dst);
        bytes.extend(&self.options);
        let sum = checksum(&bytes);
        bytes.splice(10..12, sum.to_be_bytes());
        bytes.extend(payload);
        bytes
    }
}

pub(crate) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    Ipv4 {
        protocol,
        ..Ipv4::default()
    }
    .build(payload)
}

/// The Internet checksum (RFC 1071).
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(pair.first().copied().unwrap_or(0)) << 8 | u32::from(low);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_between(SRC6, DST6, next, payload)
}

pub(crate) fn ipv6_between(src: [u8; 16], dst: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(0);
    join(&[
        &[0x60, 0, 0, 0],
        &length.to_be_bytes(),
        &[next, 63],
        &src,
        &dst,
        payload,
    ])
}

/// An extension header of 8 octets and the given padding, in words of 8 octets.
pub(crate) fn extension(next: u8, words: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![next, words, 1, 4, 0, 0, 0, 0];
    bytes.resize(8 + 8 * usize::from(words), 0);
    bytes.extend(payload);
    bytes
}

pub(crate) fn fragment_header(next: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let place = offset << 3 | u16::from(more);
    join(&[&[next, 0], &place.to_be_bytes(), &[0, 0, 0, 7], payload])
}

pub(crate) fn tcp(src: u16, dst: u16, flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = u8::try_from((20 + options.len()) / 4).unwrap_or(15) << 4;
    join(&[
        &src.to_be_bytes(),
        &dst.to_be_bytes(),
        &0x0102_0304_u32.to_be_bytes(),
        &0x0506_0708_u32.to_be_bytes(),
        &[offset, flags, 0xfa, 0xf0, 0, 0, 0, 0],
        options,
        payload,
    ])
}

pub(crate) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap_or(0);
    join(&[
        &src.to_be_bytes(),
        &dst.to_be_bytes(),
        &length.to_be_bytes(),
        &[0, 0],
        payload,
    ])
}

pub(crate) fn icmp(kind: u8, code: u8, payload: &[u8]) -> Vec<u8> {
    join(&[&[kind, code, 0, 0, 0, 1, 0, 2], payload])
}

pub(crate) fn sctp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&src.to_be_bytes(), &dst.to_be_bytes(), &[0; 8], payload])
}

pub(crate) fn arp(operation: u16) -> Vec<u8> {
    join(&[
        &[0, 1, 8, 0, 6, 4],
        &operation.to_be_bytes(),
        &SRC_MAC,
        &SRC4,
        &[0; 6],
        &DST4,
    ])
}

/// A label stack; the last one has the bottom bit.
pub(crate) fn mpls(labels: &[u32], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let bottom = u32::from(index + 1 == labels.len());
        bytes.extend((label << 12 | bottom << 8 | 64).to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

pub(crate) fn pppoe(protocol: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 2).unwrap_or(0);
    join(&[
        &[0x11, 0, 0x12, 0x34],
        &length.to_be_bytes(),
        &protocol.to_be_bytes(),
        payload,
    ])
}

/// GRE: the flags say which of the words are there.
pub(crate) fn gre(flags: u16, ether_type: u16, words: &[u32], payload: &[u8]) -> Vec<u8> {
    let mut bytes = join(&[&flags.to_be_bytes(), &ether_type.to_be_bytes()]);
    for word in words {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

pub(crate) fn vxlan(identifier: u32, payload: &[u8]) -> Vec<u8> {
    join(&[&[0x08, 0, 0, 0], &(identifier << 8).to_be_bytes(), payload])
}

pub(crate) fn llc_snap(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    join(&[
        &[0xaa, 0xaa, 3, 0, 0, 0],
        &ether_type.to_be_bytes(),
        payload,
    ])
}

pub(crate) fn mapped(address: [u8; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[10..12].fill(0xff);
    bytes[12..].copy_from_slice(&address);
    bytes
}

pub(crate) fn number(mac: [u8; 6]) -> u64 {
    mac.iter()
        .fold(0, |value, octet| value << 8 | u64::from(*octet))
}

pub(crate) fn frame_header(link: LinkType, captured: usize, length: usize) -> FrameHeader {
    FrameHeader {
        time: 1_700_000_000_123_456_789,
        offset: 0,
        captured: captured as u32,
        length: length as u32,
        link,
        interface: 3,
        vlan: 0,
    }
}

/// A record full of what an earlier packet might have left.
pub(crate) fn stale() -> Packet {
    Packet {
        time: -1,
        src_mac: u64::MAX,
        dst_mac: u64::MAX,
        src: [0xee; 16],
        dst: [0xee; 16],
        length: u32::MAX,
        captured: u32::MAX,
        transport_offset: u32::MAX,
        payload_offset: u32::MAX,
        payload_captured: u32::MAX,
        payload_length: u32::MAX,
        tcp_sequence: u32::MAX,
        tcp_acknowledgement: u32::MAX,
        tunnel: u32::MAX,
        network_offset: u32::MAX,
        tcp_window: u16::MAX,
        ether_type: u16::MAX,
        vlan: u16::MAX,
        inner_vlan: u16::MAX,
        src_port: u16::MAX,
        dst_port: u16::MAX,
        marks: u16::MAX,
        interface: u16::MAX,
        ip_version: u8::MAX,
        protocol: u8::MAX,
        tcp_flags: u8::MAX,
        ttl: u8::MAX,
        traffic_class: u8::MAX,
        fault: Fault::TunnelTooDeep,
    }
}

/// Decodes a frame that was captured whole.
pub(crate) fn decoded(link: LinkType, bytes: &[u8]) -> Packet {
    decoded_cut(link, bytes, bytes.len())
}

/// Decodes the first `captured` bytes of a frame.
pub(crate) fn decoded_cut(link: LinkType, bytes: &[u8], captured: usize) -> Packet {
    let mut packet = stale();
    let header = frame_header(link, captured, bytes.len());
    decode(bytes.get(..captured).unwrap_or(bytes), &header, &mut packet);
    packet
}

/// Asserts what every record keeps to.
pub(crate) fn assert_consistent(packet: &Packet, bytes: &[u8]) {
    assert_eq!(packet.captured as usize, bytes.len());
    assert!(packet.captured <= packet.length);
    assert!(packet.transport_offset <= packet.payload_offset);
    assert!(packet.payload_offset + packet.payload_captured <= packet.captured);
    assert!(packet.payload_captured <= packet.payload_length);
    assert!(packet.vlan <= 0xfff && packet.inner_vlan <= 0xfff);
    assert!(packet.src_mac >> 48 == 0 && packet.dst_mac >> 48 == 0);
    assert!(matches!(packet.ip_version, 0 | 4 | 6));
    if packet.ip_version == 0 {
        assert_eq!((packet.protocol, packet.ttl, packet.src_port), (0, 0, 0));
        if !packet.has(marks::ARP) {
            assert_eq!((packet.src, packet.dst), ([0; 16], [0; 16]));
            assert_eq!(packet.dst_port, 0);
        }
    }
    if packet.protocol != protocol::TCP {
        assert_eq!((packet.tcp_flags, packet.tcp_window), (0, 0));
        assert_eq!((packet.tcp_sequence, packet.tcp_acknowledgement), (0, 0));
    }
    if packet.has(marks::LATER_FRAGMENT) {
        assert!(packet.has(marks::FRAGMENT));
        assert_eq!((packet.src_port, packet.dst_port), (0, 0));
    }
    assert!((packet.fault as usize) < Fault::COUNT);
}
