//! Transport headers: fields, lengths that lie, and what is kept of a header that is cut.
#![expect(clippy::indexing_slicing, reason = "tests index what they built")]

mod build;

use build::{decoded, decoded_cut, ethernet, icmp, ipv4, ipv6, sctp, tcp, udp, Ipv4, DST6};
use phage_decode::packet::{marks, protocol, tcp as flags};
use phage_decode::{Fault, LinkType, Packet};

fn over4(protocol: u8, payload: &[u8]) -> Packet {
    decoded(
        LinkType::ETHERNET,
        &ethernet(0x0800, &ipv4(protocol, payload)),
    )
}

fn over6(protocol: u8, payload: &[u8]) -> Packet {
    decoded(
        LinkType::ETHERNET,
        &ethernet(0x86dd, &ipv6(protocol, payload)),
    )
}

#[test]
fn tcp_flags_and_options() {
    let options = [
        2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    let packet = over4(protocol::TCP, &tcp(40_000, 80, flags::SYN, &options, &[]));
    assert!(packet.is_sound() && packet.is_syn());
    assert_eq!((packet.payload_offset, packet.payload_length), (74, 0));
    assert!(!over4(6, &tcp(1, 2, flags::SYN | flags::ACK, &[], &[])).is_syn());
}

#[test]
fn tcp_that_lies() {
    for offset in [0x00, 0x40, 0xf0] {
        let mut segment = tcp(40_000, 80, 2, &[], b"data");
        segment[12] = offset;
        let packet = over4(6, &segment);
        assert_eq!(packet.fault, Fault::TcpMalformed);
        assert_eq!((packet.dst_port, packet.tcp_flags), (80, 2));
        assert_eq!((packet.payload_captured, packet.payload_length), (0, 0));
    }
    for cut in 4..20 {
        let packet = over4(6, &tcp(40_000, 80, 2, &[], &[])[..cut]);
        assert_eq!(packet.fault, Fault::TcpMalformed);
        assert_eq!((packet.src_port, packet.dst_port), (40_000, 80));
        assert_eq!((packet.tcp_flags, packet.protocol), (0, 6));
    }
}

#[test]
fn tcp_options_cut_by_the_snap_length() {
    let frame = ethernet(0x0800, &ipv4(6, &tcp(1, 2, 0x10, &[1; 12], &[0; 100])));
    let packet = decoded_cut(LinkType::ETHERNET, &frame, 60);
    assert!(packet.is_sound());
    assert_eq!((packet.payload_captured, packet.payload_length), (0, 100));
    assert_eq!(packet.payload_offset, 60);
}

#[test]
fn udp_lengths() {
    // Shorter than what the IP layer carries: the rest is no payload (RFC 768).
    let mut datagram = udp(9, 10, b"abcdef");
    datagram[5] = 8 + 2;
    let packet = over4(17, &datagram);
    assert!(packet.is_sound());
    assert_eq!((packet.payload_captured, packet.payload_length), (2, 2));

    for length in [0, 7, 200] {
        datagram[5] = length;
        let packet = over4(17, &datagram);
        assert_eq!(packet.fault, Fault::UdpMalformed);
        assert_eq!((packet.src_port, packet.dst_port), (9, 10));
    }
    datagram[5] = 0;
    assert!(
        over6(17, &datagram).is_sound(),
        "a jumbogram's (RFC 2675, 4)"
    );
    let packet = over4(17, &datagram[..6]);
    assert_eq!((packet.fault, packet.dst_port), (Fault::UdpMalformed, 10));
}

#[test]
fn udp_lite_counts_coverage() {
    let mut datagram = udp(9, 10, b"abcdef");
    for (coverage, sound) in [(0, true), (8, true), (14, true), (7, false), (15, false)] {
        datagram[5] = coverage;
        let packet = over4(136, &datagram);
        assert_eq!(packet.is_sound(), sound, "coverage {coverage}");
        assert_eq!((packet.dst_port, packet.payload_length), (10, 6));
    }
}

#[test]
fn icmp_types_stand_in_ports() {
    let echo = over4(1, &icmp(8, 0, &[0; 56]));
    assert!(echo.is_sound() && !echo.has(marks::ICMP_ERROR));
    assert_eq!((echo.src_port, echo.dst_port), (8, 0));
    assert_eq!((echo.payload_offset, echo.payload_length), (42, 56));

    let quoted = ipv4(17, &udp(1000, 2000, &[]));
    let error = over4(1, &icmp(3, 3, &quoted));
    assert!(error.is_sound() && error.has(marks::ICMP_ERROR));
    assert_eq!((error.src_port, error.dst_port), (3, 3));
    assert_eq!(error.src, build::mapped(build::SRC4));
    assert!(!error.has(marks::TUNNELLED));

    let packet = over4(1, &[8, 0, 0, 0]);
    assert_eq!((packet.fault, packet.src_port), (Fault::IcmpMalformed, 8));
}

#[test]
fn icmp6_errors_have_the_high_bit_clear() {
    let neighbour = over6(58, &icmp(135, 0, &DST6));
    assert!(neighbour.is_sound() && !neighbour.has(marks::ICMP_ERROR));
    assert_eq!((neighbour.src_port, neighbour.protocol), (135, 58));
    assert_eq!(
        (neighbour.payload_offset, neighbour.payload_length),
        (58, 20)
    );
    for kind in 1..5 {
        assert!(over6(58, &icmp(kind, 0, &[0; 40])).has(marks::ICMP_ERROR));
    }
}

#[test]
fn sctp_ports() {
    let packet = over4(132, &sctp(5000, 36_412, &[1; 16]));
    assert!(packet.is_sound());
    assert_eq!((packet.src_port, packet.dst_port), (5000, 36_412));
    assert_eq!((packet.payload_offset, packet.payload_length), (46, 16));
    let packet = over4(132, &sctp(5000, 36_412, &[])[..10]);
    assert_eq!(
        (packet.fault, packet.dst_port),
        (Fault::SctpMalformed, 36_412)
    );
}

#[test]
fn other_protocols_have_no_ports() {
    for number in [2, 50, 89, 103, 112, 255] {
        let packet = over4(number, &[0xff; 24]);
        assert!(packet.is_sound());
        assert_eq!((packet.protocol, packet.src_port), (number, 0));
        assert_eq!((packet.transport_offset, packet.payload_offset), (34, 34));
        assert_eq!(packet.payload_length, 24);
    }
}

#[test]
fn an_empty_ip_packet_is_cut_short_in_its_transport() {
    let nothing = Ipv4 {
        protocol: 6,
        ..Ipv4::default()
    };
    let mut frame = ethernet(0x0800, &nothing.build(&[]));
    frame.resize(60, 0);
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert_eq!(packet.fault, Fault::TcpMalformed, "padding is no header");
    assert_eq!((packet.src_port, packet.dst_port), (0, 0));
}
