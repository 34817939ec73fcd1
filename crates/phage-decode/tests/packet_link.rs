//! Link layers: what each leaves in the record, byte for byte as the standards draw them.
#![expect(clippy::indexing_slicing, reason = "tests index what they built")]

mod build;

use build::{
    arp, decoded, decoded_cut, ethernet, ipv4, ipv6, join, llc_snap, mapped, mpls, number, pppoe,
    tag, tcp, udp, DST4, DST6, DST_MAC, SRC4, SRC6, SRC_MAC,
};
use phage_decode::packet::{marks, protocol};
use phage_decode::{decode, Fault, LinkType, Packet};

fn datagram() -> Vec<u8> {
    ipv4(17, &udp(5353, 53, b"question"))
}

/// Asserts that the datagram was found, wherever it stood.
fn assert_datagram(packet: &Packet) {
    assert_eq!(packet.fault, Fault::None);
    assert_eq!((packet.src, packet.dst), (mapped(SRC4), mapped(DST4)));
    assert_eq!((packet.src_port, packet.dst_port), (5353, 53));
    assert_eq!((packet.ip_version, packet.ether_type), (4, 0x0800));
    assert_eq!((packet.payload_captured, packet.payload_length), (8, 8));
}

#[test]
fn every_field_of_a_tcp_segment() {
    let options = [2, 4, 5, 180];
    let segment = tcp(50_000, 443, 0x12, &options, b"hello");
    let frame = ethernet(0x0800, &ipv4(6, &segment));
    let packet = decoded(LinkType::ETHERNET, &frame);
    let expected = Packet {
        time: 1_700_000_000_123_456_789,
        src_mac: 0x0200_0000_0001,
        dst_mac: 0x0200_0000_0002,
        src: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1],
        dst: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 198, 51, 100, 2],
        length: 14 + 20 + 24 + 5,
        captured: 14 + 20 + 24 + 5,
        transport_offset: 34,
        payload_offset: 58,
        payload_captured: 5,
        payload_length: 5,
        tcp_sequence: 0x0102_0304,
        tcp_acknowledgement: 0x0506_0708,
        tunnel: 0,
        network_offset: 14,
        tcp_window: 0xfaf0,
        ether_type: 0x0800,
        vlan: 0,
        inner_vlan: 0,
        src_port: 50_000,
        dst_port: 443,
        marks: 0,
        interface: 3,
        ip_version: 4,
        protocol: 6,
        tcp_flags: 0x12,
        ttl: 64,
        traffic_class: 0,
        fault: Fault::None,
    };
    assert_eq!(packet, expected);
}

#[test]
fn padding_is_not_payload() {
    let mut frame = ethernet(0x0800, &ipv4(6, &tcp(1, 2, 0x10, &[], &[])));
    frame.resize(60, 0xaa);
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert!(packet.is_sound());
    assert_eq!((packet.payload_captured, packet.payload_length), (0, 0));
    assert_eq!((packet.payload_offset, packet.length), (54, 60));
}

#[test]
fn tags_are_removed_and_the_two_outer_ones_kept() {
    let single = decoded(
        LinkType::ETHERNET,
        &ethernet(0x8100, &tag(7, 0x0800, &datagram())),
    );
    assert_datagram(&single);
    assert_eq!((single.vlan, single.inner_vlan), (7, 0));

    for outer in [0x8100, 0x88a8, 0x9100] {
        let frame = ethernet(outer, &tag(4094, 0x8100, &tag(12, 0x0800, &datagram())));
        let packet = decoded(LinkType::ETHERNET, &frame);
        assert_datagram(&packet);
        assert_eq!((packet.vlan, packet.inner_vlan), (4094, 12));
    }
    let three = tag(1, 0x8100, &tag(2, 0x8100, &tag(3, 0x0800, &datagram())));
    let packet = decoded(LinkType::ETHERNET, &ethernet(0x9100, &three));
    assert_datagram(&packet);
    assert_eq!((packet.vlan, packet.inner_vlan), (1, 2));
}

