//! IPv4 and IPv6: options, fragments, extension headers, and lengths that lie.
#![expect(clippy::indexing_slicing, reason = "tests index what they built")]

mod build;

use build::{
    decoded, decoded_cut, ethernet, extension, fragment_header, icmp, ipv4, ipv6, ipv6_between,
    join, mapped, tcp, udp, Ipv4, DST4, DST6, SRC4, SRC6,
};
use phage_decode::packet::{marks, protocol};
use phage_decode::{Fault, LinkType, Packet};

fn over4(ip: &Ipv4, payload: &[u8]) -> Packet {
    decoded(LinkType::ETHERNET, &ethernet(0x0800, &ip.build(payload)))
}

fn over6(next: u8, payload: &[u8]) -> Packet {
    decoded(LinkType::ETHERNET, &ethernet(0x86dd, &ipv6(next, payload)))
}

#[test]
fn ipv4_options_are_stepped_over() {
    let ip = Ipv4 {
        options: vec![0x94, 4, 0, 0, 1, 1, 1, 0],
        ttl: 1,
        ..Ipv4::default()
    };
    let packet = over4(&ip, &udp(9, 10, b"abc"));
    assert!(packet.is_sound() && packet.has(marks::OPTIONS));
    assert_eq!((packet.src_port, packet.dst_port), (9, 10));
    assert_eq!((packet.transport_offset, packet.payload_offset), (42, 50));
    assert_eq!((packet.payload_length, packet.ttl), (3, 1));
}

#[test]
fn ipv4_fragments() {
    let datagram = udp(9, 10, &[0; 3000]);
    let first = Ipv4 {
        fragment: 0x2000,
        ..Ipv4::default()
    };
    let packet = over4(&first, &datagram[..1480]);
    assert!(
        packet.is_sound(),
        "the datagram's length is that of the whole"
    );
    assert!(packet.has(marks::FRAGMENT) && !packet.has(marks::LATER_FRAGMENT));
    assert_eq!((packet.src_port, packet.payload_length), (9, 1472));

    let later = Ipv4 {
        fragment: 185,
        ..Ipv4::default()
    };
    let packet = over4(&later, &datagram[1480..]);
    assert!(packet.is_sound());
    assert!(packet.has(marks::FRAGMENT) && packet.has(marks::LATER_FRAGMENT));
    assert_eq!(
        (packet.src_port, packet.dst_port, packet.protocol),
        (0, 0, 17)
    );
    assert_eq!((packet.payload_offset, packet.payload_length), (34, 1528));

    let unfragmented = Ipv4 {
        fragment: 0x4000,
        ..Ipv4::default()
    };
    assert!(!over4(&unfragmented, &datagram[..1480]).has(marks::FRAGMENT));
}

#[test]
fn tiny_fragments_show_their_ports() {
    let first = Ipv4 {
        fragment: 0x2000,
        protocol: protocol::TCP,
        ..Ipv4::default()
    };
    let packet = over4(&first, &tcp(1234, 22, 2, &[], &[])[..8]);
    assert_eq!(packet.fault, Fault::TcpMalformed);
    assert_eq!((packet.src_port, packet.dst_port), (1234, 22));
}

#[test]
fn ipv4_header_lies() {
    let good = ethernet(0x0800, &ipv4(17, &udp(9, 10, b"abc")));
    for (octet, value) in [(14, 0x65), (14, 0x44), (14, 0x05)] {
        let mut frame = good.clone();
        frame[octet] = value;
        let packet = decoded(LinkType::ETHERNET, &frame);
        assert_eq!(packet.fault, Fault::Ipv4Malformed);
        assert_eq!((packet.ip_version, packet.ether_type), (0, 0x0800));
    }
    // The header length passes the end.
    let mut frame = good.clone();
    frame[14] = 0x4f;
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert_eq!(packet.fault, Fault::Ipv4Malformed);
    for cut in 14..34 {
        let packet = decoded(LinkType::ETHERNET, &good[..cut]);
        assert_eq!(packet.fault, Fault::Ipv4Truncated);
    }
}

