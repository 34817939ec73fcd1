//! What holds for every parser: no bytes make it panic, every field is bounded and printable,
//! a message cut anywhere is awaited or refused.
#![expect(clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::tls::tests::{example, handshake};
use super::{
    is_followed, parse_datagram, parse_further, parse_stream, wants_datagram, Kind, Message,
    Parsed, QuicInitial, QuicLimits, Value, MAX_ITEMS, MAX_TEXT,
};
use crate::packet::{marks, protocol, Packet};

fn udp(src_port: u16, dst_port: u16, payload: &[u8]) -> Packet {
    Packet {
        ip_version: 4,
        protocol: protocol::UDP,
        src_port,
        dst_port,
        payload_length: payload.len() as u32,
        payload_captured: payload.len() as u32,
        ..Packet::default()
    }
}

fn icmp(kind: u16, payload: &[u8]) -> Packet {
    Packet {
        ip_version: 6,
        protocol: protocol::ICMPV6,
        ttl: 255,
        ..udp(kind, 0, payload)
    }
}

fn arp(payload: &[u8]) -> Packet {
    Packet {
        marks: marks::ARP,
        ..udp(0, 1, payload)
    }
}

fn listeners(payload: &[u8]) -> Packet {
    Packet {
        ttl: 1,
        ..icmp(143, payload)
    }
}

fn link(payload: &[u8]) -> Packet {
    Packet {
        ip_version: 0,
        ether_type: 0x88cc,
        ..udp(0, 0, payload)
    }
}

/// A packet for each parser of datagrams.
fn packets(payload: &[u8]) -> Vec<Packet> {
    let mut all: Vec<Packet> = [53, 5353, 5355, 137, 67, 68, 546, 547, 1900, 3702]
        .into_iter()
        .map(|port| udp(40_000, port, payload))
        .collect();
    all.extend([134, 135, 136].map(|kind| icmp(kind, payload)));
    all.extend([arp(payload), listeners(payload), link(payload)]);
    all
}

/// Checks the bounds that hold for every message.
fn is_sound(message: &Message) -> bool {
    let text = |text: &String| {
        text.len() <= MAX_TEXT
            && text.chars().all(|character| {
                character == ' ' || !(character.is_control() || character.is_whitespace())
            })
    };
    let field = |(name, value): &(&'static str, Value)| {
        let sound = match value {
            Value::Text(value) => text(value),
            Value::List(items) => {
                !items.is_empty() && items.len() <= MAX_ITEMS && items.iter().all(text)
            }
            Value::Real(real) => real.is_finite(),
            Value::Integer(_) | Value::Flag(_) => true,
        };
        sound
            && message
                .fields
                .iter()
                .filter(|(other, _)| other == name)
                .count()
                == 1
    };
    message.fields.iter().all(field)
}

fn holds(parsed: &Parsed) -> bool {
    match parsed {
        Parsed::Done(message) => is_sound(message),
        _ => true,
    }
}

