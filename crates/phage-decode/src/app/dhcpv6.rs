//! DHCP for IPv6 (RFC 8415).
//!
//! | field | type | what |
//! |---|---|---|
//! | `message_type` | text | `solicit`, `advertise`, `request`, ..., else the number; of the innermost message |
//! | `relayed` | flag | the message came in a relay's envelope |
//! | `transaction` | integer | transaction |
//! | `duid`, `server_duid` | text | identifiers of client and server, hexadecimal |
//! | `client_mac` | text | hardware address in the client's identifier, where it holds one |
//! | `fqdn` | text | option 39 (RFC 4704) |
//! | `vendor` | text | vendor class, option 16: its first string |
//! | `enterprise` | integer | the enterprise number of the vendor class |
//! | `requested_options` | text | option 6: `23,24,39` |
//! | `addresses` | list | addresses asked for or given; prefixes as `2001:db8::/56` |
//! | `dns_servers` | list | option 23 |
//! | `mud_url` | text | option 112 (RFC 8520) |

use super::dhcp::partial_name;
use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::reader::{numbers16, Reader};
use super::text::{comma_list, hex, ipv6, ipv6_list, mac, named, trimmed};

/// Most relays whose envelopes are opened (`HOP_COUNT_LIMIT`, RFC 8415, section 7.6).
const MAX_RELAYS: usize = 8;

const RELAY_FORWARD: u8 = 12;
const RELAY_REPLY: u8 = 13;

/// Parses a message; `cut` says that its end was not captured: options before the cut are kept.
pub(crate) fn parse(data: &[u8], cut: bool) -> Result<Message, Reason> {
    let mut data = data;
    let mut relays = 0;
    while matches!(data.first(), Some(&(RELAY_FORWARD | RELAY_REPLY))) {
        relays += 1;
        if relays > MAX_RELAYS {
            return Err(Reason::TooLarge);
        }
        // Type, hop count, link address, peer address.
        let options = data.get(34..).ok_or(Reason::Truncated)?;
        data = Options::new(options)
            .find_map(|option| match option {
                Ok((9, inner)) => Some(Ok(inner)),
                Ok(_) => None,
                Err(reason) => Some(Err(reason)),
            })
            .ok_or(Reason::Length)??;
    }
    let mut reader = Reader::new(data);
    let kind = reader.u8().ok_or(Reason::Truncated)?;
    let transaction = reader.u24().ok_or(Reason::Truncated)?;

    let mut message = Message::new(Kind::Dhcpv6);
    message.put_text("message_type", named(message_type(kind), kind));
    message.put_flag("relayed", relays > 0);
    message.put_integer("transaction", transaction);
    let mut addresses = Vec::new();
    let mut seen = [false; 256];
    for option in Options::new(reader.rest()) {
        let (code, value) = match option {
            Ok(option) => option,
            Err(_) if cut => break,
            Err(reason) => return Err(reason),
        };
        if matches!(code, 3 | 4 | 25) {
            put_leases(&mut addresses, code, value);
            continue;
        }
        // Of a repeated option the first counts; a field stands in a message once.
        let first = seen
            .get_mut(usize::from(code))
            .is_some_and(|seen| !std::mem::replace(seen, true));
        if first {
            put_option(&mut message, code, value);
        }
    }
    message.put_list("addresses", addresses);
    Ok(message)
}

fn put_option(message: &mut Message, code: u16, value: &[u8]) {
    match code {
        1 => {
            message.put_text("duid", hex(value));
            message.put_some("client_mac", duid_mac(value));
        }
        2 => message.put_text("server_duid", hex(value)),
        6 => message.put_text("requested_options", comma_list(numbers16(value))),
        16 => {
            let mut reader = Reader::new(value);
            if let Some(enterprise) = reader.u32() {
                message.put_integer("enterprise", enterprise);
                message.put_some("vendor", reader.block16().and_then(trimmed));
            }
        }
        23 => message.put_list("dns_servers", ipv6_list(value)),
        39 => message.put_some("fqdn", value.get(1..).and_then(partial_name)),
        112 => message.put_some("mud_url", trimmed(value)),
        _ => {}
    }
}

