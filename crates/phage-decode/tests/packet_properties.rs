//! Properties of decoding that hold for any bytes.
#![expect(clippy::indexing_slicing, reason = "tests index what they built")]

mod build;

use build::{assert_consistent, decoded_cut, frame_header, samples, stale};
use phage_decode::packet::marks;
use phage_decode::{decode, Fault, LinkType, Packet};
use proptest::prelude::*;

/// Samples whose addresses are not those of a tunnel: a cut cannot show the outer ones.
fn untunnelled() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let mut all = samples::all();
    all.retain(|(_, link, bytes)| !decoded_cut(*link, bytes, bytes.len()).has(marks::TUNNELLED));
    all
}

fn decode_into(mut packet: Packet, link: LinkType, bytes: &[u8], length: usize) -> Packet {
    let header = frame_header(link, bytes.len(), length);
    decode(bytes, &header, &mut packet);
    assert_consistent(&packet, bytes);
    packet
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_of_any_link(
        link in prop::sample::select(&samples::LINKS[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        beyond in 0..2000_usize,
    ) {
        decode_into(stale(), LinkType(link), &bytes, bytes.len() + beyond);
    }

    #[test]
    fn nothing_of_an_earlier_packet_remains(
        link in prop::sample::select(&samples::LINKS[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        length in 0..2000_usize,
    ) {
        let fresh = decode_into(Packet::default(), LinkType(link), &bytes, length);
        prop_assert_eq!(decode_into(stale(), LinkType(link), &bytes, length), fresh);
    }

    #[test]
    fn damaged_frames(
        (_, link, mut bytes) in prop::sample::select(samples::all()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        beyond in 0..3_usize,
    ) {
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let length = bytes.len() + beyond * 700;
        decode_into(stale(), link, &bytes, length);
    }

    #[test]
    fn a_cut_and_another_tail_keep_what_stood_before(
        (_, link, whole) in prop::sample::select(samples::all()),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let cut = cut.index(whole.len());
        let mut bytes = whole[..cut].to_vec();
        bytes.extend(&tail);
        let before = decode_into(stale(), link, &bytes, bytes.len());
        let other = [&bytes[..cut], &[0x5a; 40]].concat();
        let after = decode_into(stale(), link, &other, bytes.len().max(other.len()));
        if link == LinkType::ETHERNET && cut >= 14 && !before.has(marks::TUNNELLED)
            && !after.has(marks::TUNNELLED)
        {
            prop_assert_eq!((before.src_mac, before.dst_mac), (after.src_mac, after.dst_mac));
        }
    }

    #[test]
    fn the_length_on_the_wire_does_not_depend_on_the_cut(
        (_, link, whole) in prop::sample::select(samples::all()),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(whole.len());
        let packet = decode_into(stale(), link, &whole[..cut], whole.len());
        prop_assert!(packet.has(marks::CUT));
        let full = decode_into(stale(), link, &whole, whole.len());
        let kind = |packet: &Packet| (packet.ip_version, packet.has(marks::TUNNELLED));
        if packet.is_sound() && kind(&packet) == kind(&full) {
            prop_assert_eq!(packet.payload_length, full.payload_length);
        }
    }
}

#[test]
fn samples_are_sound() {
    for (name, link, bytes) in samples::all() {
        let packet = decode_into(stale(), link, &bytes, bytes.len());
        assert_eq!(packet.fault, Fault::None, "{name}");
        assert!(!packet.has(marks::CUT), "{name}");
    }
}

#[test]
fn fields_before_a_cut_are_those_of_the_whole() {
    for (name, link, bytes) in untunnelled() {
        let whole = decode_into(stale(), link, &bytes, bytes.len());
        let mut seen = 0;
        for cut in 0..=bytes.len() {
            let packet = decode_into(stale(), link, &bytes[..cut], bytes.len());
            let fields = |packet: &Packet| {
                [
                    u128::from_be_bytes(packet.src),
                    u128::from_be_bytes(packet.dst),
                    u128::from(packet.src_mac),
                    u128::from(packet.dst_mac),
                    u128::from(packet.src_port),
                    u128::from(packet.dst_port),
                    u128::from(packet.vlan),
                    u128::from(packet.inner_vlan),
                    u128::from(packet.ip_version),
                    u128::from(packet.ttl),
                    u128::from(packet.tunnel),
                    u128::from(packet.tcp_flags),
                    u128::from(packet.tcp_sequence),
                ]
            };
            let mut right = 0;
            for (now, then) in fields(&packet).into_iter().zip(fields(&whole)) {
                assert!(now == 0 || now == then, "{name} cut at {cut}");
                right += usize::from(now != 0);
            }
            assert!(
                right >= seen,
                "{name}: a longer piece shows no less ({cut})"
            );
            seen = right;
        }
    }
}
