//! Tunnels: the inner packet takes the outer one's place.
#![expect(clippy::indexing_slicing, reason = "tests index what they built")]

mod build;

use build::{
    arp, decoded, ethernet, fragment_header, gre, ipv4, ipv6, join, mapped, mpls, number, tag, tcp,
    udp, vxlan, Ipv4, DST6, DST_MAC, SRC6,
};
use phage_decode::packet::marks;
use phage_decode::{Fault, LinkType, Packet};

const INNER_SRC: [u8; 4] = [10, 1, 2, 3];
const INNER_DST: [u8; 4] = [10, 4, 5, 6];
const INNER_MAC: u64 = 0x00aa_bbcc_ddee;

fn inner(protocol: u8, payload: &[u8]) -> Vec<u8> {
    Ipv4 {
        src: INNER_SRC,
        dst: INNER_DST,
        protocol,
        ttl: 9,
        ..Ipv4::default()
    }
    .build(payload)
}

fn inner_datagram() -> Vec<u8> {
    inner(17, &udp(1111, 2222, b"inner"))
}

fn inner_frame() -> Vec<u8> {
    join(&[
        &[0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xff],
        &[0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee],
        &[0x08, 0x00],
        &inner_datagram(),
    ])
}

fn over4(protocol: u8, payload: &[u8]) -> Packet {
    decoded(
        LinkType::ETHERNET,
        &ethernet(0x0800, &ipv4(protocol, payload)),
    )
}

fn assert_inner(packet: &Packet) {
    assert_eq!(packet.fault, Fault::None);
    assert!(packet.has(marks::TUNNELLED));
    assert_eq!(
        (packet.src, packet.dst),
        (mapped(INNER_SRC), mapped(INNER_DST))
    );
    assert_eq!((packet.src_port, packet.dst_port), (1111, 2222));
    assert_eq!((packet.protocol, packet.ttl, packet.ip_version), (17, 9, 4));
    assert_eq!((packet.payload_captured, packet.payload_length), (5, 5));
}

#[test]
fn gre_with_all_its_words() {
    for (flags, words, key) in [
        (0x0000, &[][..], 0),
        (0x8000, &[0], 0),
        (0x2000, &[77], 77),
        (0x1000, &[1], 0),
        (0xb000, &[0, 0xdead_beef, 1], 0xdead_beef),
    ] {
        let packet = over4(47, &gre(flags, 0x0800, words, &inner_datagram()));
        assert_inner(&packet);
        assert_eq!(packet.tunnel, key);
        assert_eq!(packet.dst_mac, number(DST_MAC));
    }
}

#[test]
fn gre_carries_ethernet_ipv6_labels_and_mirrored_frames() {
    let bridged = over4(47, &gre(0x2000, 0x6558, &[5], &inner_frame()));
    assert_inner(&bridged);
    assert_eq!((bridged.src_mac, bridged.tunnel), (INNER_MAC, 5));

    let six = over4(47, &gre(0, 0x86dd, &[], &ipv6(17, &udp(1, 2, &[]))));
    assert_eq!((six.fault, six.src, six.dst), (Fault::None, SRC6, DST6));

    assert_inner(&over4(
        47,
        &gre(0, 0x8847, &[], &mpls(&[16], &inner_datagram())),
    ));

    // ERSPAN type II has a sequence number and 8 octets, type III 12 octets.
    let second = gre(0x1000, 0x88be, &[1, 0x1001_0001, 0], &inner_frame());
    assert_inner(&over4(47, &second));
    let third = gre(0x1000, 0x22eb, &[1, 0x2001_0001, 0, 0], &inner_frame());
    assert_inner(&over4(47, &third));
    assert_inner(&over4(47, &gre(0, 0x88be, &[], &inner_frame())));
}

#[test]
fn gre_for_ppp() {
    let ppp = join(&[&[0xff, 3, 0, 0x21], &inner_datagram()]);
    let packet = over4(47, &gre(0x3081, 0x880b, &[0x0021_0009, 1, 1], &ppp));
    assert_inner(&packet);
    assert_eq!(packet.tunnel, 9, "the call identifier");

    let acknowledgement = over4(47, &gre(0x2081, 0x880b, &[9, 1], &[]));
    assert!(acknowledgement.is_sound() && !acknowledgement.has(marks::TUNNELLED));
    assert_eq!(acknowledgement.protocol, 47);
}

#[test]
fn gre_that_carries_something_else_is_itself() {
    let packet = over4(47, &gre(0, 0x883e, &[], b"redirected"));
    assert!(packet.is_sound() && !packet.has(marks::TUNNELLED));
    assert_eq!((packet.protocol, packet.payload_offset), (47, 38));
    assert_eq!(packet.payload_length, 10);
}

