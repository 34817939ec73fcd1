#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::{parse, Reason};

/// Where the fields of the fixed part begin.
const SNAME: usize = 44;
const FILE: usize = 108;

fn message(options: &[u8]) -> Vec<u8> {
    let mut out = vec![1, 1, 6, 0, 0xca, 0xfe, 0, 1, 0, 0, 0x80, 0];
    out.resize(28, 0);
    out.extend([2, 0, 0, 0, 0, 7]);
    out.resize(236, 0);
    out.extend([99, 130, 83, 99]);
    out.extend(options);
    out
}

fn option(code: u8, data: &[u8]) -> Vec<u8> {
    [&[code, data.len() as u8], data].concat()
}

#[test]
fn a_discover() {
    let data = message(
        &[
            option(53, &[1]),
            option(61, &[1, 2, 0, 0, 0, 0, 7]),
            option(50, &[192, 0, 2, 77]),
            option(12, b"cam-kitchen\0"),
            option(60, b"udhcp 1.24"),
            option(55, &[1, 3, 6, 15, 121]),
            option(161, b"https://cam.example/mud.json"),
            vec![0, 0, 255, 99],
        ]
        .concat(),
    );
    let message = parse(&data, false).unwrap();
    assert_eq!(message.text("message_type"), Some("discover"));
    assert_eq!(message.integer("transaction"), Some(0xcafe_0001));
    assert_eq!(message.text("client_mac"), Some("02:00:00:00:00:07"));
    assert_eq!(message.text("client_id"), Some("02:00:00:00:00:07"));
    assert_eq!(message.text("requested_ip"), Some("192.0.2.77"));
    assert_eq!(message.text("hostname"), Some("cam-kitchen"));
    assert_eq!(message.text("vendor_class"), Some("udhcp 1.24"));
    assert_eq!(message.text("parameter_list"), Some("1,3,6,15,121"));
    assert_eq!(
        message.text("mud_url"),
        Some("https://cam.example/mud.json")
    );
    assert_eq!(message.get("your_ip"), None);
}

#[test]
fn an_offer() {
    let mut data = message(
        &[
            option(53, &[2]),
            option(54, &[192, 0, 2, 1]),
            option(51, &[0, 0, 0x0e, 0x10]),
            option(1, &[255, 255, 255, 0]),
            option(3, &[192, 0, 2, 1, 192, 0, 2, 2]),
            option(6, &[192, 0, 2, 53, 198, 51, 100, 53, 9]),
            option(15, b"lan"),
            vec![255],
        ]
        .concat(),
    );
    data[0] = 2;
    data[16..20].copy_from_slice(&[192, 0, 2, 77]);
    data[20..24].copy_from_slice(&[192, 0, 2, 1]);
    let message = parse(&data, false).unwrap();
    assert_eq!(message.text("message_type"), Some("offer"));
    assert_eq!(
        (message.text("your_ip"), message.text("server_ip")),
        (Some("192.0.2.77"), Some("192.0.2.1"))
    );
    assert_eq!(message.text("server_id"), Some("192.0.2.1"));
    assert_eq!(message.text("router"), Some("192.0.2.1,192.0.2.2"));
    assert_eq!(message.list("dns_servers"), ["192.0.2.53", "198.51.100.53"]);
    assert_eq!(message.integer("lease_time"), Some(3600));
    assert_eq!(
        (message.text("subnet_mask"), message.text("domain")),
        (Some("255.255.255.0"), Some("lan"))
    );
}

#[test]
fn options_go_on_in_file_and_sname_and_split_ones_are_joined() {
    let mut data = message(
        &[
            option(53, &[3]),
            option(52, &[3]),
            option(12, b"over"),
            vec![255],
        ]
        .concat(),
    );
    let file = [option(12, b"load"), option(60, b"first "), vec![255]].concat();
    data[FILE..FILE + file.len()].copy_from_slice(&file);
    let sname = [option(60, b"second"), vec![255]].concat();
    data[SNAME..SNAME + sname.len()].copy_from_slice(&sname);
    let message = parse(&data, false).unwrap();
    assert_eq!(message.text("hostname"), Some("overload"));
    assert_eq!(message.text("vendor_class"), Some("first second"));
    // An overload option inside the overloaded fields leads nowhere.
    data[FILE..FILE + 4].copy_from_slice(&[52, 1, 3, 255]);
    assert_eq!(parse(&data, false).unwrap().text("hostname"), Some("over"));
}

#[test]
fn overloaded_fields_that_lie_are_faults() {
    let mut data = message(&[option(53, &[3]), option(52, &[1]), vec![255]].concat());
    data[FILE + 100] = 60;
    data[FILE + 101] = 200;
    assert_eq!(parse(&data, false), Err(Reason::Truncated));
}

#[test]
fn names_in_both_encodings() {
    for (data, name) in [
        (&b"\0\0\0pc.example.org"[..], Some("pc.example.org")),
        (
            b"\x04\0\0\x02pc\x07example\x03org\0",
            Some("pc.example.org"),
        ),
        (b"\x05\0\0\x02pc", Some("pc")),
        (b"\x04\0\0", None),
        (b"\x04\0\0\xc0\x00", None),
        (b"\0", None),
    ] {
        let message = parse(&message(&option(81, data)), false).unwrap();
        assert_eq!(message.text("fqdn"), name, "{data:?}");
    }
}

#[test]
fn bootp_unknown_types_and_hostile_text() {
    let mut bootp = message(&[]);
    bootp.truncate(236);
    assert_eq!(
        parse(&bootp, false).unwrap().text("message_type"),
        Some("bootp")
    );
    assert_eq!(
        parse(&message(&option(53, &[77])), false)
            .unwrap()
            .text("message_type"),
        Some("77")
    );
    let long = parse(
        &message(&[option(12, &[0x1b; 255]), option(12, &[0x1b; 255])].concat()),
        false,
    )
    .unwrap();
    assert!(long
        .text("hostname")
        .is_some_and(|name| name.len() <= 255 && name.starts_with("\\x1b")));
    let other = parse(&message(&option(61, &[255, 1, 2, 3])), false).unwrap();
    assert_eq!(other.text("client_id"), Some("ff010203"));
}

#[test]
fn cuts_are_faults_but_for_the_captures_own() {
    let data = message(&[option(53, &[1]), option(12, b"name")].concat());
    for end in 0..236 {
        assert_eq!(parse(&data[..end], true), Err(Reason::Truncated));
    }
    let cut = &data[..data.len() - 1];
    assert_eq!(parse(cut, false), Err(Reason::Truncated));
    assert_eq!(
        parse(cut, true).unwrap().text("message_type"),
        Some("discover")
    );
    assert_eq!(parse(&[9; 300], false), Err(Reason::Value));
}
