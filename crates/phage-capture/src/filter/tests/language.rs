//! What each word of the language matches.
#![expect(
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use super::*;

#[test]
fn protocols() {
    all(
        &syn(),
        &[
            "ip",
            "tcp",
            "ip proto 6",
            "ip proto \\tcp",
            "proto 6",
            "ether proto \\ip",
        ],
        &[
            "ip6",
            "udp",
            "arp",
            "icmp",
            "sctp",
            "ip6 proto 6",
            "rarp",
            "stp",
            "vlan",
            "mpls",
        ],
    );
    all(
        &dns6(),
        &["ip6", "udp", "ip6 proto 17", "ether proto 0x86dd"],
        &["ip", "tcp", "ip proto 17"],
    );
    all(&arp(), &["arp", "ether proto \\arp"], &["ip", "rarp"]);
    all(&echo(), &["icmp"], &["icmp6", "igmp"]);
    // A fragment header may stand before the transport.
    let fragment = ipv6(
        44,
        address6(0xfe80, 1),
        address6(0xfe80, 2),
        &[17, 0, 0, 1, 0, 0, 0, 9],
    );
    all(
        &ethernet(MAC_B, MAC_A, 0x86dd, &fragment),
        &["udp"],
        &["tcp", "port 53"],
    );
    for (number, name) in [
        (2, "igmp"),
        (50, "esp"),
        (51, "ah"),
        (103, "pim"),
        (112, "vrrp"),
    ] {
        let frame = ethernet(MAC_B, MAC_A, 0x0800, &ipv4(number, A, B, 0, &[0; 8]));
        all(&frame, &[name], &["tcp", "udp"]);
    }
    // 802.3 with LLC: spanning tree.
    let mut bridge = vec![0x42, 0x42, 3];
    bridge.extend([0; 35]);
    all(
        &ethernet(ALL, MAC_A, 38, &bridge),
        &["stp", "ether proto 0x42"],
        &["ip", "iso", "netbeui"],
    );
}

#[test]
fn hosts_and_networks() {
    let yes = [
        "host 10.0.0.1",
        "10.0.0.1",
        "src host 10.0.0.1",
        "src 10.0.0.1",
        "dst 192.168.1.2",
        "src or dst host 192.168.1.2",
        "ip host 10.0.0.1",
        "net 10",
        "net 10/8",
        "net 10.0.0.0/8",
        "net 10.0",
        "src net 10.0.0.0 mask 255.0.0.0",
        "dst net 192.168.0.0/16",
        "src and dst net 0.0.0.0/0",
        "host 10.0.0.1 or 1.1.1.1",
        "host (1.1.1.1 or 10.0.0.1)",
        "host not 1.1.1.1",
        "ip src 10.0.0.1 and ip dst 192.168.1.2",
    ];
    let no = [
        "dst host 10.0.0.1",
        "src and dst host 10.0.0.1",
        "arp host 10.0.0.1",
        "host 10.0.0.2",
        "net 10.1",
        "net 11/8",
        "host 2001::2",
    ];
    all(&syn(), &yes, &no);
    all(
        &arp(),
        &[
            "host 10.0.0.1",
            "arp host 10.0.0.1",
            "arp dst host 192.168.1.2",
        ],
        &["ip host 10.0.0.1", "rarp host 10.0.0.1"],
    );
    all(
        &dns6(),
        &[
            "host fe80::1",
            "dst host 2001::2",
            "ip6 src fe80::1",
            "net fe80::/10",
            "src net fe80::/64",
            "net ::/0",
        ],
        &["src host 2001::2", "net fec0::/10", "dst net 2002::/16"],
    );
}

#[test]
fn ethernet_addresses() {
    all(
        &syn(),
        &[
            "ether host 00:11:22:33:44:55",
            "ether src 0011.2233.4455",
            "ether dst 66-77-88-99-aa-bb",
        ],
        &[
            "ether dst 00:11:22:33:44:55",
            "broadcast",
            "multicast",
            "ip multicast",
        ],
    );
    all(
        &arp(),
        &[
            "ether broadcast",
            "broadcast",
            "multicast",
            "ether dst ff:ff:ff:ff:ff:ff",
        ],
        &[],
    );
    let group = ethernet(
        [1, 0, 0x5e, 0, 0, 0xfb],
        MAC_A,
        0x0800,
        &ipv4(17, A, [224, 0, 0, 251], 0, &udp(5353, 5353)),
    );
    all(
        &group,
        &["ether multicast", "ip multicast"],
        &["broadcast", "ip6 multicast"],
    );
    let group6 = ipv6(
        17,
        address6(0xfe80, 1),
        address6(0xff02, 0xfb),
        &udp(5353, 5353),
    );
    all(
        &ethernet([0x33, 0x33, 0, 0, 0, 0xfb], MAC_A, 0x86dd, &group6),
        &["ip6 multicast"],
        &["ip multicast"],
    );
}