#[test]
fn port_tags_are_removed() {
    let inside = join(&[&[1, 2, 3, 4, 0x81, 0], &tag(12, 0x0800, &datagram())]);
    let frame = ethernet(0x8100, &tag(7, 0x8926, &inside));
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert_datagram(&packet);
    assert_eq!((packet.vlan, packet.inner_vlan), (7, 12));
    let cut = decoded(LinkType::ETHERNET, &frame[..20]);
    assert_eq!(cut.fault, Fault::LinkTruncated);
}

#[test]
fn tags_without_end_are_not_followed() {
    let mut frame = ethernet(0x8100, &[]);
    for _ in 0..300 {
        frame.extend([0, 5, 0x81, 0x00]);
    }
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert_eq!(packet.fault, Fault::TunnelTooDeep);
    assert_eq!((packet.vlan, packet.inner_vlan), (5, 5));
}

#[test]
fn a_tag_that_the_interface_took_off_counts_as_the_outer_one() {
    let decode_with = |frame: &[u8], on_wire: usize| {
        let mut packet = build::stale();
        let mut header = build::frame_header(LinkType::ETHERNET, frame.len(), on_wire);
        header.vlan = 0x2000 | 9;
        decode(frame, &header, &mut packet);
        packet
    };
    let frame = ethernet(0x0800, &datagram());
    let packet = decode_with(&frame, frame.len() + 4);
    assert_datagram(&packet);
    assert_eq!((packet.vlan, packet.inner_vlan), (9, 0));
    assert!(!packet.has(marks::CUT), "the tag is missing, not cut");
    assert_eq!(packet.length as usize, frame.len() + 4);

    let frame = ethernet(0x8100, &tag(12, 0x0800, &datagram()));
    let packet = decode_with(&frame, frame.len() + 4);
    assert_datagram(&packet);
    assert_eq!((packet.vlan, packet.inner_vlan), (9, 12));

    assert!(decode_with(&frame, frame.len() + 5).has(marks::CUT));
}

#[test]
fn lengths_in_place_of_types_lead_to_llc() {
    let snap = llc_snap(0x0800, &datagram());
    let mut frame = ethernet(u16::try_from(snap.len()).unwrap_or(0), &snap);
    frame.extend([0; 7]);
    assert_datagram(&decoded(LinkType::ETHERNET, &frame));

    let stp = ethernet(38, &join(&[&[0x42, 0x42, 3], &[0; 35], &[0xff; 8]]));
    let packet = decoded(LinkType::ETHERNET, &stp);
    assert!(packet.is_sound());
    assert_eq!((packet.ip_version, packet.ether_type), (0, 0));
    assert_eq!((packet.payload_offset, packet.payload_length), (14, 38));

    // Another organisation's numbers are no types.
    let cisco = join(&[&[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0x00], &[0; 30]]);
    let packet = decoded(LinkType::ETHERNET, &ethernet(38, &cisco));
    assert!(packet.is_sound());
    assert_eq!((packet.ip_version, packet.ether_type), (0, 0));
}

#[test]
fn other_types_are_sound_without_ip() {
    for ether_type in [0x88cc, 0x888e, 0x8863, 0x8035, 0x05ff] {
        let packet = decoded(LinkType::ETHERNET, &ethernet(ether_type, &[1, 2, 3]));
        assert!(packet.is_sound());
        assert_eq!((packet.ip_version, packet.protocol), (0, 0));
        assert_eq!(packet.ether_type, ether_type);
        assert_eq!((packet.src, packet.dst), ([0; 16], [0; 16]));
        assert_eq!((packet.payload_offset, packet.payload_length), (14, 3));
    }
}

