#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::fingerprint::{ja3, ja3_string, ja3s, ja4, Carrier};
use super::hello::{ClientHello, ServerHello};
use super::{parse_stream, Reason};
use crate::app::message::{Message, Parsed};

/// A block of bytes behind its length in `N` octets.
pub(in crate::app) fn block<const N: usize>(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_be_bytes();
    [&length[4 - N..], data].concat()
}

pub(in crate::app) fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// A client hello's body.
pub(in crate::app) fn body(
    version: u16,
    ciphers: &[u16],
    extensions: &[(u16, Vec<u8>)],
) -> Vec<u8> {
    let mut out = version.to_be_bytes().to_vec();
    out.extend([7; 32]);
    out.extend(block::<1>(&[9; 32]));
    out.extend(block::<2>(&numbers(ciphers)));
    out.extend([1, 0]);
    let all: Vec<u8> = extensions
        .iter()
        .flat_map(|(number, data)| [number.to_be_bytes().to_vec(), block::<2>(data)].concat())
        .collect();
    if !extensions.is_empty() {
        out.extend(block::<2>(&all));
    }
    out
}

pub(in crate::app) fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [vec![kind], block::<3>(body)].concat()
}

/// Records of at most `size` octets.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message
        .chunks(size)
        .flat_map(|piece| [vec![22, 3, 1], block::<2>(piece)].concat())
        .collect()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    block::<2>(&[vec![0], block::<2>(name)].concat())
}

/// The client of the description of JA4, made-up numbers among the others.
pub(in crate::app) fn example() -> Vec<u8> {
    let ciphers = [
        0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
        0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
    ];
    let signatures = [
        0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
    ];
    let alpn = [block::<1>(b"h2"), block::<1>(b"http/1.1")].concat();
    let mut extensions: Vec<(u16, Vec<u8>)> = [
        0x6a6a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
        0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0xdada,
    ]
    .map(|number| (number, Vec::new()))
    .to_vec();
    for (number, data) in &mut extensions {
        *data = match number {
            0x0000 => server_name(b"WWW.Example.org"),
            0x0010 => block::<2>(&alpn),
            0x000d => block::<2>(&numbers(&signatures)),
            0x002b => block::<1>(&numbers(&[0x8a8a, 0x0304, 0x0303])),
            0x000b => block::<1>(&[0]),
            0x000a => block::<2>(&numbers(&[0x4a4a, 0x001d, 0x0017])),
            _ => Vec::new(),
        };
    }
    body(0x0303, &ciphers, &extensions)
}

fn done(prefix: &[u8]) -> Message {
    match parse_stream(prefix) {
        Parsed::Done(message) => message,
        other => unreachable!("{other:?}"),
    }
}

fn fingerprint(body: &[u8]) -> String {
    ja4(&ClientHello::read(body).unwrap(), Carrier::Tcp)
}

#[test]
fn ja4_of_the_published_example() {
    assert_eq!(
        fingerprint(&example()),
        "t13d1516h2_8daaf6152771_e5627efa2ab1"
    );
    let hello = example();
    let hello = ClientHello::read(&hello).unwrap();
    assert!(ja4(&hello, Carrier::Quic).starts_with("q13d1516h2_"));
}

#[test]
fn ja4_without_signatures_and_without_anything() {
    // The hash of the same list without signatures stands in the description too.
    let whole = example();
    let mut hello = ClientHello::read(&whole).unwrap();
    hello.signature_algorithms.clear();
    assert_eq!(
        ja4(&hello, Carrier::Tcp),
        "t13d1516h2_8daaf6152771_6d807ffa2a79"
    );
    assert_eq!(
        fingerprint(&body(0x0300, &[], &[])),
        "ts3i000000_000000000000_000000000000"
    );
    assert_eq!(
        fingerprint(&body(0x0302, &[0x0a0a], &[(0, Vec::new())])),
        "t11d000100_000000000000_000000000000"
    );
}

#[test]
fn ja4_of_protocol_names_that_are_not_words() {
    for (name, expected) in [
        (&b"h2"[..], "h2"),
        (b"http/1.1", "h1"),
        (b"x", "xx"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"0\xab", "3b"),
        (b"01\xab\xcd", "3d"),
        (b"0\xab\xcd1", "01"),
        (b"", "00"),
    ] {
        let data = block::<2>(&block::<1>(name));
        let hello = body(0x0303, &[0x1301], &[(0x10, data)]);
        assert_eq!(&fingerprint(&hello)[8..10], expected, "{name:?}");
    }
}

