//! The names that filters may use: reserved words, constants, protocols, ports.

/// Reserved words with their aliases, each with the word that the parser knows.
const KEYWORDS: [(&str, &str); 76] = [
    ("dst", "dst"),
    ("src", "src"),
    ("link", "ether"),
    ("ether", "ether"),
    ("ppp", "ether"),
    ("slip", "ether"),
    ("fddi", "ether"),
    ("tr", "ether"),
    ("wlan", "ether"),
    ("arp", "arp"),
    ("rarp", "rarp"),
    ("ip", "ip"),
    ("ip6", "ip6"),
    ("tcp", "tcp"),
    ("udp", "udp"),
    ("sctp", "sctp"),
    ("icmp", "icmp"),
    ("icmp6", "icmp6"),
    ("igmp", "igmp"),
    ("igrp", "igrp"),
    ("pim", "pim"),
    ("vrrp", "vrrp"),
    ("carp", "carp"),
    ("ah", "ah"),
    ("esp", "esp"),
    ("atalk", "atalk"),
    ("aarp", "aarp"),
    ("decnet", "decnet"),
    ("lat", "lat"),
    ("sca", "sca"),
    ("moprc", "moprc"),
    ("mopdl", "mopdl"),
    ("iso", "iso"),
    ("stp", "stp"),
    ("ipx", "ipx"),
    ("netbeui", "netbeui"),
    ("host", "host"),
    ("net", "net"),
    ("mask", "mask"),
    ("port", "port"),
    ("portrange", "portrange"),
    ("proto", "proto"),
    ("protochain", "protochain"),
    ("gateway", "gateway"),
    ("less", "less"),
    ("greater", "greater"),
    ("len", "len"),
    ("length", "len"),
    ("broadcast", "broadcast"),
    ("multicast", "multicast"),
    ("and", "and"),
    ("or", "or"),
    ("not", "not"),
    ("inbound", "inbound"),
    ("outbound", "outbound"),
    ("vlan", "vlan"),
    ("mpls", "mpls"),
    ("pppoed", "pppoed"),
    ("pppoes", "pppoes"),
    ("geneve", "geneve"),
    ("vxlan", "vxlan"),
    ("llc", "llc"),
    ("clnp", "clnp"),
    ("esis", "esis"),
    ("es-is", "esis"),
    ("isis", "isis"),
    ("is-is", "isis"),
    ("ifname", "ifname"),
    ("ifindex", "ifindex"),
    ("type", "type"),
    ("subtype", "subtype"),
    ("dir", "dir"),
    ("byte", "byte"),
    ("vpi", "vpi"),
    ("vci", "vci"),
    ("radio", "radio"),
];

/// Constants: offsets of fields, and values to compare them with (RFC 792, 4443, 9293).
const CONSTANTS: [(&str, u32); 57] = [
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastroutertermination", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];

/// IP protocol names (IANA), as after `proto`.
const IP_PROTOCOLS: [(&str, u32); 29] = [
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("ipip", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("igrp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ip6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// Link-layer protocol names: `EtherType`s, and below 1,501 the LLC service access points.
const LINK_PROTOCOLS: [(&str, u32); 20] = [
    ("ip", 0x0800),
    ("arp", 0x0806),
    ("rarp", 0x8035),
    ("ip6", 0x86dd),
    ("ipv6", 0x86dd),
    ("atalk", 0x809b),
    ("aarp", 0x80f3),
    ("decnet", 0x6003),
    ("lat", 0x6004),
    ("sca", 0x6007),
    ("moprc", 0x6002),
    ("mopdl", 0x6001),
    ("loopback", 0x9000),
    ("mpls", 0x8847),
    ("lldp", 0x88cc),
    ("eapol", 0x888e),
    ("iso", 0xfe),
    ("stp", 0x42),
    ("ipx", 0xe0),
    ("netbeui", 0xf0),
];

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Ports by name (IANA). The protocol is given where the service is registered for one alone in
/// the usual services file; 0 means both.
const PORTS: [(&str, u16, u8); 62] = [
    ("echo", 7, 0),
    ("discard", 9, 0),
    ("daytime", 13, 0),
    ("chargen", 19, 0),
    ("ftp-data", 20, TCP),
    ("ftp", 21, TCP),
    ("ssh", 22, TCP),
    ("telnet", 23, TCP),
    ("smtp", 25, TCP),
    ("mail", 25, TCP),
    ("time", 37, 0),
    ("whois", 43, TCP),
    ("tacacs", 49, 0),
    ("domain", 53, 0),
    ("bootps", 67, UDP),
    ("bootpc", 68, UDP),
    ("tftp", 69, UDP),
    ("gopher", 70, TCP),
    ("finger", 79, TCP),
    ("http", 80, TCP),
    ("www", 80, TCP),
    ("kerberos", 88, 0),
    ("pop3", 110, TCP),
    ("sunrpc", 111, 0),
    ("auth", 113, TCP),
    ("ident", 113, TCP),
    ("nntp", 119, TCP),
    ("ntp", 123, UDP),
    ("epmap", 135, 0),
    ("netbios-ns", 137, 0),
    ("netbios-dgm", 138, 0),
    ("netbios-ssn", 139, 0),
    ("imap2", 143, TCP),
    ("imap", 143, TCP),
    ("snmp", 161, 0),
    ("snmp-trap", 162, 0),
    ("bgp", 179, TCP),
    ("ldap", 389, 0),
    ("https", 443, 0),
    ("microsoft-ds", 445, 0),
    ("submissions", 465, TCP),
    ("isakmp", 500, UDP),
    ("syslog", 514, UDP),
    ("printer", 515, TCP),
    ("route", 520, UDP),
    ("router", 520, UDP),
    ("ipp", 631, 0),
    ("ldaps", 636, 0),
    ("ftps", 990, TCP),
    ("telnets", 992, TCP),
    ("imaps", 993, TCP),
    ("pop3s", 995, TCP),
    ("socks", 1080, TCP),
    ("openvpn", 1194, 0),
    ("radius", 1812, 0),
    ("nfs", 2049, 0),
    ("mysql", 3306, TCP),
    ("ms-wbt-server", 3389, TCP),
    ("sip", 5060, 0),
    ("mdns", 5353, UDP),
    ("postgresql", 5432, TCP),
    ("http-alt", 8080, 0),
];

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

/// The parser's word for a reserved word.
pub(super) fn keyword(name: &str) -> Option<&'static str> {
    find(&KEYWORDS, name)
}

/// The value of a named constant.
pub(super) fn constant(name: &str) -> Option<u32> {
    find(&CONSTANTS, name)
}

/// The number of an IP protocol.
pub(super) fn ip_protocol(name: &str) -> Option<u32> {
    find(&IP_PROTOCOLS, name)
}

/// The `EtherType`, or the LLC service access point, of a link-layer protocol.
pub(super) fn link_protocol(name: &str) -> Option<u32> {
    find(&LINK_PROTOCOLS, name)
}

/// The port of a service, and its transport protocol where it has only one.
pub(super) fn port(name: &str) -> Option<(u16, Option<u8>)> {
    PORTS
        .iter()
        .find(|(known, _, _)| *known == name)
        .map(|&(_, port, protocol)| (port, (protocol != 0).then_some(protocol)))
}