#[test]
fn group_addresses_are_marked() {
    let mut frame = ethernet(0x88cc, &[0; 46]);
    assert!(!decoded(LinkType::ETHERNET, &frame).has(marks::GROUP));
    frame[0] = 0x01;
    assert!(decoded(LinkType::ETHERNET, &frame).has(marks::GROUP));
}

#[test]
fn short_ethernet_keeps_the_addresses_before_the_cut() {
    let frame = ethernet(0x0800, &datagram());
    let packet = decoded(LinkType::ETHERNET, &frame[..13]);
    assert_eq!(packet.fault, Fault::LinkTruncated);
    assert_eq!(packet.dst_mac, number(DST_MAC));
    assert_eq!(packet.src_mac, number(SRC_MAC));
    let packet = decoded(LinkType::ETHERNET, &frame[..8]);
    assert_eq!((packet.dst_mac, packet.src_mac), (number(DST_MAC), 0));
    for cut in 14..18 {
        let frame = ethernet(0x8100, &tag(1, 0x0800, &datagram()));
        let packet = decoded(LinkType::ETHERNET, &frame[..cut]);
        assert_eq!(packet.fault, Fault::LinkTruncated);
    }
    assert_eq!(decoded(LinkType::ETHERNET, &[]).fault, Fault::LinkTruncated);
}

#[test]
fn labels_lead_to_what_the_first_bits_say() {
    let four = decoded(
        LinkType::ETHERNET,
        &ethernet(0x8847, &mpls(&[100, 200, 300], &datagram())),
    );
    assert_datagram(&four);
    assert_eq!(four.tunnel, 100);
    assert!(four.has(marks::MPLS) && !four.has(marks::TUNNELLED));

    let six = ethernet(0x8848, &mpls(&[17], &ipv6(17, &udp(1, 2, &[]))));
    let packet = decoded(LinkType::ETHERNET, &six);
    assert!(packet.is_sound());
    assert_eq!((packet.ip_version, packet.ether_type), (6, 0x86dd));

    // Explicit null labels name the version themselves (RFC 3032, 2.1).
    let null = ethernet(0x8847, &mpls(&[16, 0], &datagram()));
    assert_datagram(&decoded(LinkType::ETHERNET, &null));
}

#[test]
fn pseudowires_carry_ethernet() {
    let inner = join(&[&[0xcc; 6], &[0xaa; 6], &[0x08, 0x00], &datagram()]);
    let with_control_word = mpls(&[16], &join(&[&[0, 0, 0x12, 0x34], &inner]));
    let without = mpls(&[16], &inner);
    for stack in [with_control_word, without] {
        let packet = decoded(LinkType::ETHERNET, &ethernet(0x8847, &stack));
        assert_datagram(&packet);
        assert_eq!(packet.src_mac, 0xaaaa_aaaa_aaaa);
        assert_eq!(packet.tunnel, 16);
        assert!(packet.has(marks::MPLS));
    }
    // A destination that starts like IPv4 or IPv6 does.
    for first in [0x45, 0x60] {
        let mut inner = inner.clone();
        inner[0] = first;
        let packet = decoded(LinkType::ETHERNET, &ethernet(0x8847, &mpls(&[16], &inner)));
        assert_datagram(&packet);
        assert_eq!(packet.dst_mac >> 40, u64::from(first));
    }
    let unknown = ethernet(0x8847, &mpls(&[16], &[0x10, 0, 0, 0x21, 1, 2, 3]));
    let packet = decoded(LinkType::ETHERNET, &unknown);
    assert!(packet.is_sound());
    assert_eq!((packet.ip_version, packet.ether_type), (0, 0x8847));
}

#[test]
fn label_stacks_are_bounded() {
    let endless = ethernet(0x8847, &[0, 1, 0, 64].repeat(100));
    let packet = decoded(LinkType::ETHERNET, &endless);
    assert_eq!(packet.fault, Fault::TunnelTooDeep);
    assert_eq!(packet.tunnel, 16);
    let cut = ethernet(0x8847, &[0, 1, 0, 64, 0, 1]);
    assert_eq!(
        decoded(LinkType::ETHERNET, &cut).fault,
        Fault::LinkTruncated
    );
}

