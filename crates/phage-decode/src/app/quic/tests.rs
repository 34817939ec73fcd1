#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::keys::{Keys, Version};
use super::vectors::{HELLO, RFC_9001_A_2, RFC_9369_A_2};
use super::{Parsed, QuicCounters, QuicInitial, QuicLimits};
use crate::app::message::Message;
use crate::app::tls::tests::{body, example, handshake};

const SECOND: i64 = 1_000_000_000;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn table() -> QuicInitial {
    QuicInitial::new(QuicLimits::default())
}

fn done(parsed: Parsed) -> Message {
    match parsed {
        Parsed::Done(message) => message,
        other => unreachable!("{other:?}"),
    }
}

/// A CRYPTO frame.
fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let mut out = vec![6];
    out.extend((offset as u16 | 0x4000).to_be_bytes());
    out.extend((data.len() as u16 | 0x4000).to_be_bytes());
    out.extend(data);
    out
}

/// An Initial packet of version 1 whose keys are made of `origin`; padded to 1200 octets.
fn packet(
    version: u32,
    origin: &[u8],
    destination: &[u8],
    number: u32,
    frames: &[u8],
    pad: bool,
) -> Vec<u8> {
    let version = (version, Version::new(version).unwrap());
    let mut header = vec![0xc3 | version.1.initial_type() << 4];
    header.extend(version.0.to_be_bytes());
    header.push(destination.len() as u8);
    header.extend(destination);
    header.extend([0, 0]);
    let mut frames = frames.to_vec();
    if pad {
        frames.resize(1200 - header.len() - 2 - 4 - 16, 0);
    }
    header.extend(((frames.len() as u16 + 20) | 0x4000).to_be_bytes());
    header.extend(number.to_be_bytes());
    Keys::client(version.1, origin)
        .unwrap()
        .seal(number, &header, &frames)
}

fn simple(destination: &[u8], number: u32, frames: &[u8]) -> Vec<u8> {
    packet(1, destination, destination, number, frames, true)
}

#[test]
fn the_packets_of_the_rfcs() {
    for (hex, version) in [(RFC_9001_A_2, "1"), (RFC_9369_A_2, "2")] {
        let datagram = bytes(hex);
        assert!(QuicInitial::wants(&datagram));
        let message = done(table().push(1, 0, &datagram));
        assert_eq!(message.text("version"), Some(version));
        assert_eq!(message.text("tls_version"), Some("TLS 1.3"));
        assert_eq!(message.text("sni"), Some("example.com"));
        assert_eq!(message.list("alpn"), ["alpn"]);
        // Computed by another implementation from the bytes that the RFC prints.
        assert_eq!(
            message.text("ja3"),
            Some("41bc9ae914d6cb3bd0bd0a5453ab7d7f")
        );
        assert_eq!(
            message.text("ja4"),
            Some("q13d0211an_62ed6f6ca7ad_4d634acda6c0")
        );
    }
}

#[test]
fn the_sealing_of_these_tests_is_that_of_the_rfcs() {
    let frames = [bytes("060040f1"), bytes(HELLO)].concat();
    let destination = bytes("8394c8f03e515708");
    for (hex, version) in [(RFC_9001_A_2, 1), (RFC_9369_A_2, 0x6b33_43cf)] {
        assert_eq!(
            packet(version, &destination, &destination, 2, &frames, true),
            bytes(hex)
        );
    }
}

#[test]
fn one_octet_changed_or_missing_opens_nothing() {
    let whole = bytes(RFC_9001_A_2);
    for at in [0, 6, 18, 30, 600, 1199] {
        let mut datagram = whole.clone();
        datagram[at] ^= 1;
        let mut table = table();
        assert!(
            !matches!(table.push(1, 0, &datagram), Parsed::Done(_)),
            "{at}"
        );
        assert_eq!(table.counters().opened, 0);
    }
    for end in 0..whole.len() {
        assert!(!matches!(
            table().push(1, 0, &whole[..end]),
            Parsed::Done(_)
        ));
    }
}

