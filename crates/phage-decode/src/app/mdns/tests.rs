#![expect(clippy::unwrap_used, reason = "tests")]

use super::parse;
use crate::app::fault::Reason;

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('/') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let mut out = name(owner);
    out.extend(kind.to_be_bytes());
    out.extend([0x80, 1, 0, 0, 0, 120]);
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
    out
}

fn question(owner: &str, kind: u16) -> Vec<u8> {
    [name(owner), kind.to_be_bytes().to_vec(), vec![0, 1]].concat()
}

fn message(flags: u16, counts: [u16; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend(flags.to_be_bytes());
    out.extend(counts.into_iter().flat_map(u16::to_be_bytes));
    out.extend(parts.concat());
    out
}

#[test]
fn an_announcement_names_its_sender_and_services() {
    let instance = "Büro (2.OG)/_ipp/_tcp/local";
    let srv = [vec![0, 0, 0, 0, 2, 0x77], name("printer-7/local")].concat();
    let data = message(
        0x8400,
        [0, 2, 0, 3],
        &[
            record("_services/_dns-sd/_udp/local", 12, &name("_ipp/_tcp/local")),
            record("_ipp/_tcp/local", 12, &name(instance)),
            record(instance, 33, &srv),
            record(instance, 16, b"\x09txtvers=1\x09ty=LaserX"),
            record("printer-7/local", 1, &[192, 0, 2, 9]),
        ],
    );
    let message = parse(&data, false).unwrap();
    assert!(message.flag("response"));
    assert_eq!(message.list("services"), ["_ipp._tcp"]);
    assert_eq!(message.list("names"), ["Büro (2.OG)", "printer-7.local"]);
    assert_eq!(
        message.list("answers"),
        [
            "PTR _services._dns-sd._udp.local _ipp._tcp.local",
            "PTR _ipp._tcp.local Büro (2\\x2eOG)._ipp._tcp.local",
            "SRV Büro (2\\x2eOG)._ipp._tcp.local 0 0 631 printer-7.local",
            "TXT Büro (2\\x2eOG)._ipp._tcp.local txtvers=1 ty=LaserX",
            "A printer-7.local 192.0.2.9",
        ]
    );
    assert_eq!(message.get("known_answers"), None);
}

#[test]
fn a_question_does_not_claim_what_others_have() {
    let data = message(
        0,
        [2, 1, 0, 0],
        &[
            question("_airplay/_tcp/local", 12),
            question("_hap/_tcp/local", 12),
            record("_airplay/_tcp/local", 12, &name("TV/_airplay/_tcp/local")),
        ],
    );
    let message = parse(&data, false).unwrap();
    assert_eq!(
        message.list("queries"),
        ["PTR _airplay._tcp.local", "PTR _hap._tcp.local"]
    );
    assert_eq!(message.list("services"), ["_airplay._tcp", "_hap._tcp"]);
    assert!(message.list("names").is_empty() && message.list("answers").is_empty());
    assert_eq!(message.integer("known_answers"), Some(1));
}

#[test]
fn a_probe_claims_its_own_records() {
    let data = message(
        0,
        [1, 0, 1, 0],
        &[
            question("cam/local", 255),
            record("cam/local", 1, &[192, 0, 2, 5]),
        ],
    );
    let message = parse(&data, false).unwrap();
    assert_eq!(message.list("names"), ["cam.local"]);
    assert_eq!(message.list("answers"), ["A cam.local 192.0.2.5"]);
}

#[test]
fn lists_are_bounded() {
    let records: Vec<Vec<u8>> = (0..100)
        .map(|index| record(&format!("h{index}/local"), 1, &[1, 1, 1, 1]))
        .collect();
    let data = message(0x8400, [0, 100, 0, 0], &records);
    let whole = parse(&data, false).unwrap();
    assert_eq!(
        (whole.list("names").len(), whole.list("answers").len()),
        (32, 32)
    );
    let (_, cut) = data.split_last().unwrap();
    assert_eq!(parse(cut, false), Err(Reason::Truncated));
    assert!(parse(cut, true).is_ok());
    assert_eq!(
        parse(&message(0x7800, [0; 4], &[]), false),
        Err(Reason::Value)
    );
}