/// Whole datagrams, one for each parser, with the packet that carries them.
fn datagrams() -> Vec<(Packet, Vec<u8>)> {
    let name = b"\x04\xffA.b\x05local\0";
    let record = |kind: u8, data: &[u8]| {
        [
            &name[..],
            &[0, kind, 0, 1, 0, 0, 0, 9, 0, data.len() as u8],
            data,
        ]
        .concat()
    };
    let header = |flags: u8, counts: [u8; 4]| {
        let [a, b, c, d] = counts;
        vec![0, 1, flags, 0, 0, a, 0, b, 0, c, 0, d]
    };
    let question = [&name[..], &[0, 12, 0, 1]].concat();
    let dns = [
        header(0x84, [1, 3, 0, 1]),
        question.clone(),
        record(12, name),
        record(16, b"\x03a=b"),
        record(33, &[&[0, 0, 0, 0, 0, 80][..], name].concat()),
        record(1, &[10, 0, 0, 1]),
    ]
    .concat();
    let mut dhcp = vec![1, 1, 6, 0, 1, 2, 3, 4];
    dhcp.resize(236, 0);
    dhcp.extend([
        99, 130, 83, 99, 53, 1, 1, 12, 3, b'a', b'b', b'c', 81, 5, 0, 0, 0, b'x', b'y', 255,
    ]);
    let dhcpv6 = [
        &[1, 0, 0, 1][..],
        &[0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1],
        &[0, 6, 0, 2, 0, 23],
    ]
    .concat();
    let nbns = [
        header(1, [1, 0, 0, 0]),
        b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01".to_vec(),
    ]
    .concat();
    let llmnr = [header(0, [1, 0, 0, 0]), question].concat();
    let ssdp = b"M-SEARCH * HTTP/1.1\r\nST: ssdp:all\r\nMAN: \"x\"\r\n\r\n".to_vec();
    let mut router = vec![64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1];
    router.extend([3, 4, 64, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
    router.extend([0x20; 16]);
    let mut neighbour = vec![0x60, 0, 0, 0];
    neighbour.extend([0xfe; 16]);
    neighbour.extend([2, 1, 2, 0, 0, 0, 0, 1]);
    let mut address = vec![0, 1, 8, 0, 6, 4, 0, 2];
    address.extend([7; 20]);
    let wsd = b"<s:Envelope><a:Action>x/Bye</a:Action></s:Envelope>".to_vec();
    let mut groups = vec![0, 0, 0, 1, 4, 0, 0, 0];
    groups.extend([0xff; 16]);
    let link_layer = [
        &[2, 2, 7, b'a', 6, 2, 0, 9][..],
        b"\xfe\x06\0\0\x5e\x01mu",
        &[0, 0],
    ]
    .concat();
    vec![
        (udp(53, 40_000, &dns), dns.clone()),
        (udp(5353, 5353, &dns), dns.clone()),
        (udp(40_000, 5355, &llmnr), llmnr),
        (udp(137, 137, &nbns), nbns),
        (udp(68, 67, &dhcp), dhcp),
        (udp(546, 547, &dhcpv6), dhcpv6),
        (udp(40_000, 1900, &ssdp), ssdp),
        (icmp(134, &router), router),
        (icmp(136, &neighbour), neighbour),
        (arp(&address), address),
        (udp(40_000, 3702, &wsd), wsd),
        (listeners(&groups), groups),
        (link(&link_layer), link_layer),
    ]
}

/// Whole first messages of streams: bytes, side, port.
fn streams() -> Vec<(Vec<u8>, bool, u16)> {
    let hello = handshake(1, &example());
    let mut tls = vec![22, 3, 1];
    tls.extend((hello.len() as u16).to_be_bytes());
    tls.extend(hello);
    vec![
        (tls, true, 443),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), true, 80),
        (b"HTTP/1.1 200 OK\r\nServer: a\r\n\r\n".to_vec(), false, 80),
        (b"SSH-2.0-a b\r\n".to_vec(), false, 22),
        (b"220 a FTP\r\n".to_vec(), false, 21),
        (b"EHLO a\r\n".to_vec(), true, 25),
        (b"\xff\xfd\x01".to_vec(), false, 23),
        (b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0".to_vec(), true, 3389),
        (
            b"\0\0\0\x20\xfeSMB\x40\0\0\0\0\0\0\0\0\0".to_vec(),
            true,
            445,
        ),
        (
            b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04abcd".to_vec(),
            true,
            1883,
        ),
        (vec![0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1], true, 502),
        (
            [&b"\0\x11\0\x01\0\0\0\x01\0\0\0\0\0\0"[..], &[0, 0, 1, 0, 1]].concat(),
            true,
            53,
        ),
    ]
}

#[test]
fn whole_datagrams_are_told_and_cut_ones_are_not_by_themselves() {
    let mut kinds = Vec::new();
    for (packet, payload) in datagrams() {
        assert!(wants_datagram(&packet));
        let Parsed::Done(message) = parse_datagram(&packet, &payload) else {
            unreachable!("{payload:?}");
        };
        assert!(is_sound(&message), "{message:?}");
        let kind = message.kind;
        kinds.push(kind);
        for end in 0..payload.len() {
            let part = &payload[..end];
            let cut = Packet {
                payload_length: end as u32,
                ..packet
            };
            let parsed = parse_datagram(&cut, part);
            assert!(holds(&parsed));
            // Text and bare options may end earlier; everything else must not.
            let may_end = matches!(
                kind,
                Kind::Ssdp | Kind::Dhcp | Kind::Dhcpv6 | Kind::Ra | Kind::Nd
            );
            assert!(
                may_end || !matches!(parsed, Parsed::Done(_) | Parsed::Incomplete),
                "{kind:?} {end}"
            );
            // Where the capture lost the end it is nobody's fault.
            let parsed = parse_datagram(&packet, part);
            assert!(
                holds(&parsed) && !matches!(parsed, Parsed::Malformed(_)),
                "{kind:?} {end}"
            );
        }
    }
    kinds.dedup();
    assert_eq!(kinds.len(), 13);
}

#[test]
fn whole_streams_are_told_and_cut_ones_awaited() {
    for (stream, from_initiator, port) in streams() {
        let whole = parse_stream(&stream, from_initiator, port);
        assert!(
            matches!(&whole, Parsed::Done(message) if is_sound(message)),
            "{stream:?} {whole:?}"
        );
        for end in 0..stream.len() {
            let parsed = parse_stream(&stream[..end], from_initiator, port);
            let early = matches!(&parsed, Parsed::Done(message) if matches!(message.kind, Kind::Modbus | Kind::Smb));
            assert!(
                early || parsed == Parsed::Incomplete,
                "{stream:?} {end} {parsed:?}"
            );
        }
    }
}

#[test]
fn only_what_has_a_parser_is_wanted() {
    assert!(!wants_datagram(&udp(40_000, 40_001, &[])));
    assert!(!wants_datagram(&icmp(128, &[])));
    assert!(!wants_datagram(&Packet {
        protocol: protocol::TCP,
        ..udp(40_000, 53, &[])
    }));
    assert!(!wants_datagram(&Packet {
        marks: marks::LATER_FRAGMENT,
        ..udp(0, 53, &[])
    }));
    assert_eq!(parse_datagram(&udp(1, 2, b"x"), b"x"), Parsed::NotMine);
    assert_eq!(parse_datagram(&udp(1, 53, b""), b""), Parsed::NotMine);
    assert_eq!(parse_stream(b"", true, 80), Parsed::Incomplete);
    assert_eq!(parse_stream(&[0x99; 64], true, 443), Parsed::NotMine);
    assert_eq!(parse_stream(&[0x99; 64], false, 443), Parsed::NotMine);
}

/// Bytes that look like a message, some of them changed.
fn changed(whole: Vec<u8>, changes: &[(u16, u8)], length: u16) -> Vec<u8> {
    let mut data = whole;
    for &(at, byte) in changes {
        let at = usize::from(at) % data.len();
        data[at] = byte;
    }
    data.truncate(usize::from(length) % (data.len() + 1));
    data
}

proptest! {
    #[test]
    fn any_datagram(payload in prop::collection::vec(any::<u8>(), 0..400), lost in 0_u32..3) {
        for mut packet in packets(&payload) {
            packet.payload_length += lost;
            let parsed = parse_datagram(&packet, &payload);
            prop_assert!(holds(&parsed) && (lost > 0 || parsed != Parsed::Incomplete));
        }
    }

    #[test]
    fn a_datagram_with_changes(
        which in 0_usize..13,
        changes in prop::collection::vec((any::<u16>(), any::<u8>()), 0..6),
        length in any::<u16>(),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        lost in 0_u32..2,
    ) {
        let (packet, payload) = datagrams().swap_remove(which);
        let mut payload = changed(payload, &changes, length);
        payload.extend(tail);
        let packet = Packet { payload_length: payload.len() as u32 + lost, ..packet };
        prop_assert!(holds(&parse_datagram(&packet, &payload)));
    }

    #[test]
    fn any_stream(prefix in prop::collection::vec(any::<u8>(), 0..300), from_initiator: bool, port: u16) {
        prop_assert!(holds(&parse_stream(&prefix, from_initiator, port)));
        for port in [21, 22, 23, 25, 53, 80, 443, 445, 502, 1883, 3389] {
            prop_assert!(holds(&parse_stream(&prefix, from_initiator, port)));
        }
    }

    #[test]
    fn a_stream_with_changes(
        which in 0_usize..12,
        changes in prop::collection::vec((any::<u16>(), any::<u8>()), 0..6),
        length in any::<u16>(),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (stream, from_initiator, port) = streams().swap_remove(which);
        let mut stream = changed(stream, &changes, length);
        stream.extend(tail);
        prop_assert!(holds(&parse_stream(&stream, from_initiator, port)));
        prop_assert!(holds(&parse_stream(&stream, !from_initiator, 1)));
    }

    #[test]
    fn any_initial_packet(
        first in 0xc0_u8..,
        version in prop::sample::select(vec![1_u32, 0x6b33_43cf, 0xff00_001d]),
        rest in prop::collection::vec(any::<u8>(), 0..1300),
    ) {
        let mut table = QuicInitial::new(QuicLimits::default());
        let datagram = [&[first][..], &version.to_be_bytes(), &rest].concat();
        QuicInitial::wants(&datagram);
        prop_assert!(!matches!(table.push(1, 0, &datagram), Parsed::Done(_)));
    }
}

/// How many refused logins a server's stream tells of after its first message, and after the first refusal;
/// the stream is followed.
fn refused(stream: &[u8], port: u16) -> Option<i64> {
    further(stream, port, true)
}

fn further(stream: &[u8], port: u16, refused: bool) -> Option<i64> {
    let first = parse_stream(stream, false, port);
    assert!(matches!(first, Parsed::Done(message) if is_followed(&message)));
    match parse_further(stream, refused) {
        Parsed::Done(message) => message.integer("failures"),
        answer => {
            assert_eq!(answer, Parsed::Incomplete);
            None
        }
    }
}

#[test]
fn many_refused_logins_of_one_connection_are_told() {
    const ASKS: &[u8] =
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno!";
    const TAKES: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(refused(&ASKS.repeat(7), 80), None);
    assert_eq!(refused(&ASKS.repeat(8), 80), Some(8));
    assert_eq!(
        refused(&[ASKS.repeat(7).as_slice(), TAKES, ASKS].concat(), 80),
        None
    );
    let ftp = |refused: usize| {
        let reply = b"331 Password?\r\n530 Login incorrect.\r\n".repeat(refused);
        [b"220 FTP ready\r\n".as_slice(), &reply].concat()
    };
    assert_eq!(refused(&ftp(7), 21), None);
    assert_eq!(refused(&ftp(9), 21), Some(9));
    let telnet = |refused| {
        let reply = b"login: Password: \r\nLogin incorrect\r\n".repeat(refused);
        [[0xff, 0xfd, 0x18].as_slice(), &reply].concat()
    };
    assert_eq!(refused(&telnet(7), 23), None);
    assert_eq!(refused(&telnet(8), 23), Some(8));
    for (stream, port) in [(ftp(1), 21), (telnet(1), 23)] {
        assert_eq!(further(&stream, port, false), Some(1));
        assert_eq!(further(&stream, port, true), None);
    }
    assert_eq!(further(&ftp(0), 21, false), None);
    // A browser is asked for a name with the first refusal.
    assert_eq!(further(&ASKS.repeat(2), 80, false), None);
    let mail = b"220 mx.example ESMTP\r\n334 VXNlcm5hbWU6\r\n535 5.7.8 no\r\n";
    assert_eq!(further(mail, 587, false), Some(1));
}
