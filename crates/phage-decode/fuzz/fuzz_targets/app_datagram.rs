//! Any payload to each parser of datagrams. The first octet chooses the parser, the second what
//! the capture lost.
#![no_main]

mod sound;

use libfuzzer_sys::fuzz_target;
use phage_decode::app::{parse_datagram, wants_datagram};
use phage_decode::packet::{marks, protocol, Packet};

fuzz_target!(|data: &[u8]| {
    let [choice, lost, payload @ ..] = data else {
        return;
    };
    let mut packet = Packet {
        ip_version: 4,
        protocol: protocol::UDP,
        ttl: 255,
        src_port: 40_000,
        payload_length: payload.len() as u32 + u32::from(*lost & 1),
        payload_captured: payload.len() as u32,
        ..Packet::default()
    };
    match choice % 15 {
        0 => packet.dst_port = 53,
        1 => packet.dst_port = 5353,
        2 => packet.dst_port = 5355,
        3 => packet.dst_port = 137,
        4 => packet.dst_port = 67,
        5 => packet.dst_port = 547,
        6 => packet.dst_port = 1900,
        7 => packet.marks = marks::ARP,
        12 => packet.dst_port = 3702,
        13 => {
            packet.ip_version = 0;
            packet.ether_type = 0x88cc;
        }
        14 => {
            packet.protocol = protocol::ICMPV6;
            packet.ttl = 1;
            packet.src_port = 143;
        }
        kind => {
            packet.protocol = protocol::ICMPV6;
            packet.src_port = 126 + u16::from(kind);
            packet.dst_port = 0;
        }
    }
    if wants_datagram(&packet) {
        sound::check(&parse_datagram(&packet, payload));
    }
});