/// The addresses and prefixes of an identity association (RFC 8415, sections 21.4 to 21.6, 21.21).
fn put_leases(addresses: &mut Vec<String>, code: u16, value: &[u8]) {
    // Identifier, and but for temporary addresses two times.
    let skip = if code == 4 { 4 } else { 12 };
    for (code, value) in Options::new(value.get(skip..).unwrap_or(&[])).flatten() {
        let mut reader = Reader::new(value);
        match code {
            5 => addresses.extend(reader.array().map(ipv6)),
            26 => {
                if let (Some(_), Some(length), Some(prefix)) =
                    (reader.take(8), reader.u8(), reader.array())
                {
                    addresses.push(format!("{}/{length}", ipv6(prefix)));
                }
            }
            _ => {}
        }
    }
}

/// The Ethernet address in an identifier of type 1 or 3 (RFC 8415, sections 11.2 and 11.4).
fn duid_mac(duid: &[u8]) -> Option<String> {
    let ([0, 1, 0, 1, _, _, _, _, address @ ..] | [0, 3, 0, 1, address @ ..]) = duid else {
        return None;
    };
    (address.len() == 6).then(|| mac(address))
}

fn message_type(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information_request",
        _ => return None,
    })
}

/// Walks over options: code, length, value. Ends after the first that does not fit.
struct Options<'a> {
    reader: Reader<'a>,
}

impl<'a> Options<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(data),
        }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<(u16, &'a [u8]), Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let option = self.reader.u16().zip(self.reader.block16());
        if option.is_none() {
            self.reader = Reader::new(&[]);
        }
        Some(option.ok_or(Reason::Truncated))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{parse, Reason};

    fn option(code: u16, value: &[u8]) -> Vec<u8> {
        let mut out = code.to_be_bytes().to_vec();
        out.extend((value.len() as u16).to_be_bytes());
        out.extend(value);
        out
    }

    fn solicit() -> Vec<u8> {
        let mut data = vec![1, 0x0a, 0x0b, 0x0c];
        data.extend(option(
            1,
            b"\x00\x01\x00\x01\x11\x22\x33\x44\x02\x00\x00\x00\x00\x07",
        ));
        data.extend(option(6, &[0, 23, 0, 24, 0, 39]));
        data.extend(option(39, b"\x00\x07printer"));
        data.extend(option(16, b"\x00\x00\x01\x37\x00\x08MSFT 5.0"));
        let lease = option(
            5,
            &[
                0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2,
            ],
        );
        data.extend(option(3, &[vec![0; 12], lease].concat()));
        let mut prefix = vec![0; 8];
        prefix.extend([56, 0x20, 1, 0xd, 0xb8, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        data.extend(option(25, &[vec![0; 12], option(26, &prefix)].concat()));
        data
    }

    #[test]
    fn a_solicit_and_the_same_relayed() {
        let direct = parse(&solicit(), false).unwrap();
        assert_eq!(direct.text("message_type"), Some("solicit"));
        assert_eq!(direct.integer("transaction"), Some(0x0a_0b0c));
        assert_eq!(direct.text("duid"), Some("0001000111223344020000000007"));
        assert_eq!(direct.text("client_mac"), Some("02:00:00:00:00:07"));
        assert_eq!(direct.text("requested_options"), Some("23,24,39"));
        assert_eq!(direct.text("fqdn"), Some("printer"));
        assert_eq!(
            (direct.text("vendor"), direct.integer("enterprise")),
            (Some("MSFT 5.0"), Some(311))
        );
        assert_eq!(direct.list("addresses"), ["2001:db8::9", "2001:db8:5::/56"]);

        let mut relayed = vec![12, 0];
        relayed.extend([0; 32]);
        relayed.extend(option(9, &solicit()));
        let relayed = parse(&relayed, false).unwrap();
        assert!(relayed.flag("relayed"));
        assert_eq!(relayed.list("addresses"), direct.list("addresses"));
    }

    #[test]
    fn envelopes_in_envelopes_end() {
        let mut data = solicit();
        for _ in 0..9 {
            let mut outer = vec![12, 0];
            outer.extend([0; 32]);
            outer.extend(option(9, &data));
            data = outer;
        }
        assert_eq!(parse(&data, false), Err(Reason::TooLarge));
    }

    #[test]
    fn a_repeated_option_counts_once_and_a_cut_is_a_fault() {
        let mut data = solicit();
        data.extend(option(39, b"\x00\x05other"));
        let message = parse(&data, false).unwrap();
        assert_eq!(message.text("fqdn"), Some("printer"));
        data.pop();
        assert_eq!(parse(&data, false), Err(Reason::Truncated));
        assert_eq!(parse(&data, true).unwrap().text("fqdn"), Some("printer"));
    }
}