#[test]
fn ipv4_total_length_lies() {
    let with = |total| Ipv4 {
        total: Some(total),
        ..Ipv4::default()
    };
    let short = over4(&with(19), &udp(9, 10, b"abc"));
    assert_eq!(short.fault, Fault::Ipv4Malformed);
    assert_eq!((short.src, short.dst), (mapped(SRC4), mapped(DST4)));

    let long = over4(&with(1400), &udp(9, 10, b"abc"));
    assert_eq!(long.fault, Fault::Ipv4Malformed);
    assert_eq!(long.dst_port, 10, "the headers are there and are read");
    assert_eq!((long.payload_captured, long.payload_length), (3, 3));

    // The payload was taken out, and the record does not say so.
    let stripped = over4(&with(1400), &udp(9, 10, &[0; 1372])[..8]);
    assert!(stripped.is_sound() && stripped.has(marks::CUT));
    assert_eq!(
        (stripped.payload_captured, stripped.payload_length),
        (0, 1372)
    );

    // Left to the network card.
    let offloaded = over4(&with(0), &udp(9, 10, b"abc"));
    assert!(offloaded.is_sound());
    assert_eq!(offloaded.payload_length, 3);
}

#[test]
fn an_ipv4_header_cut_in_its_options_keeps_the_addresses() {
    let ip = Ipv4 {
        options: vec![1; 40],
        ..Ipv4::default()
    };
    let frame = ethernet(0x0800, &ip.build(&udp(9, 10, b"abc")));
    let packet = decoded_cut(LinkType::ETHERNET, &frame, 50);
    assert_eq!(packet.fault, Fault::Ipv4Truncated);
    assert_eq!((packet.src, packet.protocol), (mapped(SRC4), 17));
    assert!(packet.has(marks::CUT));
}

#[test]
fn ip_groups_are_marked() {
    for (address, group) in [
        ([224, 0, 0, 251], true),
        ([239, 255, 255, 250], true),
        ([255, 255, 255, 255], true),
        ([240, 0, 0, 1], false),
        ([223, 1, 1, 1], false),
        ([10, 0, 0, 255], false),
    ] {
        let ip = Ipv4 {
            dst: address,
            ..Ipv4::default()
        };
        assert_eq!(over4(&ip, &udp(1, 2, &[])).has(marks::GROUP), group);
    }
    let mut group = DST6;
    group[0] = 0xff;
    let frame = ethernet(0x86dd, &ipv6_between(SRC6, group, 17, &udp(1, 2, &[])));
    assert!(decoded(LinkType::ETHERNET, &frame).has(marks::GROUP));
    assert!(!over6(17, &udp(1, 2, &[])).has(marks::GROUP));
}

#[test]
fn ipv6_plain() {
    let packet = over6(17, &udp(9, 10, b"abc"));
    assert!(packet.is_sound() && !packet.has(marks::OPTIONS));
    assert_eq!((packet.src, packet.dst), (SRC6, DST6));
    assert_eq!(
        (packet.ip_version, packet.protocol, packet.ttl),
        (6, 17, 63)
    );
    assert_eq!((packet.transport_offset, packet.payload_offset), (54, 62));
    assert_eq!(packet.payload_length, 3);
}

#[test]
fn every_extension_header_is_stepped_over() {
    let datagram = udp(9, 10, b"abc");
    for (kind, body) in [
        (0, extension(17, 0, &datagram)),
        (43, extension(17, 4, &datagram)),
        (60, extension(17, 1, &datagram)),
        (135, extension(17, 1, &datagram)),
        (139, extension(17, 3, &datagram)),
        (140, extension(17, 0, &datagram)),
        // Lengths of an authentication header count words of 4 octets, minus 2.
        (51, join(&[&[17, 4], &[0; 22], &datagram])),
        (44, fragment_header(17, 0, true, &datagram)),
    ] {
        let packet = over6(kind, &body);
        assert_eq!(packet.fault, Fault::None, "extension {kind}");
        assert!(packet.has(marks::OPTIONS));
        assert_eq!(
            (packet.protocol, packet.dst_port),
            (17, 10),
            "extension {kind}"
        );
        assert_eq!(packet.has(marks::FRAGMENT), kind == 44);
    }
}

#[test]
fn chains_of_eight_are_followed_and_longer_ones_not() {
    for (count, sound) in [(8, true), (9, false)] {
        let mut body = udp(9, 10, b"abc");
        for index in 0..count {
            body = extension(if index == 0 { 17 } else { 60 }, 0, &body);
        }
        let packet = over6(60, &body);
        assert_eq!(packet.is_sound(), sound);
        if !sound {
            assert_eq!(packet.fault, Fault::Ipv6Malformed);
            assert_eq!((packet.protocol, packet.src), (60, SRC6));
        }
    }
}