#[test]
fn a_hello_over_datagrams_in_any_order() {
    let hello = handshake(1, &example());
    let cuts = [0, 10, 90, 91, hello.len()];
    let frames: Vec<Vec<u8>> = cuts
        .windows(2)
        .map(|cut| crypto(cut[0], &hello[cut[0]..cut[1]]))
        .collect();
    let first = simple(
        b"12345678",
        0,
        &[frames[2].clone(), vec![1, 0, 0], frames[0].clone()].concat(),
    );
    let second = simple(
        b"12345678",
        1,
        &[frames[3].clone(), frames[1].clone()].concat(),
    );
    for order in [[&first, &second], [&second, &first]] {
        let mut table = table();
        assert_eq!(table.push(7, 0, order[0]), Parsed::Incomplete);
        // Another flow in between changes nothing.
        assert!(matches!(
            table.push(8, 0, &bytes(RFC_9001_A_2)),
            Parsed::Done(_)
        ));
        let message = done(table.push(7, 1, order[1]));
        assert_eq!(
            message.text("ja4"),
            Some("q13d1516h2_8daaf6152771_e5627efa2ab1")
        );
        assert_eq!(table.push(7, 2, order[1]), Parsed::NotMine);
        assert_eq!((table.counters().hellos, table.counters().opened), (2, 4));
    }
}

#[test]
fn packets_coalesced_in_one_datagram() {
    let hello = handshake(1, &example());
    let (head, tail) = hello.split_at(100);
    let one = packet(1, b"abcdefgh", b"abcdefgh", 0, &crypto(0, head), false);
    let two = packet(1, b"abcdefgh", b"abcdefgh", 1, &crypto(100, tail), false);
    // A 0-RTT packet with nothing readable stands between.
    let between = [&b"\xd0\0\0\0\x01\x08abcdefgh\0\x04"[..], &[0xee; 4]].concat();
    let message = done(table().push(1, 0, &[one, between, two].concat()));
    assert_eq!(message.text("sni"), Some("www.example.org"));
}

#[test]
fn after_a_retry_the_connection_begins_anew() {
    let hello = handshake(1, &example());
    let mut table = table();
    let frames = crypto(0, &hello[..50]);
    assert_eq!(
        table.push(1, 0, &simple(b"original", 0, &frames)),
        Parsed::Incomplete
    );
    let retried = simple(b"of the server", 1, &crypto(0, &hello));
    assert!(matches!(table.push(1, 1, &retried), Parsed::Done(_)));
}

#[test]
fn the_servers_identifier_does_not_change_the_keys_but_a_version_does() {
    let hello = handshake(1, &example());
    let mut table = table();
    assert_eq!(
        table.push(1, 0, &simple(b"original", 0, &crypto(0, &hello[..50]))),
        Parsed::Incomplete
    );
    let middle = packet(
        1,
        b"original",
        b"other",
        1,
        &crypto(50, &hello[50..60]),
        true,
    );
    assert_eq!(table.push(1, 1, &middle), Parsed::Incomplete);
    let last = packet(
        0x6b33_43cf,
        b"original",
        b"other",
        2,
        &crypto(60, &hello[60..]),
        true,
    );
    assert_eq!(done(table.push(1, 2, &last)).text("version"), Some("2"));
}

#[test]
fn drafts_are_opened_and_other_versions_left_alone() {
    let hello = crypto(0, &handshake(1, &example()));
    for (draft, name) in [
        (23, "draft-23"),
        (28, "draft-28"),
        (29, "draft-29"),
        (32, "draft-32"),
        (34, "draft-34"),
    ] {
        let datagram = packet(
            0xff00_0000 | draft,
            b"original",
            b"original",
            0,
            &hello,
            true,
        );
        assert_eq!(
            done(table().push(1, 0, &datagram)).text("version"),
            Some(name)
        );
    }
    let mut other = simple(b"original", 0, &hello);
    other[1..5].copy_from_slice(b"Q050");
    assert!(!QuicInitial::wants(&other));
    assert_eq!(table().push(1, 0, &other), Parsed::NotMine);
}

