//! Router advertisements, neighbour solicitations and advertisements of IPv6 (RFC 4861).
//!
//! Kind `ra`:
//!
//! | field | type | what |
//! |---|---|---|
//! | `router_lifetime` | integer | seconds as default router; 0 for none |
//! | `hop_limit` | integer | hop limit that hosts are told to use; 0 for unspecified |
//! | `flags` | list | of `managed`, `other`, `home_agent`, `proxy` |
//! | `preference` | text | `low`, `medium`, `high`, `reserved` (RFC 4191) |
//! | `prefixes` | list | `2001:db8::/64` |
//! | `mtu` | integer | |
//! | `rdnss` | list | name servers (RFC 8106) |
//! | `dnssl` | list | search domains (RFC 8106) |
//! | `routes` | list | more specific routes (RFC 4191) |
//! | `source_mac` | text | |
//!
//! Kind `nd`:
//!
//! | field | type | what |
//! |---|---|---|
//! | `kind` | text | `solicitation`, `advertisement` |
//! | `target` | text | the address that is asked or spoken of |
//! | `mac` | text | hardware address of the sender (solicitation) or target (advertisement) |
//! | `router`, `solicited`, `override` | flag | advertisement only |

use super::dns::name::Name;
use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::reader::Reader;
use super::text::{ipv6, ipv6_list, mac, MAX_ITEMS};

/// `ICMPv6` type of a router advertisement.
pub(crate) const ROUTER_ADVERTISEMENT: u16 = 134;
/// `ICMPv6` type of a neighbour solicitation.
pub(crate) const SOLICITATION: u16 = 135;
/// `ICMPv6` type of a neighbour advertisement.
pub(crate) const ADVERTISEMENT: u16 = 136;

/// Hop limit of a packet that no router passed on; with any other the message is void, as nobody
/// on the link sent it (RFC 4861, sections 6.1.2, 7.1.1, 7.1.2).
const ON_LINK: u8 = 255;

/// Parses what follows type, code and checksum; `cut` says that its end was not captured.
pub(crate) fn parse(
    kind: u16,
    code: u16,
    body: &[u8],
    hop_limit: u8,
    cut: bool,
) -> Result<Message, Reason> {
    let mut reader = Reader::new(body);
    if hop_limit != ON_LINK || code != 0 {
        return Err(Reason::Value);
    }
    let mut message = match kind {
        ROUTER_ADVERTISEMENT => advertised_router(&mut reader)?,
        SOLICITATION | ADVERTISEMENT => neighbour(&mut reader, kind)?,
        _ => return Err(Reason::Value),
    };
    let mut lists = Lists::default();
    while let Some(option) = next_option(&mut reader) {
        match option {
            Ok((code, body)) => put_option(&mut message, &mut lists, code, body),
            Err(Reason::Truncated) if cut => break,
            Err(reason) => return Err(reason),
        }
    }
    message.put_list("prefixes", lists.prefixes);
    message.put_list("rdnss", lists.servers);
    message.put_list("dnssl", lists.domains);
    message.put_list("routes", lists.routes);
    Ok(message)
}

#[derive(Default)]
struct Lists {
    prefixes: Vec<String>,
    servers: Vec<String>,
    domains: Vec<String>,
    routes: Vec<String>,
}

fn advertised_router(reader: &mut Reader<'_>) -> Result<Message, Reason> {
    let hop_limit = reader.u8().ok_or(Reason::Truncated)?;
    let flags = reader.u8().ok_or(Reason::Truncated)?;
    let lifetime = reader.u16().ok_or(Reason::Truncated)?;
    reader.take(8).ok_or(Reason::Truncated)?;
    let mut message = Message::new(Kind::Ra);
    message.put_integer("router_lifetime", lifetime);
    message.put_integer("hop_limit", hop_limit);
    let names = [
        (0x80, "managed"),
        (0x40, "other"),
        (0x20, "home_agent"),
        (0x04, "proxy"),
    ];
    let set = names.iter().filter(|(bit, _)| flags & bit != 0);
    message.put_list("flags", set.map(|(_, name)| (*name).to_owned()).collect());
    let preference = match flags >> 3 & 3 {
        0 => "medium",
        1 => "high",
        2 => "reserved",
        _ => "low",
    };
    message.put_text("preference", preference);
    Ok(message)
}

fn neighbour(reader: &mut Reader<'_>, kind: u16) -> Result<Message, Reason> {
    let flags = reader.u32().ok_or(Reason::Truncated)?;
    let target = reader.array().ok_or(Reason::Truncated)?;
    let mut message = Message::new(Kind::Nd);
    if kind == ADVERTISEMENT {
        message.put_text("kind", "advertisement");
        message.put_flag("router", flags >> 31 & 1 != 0);
        message.put_flag("solicited", flags >> 30 & 1 != 0);
        message.put_flag("override", flags >> 29 & 1 != 0);
    } else {
        message.put_text("kind", "solicitation");
    }
    message.put_text("target", ipv6(target));
    Ok(message)
}

/// The next option's type and body; its length counts units of 8 octets, and 0 is void
/// (section 4.6).
fn next_option<'a>(reader: &mut Reader<'a>) -> Option<Result<(u8, &'a [u8]), Reason>> {
    let code = reader.u8()?;
    let Some(units) = reader.u8() else {
        return Some(Err(Reason::Truncated));
    };
    let Some(size) = (usize::from(units) * 8).checked_sub(2) else {
        return Some(Err(Reason::Length));
    };
    Some(
        reader
            .take(size)
            .ok_or(Reason::Truncated)
            .map(|body| (code, body)),
    )
}

