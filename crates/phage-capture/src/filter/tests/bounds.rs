//! Wrong expressions, hostile ones, and what the kernel says to programs.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

use proptest::prelude::*;

use super::*;
use crate::filter::{run, Instruction, RETURN};

#[test]
fn errors_say_where_and_what() {
    let cases = [
        ("host example.com", 5, "not looked up"),
        ("port nosuchservice", 5, "known by name"),
        ("tcp and", 7, "missing at the end"),
        ("tcp udp", 4, "expected 'and', 'or' or the end"),
        ("port 70000", 5, "largest port"),
        ("host 10.0.0.0/8", 5, "needs 'net'"),
        ("net 10.0.0.1/8", 4, "bits set outside"),
        ("net 10.0.0.0/33", 13, "from 0 to 32"),
        ("ether host 10.0.0.1", 11, "Ethernet address"),
        ("host 00:11:22:33:44:55", 5, "needs 'ether'"),
        ("tcp[0:3] = 1", 6, "1, 2 or 4"),
        ("tcp[0]", 6, "must be compared"),
        ("ip[0] / 0 = 1", 6, "division by zero"),
        ("ip[0] << (30 + 2) = 1", 6, "at most 31"),
        ("(tcp", 4, "expected ')'"),
        ("80", 0, "needs a word before it"),
        ("ip broadcast", 3, "network mask"),
        ("vlan 5000", 0, "largest vlan number"),
        ("tcp src host 1.2.3.4", 13, "an IPv4 address goes only with"),
        ("icmp port 80", 10, "a port goes only with"),
        ("gateway 10.0.0.1", 0, "look-ups"),
        ("ip protochain 6", 3, "not supported"),
        ("tcp $ udp", 4, "no meaning"),
        ("inbound", 0, "does not tell inbound"),
    ];
    for (expression, at, part) in cases {
        match Filter::compile(expression, LinkType::ETHERNET) {
            Ok(_) => panic!("{expression} compiled"),
            Err(error) => {
                assert!(error.message.contains(part), "{expression}: {error}");
                assert_eq!(error.at, at, "{expression}: {error}");
            }
        }
    }
}

#[test]
fn bounds_hold() {
    let nested = "(".repeat(5000) + "tcp" + &")".repeat(5000);
    assert!(Filter::compile(&nested, LinkType::ETHERNET).is_err());
    let negated = "not ".repeat(5000) + "tcp";
    assert!(Filter::compile(&negated, LinkType::ETHERNET).is_err());
    let sum = format!("ip[0]{} = 1", " + ip[1]".repeat(5000));
    assert!(Filter::compile(&sum, LinkType::ETHERNET).is_err());
    let mixed = format!("tcp{}", " and tcp or udp".repeat(5000));
    assert!(Filter::compile(&mixed, LinkType::ETHERNET).is_err());
    let slices = "ip[".repeat(5000);
    assert!(Filter::compile(&slices, LinkType::ETHERNET).is_err());
    let ports: Vec<String> = (0..5000).map(|port| format!("port {port}")).collect();
    let error = Filter::compile(&ports.join(" or "), LinkType::ETHERNET).unwrap_err();
    assert!(error.message.contains("4096 instructions"), "{error}");
    assert!(Filter::compile(&" ".repeat(1 << 19), LinkType::ETHERNET).is_err());
}

#[test]
fn a_long_list_jumps_far() {
    let hosts: Vec<String> = (1..=250).map(|last| format!("10.0.0.{last}")).collect();
    let filter = Filter::compile(
        &format!("src host {}", hosts.join(" or ")),
        LinkType::ETHERNET,
    )
    .unwrap();
    assert!(filter.program().len() > 600);
    for (last, expected) in [
        (1, true),
        (125, true),
        (250, true),
        (251, false),
        (0, false),
    ] {
        let frame = ethernet(
            MAC_B,
            MAC_A,
            0x0800,
            &ipv4(6, [10, 0, 0, last], B, 0, &tcp(1, 2, 0)),
        );
        assert_eq!(
            filter.matches(&frame, frame.len() as u32),
            expected,
            "{last}"
        );
    }
}

