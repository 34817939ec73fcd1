//! One sound frame of every layer, with its link type: what properties and fuzz seeds start from.

use super::{
    arp, ethernet, extension, fragment_header, gre, icmp, ipv4, ipv6, join, llc_snap, mpls, pppoe,
    sctp, tag, tcp, udp, vxlan, Ipv4, LinkType, DST6, SRC_MAC,
};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Link types that are decoded, and two that are not.
pub(crate) const LINKS: [u16; 15] = [
    0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 228, 229, 276, 105, 147,
];

/// All samples, named.
pub(crate) fn all() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let mut samples = over_ethernet();
    samples.extend(other_links());
    samples
}

#[expect(clippy::too_many_lines, reason = "a list")]
fn over_ethernet() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let dns = udp(40_000, 53, b"payload of a datagram");
    let web = tcp(40_000, 443, 0x18, &[2, 4, 5, 180], b"payload of a segment");
    let inner = ethernet(IPV4, &ipv4(6, &web));
    let frames = [
        ("tcp", ethernet(IPV4, &ipv4(6, &web))),
        ("udp", ethernet(IPV4, &ipv4(17, &dns))),
        ("tcp6", ethernet(IPV6, &ipv6(6, &web))),
        ("udp6", ethernet(IPV6, &ipv6(17, &dns))),
        ("icmp", ethernet(IPV4, &ipv4(1, &icmp(8, 0, &[7; 56])))),
        (
            "icmp_error",
            ethernet(IPV4, &ipv4(1, &icmp(3, 3, &ipv4(17, &dns)))),
        ),
        ("icmp6", ethernet(IPV6, &ipv6(58, &icmp(135, 0, &DST6)))),
        (
            "sctp",
            ethernet(IPV4, &ipv4(132, &sctp(5000, 36_412, &[1; 16]))),
        ),
        ("udp_lite", ethernet(IPV4, &ipv4(136, &dns))),
        ("arp", ethernet(0x0806, &arp(1))),
        ("lldp", ethernet(0x88cc, &[2, 7, 4, 0, 1, 2, 3])),
        ("stp", ethernet(38, &[0x42, 0x42, 3, 0, 0, 0, 0, 0])),
        (
            "snap",
            ethernet(8 + 20 + 29, &llc_snap(IPV4, &ipv4(17, &dns))),
        ),
        ("tagged", ethernet(0x8100, &tag(100, IPV4, &ipv4(17, &dns)))),
        (
            "stacked",
            ethernet(0x88a8, &tag(200, 0x8100, &tag(100, IPV6, &ipv6(6, &web)))),
        ),
        (
            "options",
            ethernet(
                IPV4,
                &Ipv4 {
                    options: vec![7, 7, 4, 0, 0, 0, 0, 0],
                    protocol: 6,
                    ..Ipv4::default()
                }
                .build(&web),
            ),
        ),
        (
            "first_fragment",
            ethernet(
                IPV4,
                &Ipv4 {
                    fragment: 0x2000,
                    ..Ipv4::default()
                }
                .build(&dns),
            ),
        ),
        (
            "later_fragment",
            ethernet(
                IPV4,
                &Ipv4 {
                    fragment: 185,
                    ..Ipv4::default()
                }
                .build(&dns),
            ),
        ),
        (
            "extensions",
            ethernet(
                IPV6,
                &ipv6(
                    0,
                    &extension(
                        43,
                        2,
                        &extension(60, 0, &fragment_header(17, 0, true, &dns)),
                    ),
                ),
            ),
        ),
        (
            "mpls",
            ethernet(0x8847, &mpls(&[1000, 2000], &ipv4(6, &web))),
        ),
        (
            "pseudowire",
            ethernet(0x8847, &mpls(&[16], &join(&[&[0, 0, 0, 1], &inner]))),
        ),
        ("pppoe", ethernet(0x8864, &pppoe(0x21, &ipv4(6, &web)))),
        ("pppoe_discovery", ethernet(0x8863, &[0x11, 9, 0, 0, 0, 0])),
        (
            "gre",
            ethernet(
                IPV4,
                &ipv4(47, &gre(0xb000, IPV4, &[0, 77, 1], &ipv4(17, &dns))),
            ),
        ),
        (
            "gre_ethernet",
            ethernet(IPV4, &ipv4(47, &gre(0x2000, 0x6558, &[77], &inner))),
        ),
        (
            "pptp",
            ethernet(
                IPV4,
                &ipv4(
                    47,
                    &gre(
                        0x3001,
                        0x880b,
                        &[0x0040_0009, 1],
                        &join(&[&[0xff, 3, 0, 0x21], &ipv4(17, &dns)]),
                    ),
                ),
            ),
        ),
        (
            "vxlan",
            ethernet(IPV4, &ipv4(17, &udp(50_000, 4789, &vxlan(42, &inner)))),
        ),
        (
            "vxlan_old_port",
            ethernet(IPV4, &ipv4(17, &udp(50_000, 8472, &vxlan(42, &inner)))),
        ),
        (
            "geneve",
            ethernet(
                IPV4,
                &ipv4(
                    17,
                    &udp(
                        50_000,
                        6081,
                        &join(&[&[0, 0, 0x65, 0x58, 0, 0, 5, 0], &inner]),
                    ),
                ),
            ),
        ),
        ("ip_in_ip", ethernet(IPV4, &ipv4(4, &ipv4(6, &web)))),
        ("six_in_four", ethernet(IPV4, &ipv4(41, &ipv6(6, &web)))),
    ];
    frames
        .into_iter()
        .map(|(name, bytes)| (name, LinkType::ETHERNET, bytes))
        .collect()
}

fn other_links() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let four = ipv4(17, &udp(40_000, 53, b"payload"));
    let six = ipv6(17, &udp(40_000, 53, b"payload"));
    let cooked = |kind: u8, protocol: u16, payload: &[u8]| {
        join(&[
            &[0, kind, 0, 1, 0, 6],
            &SRC_MAC,
            &[0, 0],
            &protocol.to_be_bytes(),
            payload,
        ])
    };
    let cooked2 = |kind: u8, protocol: u16, payload: &[u8]| {
        join(&[
            &protocol.to_be_bytes(),
            &[0, 0, 0, 0, 0, 2, 0, 1, kind, 6],
            &SRC_MAC,
            &[0, 0],
            payload,
        ])
    };
    vec![
        ("raw4", LinkType::RAW, four.clone()),
        ("raw6", LinkType::RAW, six.clone()),
        ("ipv4", LinkType::IPV4, four.clone()),
        ("ipv6", LinkType::IPV6, six.clone()),
        ("cooked", LinkType::LINUX_SLL, cooked(0, IPV4, &four)),
        (
            "cooked_arp",
            LinkType::LINUX_SLL,
            cooked(1, 0x0806, &arp(2)),
        ),
        ("cooked2", LinkType::LINUX_SLL2, cooked2(0, IPV6, &six)),
        ("null", LinkType::NULL, join(&[&[2, 0, 0, 0], &four])),
        ("null_big", LinkType::NULL, join(&[&[0, 0, 0, 30], &six])),
        ("loop", LinkType::LOOP, join(&[&[0, 0, 0, 24], &six])),
        ("ppp", LinkType::PPP, join(&[&[0xff, 3, 0, 0x21], &four])),
        ("ppp_bare", LinkType::PPP, join(&[&[0x57], &six])),
        ("ppp_ether", LinkType::PPP_ETHER, pppoe(0x57, &six)),
    ]
}