#[test]
fn ipv6_fragments() {
    let later = over6(44, &fragment_header(6, 100, false, &[1; 32]));
    assert!(later.is_sound());
    assert!(later.has(marks::LATER_FRAGMENT) && later.has(marks::FRAGMENT));
    assert_eq!((later.protocol, later.src_port), (6, 0));
    assert_eq!((later.payload_offset, later.payload_length), (62, 32));

    // A fragment that is the whole (RFC 6946).
    let atomic = over6(44, &fragment_header(17, 0, false, &udp(9, 10, b"abc")));
    assert!(atomic.is_sound() && !atomic.has(marks::FRAGMENT));
    assert_eq!(atomic.dst_port, 10);
}

#[test]
fn where_the_chain_ends_without_transport() {
    let nothing = over6(59, &[]);
    assert!(nothing.is_sound());
    assert_eq!((nothing.protocol, nothing.payload_length), (59, 0));

    // A mobility message (binding update) is a message of its own.
    let mobility = over6(135, &extension(59, 1, &[]));
    assert!(mobility.is_sound());
    assert_eq!((mobility.protocol, mobility.transport_offset), (135, 54));
    assert_eq!(mobility.payload_length, 16);

    let esp = over6(60, &extension(50, 0, &[9; 40]));
    assert!(esp.is_sound());
    assert_eq!(
        (esp.protocol, esp.src_port, esp.payload_length),
        (50, 0, 40)
    );
}

#[test]
fn ipv6_lies() {
    let good = ethernet(0x86dd, &ipv6(17, &udp(9, 10, b"abc")));
    for cut in 14..54 {
        let packet = decoded(LinkType::ETHERNET, &good[..cut]);
        assert_eq!(packet.fault, Fault::Ipv6Truncated);
    }
    let mut version = good.clone();
    version[14] = 0x50;
    let packet = decoded(LinkType::ETHERNET, &version);
    assert_eq!(packet.fault, Fault::Ipv6Malformed);

    let mut long = good;
    long[14 + 5] = 200;
    let packet = decoded(LinkType::ETHERNET, &long);
    assert_eq!(packet.fault, Fault::Ipv6Malformed);
    assert_eq!((packet.dst_port, packet.payload_captured), (10, 3));

    // An extension header that passes the end of the packet, and one cut by the snap length.
    let mut frame = ethernet(0x86dd, &ipv6(60, &extension(17, 0, &udp(9, 10, b"abc"))));
    let cut = decoded_cut(LinkType::ETHERNET, &frame, 58);
    assert_eq!((cut.fault, cut.src), (Fault::Ipv6Truncated, SRC6));
    frame[14 + 41] = 7;
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert_eq!((packet.fault, packet.protocol), (Fault::Ipv6Malformed, 60));
}

#[test]
fn jumbograms_have_their_length_in_an_option() {
    let payload = vec![7; 70_000];
    let segment = tcp(9, 10, 0x10, &[], &payload);
    let length = u32::try_from(segment.len() + 8).unwrap_or(0);
    let options = join(&[&[6, 0, 0xc2, 4], &length.to_be_bytes(), &segment]);
    let frame = ethernet(0x86dd, &join(&[&ipv6(0, &options), &[0xee; 5]]));
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert!(packet.is_sound());
    assert_eq!((packet.dst_port, packet.payload_length), (10, 70_000));

    // Without the option: left to the network card, as long as the frame.
    let mut frame = ethernet(0x86dd, &ipv6(6, &segment[..100]));
    frame[14 + 4..14 + 6].fill(0);
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert!(packet.is_sound());
    assert_eq!(packet.payload_length, 80);
}

#[test]
fn authentication_behind_ipv4() {
    let header = join(&[&[1, 4], &[0; 22], &icmp(8, 0, &[])]);
    let packet = decoded(LinkType::ETHERNET, &ethernet(0x0800, &ipv4(51, &header)));
    assert!(packet.is_sound() && packet.has(marks::OPTIONS));
    assert_eq!((packet.protocol, packet.src_port), (1, 8));
    let endless = [51, 0, 0, 0, 0, 0, 0, 0].repeat(50);
    let packet = decoded(LinkType::ETHERNET, &ethernet(0x0800, &ipv4(51, &endless)));
    assert_eq!(packet.fault, Fault::Ipv4Malformed);
}
