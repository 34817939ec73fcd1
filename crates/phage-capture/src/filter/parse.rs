//! Conditions: tokens to the tree, with qualifiers inherited from term to term.
//!
//! The language is that of pcap-filter(7). `and` and `or` bind equally and from the left, as
//! there: `a or b and c` is `(a or b) and c`.

use super::lex::{self, Placed, Token};
use super::operand::{Kind, Qualifiers};
use super::syntax::{Carrier, Direction, Node, Primitive, Protocol, Relation, ARP, RARP};
use super::FilterError;

/// Parentheses, negations and changes between `and` and `or` in one another. Every level is a
/// stack frame here and in the compiler.
const DEEPEST: usize = 100;

pub(super) struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    end: usize,
    depth: usize,
}

/// Parses an expression; `None` where it is empty.
pub(super) fn parse(text: &str) -> Result<Option<Node>, FilterError> {
    let mut parser = Parser {
        tokens: lex::tokens(text)?,
        next: 0,
        end: text.len(),
        depth: 0,
    };
    if parser.tokens.is_empty() {
        return Ok(None);
    }
    let (node, _) = parser.condition(None)?;
    match parser.peek() {
        None => Ok(Some(node)),
        Some(token) => Err(parser.wrong(&format!(
            "expected 'and', 'or' or the end, found {}",
            describe(token)
        ))),
    }
}

/// How a token is called in messages.
pub(super) fn describe(token: &Token) -> String {
    match token {
        Token::Keyword(word) | Token::Sign(word) => format!("'{word}'"),
        Token::Word(word) => format!("'{word}'"),
        Token::Number(number) => format!("the number {number}"),
        Token::Dotted(..) | Token::Ipv6(_) => "an IP address".to_owned(),
        Token::Mac(_) => "an Ethernet address".to_owned(),
    }
}

/// The protocol that a reserved word names.
fn protocol(word: &str) -> Option<Protocol> {
    use Carrier::{Either, Ip, Ip6};
    Some(match word {
        "ether" => Protocol::Link,
        "ip" => Protocol::Ip,
        "ip6" => Protocol::Ip6,
        "arp" => ARP,
        "rarp" => RARP,
        "tcp" => Protocol::Transport(6, Either),
        "udp" => Protocol::Transport(17, Either),
        "sctp" => Protocol::Transport(132, Either),
        "icmp" => Protocol::Transport(1, Ip),
        "icmp6" => Protocol::Transport(58, Ip6),
        "igmp" => Protocol::Transport(2, Ip),
        "igrp" => Protocol::Transport(9, Ip),
        "pim" => Protocol::Transport(103, Either),
        "vrrp" | "carp" => Protocol::Transport(112, Ip),
        "ah" => Protocol::Transport(51, Either),
        "esp" => Protocol::Transport(50, Either),
        "atalk" => Protocol::EtherType(0x809b),
        "aarp" => Protocol::EtherType(0x80f3),
        "decnet" => Protocol::EtherType(0x6003),
        "lat" => Protocol::EtherType(0x6004),
        "sca" => Protocol::EtherType(0x6007),
        "moprc" => Protocol::EtherType(0x6002),
        "mopdl" => Protocol::EtherType(0x6001),
        "iso" => Protocol::Llc(0xfe),
        "stp" => Protocol::Llc(0x42),
        "ipx" => Protocol::Llc(0xe0),
        "netbeui" => Protocol::Llc(0xf0),
        _ => return None,
    })
}

impl Parser {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Option<&Token> {
        self.tokens.get(self.next + by).map(|placed| &placed.token)
    }

