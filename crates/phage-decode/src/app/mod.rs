//! Application messages: what hosts say of themselves and ask of others.
//!
//! A message is made off the path of packets, so it may allocate, but it is bounded: a text holds
//! at most [`MAX_TEXT`] bytes, a list at most [`MAX_ITEMS`] items, every character is printable
//! (what is not is escaped), no count in a message is believed, no secret is told. The fields of
//! each kind stand in the documentation of its module: [`arp`], [`dns`], [`mdns`], [`llmnr`],
//! [`nbns`], [`dhcp`], [`dhcpv6`], [`neighbour`] (kinds `ra` and `nd`), [`ssdp`], [`tls`],
//! [`quic`], [`http`], [`ssh`], [`replies`] (kinds `ftp` and `smtp`), [`telnet`], [`rdp`],
//! [`smb`], [`mqtt`], [`modbus`], [`wsd`], [`mld`], [`lldp`]. A field that a message does not give is absent.

pub mod arp;
pub mod dhcp;
pub mod dhcpv6;
pub mod dns;
mod fault;
mod head;
pub mod http;
mod kind;
pub mod lldp;
pub mod llmnr;
pub mod mdns;
mod message;
pub mod mld;
pub mod modbus;
pub mod mqtt;
pub mod nbns;
pub mod neighbour;
pub mod quic;
pub mod rdp;
pub(crate) mod reader;
pub mod replies;
pub mod smb;
pub mod ssdp;
pub mod ssh;
pub mod telnet;
mod text;
pub mod tls;
pub mod wsd;

#[cfg(test)]
mod tests;

pub use fault::{AppFault, Reason};
pub use kind::Kind;
pub use message::{Message, Parsed, Value};
pub use quic::{QuicCounters, QuicInitial, QuicLimits};
pub use text::{MAX_ITEMS, MAX_TEXT};

use crate::packet::{marks, protocol, Packet};

/// The protocol of a packet by its headers alone, for those that come in datagrams.
#[inline]
fn datagram_kind(packet: &Packet) -> Option<Kind> {
    if !packet.is_sound() || packet.has(marks::LATER_FRAGMENT) {
        return None;
    }
    if packet.has(marks::ARP) {
        return Some(Kind::Arp);
    }
    if packet.ip_version == 0 {
        return (packet.ether_type == lldp::ETHER_TYPE).then_some(Kind::Lldp);
    }
    match packet.protocol {
        protocol::UDP => {
            let ports = [packet.dst_port, packet.src_port];
            match ports {
                [67 | 68, _] => Some(Kind::Dhcp),
                [546 | 547, _] => Some(Kind::Dhcpv6),
                _ if ports.contains(&53) => Some(Kind::Dns),
                _ if ports.contains(&5353) => Some(Kind::Mdns),
                _ if ports.contains(&1900) => Some(Kind::Ssdp),
                _ if ports.contains(&137) => Some(Kind::Nbns),
                _ if ports.contains(&5355) => Some(Kind::Llmnr),
                _ if ports.contains(&3702) => Some(Kind::Wsd),
                _ => None,
            }
        }
        protocol::ICMPV6 => match packet.src_port {
            neighbour::ROUTER_ADVERTISEMENT => Some(Kind::Ra),
            neighbour::SOLICITATION | neighbour::ADVERTISEMENT => Some(Kind::Nd),
            mld::QUERY | mld::REPORT | mld::DONE | mld::REPORT_2 => Some(Kind::Mld),
            _ => None,
        },
        _ => None,
    }
}

/// Whether [`parse_datagram`] has a parser for a packet: some compares of its headers.
/// QUIC is asked for by [`QuicInitial::wants`].
#[inline]
pub fn wants_datagram(packet: &Packet) -> bool {
    datagram_kind(packet).is_some()
}

/// Parses the payload of a UDP, `ICMPv6`, ARP or LLDP packet, as [`Packet::payload_offset`] and
/// [`Packet::payload_captured`] bound it (ARP: the whole body; `ICMPv6`: behind the checksum).
///
/// Of a message whose end was not captured (snap length, fragment) what came before is told, or
/// the answer is [`Parsed::Incomplete`] where that is too little, which is nobody's fault; a
/// message that ends too early by itself is malformed.
pub fn parse_datagram(packet: &Packet, payload: &[u8]) -> Parsed {
    let Some(kind) = datagram_kind(packet).filter(|_| !payload.is_empty()) else {
        return Parsed::NotMine;
    };
    let cut =
        packet.has(marks::CUT | marks::FRAGMENT) || payload.len() < packet.payload_length as usize;
    let result = match kind {
        Kind::Arp => arp::parse(payload, packet.src_mac),
        Kind::Dhcp => dhcp::parse(payload, cut),
        Kind::Dhcpv6 => dhcpv6::parse(payload, cut),
        Kind::Dns => dns::parse(payload, cut),
        Kind::Mdns => mdns::parse(payload, cut),
        Kind::Llmnr => llmnr::parse(payload, cut),
        Kind::Nbns => nbns::parse(payload, cut),
        Kind::Ssdp => ssdp::parse(payload),
        Kind::Ra | Kind::Nd => {
            neighbour::parse(packet.src_port, packet.dst_port, payload, packet.ttl, cut)
        }
        Kind::Wsd => wsd::parse(payload, cut),
        Kind::Mld => mld::parse(packet.src_port, payload, packet.ttl, cut),
        Kind::Lldp => lldp::parse(payload, cut),
        _ => return Parsed::NotMine,
    };
    match result {
        Ok(message) => Parsed::Done(message),
        Err(Reason::Truncated) if cut => Parsed::Incomplete,
        Err(reason) => Parsed::Malformed(AppFault { kind, reason }),
    }
}