#[test]
fn gre_that_lies() {
    for header in [
        &gre(0x0002, 0x0800, &[], &inner_datagram())[..],
        &gre(0x4000, 0x0800, &[0], &inner_datagram()),
        &[0x20, 0, 8, 0, 1, 2],
        &[0x00, 0, 8],
    ] {
        let packet = over4(47, header);
        assert_eq!(packet.fault, Fault::TunnelMalformed);
        assert_eq!(packet.protocol, 47);
        assert!(!packet.has(marks::TUNNELLED));
    }
}

#[test]
fn vxlan_carries_ethernet() {
    let packet = over4(17, &udp(50_000, 4789, &vxlan(0x12_3456, &inner_frame())));
    assert_inner(&packet);
    assert_eq!((packet.src_mac, packet.tunnel), (INNER_MAC, 0x12_3456));

    let tagged = join(&[
        &inner_frame()[..12],
        &[0x81, 0, 0, 33, 8, 0],
        &inner_datagram(),
    ]);
    let outer = ipv4(17, &udp(50_000, 4789, &vxlan(1, &tagged)));
    let frame = ethernet(0x8100, &tag(100, 0x0800, &outer));
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert_inner(&packet);
    assert_eq!(
        (packet.vlan, packet.inner_vlan),
        (33, 0),
        "the inner frame's"
    );
}

#[test]
fn vxlan_carries_what_is_not_ip() {
    let inner = ethernet(0x0806, &arp(1));
    let packet = over4(17, &udp(50_000, 4789, &vxlan(7, &inner)));
    assert!(packet.is_sound());
    assert!(packet.has(marks::ARP) && packet.has(marks::TUNNELLED));
    assert_eq!((packet.ip_version, packet.protocol, packet.ttl), (0, 0, 0));
    assert_eq!((packet.src_port, packet.dst_port), (0, 1));

    let packet = over4(17, &udp(50_000, 4789, &vxlan(7, &ethernet(0x88cc, &[1]))));
    assert!(packet.is_sound());
    assert_eq!((packet.src, packet.ip_version), ([0; 16], 0));
}

#[test]
fn vxlan_on_the_old_port_must_look_right() {
    let packet = over4(17, &udp(50_000, 8472, &vxlan(42, &inner_frame())));
    assert_inner(&packet);
    for payload in [
        b"a datagram of something else".to_vec(),
        vxlan(42, b"no frame"),
        join(&[&[0x08, 0, 0, 1, 0, 0, 42, 0], &inner_frame()]),
        Vec::new(),
    ] {
        let packet = over4(17, &udp(50_000, 8472, &payload));
        assert!(packet.is_sound() && !packet.has(marks::TUNNELLED));
        assert_eq!((packet.dst_port, packet.protocol), (8472, 17));
        assert_eq!(packet.payload_length as usize, payload.len());
    }
}

#[test]
fn what_comes_to_the_port_of_vxlan_from_elsewhere() {
    let probe = over4(17, &udp(50_000, 4789, &[]));
    assert!(probe.is_sound(), "a scan's empty datagram is no tunnel");
    assert_eq!(probe.dst_port, 4789);

    let answer = over4(
        17,
        &udp(53, 4789, b"\x12\x34\x81\x80 an answer to a client"),
    );
    assert!(answer.is_sound() && !answer.has(marks::TUNNELLED));
    assert_eq!(answer.src_port, 53);

    let lies = over4(17, &udp(50_000, 4789, &[0; 30]));
    assert_eq!(lies.fault, Fault::TunnelMalformed);
    assert_eq!(lies.dst_port, 4789);
    let short = over4(17, &udp(50_000, 4789, &[8, 0, 0]));
    assert_eq!(short.fault, Fault::TunnelMalformed);
}

#[test]
fn geneve_carries_ethernet_and_ip() {
    let geneve =
        |head: [u8; 4], payload: &[u8]| udp(50_000, 6081, &join(&[&head, &[0, 0, 5, 0], payload]));
    let packet = over4(17, &geneve([0, 0, 0x65, 0x58], &inner_frame()));
    assert_inner(&packet);
    assert_eq!((packet.src_mac, packet.tunnel), (INNER_MAC, 5));
    let options = join(&[&[0; 8], &inner_datagram()]);
    assert_inner(&over4(17, &geneve([2, 0x40, 0x08, 0x00], &options)));
    let other = over4(17, &geneve([0, 0, 0x08, 0x00], &inner(50, &[1; 20])));
    assert_eq!((other.protocol, other.src_port, other.dst_port), (50, 0, 0));
    for head in [[0x40, 0, 0x65, 0x58], [0x3f, 0, 0x65, 0x58], [0, 0, 1, 2]] {
        let packet = over4(17, &geneve(head, &inner_frame()));
        assert!(packet.is_sound() && !packet.has(marks::TUNNELLED));
        assert_eq!(packet.dst_port, 6081);
    }
}