#[test]
fn pppoe_sessions() {
    let mut frame = ethernet(0x8864, &pppoe(0x0021, &datagram()));
    frame.extend([0; 4]);
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert_datagram(&packet);
    assert!(packet.has(marks::PPPOE));

    let six = ethernet(0x8864, &pppoe(0x0057, &ipv6(17, &udp(1, 2, &[]))));
    assert_eq!(decoded(LinkType::ETHERNET, &six).ip_version, 6);

    let control = ethernet(0x8864, &pppoe(0xc021, &[9, 1, 0, 8, 0, 0, 0, 0]));
    let packet = decoded(LinkType::ETHERNET, &control);
    assert!(packet.is_sound());
    assert_eq!((packet.ip_version, packet.ether_type), (0, 0x8864));

    let other_version = ethernet(0x8864, &[0x22, 0, 0, 0, 0, 0]);
    assert!(decoded(LinkType::ETHERNET, &other_version).is_sound());
    let short = ethernet(0x8864, &[0x11, 0, 0]);
    assert_eq!(
        decoded(LinkType::ETHERNET, &short).fault,
        Fault::LinkTruncated
    );
}

#[test]
fn ppp_with_and_without_framing() {
    for head in [
        &[0xff, 3, 0, 0x21][..],
        &[0, 0x21],
        &[0x21],
        &[0xff, 3, 0x21],
    ] {
        let packet = decoded(LinkType::PPP, &join(&[head, &datagram()]));
        assert_datagram(&packet);
        assert_eq!((packet.src_mac, packet.dst_mac), (0, 0));
    }
    let packet = decoded(LinkType::PPP_ETHER, &pppoe(0x21, &datagram()));
    assert_datagram(&packet);
}

#[test]
fn cooked_captures() {
    let head = join(&[&[0, 1, 0, 1, 0, 6], &SRC_MAC, &[0, 0, 8, 0]]);
    let packet = decoded(LinkType::LINUX_SLL, &join(&[&head, &datagram()]));
    assert_datagram(&packet);
    assert_eq!((packet.src_mac, packet.dst_mac), (number(SRC_MAC), 0));
    assert!(packet.has(marks::GROUP), "packet type 1 is a broadcast");

    let head = join(&[&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6], &SRC_MAC, &[0, 0]]);
    let packet = decoded(LinkType::LINUX_SLL2, &join(&[&head, &datagram()]));
    assert_datagram(&packet);
    assert_eq!(packet.src_mac, number(SRC_MAC));
    assert!(!packet.has(marks::GROUP), "packet type 4 is outgoing");

    // A tunnel interface has no link-layer address.
    let head = join(&[&[0, 0, 0xff, 0xfe, 0, 0], &[0; 8], &[0x08, 0x00]]);
    let packet = decoded(LinkType::LINUX_SLL, &join(&[&head, &datagram()]));
    assert_datagram(&packet);
    assert_eq!(packet.src_mac, 0);

    let head = join(&[&[0, 0, 0, 1, 0, 6], &SRC_MAC, &[0, 0, 0, 4]]);
    let packet = decoded(LinkType::LINUX_SLL, &join(&[&head, &[0x42, 0x42, 3, 0]]));
    assert!(packet.is_sound());
    assert_eq!(packet.ip_version, 0);
}