#[test]
fn ja4_counts_stop_at_99_and_leave_made_up_signatures_out() {
    let ciphers: Vec<u16> = (1..=120).collect();
    let hello = body(0x0303, &ciphers, &[(0xd, block::<2>(&numbers(&[0x1a1a])))]);
    assert!(fingerprint(&hello).starts_with("t12i990100_"));
    let plain = body(0x0303, &ciphers, &[(0xd, block::<2>(&[]))]);
    assert_eq!(fingerprint(&hello), fingerprint(&plain));
}

#[test]
fn ja3_of_the_published_examples() {
    // Both from the description of JA3.
    let ciphers = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
    let extensions = [
        (0, server_name(b"a.example")),
        (10, block::<2>(&numbers(&[23, 24, 25]))),
        (11, block::<1>(&[0])),
    ];
    let hello = body(769, &ciphers, &extensions);
    let hello = ClientHello::read(&hello).unwrap();
    assert_eq!(
        ja3_string(&hello),
        "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"
    );
    assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
    let bare = body(769, &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], &[]);
    assert_eq!(
        ja3(&ClientHello::read(&bare).unwrap()),
        "de350869b8c85de67a350c8d186f11e6"
    );
}

#[test]
fn a_hello_in_one_record_or_many_is_the_same() {
    let message = handshake(1, &example());
    let whole = done(&records(&message, 16_384));
    assert_eq!(whole.text("sni"), Some("www.example.org"));
    assert_eq!(whole.list("alpn"), ["h2", "http/1.1"]);
    assert_eq!(whole.text("version"), Some("TLS 1.3"));
    assert_eq!(whole.list("supported_versions"), ["TLS 1.3", "TLS 1.2"]);
    assert_eq!(
        (whole.integer("ciphers"), whole.integer("extensions")),
        (Some(15), Some(16))
    );
    assert!(!whole.flag("server") && !whole.flag("ech"));
    for size in [1, 2, 3, 7, 100] {
        let mut stream = records(&message, size);
        stream.extend(b"\x14\x03\x03\0\x01\x01");
        assert_eq!(done(&stream), whole, "{size}");
    }
}

#[test]
fn cut_anywhere_more_is_awaited() {
    for size in [16_384, 50] {
        let stream = records(&handshake(1, &example()), size);
        for end in 1..stream.len() {
            assert_eq!(parse_stream(&stream[..end]), Parsed::Incomplete, "{end}");
        }
    }
}

#[test]
fn a_server_chooses() {
    let hello = |extensions: &[(u16, Vec<u8>)], cipher: u16, random: [u8; 32]| {
        let mut out = vec![3, 3];
        out.extend(random);
        out.extend(block::<1>(&[1; 32]));
        out.extend(cipher.to_be_bytes());
        out.push(0);
        let all: Vec<u8> = extensions
            .iter()
            .flat_map(|(number, data)| [number.to_be_bytes().to_vec(), block::<2>(data)].concat())
            .collect();
        out.extend(block::<2>(&all));
        out
    };
    let new = hello(&[(43, vec![3, 4]), (51, vec![0; 36])], 0x1301, [5; 32]);
    let message = done(&records(&handshake(2, &new), 16_384));
    assert!(message.flag("server") && !message.flag("retry"));
    assert_eq!(message.text("version"), Some("TLS 1.3"));
    assert_eq!(message.text("cipher"), Some("1301"));
    // MD5 of "771,4865,43-51".
    assert_eq!(
        message.text("ja3s"),
        Some("f4febc55ea12b31ae17cfb7e614afda8")
    );

    let alpn = block::<2>(&block::<1>(b"h2"));
    let old = [
        (0xff01, vec![0]),
        (0, vec![]),
        (11, vec![1, 0]),
        (35, vec![]),
        (16, alpn),
    ];
    let old = hello(&old, 0xc02f, [5; 32]);
    let message = done(&records(&handshake(2, &old), 16_384));
    assert_eq!(message.text("version"), Some("TLS 1.2"));
    assert_eq!(message.list("alpn"), ["h2"]);
    // MD5 of "771,49199,65281-0-11-35-16".
    assert_eq!(
        ja3s(&ServerHello::read(&old).unwrap()),
        "47decf033ac4c8fc9b952ff41e549679"
    );
}

