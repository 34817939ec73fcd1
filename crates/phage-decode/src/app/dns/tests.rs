#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::{parse, parse_stream, Reason};
use crate::app::message::{Message, Parsed, Value};

/// A query for `www.Example.com`, type A.
const QUERY: &[u8] = b"\xbe\xef\x01\x00\0\x01\0\0\0\0\0\0\x03www\x07Example\x03com\0\0\x01\0\x01";

fn response(answers: &[&[u8]]) -> Vec<u8> {
    let mut out = QUERY.to_vec();
    out[2..4].copy_from_slice(&[0x81, 0x80]);
    out[7] = answers.len() as u8;
    out.extend(answers.concat());
    out
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn answer(kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut out = b"\xc0\x0c".to_vec();
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    out.extend(ttl.to_be_bytes());
    out.extend(framed(data));
    out
}

fn read(data: &[u8]) -> Message {
    parse(data, false).unwrap()
}

#[test]
fn a_query() {
    let message = read(QUERY);
    assert_eq!(message.integer("id"), Some(0xbeef));
    assert_eq!(message.text("query"), Some("www.example.com"));
    assert_eq!(message.text("query_type"), Some("A"));
    assert!(message.flag("recursion") && !message.flag("response"));
    assert_eq!(message.integer("name_length"), Some(15));
    assert_eq!(message.integer("labels"), Some(3));
    assert_eq!(message.integer("longest_label"), Some(7));
    assert_eq!(message.integer("size"), Some(33));
    assert_eq!(message.integer("query_bytes"), Some(15));
    // www Example com: w 3, m 2, e 1, E 1, x a p l o c each 1; l once: 13 octets.
    let expected: f64 = [3, 2, 1, 1, 1, 1, 1, 1, 1, 1]
        .iter()
        .map(|&n| f64::from(n) / 13.0)
        .map(|p| -p * p.log2())
        .sum();
    assert!(
        (message.real("entropy").unwrap() - expected).abs() < 1e-9,
        "{:?}",
        message.real("entropy")
    );
    for absent in ["rcode", "answers", "ttl", "response_bytes"] {
        assert_eq!(message.get(absent), None);
    }
}

#[test]
fn a_response_with_records_of_many_types() {
    let message = read(&response(&[
        &answer(5, 300, b"\x01a\xc0\x10"),
        &answer(1, 60, &[192, 0, 2, 1]),
        &answer(
            28,
            90,
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ),
        &answer(15, 90, b"\0\x0a\x02mx\xc0\x10"),
        &answer(16, 90, b"\x05v=abc\x02\x00\xff"),
        &answer(33, 90, b"\0\x01\0\x02\x01\xbb\x03srv\xc0\x10"),
        &answer(10, 90, &[7; 120]),
        &answer(1, 90, &[1, 2, 3]),
        &answer(65280, 90, b""),
    ]));
    assert_eq!(
        message.list("answer"),
        [
            "CNAME a.Example.com",
            "A 192.0.2.1",
            "AAAA 2001:db8::1",
            "MX 10 mx.Example.com",
            "TXT v=abc \\x00\\xff",
            "SRV 1 2 443 srv.Example.com",
            "NULL 120 bytes",
            "A 3 bytes",
            "TYPE65280 0 bytes",
        ]
    );
    assert_eq!(message.text("rcode"), Some("NOERROR"));
    assert_eq!(message.integer("answers"), Some(9));
    assert_eq!(message.integer("ttl"), Some(60));
    assert_eq!(
        message.integer("response_bytes"),
        Some(4 + 4 + 16 + 7 + 9 + 12 + 120 + 3)
    );
    assert!(message.flag("recursion_available") && !message.flag("authoritative"));
}

#[test]
fn codes_have_names_and_edns_is_no_answer() {
    let mut data = response(&[]);
    data[3] = 0x83;
    data[11] = 1;
    data.extend(b"\0\0\x29\x10\0\0\0\0\0\0\x04\0\x0a\0\0");
    let message = read(&data);
    assert_eq!(message.text("rcode"), Some("NXDOMAIN"));
    assert_eq!(
        (
            message.integer("answers"),
            message.integer("response_bytes")
        ),
        (Some(0), Some(0))
    );
    data[3] = 0x8f;
    assert_eq!(read(&data).text("rcode"), Some("15"));
}

#[test]
fn lists_are_bounded_and_counts_not_believed() {
    let many = response(&vec![&answer(1, 1, &[1, 2, 3, 4])[..]; 200]);
    let message = read(&many);
    assert_eq!(
        (message.list("answer").len(), message.integer("answers")),
        (32, Some(200))
    );
    let mut lying = response(&[&answer(1, 1, &[1, 2, 3, 4])]);
    lying[6..8].fill(0xff);
    assert_eq!(parse(&lying, false), Err(Reason::Truncated));
    // Where the capture is cut, what came before counts.
    assert_eq!(parse(&lying, true).unwrap().integer("answers"), Some(1));
    let mut questions = QUERY.to_vec();
    questions[5] = 9;
    assert_eq!(parse(&questions, false), Err(Reason::Truncated));
    assert_eq!(
        parse(&questions, true).unwrap().integer("questions"),
        Some(1)
    );
    questions[4] = 0xff;
    questions.extend(b"\0\0\x01\0\x01".repeat(100));
    assert_eq!(parse(&questions, true), Err(Reason::TooLarge));
}

#[test]
fn records_that_point_to_each_other_are_refused() {
    let looped = response(&[b"\xc0\x21\0\x01\0\x01\0\0\0\0\0\0"]);
    assert_eq!(parse(&looped, false), Err(Reason::Name));
    // A pointer loop inside the data of a record only hides that record's text.
    let inside = read(&response(&[&answer(5, 1, b"\xc0\x2d")]));
    assert_eq!(inside.list("answer"), ["CNAME 2 bytes"]);
    // A name that runs out of its record does too.
    let out = read(&response(&[
        &answer(5, 1, b"\x05ab"),
        &answer(1, 1, &[1, 2, 3, 4]),
    ]));
    assert_eq!(out.list("answer"), ["CNAME 3 bytes", "A 1.2.3.4"]);
}

#[test]
fn an_opcode_that_is_not_assigned_is_refused() {
    let mut data = QUERY.to_vec();
    data[2] = 0x7f;
    assert_eq!(parse(&data, false), Err(Reason::Value));
}

#[test]
fn over_a_stream() {
    let stream = framed(QUERY);
    for port in [53, 4000] {
        let Parsed::Done(message) = parse_stream(&stream, port) else {
            unreachable!("a whole message");
        };
        assert_eq!(
            message.get("query"),
            Some(&Value::Text("www.example.com".into()))
        );
    }
    // On its own port more is awaited, and more may follow; elsewhere it must stand alone.
    let two = [stream.clone(), stream.clone()].concat();
    assert!(matches!(parse_stream(&two, 53), Parsed::Done(_)));
    assert_eq!(parse_stream(&two, 4000), Parsed::NotMine);
    for end in 0..stream.len() {
        assert_eq!(parse_stream(&stream[..end], 53), Parsed::Incomplete);
        assert_eq!(parse_stream(&stream[..end], 4000), Parsed::NotMine);
    }
    assert!(matches!(
        parse_stream(b"\0\x03abc", 53),
        Parsed::Malformed(_)
    ));
}
