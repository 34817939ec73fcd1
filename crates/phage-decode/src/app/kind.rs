//! The application protocols that are decoded, and their numbers.

/// An application protocol. The number is stable: it stands in flow rows and in stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Address resolution (RFC 826).
    Arp = 1,
    /// Domain names over UDP and TCP (RFC 1035).
    Dns = 2,
    /// Multicast DNS (RFC 6762).
    Mdns = 3,
    /// Link-local multicast name resolution (RFC 4795).
    Llmnr = 4,
    /// The `NetBIOS` name service (RFC 1002).
    Nbns = 5,
    /// DHCP for IPv4 (RFC 2131).
    Dhcp = 6,
    /// DHCP for IPv6 (RFC 8415).
    Dhcpv6 = 7,
    /// Router advertisements (RFC 4861).
    Ra = 8,
    /// Neighbour solicitations and advertisements (RFC 4861).
    Nd = 9,
    /// Simple service discovery (`UPnP` device architecture 2.0, section 1).
    Ssdp = 10,
    /// TLS hellos (RFC 8446, RFC 5246).
    Tls = 11,
    /// QUIC Initial packets (RFC 9000, RFC 9001, RFC 9369).
    Quic = 12,
    /// HTTP/1 heads (RFC 9112).
    Http = 13,
    /// SSH identification strings (RFC 4253).
    Ssh = 14,
    /// FTP control connections (RFC 959).
    Ftp = 15,
    /// Telnet (RFC 854).
    Telnet = 16,
    /// SMTP (RFC 5321).
    Smtp = 17,
    /// Remote desktop (MS-RDPBCGR).
    Rdp = 18,
    /// SMB 1 to 3 (MS-CIFS, MS-SMB2).
    Smb = 19,
    /// MQTT (OASIS MQTT 3.1.1 and 5).
    Mqtt = 20,
    /// Modbus over TCP (Modbus messaging on TCP/IP 1.0b).
    Modbus = 21,
    /// Web services discovery (OASIS WS-Discovery 1.1).
    Wsd = 22,
    /// Multicast listener discovery (RFC 3810).
    Mld = 23,
    /// Link layer discovery (IEEE 802.1AB).
    Lldp = 24,
}

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 24;

    /// All kinds, by ascending number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Arp,
        Self::Dns,
        Self::Mdns,
        Self::Llmnr,
        Self::Nbns,
        Self::Dhcp,
        Self::Dhcpv6,
        Self::Ra,
        Self::Nd,
        Self::Ssdp,
        Self::Tls,
        Self::Quic,
        Self::Http,
        Self::Ssh,
        Self::Ftp,
        Self::Telnet,
        Self::Smtp,
        Self::Rdp,
        Self::Smb,
        Self::Mqtt,
        Self::Modbus,
        Self::Wsd,
        Self::Mld,
        Self::Lldp,
    ];

    /// The name in observations and reports: lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arp => "arp",
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
            Self::Nbns => "nbns",
            Self::Dhcp => "dhcp",
            Self::Dhcpv6 => "dhcpv6",
            Self::Ra => "ra",
            Self::Nd => "nd",
            Self::Ssdp => "ssdp",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Ftp => "ftp",
            Self::Telnet => "telnet",
            Self::Smtp => "smtp",
            Self::Rdp => "rdp",
            Self::Smb => "smb",
            Self::Mqtt => "mqtt",
            Self::Modbus => "modbus",
            Self::Wsd => "wsd",
            Self::Mld => "mld",
            Self::Lldp => "lldp",
        }
    }

    /// The number in flow rows: 1 and up; 0 stands for an unknown application there.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with a number; `None` for 0 and for numbers that are not taken.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Whether more of a stream says more: its message counts failed logins over the whole
    /// prefix, so a caller may go on reassembling after [`Parsed::Done`](super::Parsed::Done) and
    /// parse once more when the stream ends or its prefix is full.
    pub const fn grows(self) -> bool {
        matches!(self, Self::Ftp | Self::Smtp | Self::Telnet | Self::Smb)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn numbers_are_stable_and_names_differ() {
        for (index, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(usize::from(kind.number()), index + 1);
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
            assert!(
                Kind::ALL
                    .iter()
                    .filter(|other| other.name() == kind.name())
                    .count()
                    == 1
            );
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(Kind::COUNT as u8 + 1), None);
        assert_eq!((Kind::Dns.number(), Kind::Quic.number()), (2, 12));
    }
}