fn put_option(message: &mut Message, lists: &mut Lists, code: u8, body: &[u8]) {
    let is_router = message.kind == Kind::Ra;
    let mut reader = Reader::new(body);
    match code {
        1 | 2 => {
            let name = if is_router { "source_mac" } else { "mac" };
            if let (None, Some(address)) = (message.get(name), reader.take(6)) {
                message.put_text(name, mac(address));
            }
        }
        3 if is_router => {
            if let (Some(length), Some(_), Some(prefix)) =
                (reader.u8(), reader.take(13), reader.array())
            {
                push(&mut lists.prefixes, format!("{}/{length}", ipv6(prefix)));
            }
        }
        5 if is_router && message.get("mtu").is_none() => {
            if let (Some(_), Some(mtu)) = (reader.u16(), reader.u32()) {
                message.put_integer("mtu", mtu);
            }
        }
        24 if is_router => {
            // The prefix is cut to 0, 8 or 16 octets by the option's length.
            if let (Some(length), Some(_)) = (reader.u8(), reader.take(5)) {
                let mut prefix = [0_u8; 16];
                for (octet, &given) in prefix.iter_mut().zip(reader.rest()) {
                    *octet = given;
                }
                push(&mut lists.routes, format!("{}/{length}", ipv6(prefix)));
            }
        }
        25 if is_router => {
            reader.take(6);
            for server in ipv6_list(reader.rest()) {
                push(&mut lists.servers, server);
            }
        }
        31 if is_router => {
            reader.take(6);
            let (data, mut at) = (reader.rest(), 0);
            while let Ok((name, behind)) = Name::read(data, at) {
                // Zeros pad the option to its unit.
                if name.count() == 0 {
                    break;
                }
                push(&mut lists.domains, name.text());
                at = behind;
            }
        }
        _ => {}
    }
}

fn push(list: &mut Vec<String>, text: String) {
    if list.len() < MAX_ITEMS {
        list.push(text);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::{parse, Kind, Reason};

    fn advertisement() -> Vec<u8> {
        let mut data = vec![64, 0xc8, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        data.extend([1, 1, 2, 0, 0, 0, 0, 1]);
        data.extend([5, 1, 0, 0, 0, 0, 0x05, 0xdc]);
        data.extend([3, 4, 64, 0xc0, 0, 0, 1, 0, 0, 0, 0, 50, 0, 0, 0, 0]);
        data.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        data.extend([25, 3, 0, 0, 0, 0, 0, 60]);
        data.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53]);
        data.extend([31, 2, 0, 0, 0, 0, 0, 60, 3, b'l', b'a', b'n', 0, 0, 0, 0]);
        data.extend([24, 2, 48, 0, 0, 0, 0, 60, 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0]);
        data
    }

    #[test]
    fn a_router_speaks() {
        let message = parse(134, 0, &advertisement(), 255, false).unwrap();
        assert_eq!(message.kind, Kind::Ra);
        assert_eq!(message.integer("router_lifetime"), Some(1800));
        assert_eq!(message.integer("mtu"), Some(1500));
        assert_eq!(message.list("flags"), ["managed", "other"]);
        assert_eq!(message.text("preference"), Some("high"));
        assert_eq!(message.list("prefixes"), ["2001:db8::/64"]);
        assert_eq!(message.list("rdnss"), ["2001:db8::53"]);
        assert_eq!(message.list("dnssl"), ["lan"]);
        assert_eq!(message.list("routes"), ["2001:db8:1::/48"]);
        assert_eq!(message.text("source_mac"), Some("02:00:00:00:00:01"));
    }

    #[test]
    fn neighbours_ask_and_answer() {
        let mut data = vec![0x60, 0, 0, 0];
        data.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        data.extend([2, 1, 2, 0, 0, 0, 0, 9]);
        let message = parse(136, 0, &data, 255, false).unwrap();
        assert_eq!(
            (message.kind, message.text("kind")),
            (Kind::Nd, Some("advertisement"))
        );
        assert!(message.flag("solicited") && message.flag("override") && !message.flag("router"));
        assert_eq!(message.text("target"), Some("fe80::1"));
        assert_eq!(message.text("mac"), Some("02:00:00:00:00:09"));
        data[20] = 1;
        let message = parse(135, 0, &data, 255, false).unwrap();
        assert_eq!(message.text("kind"), Some("solicitation"));
        assert_eq!(message.get("override"), None);
    }

    #[test]
    fn what_was_routed_or_has_an_empty_option_is_void() {
        assert_eq!(
            parse(134, 0, &advertisement(), 64, false),
            Err(Reason::Value)
        );
        let mut data = advertisement();
        data[13] = 0;
        assert_eq!(parse(134, 0, &data, 255, false), Err(Reason::Length));
        data.truncate(15);
        data[13] = 1;
        assert_eq!(parse(134, 0, &data, 255, false), Err(Reason::Truncated));
        assert!(parse(134, 0, &data, 255, true).is_ok());
        assert_eq!(parse(134, 1, &data, 255, true), Err(Reason::Value));
    }
}
