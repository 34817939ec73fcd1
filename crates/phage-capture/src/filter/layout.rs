//! Where the layers of a frame start, by link type and by the tags that a filter asked for.

use phage_decode::LinkType;

use super::test::{Load, Test};
use super::FilterError;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Largest value of the Ethernet type field that is a length (IEEE 802.3).
const LARGEST_LENGTH: u32 = 1500;

/// `LINUX_SLL_P_802_2`: the payload starts with an LLC header.
const COOKED_LLC: u32 = 4;

/// What says which protocol comes after the link layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// A 16-bit `EtherType`, or a length and an LLC header.
    Ethernet,
    /// Linux cooked capture: a 16-bit `EtherType` or a small number.
    Cooked,
    /// A 16-bit PPP protocol number.
    Ppp,
    /// A 32-bit address family in either byte order.
    Family,
    /// The version in the first nibble.
    Version,
    /// Always IPv4, always IPv6.
    Only(u16),
}

/// How frames differ within one link type; each way gets a program of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// As the link type says.
    Plain,
    /// The kernel took the outermost VLAN tag off and keeps it beside the frame.
    TagBeside,
    /// PPP without the HDLC address and control bytes (RFC 1662).
    PppBare,
}

/// Offsets of the layers; moved by `vlan`, `mpls` and `pppoes` for what follows them.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    shape: Shape,
    link: LinkType,
    /// First byte of the link-layer header.
    pub(super) header: u32,
    kind_field: u32,
    /// First byte of what the link layer carries, labels included.
    carried: u32,
    labels: u32,
    /// Bytes of labels between `carried` and the network layer.
    labels_length: u32,
    tag_beside: bool,
}

impl Layout {
    pub(super) fn new(link: LinkType, variant: Variant) -> Result<Self, FilterError> {
        let (shape, kind_field, carried) = match link {
            LinkType::ETHERNET => (Shape::Ethernet, 12, 14),
            LinkType::LINUX_SLL => (Shape::Cooked, 14, 16),
            LinkType::LINUX_SLL2 => (Shape::Cooked, 0, 20),
            // 50 is PPP over a serial line; 9 may lack the address and control bytes.
            LinkType::PPP | LinkType(50) if variant == Variant::PppBare => (Shape::Ppp, 0, 2),
            LinkType::PPP | LinkType(50) => (Shape::Ppp, 2, 4),
            LinkType::PPP_ETHER => (Shape::Ppp, 6, 8),
            LinkType::NULL | LinkType::LOOP => (Shape::Family, 0, 4),
            // 12 and 14 are the numbers that raw IP has on some systems.
            LinkType::RAW | LinkType(12 | 14) => (Shape::Version, 0, 0),
            LinkType::IPV4 => (Shape::Only(IPV4), 0, 0),
            LinkType::IPV6 => (Shape::Only(IPV6), 0, 0),
            LinkType(number) => {
                return Err(FilterError::new(
                    0,
                    format!("filters cannot be used on frames of link type {number}"),
                ));
            }
        };
        Ok(Self {
            shape,
            link,
            header: 0,
            kind_field,
            carried,
            labels: 0,
            labels_length: 0,
            tag_beside: variant == Variant::TagBeside,
        })
    }

    /// First byte of the network layer.
    pub(super) fn network(&self) -> u32 {
        self.carried + self.labels_length
    }

    pub(super) fn has_labels(&self) -> bool {
        self.labels > 0
    }

    /// Whether frames have an Ethernet header at their start.
    pub(super) fn is_ethernet(&self) -> bool {
        self.shape == Shape::Ethernet
    }

    fn kind(&self, value: u32) -> Test {
        Test::equal(Load::half(self.kind_field), value)
    }

    /// Tests that the link layer carries an `EtherType` (or, up to 1,500, an LLC access point).
    pub(super) fn carries(&self, number: u16, at: usize) -> Result<Test, FilterError> {
        if self.labels > 0 {
            return self.labelled(number, at);
        }
        Ok(match self.shape {
            Shape::Ethernet => self.ethernet(number),
            Shape::Cooked => {
                let llc = self.kind(COOKED_LLC);
                self.with_llc(number, llc)
            }
            Shape::Ppp => self.kind(ppp_number(number)),
            Shape::Family => {
                let families: &[u32] = match number {
                    IPV4 => &[2],
                    // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
                    IPV6 => &[10, 24, 28, 30],
                    _ => return Ok(Test::Never),
                };
                Test::any(
                    families
                        .iter()
                        .flat_map(|family| [*family, family.swap_bytes()])
                        .map(|family| Test::equal(Load::word(self.kind_field), family))
                        .collect(),
                )
            }
            Shape::Version => self.version(number),
            Shape::Only(only) if only == number => Test::Always,
            Shape::Only(_) => Test::Never,
        })
    }

    fn version(&self, number: u16) -> Test {
        let version = match number {
            IPV4 => 0x40,
            IPV6 => 0x60,
            _ => return Test::Never,
        };
        Test::masked(Load::byte(self.network()), 0xf0, version)
    }

    /// Behind MPLS labels: the last label must be the bottom of the stack (RFC 3032).
    fn labelled(&self, number: u16, at: usize) -> Result<Test, FilterError> {
        if number != IPV4 && number != IPV6 {
            return Err(FilterError::new(
                at,
                "behind 'mpls' only IPv4 and IPv6 can be found",
            ));
        }
        let bottom = Test::masked(Load::byte(self.network() - 2), 1, 1);
        Ok(Test::all(vec![bottom, self.version(number)]))
    }