#[test]
fn ports() {
    all(
        &syn(),
        &[
            "port 443",
            "port https",
            "tcp port 443",
            "tcp dst port 443",
            "src port 49152",
            "port 80 or 443",
            "port (80 or 443)",
            "portrange 440-450",
            "portrange 450-440",
            "portrange http-https",
            "tcp portrange 443",
            "dst port 443 and src portrange 49152-65535",
        ],
        &[
            "udp port 443",
            "sctp port 443",
            "src port 443",
            "port 80",
            "portrange 1-442",
            "dst portrange 444-65535",
        ],
    );
    all(
        &dns6(),
        &[
            "port 53",
            "udp port domain",
            "src port mdns",
            "port 5353 and 53",
        ],
        &["tcp port 53"],
    );
    // A later fragment has no ports, whatever its bytes look like.
    let later = ipv4(6, A, B, 0x2010, &tcp(1, 443, 2));
    all(
        &ethernet(MAC_B, MAC_A, 0x0800, &later),
        &["tcp", "not port 443"],
        &["port 443", "tcp[0:2] = 1"],
    );
}

#[test]
fn options_of_ipv4_shift_the_transport() {
    let mut packet = ipv4(6, A, B, 0, &[]);
    packet[0] = 0x46;
    packet.extend([1, 1, 1, 1]);
    packet.extend(tcp(1000, 22, 0x12));
    let frame = ethernet(MAC_B, MAC_A, 0x0800, &packet);
    all(
        &frame,
        &[
            "dst port 22",
            "tcp[tcpflags] = tcp-syn|tcp-ack",
            "ip[0] & 0xf != 5",
        ],
        &["port 257"],
    );
}

#[test]
fn slices_and_arithmetic() {
    all(
        &syn(),
        &[
            "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
            "tcp[13] = 2",
            "tcp[2:2] = 443",
            "ip[12:4] = 0x0a000001",
            "ether[12:2] = 0x800",
            "ip[8] * 2 + 1 = 129",
            "ip[8] / 2 - 2 = 30",
            "ip[8] % 10 = 4",
            "ip[8] << 2 >> 1 = 128",
            "ip[8] ^ 0x41 = 1",
            "-ip[8] + 64 = 0",
            "ip[9] | 1 = 7",
            "len = 54",
            "less 54",
            "greater 54",
            "len - 14 = ip[2:2]",
            "tcp[(tcp[12] & 0xf0) >> 5] = 0x1",
            "ip[ip[0] & 0xf] = 1",
            "ether[len - 1] = 0",
            "1 < 2",
            "not udp[0] = 0",
        ],
        &[
            "less 53",
            "greater 55",
            "udp[0:2] = 49152",
            "icmp[0] = 8",
            "tcp[13] != 2",
            "2 < 1",
            "tcp and 1 = 2",
        ],
    );
    all(
        &echo(),
        &["icmp[icmptype] = icmp-echo", "icmp[icmpcode] = 0"],
        &["icmp[icmptype] = icmp-echoreply"],
    );
    let neighbour = ipv6(
        58,
        address6(0xfe80, 1),
        address6(0xff02, 1),
        &[135, 0, 0, 0],
    );
    let frame = ethernet(ALL, MAC_A, 0x86dd, &neighbour);
    all(
        &frame,
        &[
            "icmp6",
            "icmp6[icmp6type] == icmp6-neighborsolicit",
            "ip6[6] = 58",
        ],
        &["icmp"],
    );
}

#[test]
fn a_load_outside_the_frame_rejects_it() {
    let cut = &syn()[..40];
    assert!(passes("tcp", cut));
    for expression in [
        "tcp[13] = 2",
        "not tcp[13] = 2",
        "tcp[2147483] = 0 or tcp",
        "ip[8] / (ip[1]) = 1",
    ] {
        assert!(!passes(expression, cut), "{expression}");
    }
    assert!(!passes("ip", &[]));
    assert!(passes("", &[]));
}