/// The kernel checks a program when it is attached; any socket takes one, without privilege.
fn kernel_takes(filter: &Filter) -> std::io::Result<()> {
    use std::os::fd::AsFd;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    crate::system::attach(socket.as_fd(), filter.program())
}

#[test]
fn the_kernel_takes_live_programs() {
    for expression in [
        "",
        "tcp port 80 or 443",
        "vlan 100 and tcp",
        "vlan and vlan 7 and host 10.0.0.1",
        "not (vlan or mpls) and outbound",
        "tcp[(tcp[12] & 0xf0) >> 2:4] = 0x47455420",
        "ip[0] * len - ip[1] % ip[2] != -ip[3] ^ ip[4]",
        "pppoes and ip6 net 2001:db8::/32",
    ] {
        let filter = Filter::compile_live(expression, LinkType::ETHERNET, 1500).unwrap();
        kernel_takes(&filter).unwrap_or_else(|error| panic!("{expression}: {error}"));
    }
}

/// Words that make up expressions, many of which are wrong.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "tcp",
            "udp",
            "ip",
            "ip6",
            "arp",
            "host",
            "net",
            "port",
            "portrange",
            "src",
            "dst",
            "and",
            "or",
            "not",
            "(",
            ")",
            "[",
            "]",
            ":",
            "=",
            "!=",
            "<",
            ">=",
            "&",
            "|",
            "^",
            "<<",
            ">>",
            "+",
            "-",
            "*",
            "/",
            "%",
            "vlan",
            "mpls",
            "pppoes",
            "ether",
            "proto",
            "multicast",
            "len",
            "less",
            "10.0.0.1",
            "10",
            "10.0.0.0",
            "/",
            "8",
            "2001:db8::",
            "32",
            "00:11:22:33:44:55",
            "tcpflags",
            "tcp-syn",
            "80",
            "inbound",
            "icmp6",
            "mask",
            "255.0.0.0",
            "0",
            "4294967295",
            "tcp[13]",
            "ip[0]",
            "= 1",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
    ]
}

fn link() -> impl Strategy<Value = LinkType> {
    prop::sample::select(vec![0u16, 1, 9, 50, 51, 101, 108, 113, 228, 229, 276]).prop_map(LinkType)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_written_and_nothing_received_makes_it_fail(
        words in prop::collection::vec(word(), 0..24),
        link in link(),
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let expression = words.join(" ");
        if let Ok(filter) = Filter::compile(&expression, link) {
            let program = filter.program();
            prop_assert!(program.len() <= 4096);
            prop_assert_eq!(program.last().map(|last| last.code), Some(RETURN));
            filter.matches(&bytes, bytes.len() as u32);
            prop_assert!(kernel_takes(&filter).is_ok(), "{}", expression);
        }
        if let Ok(filter) = Filter::compile_live(&expression, link, 96) {
            prop_assert!(kernel_takes(&filter).is_ok(), "{}", expression);
        }
    }

    #[test]
    fn any_program_ends(
        program in prop::collection::vec(
            (any::<u16>(), any::<u8>(), any::<u8>(), any::<u32>())
                .prop_map(|(code, yes, no, k)| Instruction { code: code & 0xff, yes, no, k }),
            0..40,
        ),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        run(&program, &bytes, bytes.len() as u32);
    }

    #[test]
    fn a_condition_and_its_negation_exclude_each_other(
        words in prop::collection::vec(word(), 1..10),
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let expression = words.join(" ");
        let length = bytes.len() as u32;
        let plain = Filter::compile(&expression, LinkType::ETHERNET);
        let negated = Filter::compile(&format!("not ({expression})"), LinkType::ETHERNET);
        if let (Ok(plain), Ok(negated)) = (plain, negated) {
            prop_assert!(!(plain.matches(&bytes, length) && negated.matches(&bytes, length)));
        }
    }
}
