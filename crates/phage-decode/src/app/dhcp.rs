//! DHCP for IPv4 (RFC 2131, RFC 2132) and BOOTP (RFC 951).
//!
//! | field | type | what |
//! |---|---|---|
//! | `message_type` | text | `discover`, `offer`, `request`, `decline`, `ack`, `nak`, `release`, `inform`, else the number; `bootp` without one |
//! | `transaction` | integer | xid |
//! | `client_mac` | text | chaddr |
//! | `client_ip`, `your_ip`, `server_ip`, `relay_ip` | text | ciaddr, yiaddr, siaddr, giaddr; absent when zero |
//! | `requested_ip` | text | option 50 |
//! | `server_id` | text | option 54 |
//! | `subnet_mask` | text | option 1 |
//! | `router` | text | option 3, several joined by commas |
//! | `dns_servers` | list | option 6 |
//! | `hostname`, `domain` | text | options 12, 15 |
//! | `vendor_class` | text | option 60 |
//! | `client_id` | text | option 61: a hardware address as such, else hexadecimal |
//! | `parameter_list` | text | option 55: `1,3,6,15` |
//! | `lease_time` | integer | option 51, seconds |
//! | `fqdn` | text | option 81 (RFC 4702) |
//! | `mud_url` | text | option 161 (RFC 8520) |

use super::dns::name::Name;
use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::reader::Reader;
use super::text::{bounded, comma_list, hex, ipv4, ipv4_list, mac, named, trimmed};

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const PAD: u8 = 0;
const OVERLOAD: u8 = 52;
const END: u8 = 255;

/// The options of a message: those of one code joined (RFC 3396, section 5), in order of first
/// appearance. Together they are never longer than the message.
struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    fn get(&self, code: u8) -> Option<&[u8]> {
        let found = self.0.iter().find(|(other, _)| *other == code)?;
        Some(&found.1)
    }

    fn address(&self, code: u8) -> Option<String> {
        Some(ipv4(self.get(code)?.get(..4)?.try_into().ok()?))
    }

    fn text(&self, code: u8) -> Option<String> {
        trimmed(self.get(code)?)
    }

    fn byte(&self, code: u8) -> Option<u8> {
        self.get(code)?.first().copied()
    }

    /// Adds the options of one field; a field that is cut or lies about a length is an error.
    fn read(&mut self, field: &[u8]) -> Result<(), Reason> {
        let mut reader = Reader::new(field);
        while let Some(code) = reader.u8() {
            match code {
                PAD => {}
                END => return Ok(()),
                _ => {
                    let data = reader.block8().ok_or(Reason::Truncated)?;
                    match self.0.iter_mut().find(|(other, _)| *other == code) {
                        Some((_, joined)) => joined.extend_from_slice(data),
                        None => self.0.push((code, data.to_vec())),
                    }
                }
            }
        }
        // Many embedded stacks leave out the end mark.
        Ok(())
    }
}

/// Parses a message; `cut` says that its end was not captured: options before the cut are kept.
pub(crate) fn parse(data: &[u8], cut: bool) -> Result<Message, Reason> {
    let mut reader = Reader::new(data);
    let [operation, hardware, hardware_size, _]: [u8; 4] =
        reader.array().ok_or(Reason::Truncated)?;
    if !matches!(operation, 1 | 2) || hardware_size > 16 {
        return Err(Reason::Value);
    }
    let transaction = reader.u32().ok_or(Reason::Truncated)?;
    reader.take(4).ok_or(Reason::Truncated)?;
    let mut address = || reader.array::<4>().ok_or(Reason::Truncated);
    let addresses = [
        ("client_ip", address()?),
        ("your_ip", address()?),
        ("server_ip", address()?),
        ("relay_ip", address()?),
    ];
    let chaddr = reader.take(16).ok_or(Reason::Truncated)?;
    let server_name = reader.take(64).ok_or(Reason::Truncated)?;
    let file = reader.take(128).ok_or(Reason::Truncated)?;

    let mut options = Options(Vec::new());
    if reader.rest().starts_with(&COOKIE) {
        reader.take(4);
        match options.read(reader.rest()) {
            Err(Reason::Truncated) if cut => {}
            result => result?,
        }
        // RFC 2131, section 4.1: first the options field, then file, then sname.
        let overload = options.byte(OVERLOAD).unwrap_or(0);
        if overload & 1 != 0 {
            options.read(file)?;
        }
        if overload & 2 != 0 {
            options.read(server_name)?;
        }
    }

    let mut message = Message::new(Kind::Dhcp);
    message.put_text("message_type", message_type(options.byte(53)));
    message.put_integer("transaction", transaction);
    if hardware == 1 && hardware_size == 6 {
        message.put_text("client_mac", mac(chaddr.get(..6).unwrap_or(&[])));
    }
    for (name, address) in addresses {
        if address != [0; 4] {
            message.put_text(name, ipv4(address));
        }
    }
    message.put_some("requested_ip", options.address(50));
    message.put_some("server_id", options.address(54));
    message.put_some("subnet_mask", options.address(1));
    let routers = options.get(3).map(ipv4_list).unwrap_or_default();
    if !routers.is_empty() {
        message.put_text("router", bounded(routers.join(",")));
    }
    message.put_list(
        "dns_servers",
        options.get(6).map(ipv4_list).unwrap_or_default(),
    );
    message.put_some("hostname", options.text(12));
    message.put_some("domain", options.text(15));
    message.put_some("vendor_class", options.text(60));
    message.put_some("client_id", options.get(61).map(client_id));
    if let Some(codes) = options.get(55) {
        message.put_text(
            "parameter_list",
            comma_list(codes.iter().copied().map(u16::from)),
        );
    }
    if let Some(seconds) = options.get(51).and_then(|data| data.try_into().ok()) {
        message.put_integer("lease_time", u32::from_be_bytes(seconds));
    }
    message.put_some("fqdn", options.get(81).and_then(fqdn));
    message.put_some("mud_url", options.text(161));
    Ok(message)
}

fn message_type(code: Option<u8>) -> String {
    let Some(code) = code else {
        return "bootp".to_owned();
    };
    let known = match code {
        1 => Some("discover"),
        2 => Some("offer"),
        3 => Some("request"),
        4 => Some("decline"),
        5 => Some("ack"),
        6 => Some("nak"),
        7 => Some("release"),
        8 => Some("inform"),
        9 => Some("forcerenew"),
        _ => None,
    };
    named(known, code)
}

/// A client identifier (RFC 2132, section 9.14): type 1 and six octets are a hardware address.
fn client_id(data: &[u8]) -> String {
    match data {
        [1, address @ ..] if address.len() == 6 => mac(address),
        _ => hex(data),
    }
}

/// The name behind flags and two response codes: labels where the E bit says so, else text.
fn fqdn(data: &[u8]) -> Option<String> {
    let (&[flags, _, _], name) = data.split_first_chunk::<3>()?;
    if flags & 4 == 0 {
        return trimmed(name);
    }
    partial_name(name)
}

/// A name in labels that may lack its root, as clients send a bare host name.
pub(crate) fn partial_name(labels: &[u8]) -> Option<String> {
    let mut rooted = labels.to_vec();
    rooted.push(0);
    let (name, _) = Name::read(&rooted, 0).ok()?;
    (name.count() > 0).then(|| name.text())
}

#[cfg(test)]
mod tests;
