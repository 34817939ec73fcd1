//! Link layer discovery (IEEE 802.1AB): what a neighbour says of itself, its inventory (ANSI/TIA
//! 1057, LLDP-MED) and the URL of its description (RFC 8520, section 12).
//!
//! | field | type | what |
//! |---|---|---|
//! | `chassis`, `port` | text | who speaks, and from where: a MAC address, address, or name |
//! | `port_description`, `system_name`, `system_description` | text | |
//! | `capabilities` | list | of `other`, `repeater`, `bridge`, `access_point`, `router`, `telephone`, `docsis`, `station` |
//! | `addresses` | list | management addresses |
//! | `hardware`, `firmware`, `software`, `serial`, `manufacturer`, `model` | text | inventory |
//! | `mud_url` | text | |

use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::reader::Reader;
use super::text::{ipv4, ipv6, mac, printable, trimmed, MAX_ITEMS};

/// `EtherType` of the frames.
pub(crate) const ETHER_TYPE: u16 = 0x88cc;

const CAPABILITIES: [&str; 8] = [
    "other",
    "repeater",
    "bridge",
    "access_point",
    "router",
    "telephone",
    "docsis",
    "station",
];

/// Parses the body of a frame; `cut` says that its end was not captured.
pub(crate) fn parse(body: &[u8], cut: bool) -> Result<Message, Reason> {
    let mut reader = Reader::new(body);
    let mut message = Message::new(Kind::Lldp);
    let mut addresses = Vec::new();
    loop {
        match next(&mut reader) {
            Some((0, _)) => break,
            Some((kind, value)) => put(&mut message, &mut addresses, kind, value),
            None if cut => break,
            None => return Err(Reason::Truncated),
        }
    }
    if message.get("chassis").is_none() {
        return Err(if cut {
            Reason::Truncated
        } else {
            Reason::Value
        });
    }
    message.put_list("addresses", addresses);
    Ok(message)
}

/// The next item's type and value: seven bits, and nine of length.
fn next<'a>(reader: &mut Reader<'a>) -> Option<(u16, &'a [u8])> {
    let head = reader.u16()?;
    Some((head >> 9, reader.take(usize::from(head & 0x1ff))?))
}

fn put(message: &mut Message, addresses: &mut Vec<String>, kind: u16, value: &[u8]) {
    let name = match kind {
        1 => "chassis",
        2 => "port",
        4 => "port_description",
        5 => "system_name",
        6 => "system_description",
        7 => {
            if let Some(&[_, _, high, low]) = value.first_chunk() {
                put_capabilities(message, u16::from_be_bytes([high, low]));
            }
            return;
        }
        8 => {
            let mut reader = Reader::new(value);
            let address = reader.block8().and_then(address);
            addresses.extend(address.filter(|_| addresses.len() < MAX_ITEMS));
            return;
        }
        127 => return put_private(message, value),
        _ => return,
    };
    let text = if kind > 2 {
        trimmed(value)
    } else {
        identifier(kind, value)
    };
    if message.get(name).is_none() {
        message.put_some(name, text);
    }
}

fn put_capabilities(message: &mut Message, enabled: u16) {
    let set = CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(bit, _)| enabled >> bit & 1 != 0);
    let names = set.map(|(_, name)| (*name).to_owned()).collect();
    if message.get("capabilities").is_none() {
        message.put_list("capabilities", names);
    }
}

/// A chassis or port: the first octet says of what kind (802.1AB, 8.5.2 and 8.5.3).
fn identifier(kind: u16, value: &[u8]) -> Option<String> {
    let (&subtype, rest) = value.split_first()?;
    match (kind, subtype) {
        (1, 4) | (2, 3) if rest.len() == 6 => Some(mac(rest)),
        (1, 5) | (2, 4) => address(rest),
        _ => trimmed(rest),
    }
}

/// An address behind its family (IANA address family numbers).
fn address(value: &[u8]) -> Option<String> {
    let (&family, rest) = value.split_first()?;
    match family {
        1 => Some(ipv4(rest.try_into().ok()?)),
        2 => Some(ipv6(rest.try_into().ok()?)),
        _ => None,
    }
}

/// What organisations define: their number, a subtype, a value.
fn put_private(message: &mut Message, value: &[u8]) {
    let Some((owner, &[subtype, ref rest @ ..])) = value.split_at_checked(3) else {
        return;
    };
    let name = match (owner, subtype) {
        ([0x00, 0x00, 0x5e], 1) => "mud_url",
        ([0x00, 0x12, 0xbb], 5) => "hardware",
        ([0x00, 0x12, 0xbb], 6) => "firmware",
        ([0x00, 0x12, 0xbb], 7) => "software",
        ([0x00, 0x12, 0xbb], 8) => "serial",
        ([0x00, 0x12, 0xbb], 9) => "manufacturer",
        ([0x00, 0x12, 0xbb], 10) => "model",
        _ => return,
    };
    if message.get(name).is_none() && !rest.is_empty() {
        message.put_text(name, printable(rest.trim_ascii()));
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at what it did not expect"
    )]
    use super::{parse, Reason};

    fn item(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut whole = (kind << 9 | value.len() as u16).to_be_bytes().to_vec();
        whole.extend(value);
        whole
    }

    fn frame() -> Vec<u8> {
        [
            item(1, &[4, 2, 0, 0, 0, 0, 1]),
            item(2, &[5, b'e', b't', b'h', b'0']),
            item(3, &[0, 120]),
            item(5, b"phone\x1b"),
            item(7, &[0, 0x24, 0, 0x20]),
            item(8, &[5, 1, 192, 0, 2, 7, 2, 0, 0, 0, 1, 0]),
            item(127, b"\x00\x12\xbb\x0aModel 5"),
            item(127, b"\x00\x00\x5e\x01https://phone.example/mud.json"),
            item(0, &[]),
        ]
        .concat()
    }

    #[test]
    fn a_phone_tells_what_it_is() {
        let message = parse(&frame(), false).unwrap();
        assert_eq!(message.text("chassis"), Some("02:00:00:00:00:01"));
        assert_eq!(message.text("port"), Some("eth0"));
        assert_eq!(message.list("capabilities"), ["telephone"]);
        assert_eq!(message.list("addresses"), ["192.0.2.7"]);
        assert_eq!(message.text("model"), Some("Model 5"));
        assert_eq!(
            message.text("mud_url"),
            Some("https://phone.example/mud.json")
        );
        assert!(!message.text("system_name").unwrap().contains('\x1b'));
    }

    #[test]
    fn parts_are_told_where_the_capture_lost_the_rest() {
        let whole = frame();
        let part = &whole[..30];
        assert_eq!(parse(part, false), Err(Reason::Truncated));
        assert_eq!(
            parse(part, true).unwrap().text("chassis"),
            Some("02:00:00:00:00:01")
        );
        assert_eq!(parse(&[0, 0], false), Err(Reason::Value));
    }
}
