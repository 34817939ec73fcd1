//! Frames to try filters on, built by hand, byte for byte as the RFCs draw them.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod bounds;
mod language;

use super::Filter;
use phage_decode::LinkType;

pub(super) const MAC_A: [u8; 6] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55];
pub(super) const MAC_B: [u8; 6] = [0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb];
pub(super) const ALL: [u8; 6] = [0xff; 6];

pub(super) fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16, rest: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), rest].concat()
}

pub(super) fn ipv4(
    protocol: u8,
    from: [u8; 4],
    to: [u8; 4],
    fragment: u16,
    rest: &[u8],
) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + rest.len() as u16).to_be_bytes());
    header.extend([0, 1]);
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(from);
    header.extend(to);
    header.extend(rest);
    header
}

pub(super) fn ipv6(next: u8, from: [u8; 16], to: [u8; 16], rest: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((rest.len() as u16).to_be_bytes());
    header.extend([next, 64]);
    header.extend(from);
    header.extend(to);
    header.extend(rest);
    header
}

pub(super) fn tcp(from: u16, to: u16, flags: u8) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(from.to_be_bytes());
    header.extend(to.to_be_bytes());
    header.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    header
}

pub(super) fn udp(from: u16, to: u16) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(from.to_be_bytes());
    header.extend(to.to_be_bytes());
    header.extend([0, 12, 0, 0, 1, 2, 3, 4]);
    header
}

pub(super) const A: [u8; 4] = [10, 0, 0, 1];
pub(super) const B: [u8; 4] = [192, 168, 1, 2];

pub(super) fn address6(first: u16, last: u8) -> [u8; 16] {
    let mut address = [0; 16];
    address[..2].copy_from_slice(&first.to_be_bytes());
    address[15] = last;
    address
}

pub(super) fn syn() -> Vec<u8> {
    ethernet(
        MAC_B,
        MAC_A,
        0x0800,
        &ipv4(6, A, B, 0, &tcp(49152, 443, 0x02)),
    )
}

pub(super) fn dns6() -> Vec<u8> {
    let packet = ipv6(17, address6(0xfe80, 1), address6(0x2001, 2), &udp(5353, 53));
    ethernet(MAC_B, MAC_A, 0x86dd, &packet)
}

pub(super) fn arp() -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, 1];
    body.extend(MAC_A);
    body.extend(A);
    body.extend([0; 6]);
    body.extend(B);
    ethernet(ALL, MAC_A, 0x0806, &body)
}

pub(super) fn echo() -> Vec<u8> {
    let packet = ipv4(1, A, B, 0, &[8, 0, 0, 0, 0, 1, 0, 1]);
    ethernet(MAC_B, MAC_A, 0x0800, &packet)
}

pub(super) fn tagged(id: u16, frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0x00], &id.to_be_bytes(), &frame[12..]].concat()
}

pub(super) fn passes(expression: &str, frame: &[u8]) -> bool {
    on(expression, LinkType::ETHERNET, frame)
}

pub(super) fn on(expression: &str, link: LinkType, frame: &[u8]) -> bool {
    match Filter::compile(expression, link) {
        Ok(filter) => filter.matches(frame, frame.len() as u32),
        Err(error) => panic!("{expression}: {error}"),
    }
}

pub(super) fn all(frame: &[u8], yes: &[&str], no: &[&str]) {
    for expression in yes {
        assert!(passes(expression, frame), "{expression} should match");
    }
    for expression in no {
        assert!(!passes(expression, frame), "{expression} should not match");
    }
}