#[test]
fn the_table_is_bounded_and_makes_room_for_the_newest() {
    let part = crypto(0, &handshake(1, &example())[..50]);
    let limits = QuicLimits {
        connections: 4,
        packets_per_second: 100,
    };
    let mut table = QuicInitial::new(limits);
    for key in 0..10 {
        assert_eq!(
            table.push(key, key as i64, &simple(b"original", 0, &part)),
            Parsed::Incomplete
        );
    }
    assert_eq!((table.connections.len(), table.counters().evicted), (4, 6));
    assert!(table.connections.keys().eq(&[6, 7, 8, 9]));
    table.release(6);
    assert_eq!(table.connections.len(), 3);
}

#[test]
fn packets_beyond_the_budget_of_a_second_wait_for_the_next() {
    let mut table = QuicInitial::new(QuicLimits {
        connections: 4,
        packets_per_second: 2,
    });
    let datagram = bytes(RFC_9001_A_2);
    for key in 0..5 {
        let parsed = table.push(key, 5, &datagram);
        assert_eq!(matches!(parsed, Parsed::Done(_)), key < 2);
    }
    assert!(matches!(
        table.push(9, SECOND + 5, &datagram),
        Parsed::Done(_)
    ));
    let expected = QuicCounters {
        packets: 6,
        opened: 3,
        over_budget: 3,
        hellos: 3,
        ..QuicCounters::default()
    };
    assert_eq!(table.counters(), expected);
}

#[test]
fn frames_that_lie_are_counted_and_bounds_hold() {
    let mut table = table();
    for (key, frames) in [
        &b"\x06\x00\x7f\xff"[..],
        b"\x02\x00\x00\xbf\xff\xff\xff\x00",
        b"\x1e",
    ]
    .into_iter()
    .enumerate()
    {
        let datagram = packet(1, b"original", b"original", 0, frames, false);
        let parsed = table.push(key as u64, 0, &[datagram, vec![0; 1200]].concat());
        assert!(matches!(parsed, Parsed::Malformed(_)), "{frames:?}");
    }
    assert_eq!(table.counters().malformed, 3);
    let far = simple(
        b"original",
        0,
        &[vec![6, 0x80, 0, 0x40, 0], vec![1, 9]].concat(),
    );
    assert_eq!(table.push(9, 0, &far), Parsed::Incomplete);
    assert_eq!(table.counters().beyond, 1);
    // A hello that claims more than is followed, and a stream that is no hello.
    let large = simple(b"original", 0, &crypto(0, &[1, 0, 0x50, 0]));
    assert!(matches!(table.push(10, 0, &large), Parsed::Malformed(_)));
    let server = simple(
        b"original",
        0,
        &crypto(0, &handshake(2, &body(0x303, &[], &[]))),
    );
    assert!(matches!(table.push(11, 0, &server), Parsed::Malformed(_)));
}

#[test]
fn a_packet_of_too_many_pieces_is_let_go_of() {
    let pieces = |count: usize| (0..count).flat_map(|at| crypto(2 * at, &[1])).collect();
    let (few, many): (Vec<u8>, Vec<u8>) = (pieces(64), pieces(65));
    let mut table = table();
    assert_eq!(
        table.push(1, 0, &simple(b"12345678", 0, &few)),
        Parsed::Incomplete
    );
    assert!(matches!(
        table.push(2, 0, &simple(b"87654321", 0, &many)),
        Parsed::Malformed(_)
    ));
    let counters = table.counters();
    assert_eq!((counters.malformed, counters.beyond), (1, 0));
}