#[test]
fn ip_in_ip() {
    assert_inner(&over4(4, &inner_datagram()));
    let six = ethernet(0x86dd, &ipv6(4, &inner_datagram()));
    let packet = decoded(LinkType::ETHERNET, &six);
    assert_inner(&packet);
    assert_eq!(packet.ether_type, 0x0800);

    let packet = over4(41, &ipv6(6, &tcp(5, 6, 2, &[], &[])));
    assert!(packet.is_sound() && packet.is_syn() && packet.has(marks::TUNNELLED));
    assert_eq!((packet.src, packet.ip_version), (SRC6, 6));

    let lies = over4(41, &inner_datagram());
    assert_eq!((lies.fault, lies.protocol), (Fault::TunnelMalformed, 41));
    assert_eq!(over4(4, &[]).fault, Fault::TunnelMalformed);
    let short = over4(4, &inner_datagram()[..12]);
    assert_eq!(short.fault, Fault::Ipv4Truncated);
    assert_eq!(short.src, mapped(build::SRC4), "the outer one stays");
}

#[test]
fn marks_are_those_of_the_inner_packet() {
    let outer = Ipv4 {
        dst: [239, 1, 1, 1],
        protocol: 4,
        options: vec![1; 4],
        ..Ipv4::default()
    };
    let mut frame = ethernet(0x0800, &outer.build(&inner_datagram()));
    frame[0] |= 1;
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert_inner(&packet);
    assert_eq!(packet.marks, marks::TUNNELLED);

    let group = Ipv4 {
        src: INNER_SRC,
        dst: [224, 0, 0, 5],
        protocol: 89,
        ..Ipv4::default()
    };
    assert!(over4(4, &group.build(&[0; 20])).has(marks::GROUP));
    let mut frame = inner_frame();
    frame[..6].fill(0xff);
    let packet = over4(17, &udp(50_000, 4789, &vxlan(7, &frame)));
    assert_inner(&packet);
    assert!(
        packet.has(marks::GROUP),
        "the inner destination is a broadcast"
    );
}

#[test]
fn a_tunnel_in_fragments_shows_the_inner_packet_as_cut() {
    let whole = inner(17, &udp(1111, 2222, &[5; 2000]));
    let outer = Ipv4 {
        protocol: 4,
        fragment: 0x2000,
        ..Ipv4::default()
    };
    let frame = ethernet(0x0800, &outer.build(&whole[..1000]));
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert!(packet.is_sound() && packet.has(marks::CUT));
    assert!(!packet.has(marks::FRAGMENT));
    assert_eq!((packet.dst_port, packet.payload_length), (2222, 2000));
    assert_eq!(packet.payload_captured, 972);

    let six = ipv6(44, &fragment_header(4, 0, true, &whole[..1000]));
    let packet = decoded(LinkType::ETHERNET, &ethernet(0x86dd, &six));
    assert!(packet.is_sound() && packet.has(marks::CUT));
    assert_eq!(packet.payload_length, 2000);
}

#[test]
fn four_tunnels_are_followed_and_more_are_not() {
    let mut packet = inner_datagram();
    for depth in 1..=6 {
        packet = ipv4(4, &packet);
        let record = decoded(LinkType::ETHERNET, &ethernet(0x0800, &packet));
        if depth <= 4 {
            assert_inner(&record);
        } else {
            assert_eq!(record.fault, Fault::TunnelTooDeep, "depth {depth}");
            assert_eq!((record.ip_version, record.protocol), (4, 4));
            assert!(record.payload_offset <= record.captured);
        }
    }
    let mut frame = inner_frame();
    for _ in 0..5 {
        frame = ethernet(0x0800, &ipv4(17, &udp(50_000, 4789, &vxlan(1, &frame))));
    }
    assert_eq!(
        decoded(LinkType::ETHERNET, &frame).fault,
        Fault::TunnelTooDeep
    );
    let mut bytes = inner_datagram();
    for _ in 0..5 {
        bytes = ipv4(47, &gre(0, 0x0800, &[], &bytes));
    }
    assert_eq!(decoded(LinkType::RAW, &bytes).fault, Fault::TunnelTooDeep);
}