    fn ethernet(&self, number: u16) -> Test {
        let is_length = Test::not(Test::above(Load::half(self.kind_field), LARGEST_LENGTH));
        self.with_llc(number, is_length)
    }

    /// `llc` tests that an LLC header follows.
    fn with_llc(&self, number: u16, llc: Test) -> Test {
        let at = self.carried;
        match number {
            0x06 | 0xf0 | 0xfe => {
                let both = u32::from(number) << 8 | u32::from(number);
                Test::all(vec![llc, Test::equal(Load::half(at), both)])
            }
            // IPX: LLC, raw 802.3, SNAP or its EtherType.
            0xe0 => Test::any(vec![
                Test::all(vec![
                    llc,
                    Test::any(vec![
                        Test::equal(Load::byte(at), 0xe0),
                        Test::equal(Load::half(at), 0xffff),
                        snap(at, 0, 0x8137),
                    ]),
                ]),
                self.kind(0x8137),
            ]),
            0x809b => Test::any(vec![
                Test::all(vec![llc, snap(at, 0x08_0007, number)]),
                self.kind(number.into()),
            ]),
            0x80f3 => Test::any(vec![
                Test::all(vec![llc, snap(at, 0, number)]),
                self.kind(number.into()),
            ]),
            0..=1500 => Test::all(vec![llc, Test::equal(Load::byte(at), number.into())]),
            _ => self.kind(number.into()),
        }
    }

    /// Tests for a VLAN tag and moves behind it.
    pub(super) fn enter_vlan(&mut self, id: Option<u32>, at: usize) -> Result<Test, FilterError> {
        if self.labels > 0 {
            return Err(FilterError::new(at, "'vlan' cannot stand behind 'mpls'"));
        }
        if !matches!(self.shape, Shape::Ethernet | Shape::Cooked) {
            return Err(FilterError::new(
                at,
                "frames of this link type have no VLAN tags",
            ));
        }
        if self.tag_beside {
            self.tag_beside = false;
            return Ok(id.map_or(Test::Always, |id| Test::masked(Load::VLAN_TAG, 0xfff, id)));
        }
        let tagged = Test::any(
            // 802.1Q, 802.1ad and the older number for outer tags.
            [0x8100, 0x88a8, 0x9100]
                .into_iter()
                .map(|number| self.kind(number))
                .collect(),
        );
        let mut tests = vec![tagged];
        if let Some(id) = id {
            tests.push(Test::masked(Load::half(self.carried), 0xfff, id));
        }
        // The tag's own type field comes last, behind its control information.
        self.kind_field = self.carried + 2;
        self.carried += 4;
        Ok(Test::all(tests))
    }

    /// Tests for an MPLS label and moves behind it.
    pub(super) fn enter_mpls(
        &mut self,
        label: Option<u32>,
        at: usize,
    ) -> Result<Test, FilterError> {
        let mut tests = Vec::new();
        if self.labels > 0 {
            tests.push(Test::masked(Load::byte(self.network() - 2), 1, 0));
        } else {
            tests.push(match self.shape {
                Shape::Ppp => self.kind(0x0281),
                Shape::Ethernet | Shape::Cooked => self.kind(0x8847),
                _ => {
                    return Err(FilterError::new(
                        at,
                        "frames of this link type have no MPLS labels",
                    ));
                }
            });
        }
        if let Some(label) = label {
            tests.push(Test::masked(
                Load::word(self.network()),
                0xffff_f000,
                label << 12,
            ));
        }
        self.labels += 1;
        self.labels_length += 4;
        Ok(Test::all(tests))
    }

    /// Tests for a `PPPoE` session (RFC 2516) and moves into its PPP frames.
    pub(super) fn enter_pppoe(&mut self, id: Option<u32>, at: usize) -> Result<Test, FilterError> {
        let mut tests = vec![self.carries(0x8864, at)?];
        if let Some(id) = id {
            tests.push(Test::masked(Load::word(self.carried), 0xffff, id));
        }
        self.header = self.carried + 6;
        self.kind_field = self.header;
        self.carried = self.header + 2;
        self.shape = Shape::Ppp;
        Ok(Test::all(tests))
    }

    /// Tests which way a packet went.
    pub(super) fn inbound(&self, wanted: bool, live: bool, at: usize) -> Result<Test, FilterError> {
        let outgoing = match self.link {
            LinkType::LINUX_SLL => Test::equal(Load::half(0), 4),
            LinkType::LINUX_SLL2 => Test::equal(Load::byte(10), 4),
            _ if live => Test::equal(Load::PACKET_TYPE, 4),
            _ => {
                return Err(FilterError::new(
                    at,
                    "a capture file of this link type does not tell inbound from outbound",
                ));
            }
        };
        Ok(if wanted {
            Test::not(outgoing)
        } else {
            outgoing
        })
    }
}

/// The PPP protocol number of an `EtherType` (IANA PPP numbers); others stand for themselves.
fn ppp_number(number: u16) -> u32 {
    match number {
        IPV4 => 0x0021,
        IPV6 => 0x0057,
        0xfe => 0x0023,
        0x6003 => 0x0027,
        0x809b => 0x0029,
        0xe0 => 0x002b,
        0x42 => 0x0031,
        0x8847 => 0x0281,
        other => other.into(),
    }
}

/// Tests for an LLC header with SNAP of an organisation and protocol.
fn snap(at: u32, organisation: u32, protocol: u16) -> Test {
    Test::all(vec![
        Test::equal(Load::word(at + 4), organisation << 16 | u32::from(protocol)),
        Test::equal(Load::word(at), 0xaaaa_0300 | organisation >> 16),
    ])
}
