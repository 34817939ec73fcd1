//! Operands: an address, port or protocol under its qualifiers becomes a test.

use std::net::Ipv6Addr;

use super::lex::{self, Token};
use super::names;
use super::parse::{describe, Parser};
use super::syntax::{
    Arithmetic, Carrier, Direction, Node, Primitive, Protocol, Relation, ARP, RARP,
};
use super::FilterError;

/// What an operand is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not said: a host.
    #[default]
    Unsaid,
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

/// The words before an operand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Qualifiers {
    pub(super) protocol: Option<Protocol>,
    pub(super) direction: Option<Direction>,
    pub(super) kind: Kind,
}

/// A test of the packet's length on the wire.
pub(super) fn length(at: usize, relation: Relation, bytes: u32) -> Node {
    Node::Test(
        at,
        Primitive::Relation(relation, Arithmetic::Length, Arithmetic::Number(bytes)),
    )
}

impl Parser {
    pub(super) fn single(&mut self, qualifiers: Qualifiers) -> Result<Node, FilterError> {
        let at = self.at();
        let Some(token) = self.peek().cloned() else {
            return Err(self.wrong("an address, port or name is missing at the end"));
        };
        let primitive = match qualifiers.kind {
            Kind::Port | Kind::PortRange => {
                self.take();
                ports(at, qualifiers, &token)?
            }
            Kind::Proto => {
                self.take();
                above(at, qualifiers.protocol, &token)?
            }
            Kind::Unsaid | Kind::Host | Kind::Net => self.end(at, qualifiers)?,
        };
        Ok(Node::Test(at, primitive))
    }

    /// An address of one or both ends.
    fn end(&mut self, at: usize, qualifiers: Qualifiers) -> Result<Primitive, FilterError> {
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        let token = self.take();
        let (address, written) = match token {
            Some(Token::Mac(address)) => {
                if qualifiers.protocol != Some(Protocol::Link) || qualifiers.kind == Kind::Net {
                    return Err(FilterError::new(
                        at,
                        "an Ethernet address needs 'ether' before it: 'ether host ...'",
                    ));
                }
                return Ok(Primitive::Ethernet { direction, address });
            }
            _ if qualifiers.protocol == Some(Protocol::Link) => {
                return Err(FilterError::new(
                    at,
                    "'ether' takes an Ethernet address, such as 00:11:22:33:44:55",
                ));
            }
            Some(Token::Ipv6(address)) => return self.ipv6(at, qualifiers, direction, address),
            Some(Token::Dotted(address, written)) => (address, written),
            Some(Token::Number(number)) => {
                number_as_address(number, qualifiers.kind, self.is_sign(0, "/"))
            }
            Some(Token::Word(name)) => {
                return Err(FilterError::new(
                    at,
                    format!(
                        "'{name}' is not an address; names are not looked up, write the address \
                         itself"
                    ),
                ));
            }
            Some(token) => {
                return Err(FilterError::new(
                    at,
                    format!("expected an address, found {}", describe(&token)),
                ));
            }
            None => return Err(self.wrong("an address is missing at the end")),
        };
        let protocol = match qualifiers.protocol {
            None | Some(Protocol::Ip | ARP | RARP) => qualifiers.protocol,
            Some(_) => {
                return Err(FilterError::new(
                    at,
                    "an IPv4 address goes only with 'ip', 'arp', 'rarp' or nothing before it",
                ));
            }
        };
        let mask = self.mask(at, qualifiers.kind, written)?;
        if address & !mask != 0 {
            return Err(FilterError::new(
                at,
                "the address has bits set outside its network mask",
            ));
        }
        Ok(Primitive::Ipv4 {
            protocol,
            direction,
            address,
            mask,
        })
    }

    /// The mask after an IPv4 address: `/bits`, `mask a.b.c.d`, or by how much was written.
    fn mask(&mut self, at: usize, kind: Kind, written: u32) -> Result<u32, FilterError> {
        let by_length = self.is_sign(0, "/");
        if !by_length && !self.is_keyword(0, &["mask"]) {
            return Ok(prefix(written));
        }
        if kind != Kind::Net {
            return Err(FilterError::new(
                at,
                "a network needs 'net' before it: 'net 10.0.0.0/8'",
            ));
        }
        self.take();
        let place = self.at();
        match (by_length, self.take()) {
            (true, Some(Token::Number(bits @ 0..=32))) => Ok(prefix(bits)),
            (true, _) => Err(FilterError::new(
                place,
                "the prefix length of an IPv4 network is a number from 0 to 32",
            )),
            (false, Some(Token::Dotted(mask, _))) => Ok(mask),
            (false, _) => Err(FilterError::new(
                place,
                "'mask' takes a mask such as 255.255.255.0",
            )),
        }
    }

    fn ipv6(
        &mut self,
        at: usize,
        qualifiers: Qualifiers,
        direction: Direction,
        address: Ipv6Addr,
    ) -> Result<Primitive, FilterError> {
        if !matches!(qualifiers.protocol, None | Some(Protocol::Ip6)) {
            return Err(FilterError::new(
                at,
                "an IPv6 address goes only with 'ip6' or nothing before it",
            ));
        }
        let mut bits = 128;
        if self.is_sign(0, "/") {
            self.take();
            let place = self.at();
            let Some(Token::Number(length @ 0..=128)) = self.take() else {
                return Err(FilterError::new(
                    place,
                    "the prefix length of an IPv6 network is a number from 0 to 128",
                ));
            };
            if qualifiers.kind != Kind::Net && length != 128 {
                return Err(FilterError::new(
                    at,
                    "a network needs 'net' before it: 'net 2001:db8::/32'",
                ));
            }
            bits = length;
        }
        let outside = u128::MAX.checked_shr(bits).unwrap_or(0);
        if address.to_bits() & outside != 0 {
            return Err(FilterError::new(
                at,
                "the address has bits set outside its prefix",
            ));
        }
        Ok(Primitive::Ipv6 {
            direction,
            address,
            bits,
        })
    }
}