#[test]
fn what_lies_is_a_fault_and_what_is_else_is_not_mine() {
    let reason = |prefix: &[u8]| match parse_stream(prefix) {
        Parsed::Malformed(fault) => Some(fault.reason),
        _ => None,
    };
    let stream = records(&handshake(1, &example()), 16_384);
    let mut wrong = stream.clone();
    wrong[9] = 2;
    assert_eq!(reason(&wrong), Some(Reason::Value));
    let mut wrong = stream.clone();
    wrong[43] = 255;
    assert!(reason(&wrong).is_some());
    assert_eq!(
        reason(b"\x16\x03\x01\x40\x00\x01\x00\xff\xff"),
        Some(Reason::TooLarge)
    );
    // An alert in the middle of a hello.
    assert_eq!(
        reason(b"\x16\x03\x01\x00\x02\x01\x00\x15\x03\x03\0\x02\x02\x28"),
        Some(Reason::Value)
    );
    for other in [
        &b"\x16\x05\x01"[..],
        b"GET / HTTP/1.1",
        b"\x15\x03\x01\0\x02",
        b"\x16\x03\x01\x00\x05\x10",
    ] {
        assert_eq!(parse_stream(other), Parsed::NotMine);
    }
}

/// What a server says first: a hello of TLS 1.2 and messages behind it.
fn flight(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([5; 32]);
    hello.extend(block::<1>(&[9; 32]));
    hello.extend([0xc0, 0x2f, 0]);
    [vec![handshake(2, &hello)], messages.to_vec()]
        .concat()
        .concat()
}

fn chain(certificates: &[&[u8]]) -> Vec<u8> {
    let all: Vec<u8> = certificates
        .iter()
        .flat_map(|der| block::<3>(der))
        .collect();
    handshake(11, &block::<3>(&all))
}

#[test]
fn the_first_certificate_is_hashed_wherever_records_end() {
    let flight = flight(&[chain(&[b"abc", &[7; 2000]]), handshake(14, b"")]);
    for size in [1, 7, 100, 16_384] {
        let stream = records(&flight, size);
        assert!(super::is_followed(&done(&stream)));
        let Parsed::Done(message) = super::parse_certificate(&stream) else {
            unreachable!("{size}")
        };
        // The hashes of "abc" in FIPS 180-4's examples.
        assert_eq!(
            message.text("certificate_sha1"),
            Some("a9993e364706816aba3e25717850c26c9cd0d89d")
        );
        assert_eq!(
            message.text("certificate_sha256"),
            Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        for end in 0..stream.len() {
            match super::parse_certificate(&stream[..end]) {
                Parsed::Incomplete => {}
                Parsed::Done(early) => assert_eq!(early, message),
                other => unreachable!("{end}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_server_without_a_certificate_is_not_waited_for() {
    let resumed = [records(&flight(&[]), 16_384), vec![20, 3, 3, 0, 1, 1]].concat();
    assert_eq!(super::parse_certificate(&resumed), Parsed::NotMine);
    for messages in [
        vec![handshake(12, b"key"), handshake(14, b"")],
        vec![chain(&[])],
    ] {
        let stream = records(&flight(&messages), 16_384);
        assert_eq!(super::parse_certificate(&stream), Parsed::NotMine);
    }
    let new = done(&records(&handshake(1, &example()), 16_384));
    assert!(!super::is_followed(&new));
}

#[test]
fn a_chain_that_lies_is_a_fault() {
    for body in [
        &b"\0\0\x04\0\0\0abc"[..],
        b"\0\0\x05\0\0\x09abcdefghijkl",
        b"\0\xff\xff\0\0\x02ab",
    ] {
        let stream = records(&flight(&[handshake(11, body)]), 16_384);
        let answer = super::parse_certificate(&stream);
        assert!(matches!(answer, Parsed::Malformed(_)), "{answer:?}");
    }
    let cut = [
        records(&flight(&[chain(&[b"abc"])])[..86], 16_384),
        vec![21, 3, 3, 0, 2, 2, 40],
    ];
    assert!(matches!(
        super::parse_certificate(&cut.concat()),
        Parsed::Malformed(_)
    ));
}