#[test]
fn loopback_families_in_either_order() {
    let six = ipv6(17, &udp(1, 2, &[]));
    for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
        for link in [LinkType::NULL, LinkType::LOOP] {
            assert_datagram(&decoded(link, &join(&[&family, &datagram()])));
        }
    }
    for family in [10, 23, 24, 28, 30] {
        let packet = decoded(LinkType::NULL, &join(&[&[family, 0, 0, 0], &six]));
        assert_eq!((packet.ip_version, packet.src), (6, SRC6));
        assert_eq!(packet.dst, DST6);
    }
    let packet = decoded(LinkType::NULL, &[7, 0, 0, 0, 1, 2, 3]);
    assert!(packet.is_sound());
    assert_eq!(packet.ip_version, 0);
}

#[test]
fn raw_ip() {
    for link in [LinkType::RAW, LinkType::IPV4, LinkType(12), LinkType(14)] {
        assert_datagram(&decoded(link, &datagram()));
    }
    let six = ipv6(17, &udp(1, 2, &[]));
    for link in [LinkType::RAW, LinkType::IPV6] {
        assert_eq!(decoded(link, &six).ip_version, 6);
    }
    let packet = decoded(LinkType::RAW, &[0x15; 40]);
    assert_eq!(packet.fault, Fault::Ipv4Malformed);
}

#[test]
fn unknown_links_are_a_fault_with_lengths() {
    let packet = decoded(LinkType(127), &[0; 40]);
    assert_eq!(packet.fault, Fault::LinkUnknown);
    assert_eq!((packet.length, packet.captured), (40, 40));
    assert_eq!((packet.ip_version, packet.payload_captured), (0, 0));
}

#[test]
fn arp_over_ethernet() {
    let mut frame = ethernet(0x0806, &arp(2));
    frame.resize(60, 0);
    let packet = decoded(LinkType::ETHERNET, &frame);
    assert!(packet.is_sound() && packet.has(marks::ARP));
    assert_eq!((packet.src, packet.dst), (mapped(SRC4), mapped(DST4)));
    assert_eq!((packet.src_port, packet.dst_port), (0, 2));
    assert_eq!((packet.ip_version, packet.protocol), (0, 0));
    assert_eq!((packet.payload_offset, packet.payload_captured), (14, 28));
    assert_eq!(packet.transport_offset, 14);
}

#[test]
fn arp_that_lies_or_ends_early() {
    let mut lies = ethernet(0x0806, &arp(1));
    lies[14 + 5] = 16;
    assert_eq!(
        decoded(LinkType::ETHERNET, &lies).fault,
        Fault::ArpMalformed
    );
    let mut lies = ethernet(0x0806, &arp(1));
    lies[14 + 4] = 20;
    assert_eq!(
        decoded(LinkType::ETHERNET, &lies).fault,
        Fault::ArpMalformed
    );
    let whole = ethernet(0x0806, &arp(1));
    let packet = decoded(LinkType::ETHERNET, &whole[..14 + 20]);
    assert_eq!(packet.fault, Fault::ArpMalformed);
    assert_eq!(packet.src, mapped(SRC4), "the sender stood before the cut");
    assert_eq!(packet.dst_port, 1);

    // InfiniBand: 20 octets of hardware address (RFC 4391).
    let mut wide = vec![0, 32, 8, 0, 20, 4, 0, 1];
    wide.extend([9; 20]);
    wide.extend(SRC4);
    wide.extend([8; 20]);
    wide.extend(DST4);
    let packet = decoded(LinkType::ETHERNET, &ethernet(0x0806, &wide));
    assert!(packet.is_sound());
    assert_eq!((packet.src, packet.dst), (mapped(SRC4), mapped(DST4)));
}

#[test]
fn cut_by_the_snap_length_is_no_fault() {
    let segment = tcp(1, 2, 0x18, &[], &[5; 1000]);
    let frame = ethernet(0x0800, &ipv4(protocol::TCP, &segment));
    let packet = decoded_cut(LinkType::ETHERNET, &frame, 96);
    assert!(packet.is_sound() && packet.has(marks::CUT));
    assert_eq!((packet.payload_captured, packet.payload_length), (42, 1000));
    assert_eq!((packet.captured, packet.length), (96, 1054));
}