/// A mask of so many leading ones.
fn prefix(bits: u32) -> u32 {
    u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0)
}

/// Reads a plain number as an address and how many of its bits were written: a whole address
/// after `host`, the leading octets after `net` (`net 10` is 10.0.0.0/8).
fn number_as_address(number: u32, kind: Kind, length_follows: bool) -> (u32, u32) {
    if kind != Kind::Net && !length_follows {
        return (number, 32);
    }
    let unwritten = number.leading_zeros() / 8 * 8;
    match number.checked_shl(unwritten) {
        Some(address) => (address, 32 - unwritten),
        // 0 alone: `net 0/0` and `net 0` as the whole address.
        None => (0, 32),
    }
}

/// Ports, by number or name.
fn ports(at: usize, qualifiers: Qualifiers, token: &Token) -> Result<Primitive, FilterError> {
    let mut transport = match qualifiers.protocol {
        None => None,
        Some(Protocol::Transport(number @ (6 | 17 | 132), _)) => Some(number),
        Some(_) => {
            return Err(FilterError::new(
                at,
                "a port goes only with 'tcp', 'udp', 'sctp' or nothing before it",
            ));
        }
    };
    let (low, high) = match token {
        Token::Number(number) => {
            let port = u16::try_from(*number).map_err(|_| {
                FilterError::new(at, format!("{number} is more than the largest port, 65535"))
            })?;
            (port, port)
        }
        Token::Word(name) => {
            let named = if qualifiers.kind == Kind::PortRange {
                range(name)
            } else {
                named(name).map(|port| (port, port))
            };
            let Some(((low, low_only), (high, high_only))) = named else {
                let wanted = if qualifiers.kind == Kind::PortRange {
                    "a range of ports, such as 6000-6008"
                } else {
                    "a port that is known by name; write its number"
                };
                return Err(FilterError::new(at, format!("'{name}' is not {wanted}")));
            };
            let only = if low_only == high_only {
                low_only
            } else {
                None
            };
            if only.is_some_and(|only| transport.is_some_and(|asked| asked != only)) {
                return Err(FilterError::new(
                    at,
                    format!("'{name}' is not a port of that transport; write its number"),
                ));
            }
            transport = transport.or(only);
            (low.min(high), low.max(high))
        }
        other => {
            return Err(FilterError::new(
                at,
                format!("expected a port, found {}", describe(other)),
            ));
        }
    };
    Ok(Primitive::Port {
        transport,
        direction: qualifiers.direction.unwrap_or(Direction::Either),
        low,
        high,
    })
}

type NamedPort = (u16, Option<u8>);

fn named(name: &str) -> Option<NamedPort> {
    names::port(name).or_else(|| {
        let number = lex::number(name)?;
        u16::try_from(number).ok().map(|port| (port, None))
    })
}

/// Splits `low-high`; names may hold hyphens themselves, so every hyphen is tried.
fn range(name: &str) -> Option<(NamedPort, NamedPort)> {
    if let Some(port) = named(name) {
        return Some((port, port));
    }
    name.match_indices('-').find_map(|(hyphen, _)| {
        let low = named(name.get(..hyphen)?)?;
        let high = named(name.get(hyphen + 1..)?)?;
        Some((low, high))
    })
}

/// The protocol above a layer, by number or name.
fn above(at: usize, layer: Option<Protocol>, token: &Token) -> Result<Primitive, FilterError> {
    let look_up = match layer {
        None | Some(Protocol::Ip | Protocol::Ip6) => names::ip_protocol,
        Some(Protocol::Link) => names::link_protocol,
        Some(_) => {
            return Err(FilterError::new(
                at,
                "'proto' goes only with 'ether', 'ip', 'ip6' or nothing before it",
            ));
        }
    };
    let number = match token {
        Token::Number(number) => *number,
        Token::Word(name) => look_up(name).ok_or_else(|| {
            FilterError::new(
                at,
                format!("'{name}' is not a protocol that is known by name; write its number"),
            )
        })?,
        Token::Keyword(name) => look_up(name)
            .ok_or_else(|| FilterError::new(at, format!("expected a protocol, found '{name}'")))?,
        other => {
            return Err(FilterError::new(
                at,
                format!("expected a protocol, found {}", describe(other)),
            ));
        }
    };
    let largest = if layer == Some(Protocol::Link) {
        0xffff
    } else {
        0xff
    };
    if number > largest {
        return Err(FilterError::new(
            at,
            format!("{number} is more than the largest protocol number, {largest}"),
        ));
    }
    Ok(match (layer, number) {
        (Some(Protocol::Ip), number) => {
            Primitive::Is(Protocol::Transport(number as u8, Carrier::Ip))
        }
        (Some(Protocol::Ip6), number) => {
            Primitive::Is(Protocol::Transport(number as u8, Carrier::Ip6))
        }
        (None, number) => Primitive::Is(Protocol::Transport(number as u8, Carrier::Either)),
        (_, number) => Primitive::Carries(number as u16),
    })
}