#[test]
fn tags_labels_and_sessions_shift_what_follows() {
    let once = tagged(100, &syn());
    let twice = tagged(7, &once);
    all(
        &once,
        &[
            "vlan",
            "vlan 100",
            "vlan 100 and tcp port 443",
            "vlan and host 10.0.0.1",
        ],
        &["vlan 7", "tcp", "vlan 100 and vlan"],
    );
    all(
        &twice,
        &[
            "vlan 7",
            "vlan 7 and vlan 100 and dst port 443",
            "vlan and vlan",
        ],
        &["vlan 100", "vlan and tcp"],
    );
    // Priority bits are not part of the identifier.
    all(&tagged(0xe064, &syn()), &["vlan 100"], &[]);
    // What comes after `vlan` in the text looks behind the tag, even in another branch.
    all(&syn(), &["tcp or vlan"], &["vlan or tcp"]);

    let packet = &syn()[14..];
    let labels = [&[0x00, 0x40, 0x00, 64, 0x00, 0x01, 0x01, 64], packet].concat();
    let frame = ethernet(MAC_B, MAC_A, 0x8847, &labels);
    all(
        &frame,
        &[
            "mpls",
            "mpls 1024",
            "mpls 1024 and mpls 16",
            "mpls and mpls and tcp dst port 443",
        ],
        &["mpls 16", "mpls and tcp", "mpls and mpls and mpls", "ip"],
    );

    let session = [&[0x11, 0, 0, 3, 0, 42, 0x00, 0x21], packet].concat();
    let frame = ethernet(MAC_B, MAC_A, 0x8864, &session);
    all(
        &frame,
        &[
            "pppoes",
            "pppoes 3",
            "pppoes 3 and tcp port 443",
            "pppoes and ip",
        ],
        &["pppoes 4", "pppoed", "tcp"],
    );
    all(
        &ethernet(MAC_B, MAC_A, 0x8863, &[0x11, 9, 0, 0]),
        &["pppoed"],
        &["pppoes"],
    );
}

#[test]
fn and_and_or_bind_equally() {
    // (tcp or udp) and port 53, not tcp or (udp and port 53).
    all(
        &syn(),
        &["tcp or (udp and port 53)", "not udp and tcp"],
        &["tcp or udp and port 53"],
    );
    all(
        &syn(),
        &[
            "!udp && (tcp || arp)",
            "not not tcp",
            "not host 1.1.1.1 and 2.2.2.2 or tcp",
        ],
        &["! tcp"],
    );
}

#[test]
fn other_link_types() {
    let packet = &syn()[14..];
    let dns = &dns6()[14..];
    let same = [
        (LinkType::RAW, vec![], vec![]),
        (LinkType::NULL, vec![2, 0, 0, 0], vec![30, 0, 0, 0]),
        (LinkType::LOOP, vec![0, 0, 0, 2], vec![0, 0, 0, 24]),
        (
            LinkType::PPP,
            vec![0xff, 3, 0, 0x21],
            vec![0xff, 3, 0, 0x57],
        ),
        (LinkType::PPP, vec![0, 0x21], vec![0, 0x57]),
        (
            LinkType::LINUX_SLL,
            vec![0, 4, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0],
            vec![0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd],
        ),
        (
            LinkType::LINUX_SLL2,
            vec![8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 4, 6, 0, 0, 0, 0, 0, 0, 0, 0],
            vec![
                0x86, 0xdd, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
        ),
    ];
    for (link, head, head6) in same {
        let frame = [&head[..], packet].concat();
        let frame6 = [&head6[..], dns].concat();
        assert!(
            on("tcp dst port 443 and src net 10.0.0.0/8", link, &frame),
            "{link:?}"
        );
        assert!(
            on("udp port 53 and dst host 2001::2", link, &frame6),
            "{link:?}"
        );
        assert!(!on("udp or arp", link, &frame), "{link:?}");
        assert!(Filter::compile("ether host 00:11:22:33:44:55", link).is_err());
        let cooked = matches!(link, LinkType::LINUX_SLL | LinkType::LINUX_SLL2);
        if cooked {
            assert!(on("outbound", link, &frame) && on("inbound", link, &frame6));
        } else {
            assert!(Filter::compile("inbound", link).is_err());
        }
    }
    assert!(on("tcp", LinkType::IPV4, packet) && !on("ip6", LinkType::IPV4, packet));
    assert!(on("udp", LinkType::IPV6, dns));
    assert!(Filter::compile("tcp", LinkType(127)).is_err());
}