/// Most calls of [`parse_stream`] for one direction of a stream: 16 kB in segments of 536 bytes,
/// the smallest default there is (RFC 9293, section 3.7.1), are 31. Who sends smaller ones on
/// purpose would make every packet cost a pass over all that came before.
pub const MAX_ATTEMPTS: u8 = 32;

/// Parses the first bytes of one direction of a TCP stream, in order and without gaps.
///
/// Protocols are known by what the bytes say; the port only decides where bytes alone are too
/// weak. `from_initiator` tells the side. Call it when the prefix has grown, until the answer is
/// other than [`Parsed::Incomplete`] or [`MAX_ATTEMPTS`] have been made; with [`Parsed::NotMine`]
/// nothing will come of the stream. Costs at most one pass of each recogniser over the prefix.
pub fn parse_stream(prefix: &[u8], from_initiator: bool, server_port: u16) -> Parsed {
    if prefix.is_empty() {
        return Parsed::Incomplete;
    }
    let recognisers: [&dyn Fn() -> Parsed; 10] = [
        &|| dns::parse_stream(prefix, server_port),
        &|| tls::parse_stream(prefix),
        &|| http::parse_stream(prefix),
        &|| ssh::parse_stream(prefix, from_initiator, server_port),
        &|| smb::parse_stream(prefix, from_initiator),
        &|| rdp::parse_stream(prefix, server_port),
        &|| mqtt::parse_stream(prefix, from_initiator, server_port),
        &|| modbus::parse_stream(prefix, from_initiator, server_port),
        &|| replies::parse_stream(prefix, from_initiator, server_port),
        &|| telnet::parse_stream(prefix, from_initiator, server_port),
    ];
    let mut answer = Parsed::NotMine;
    for recognise in recognisers {
        match (recognise(), &answer) {
            (done @ Parsed::Done(_), _) => return done,
            (Parsed::NotMine, _) | (Parsed::Malformed(_), Parsed::Incomplete) => {}
            // One that may still succeed outweighs one that cannot.
            (Parsed::Incomplete, _) => answer = Parsed::Incomplete,
            (fault @ Parsed::Malformed(_), _) => answer = fault,
        }
    }
    answer
}

/// Refused logins in a row of which [`parse_further`] tells once more; a person stops before.
const MANY_REFUSED: i64 = 8;

/// Whether a direction whose first message is `message` says more that [`parse_further`] reads.
pub fn is_followed(message: &Message) -> bool {
    match message.kind {
        Kind::Tls => tls::is_followed(message),
        Kind::Http => http::is_followed(message),
        Kind::Ftp | Kind::Smtp | Kind::Telnet => message.flag("server"),
        _ => false,
    }
}

/// Whether a message tells of a refused login after which more are waited for.
pub fn is_refusal(message: &Message) -> bool {
    message.kind != Kind::Http
        && (1..MANY_REFUSED).contains(&message.integer("failures").unwrap_or(0))
}

/// Parses what follows the first message of a direction, where [`is_followed`] says that something
/// does; of the whole prefix, under the same rules as [`parse_stream`]. It is the certificate of a TLS
/// server, or what a server says that refuses logins: its first message, with `failures`, at the first of
/// them unless that was told (`refused`), and when they are many.
pub fn parse_further(prefix: &[u8], refused: bool) -> Parsed {
    let (answer, few) = match prefix {
        // The first refusal of a request is most often a challenge, and its status was told.
        [b'H', ..] => (http::count_refused(prefix), MANY_REFUSED),
        [b'0'..=b'9', ..] => (replies::parse_stream(prefix, false, 0), 1),
        [tls::HANDSHAKE, ..] => return tls::parse_certificate(prefix),
        _ => (telnet::parse_stream(prefix, false, telnet::PORT), 1),
    };
    let least = if refused { MANY_REFUSED } else { few };
    match answer {
        Parsed::Done(message) if message.integer("failures") < Some(least) => Parsed::Incomplete,
        answer => answer,
    }
}