    pub(super) fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    /// Where the next token starts.
    pub(super) fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.end, |placed| placed.at)
    }

    pub(super) fn wrong(&self, message: &str) -> FilterError {
        FilterError::new(self.at(), message)
    }

    pub(super) fn place(&self) -> usize {
        self.next
    }

    pub(super) fn go_back(&mut self, place: usize) {
        self.next = place;
    }

    pub(super) fn is_keyword(&self, by: usize, words: &[&str]) -> bool {
        matches!(self.ahead(by), Some(Token::Keyword(word)) if words.contains(word))
    }

    pub(super) fn is_sign(&self, by: usize, sign: &str) -> bool {
        matches!(self.ahead(by), Some(Token::Sign(found)) if *found == sign)
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<(), FilterError> {
        if self.is_sign(0, sign) {
            self.next += 1;
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end".to_owned(), describe);
        Err(self.wrong(&format!("expected '{sign}', found {found}")))
    }

    /// Runs `inner` one level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        if self.depth >= DEEPEST {
            return Err(self.wrong("the expression is nested too deeply"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub(super) fn protocol_at(&self, by: usize) -> Option<Protocol> {
        match self.ahead(by) {
            Some(Token::Keyword(word)) => protocol(word),
            _ => None,
        }
    }

    /// Terms joined by `and` and `or`. A bare operand inherits the qualifiers of what stands
    /// before it.
    fn condition(
        &mut self,
        inherited: Option<Qualifiers>,
    ) -> Result<(Node, Option<Qualifiers>), FilterError> {
        self.joined(inherited, Self::term)
    }

    /// Operands of one set of qualifiers, joined by `and` and `or`.
    fn operands(
        &mut self,
        inherited: Option<Qualifiers>,
    ) -> Result<(Node, Option<Qualifiers>), FilterError> {
        self.joined(inherited, |parser, qualifiers| {
            let qualifiers = qualifiers.unwrap_or_default();
            Ok((parser.operand(qualifiers)?, Some(qualifiers)))
        })
    }

    fn joined(
        &mut self,
        inherited: Option<Qualifiers>,
        mut part: impl FnMut(
            &mut Self,
            Option<Qualifiers>,
        ) -> Result<(Node, Option<Qualifiers>), FilterError>,
    ) -> Result<(Node, Option<Qualifiers>), FilterError> {
        let (mut node, mut qualifiers) = part(self, inherited)?;
        let mut changes = self.depth;
        // What was joined here may be extended in place; what came out of parentheses may not.
        let mut joint = "";
        while let Some(Token::Keyword(word @ ("and" | "or"))) = self.peek().cloned() {
            self.next += 1;
            let (right, found) = part(self, qualifiers)?;
            qualifiers = found;
            match &mut node {
                Node::All(parts) if joint == word && word == "and" => parts.push(right),
                Node::Any(parts) if joint == word && word == "or" => parts.push(right),
                _ => {
                    changes += 1;
                    if changes > DEEPEST {
                        return Err(self.wrong("'and' and 'or' alternate too often"));
                    }
                    let parts = vec![node, right];
                    node = if word == "and" {
                        Node::All(parts)
                    } else {
                        Node::Any(parts)
                    };
                    joint = word;
                }
            }
        }
        Ok((node, qualifiers))
    }

    fn term(
        &mut self,
        inherited: Option<Qualifiers>,
    ) -> Result<(Node, Option<Qualifiers>), FilterError> {
        if self.is_keyword(0, &["not"]) {
            self.next += 1;
            let (node, qualifiers) = self.deeper(|parser| parser.term(inherited))?;
            return Ok((Node::Not(Box::new(node)), qualifiers));
        }
        if let Some(node) = self.relation()? {
            return Ok((node, None));
        }
        if self.is_sign(0, "(") {
            self.next += 1;
            let (node, _) = self.deeper(|parser| parser.condition(inherited))?;
            self.expect_sign(")")?;
            return Ok((node, inherited));
        }
        if let Some(node) = self.standalone()? {
            return Ok((node, None));
        }
        let at = self.at();
        if let Some(qualifiers) = self.qualifiers()? {
            let node = self.operand(qualifiers)?;
            return Ok((node, Some(qualifiers)));
        }
        if let Some(protocol) = self.protocol_at(0) {
            self.next += 1;
            let node = self.of_protocol(at, protocol)?;
            return Ok((node, None));
        }
        match (self.peek(), inherited) {
            (None, _) => Err(self.wrong("something is missing at the end")),
            (Some(Token::Keyword(_) | Token::Sign(_)), _) => {
                let found = self.peek().map_or_else(String::new, describe);
                Err(self.wrong(&format!("{found} is not understood here")))
            }
            (Some(_), Some(qualifiers)) => {
                let node = self.operand(qualifiers)?;
                Ok((node, inherited))
            }
            // A lone address is taken for a host.
            (Some(Token::Dotted(..) | Token::Ipv6(_)), None) => {
                let qualifiers = Qualifiers::default();
                let node = self.operand(qualifiers)?;
                Ok((node, Some(qualifiers)))
            }
            (Some(token), None) => Err(self.wrong(&format!(
                "{} needs a word before it, such as 'host', 'net' or 'port'",
                describe(token)
            ))),
        }
    }

    /// What follows a protocol that stands without an operand.
    fn of_protocol(&mut self, at: usize, protocol: Protocol) -> Result<Node, FilterError> {
        let primitive = if self.is_keyword(0, &["broadcast"]) {
            match protocol {
                Protocol::Link => Primitive::Broadcast,
                Protocol::Ip => {
                    return Err(self.wrong(
                        "'ip broadcast' needs a network mask, which is not known here; write the \
                         address: 'dst host ...'",
                    ));
                }
                _ => return Err(self.wrong("only 'ether' has 'broadcast'")),
            }
        } else if self.is_keyword(0, &["multicast"]) {
            match protocol {
                Protocol::Link | Protocol::Ip | Protocol::Ip6 => Primitive::Multicast(protocol),
                _ => return Err(self.wrong("only 'ether', 'ip' and 'ip6' have 'multicast'")),
            }
        } else if protocol == Protocol::Link {
            return Err(self.wrong(
                "'ether' needs a word after it: 'host', 'src', 'dst', 'proto', 'broadcast', \
                 'multicast' or '['",
            ));
        } else {
            return Ok(Node::Test(at, Primitive::Is(protocol)));
        };
        self.next += 1;
        Ok(Node::Test(at, primitive))
    }

    /// Tests that are a word of their own.
    fn standalone(&mut self) -> Result<Option<Node>, FilterError> {
        let at = self.at();
        let Some(Token::Keyword(word)) = self.peek().cloned() else {
            return Ok(None);
        };
        let primitive = match word {
            "broadcast" => Primitive::Broadcast,
            "multicast" => Primitive::Multicast(Protocol::Link),
            "inbound" => Primitive::Inbound(true),
            "outbound" => Primitive::Inbound(false),
            "pppoed" => Primitive::PppoeDiscovery,
            "vlan" | "mpls" | "pppoes" => {
                self.next += 1;
                let number = self.optional_number();
                let (largest, primitive) = match word {
                    "vlan" => (0xfff, Primitive::Vlan(number)),
                    "mpls" => (0xf_ffff, Primitive::Mpls(number)),
                    _ => (0xffff, Primitive::PppoeSession(number)),
                };
                if let Some(number) = number.filter(|number| *number > largest) {
                    return Err(FilterError::new(
                        at,
                        format!("{number} is more than the largest {word} number, {largest}"),
                    ));
                }
                return Ok(Some(Node::Test(at, primitive)));
            }
            "less" | "greater" => {
                self.next += 1;
                let Some(number) = self.optional_number() else {
                    return Err(self.wrong(&format!("'{word}' needs a number of bytes")));
                };
                let relation = if word == "less" {
                    Relation::LessOrEqual
                } else {
                    Relation::GreaterOrEqual
                };
                return Ok(Some(super::operand::length(at, relation, number)));
            }
            "geneve" | "vxlan" | "llc" | "clnp" | "esis" | "isis" | "ifname" | "ifindex"
            | "type" | "subtype" | "dir" | "byte" | "vpi" | "vci" | "radio" => {
                return Err(self.wrong(&format!("'{word}' is not supported")));
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(Node::Test(at, primitive)))
    }

    fn optional_number(&mut self) -> Option<u32> {
        if let Some(&Token::Number(number)) = self.peek() {
            self.next += 1;
            return Some(number);
        }
        None
    }

    /// The words before an operand: protocol, direction, kind. `None`, and nothing is taken,
    /// where neither direction nor kind is there.
    fn qualifiers(&mut self) -> Result<Option<Qualifiers>, FilterError> {
        let start = self.next;
        let mut found = Qualifiers {
            protocol: self.protocol_at(0),
            ..Qualifiers::default()
        };
        if found.protocol.is_some() {
            self.next += 1;
        }
        found.direction = self.direction();
        if let Some(Token::Keyword(word)) = self.peek() {
            found.kind = match *word {
                "host" => Kind::Host,
                "net" => Kind::Net,
                "port" => Kind::Port,
                "portrange" => Kind::PortRange,
                "proto" => Kind::Proto,
                "protochain" => return Err(self.wrong("'protochain' is not supported")),
                "gateway" => {
                    return Err(
                        self.wrong("'gateway' needs name look-ups, which a filter never does")
                    );
                }
                _ => Kind::Unsaid,
            };
        }
        if found.kind == Kind::Proto && found.direction.is_some() {
            return Err(self.wrong("'proto' has no direction"));
        }
        if found.kind != Kind::Unsaid {
            self.next += 1;
        } else if found.direction.is_none() {
            self.next = start;
            return Ok(None);
        }
        Ok(Some(found))
    }

    fn direction(&mut self) -> Option<Direction> {
        let ends = ["src", "dst"];
        if !self.is_keyword(0, &ends) {
            return None;
        }
        let opposite = if self.is_keyword(0, &["src"]) {
            "dst"
        } else {
            "src"
        };
        if self.is_keyword(1, &["or", "and"]) && self.is_keyword(2, &[opposite]) {
            let either = self.is_keyword(1, &["or"]);
            self.next += 3;
            return Some(if either {
                Direction::Either
            } else {
                Direction::Both
            });
        }
        self.next += 1;
        Some(if opposite == "dst" {
            Direction::Source
        } else {
            Direction::Destination
        })
    }

    /// An operand of known qualifiers: an address, a port, a name, or several in parentheses.
    fn operand(&mut self, qualifiers: Qualifiers) -> Result<Node, FilterError> {
        if self.is_keyword(0, &["not"]) {
            self.next += 1;
            let node = self.deeper(|parser| parser.operand(qualifiers))?;
            return Ok(Node::Not(Box::new(node)));
        }
        if self.is_sign(0, "(") {
            self.next += 1;
            let (node, _) = self.deeper(|parser| parser.operands(Some(qualifiers)))?;
            self.expect_sign(")")?;
            return Ok(node);
        }
        self.single(qualifiers)
    }
}
