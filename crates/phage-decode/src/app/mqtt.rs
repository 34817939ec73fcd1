//! MQTT: CONNECT and CONNACK (MQTT 3.1.1 and 5.0, sections 3.1, 3.2).
//!
//! | field | type | what |
//! |---|---|---|
//! | `packet` | text | `connect`, `connack` |
//! | `version` | text | `3.1`, `3.1.1`, `5.0`; `connect` only |
//! | `client_id` | text | `connect` only; absent when empty |
//! | `username`, `password` | flag | one is sent; neither is told; `connect` only |
//! | `keep_alive` | integer | seconds; `connect` only |
//! | `code` | integer | 0 accepted; 4, 5, 134, 135 refused for credentials; `connack` only |

use super::kind::Kind;
use super::message::{Message, Parsed};
use super::reader::Reader;
use super::text::trimmed;

/// Reads a variable byte integer (section 1.5.5): at most four octets.
fn size(reader: &mut Reader<'_>) -> Option<usize> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let octet = reader.u8()?;
        value |= usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Parses the start of either side.
pub(crate) fn parse_stream(prefix: &[u8], from_initiator: bool, server_port: u16) -> Parsed {
    match prefix {
        [0x10, ..] => connect(prefix),
        // Two octets and a code are too little to know it by.
        [0x20, rest @ ..] if !from_initiator && server_port == 1883 => match rest {
            [2..=127, 0 | 1, code, ..] => {
                let mut message = Message::new(Kind::Mqtt);
                message.put_text("packet", "connack");
                message.put_integer("code", *code);
                Parsed::Done(message)
            }
            [] | [2..=127] | [2..=127, 0 | 1] => Parsed::Incomplete,
            _ => Parsed::NotMine,
        },
        _ => Parsed::NotMine,
    }
}

fn connect(prefix: &[u8]) -> Parsed {
    let mut reader = Reader::new(prefix.get(1..).unwrap_or(&[]));
    let cut = |reader: &Reader<'_>, most| {
        if reader.len() < most {
            Parsed::Incomplete
        } else {
            Parsed::NotMine
        }
    };
    let start = reader;
    let Some(length) = size(&mut reader) else {
        return cut(&start, 4);
    };
    // The longest: 64 kB each of identifier, will, name and password.
    if !(10..=0x5_0000).contains(&length) {
        return Parsed::NotMine;
    }
    let names: [&[u8]; 2] = [b"\0\x04MQTT", b"\0\x06MQIsdp"];
    let rest = reader.rest();
    let Some(name) = names.into_iter().find(|name| rest.starts_with(name)) else {
        let may_start = names.into_iter().any(|name| name.starts_with(rest));
        return if may_start {
            Parsed::Incomplete
        } else {
            Parsed::NotMine
        };
    };
    reader.take(name.len());
    let (Some(level), Some(flags), Some(keep_alive)) = (reader.u8(), reader.u8(), reader.u16())
    else {
        return Parsed::Incomplete;
    };
    let version = match level & 0x7f {
        3 => "3.1",
        4 => "3.1.1",
        5 => "5.0",
        _ => return Parsed::NotMine,
    };
    if level == 5 {
        let start = reader;
        let Some(properties) = size(&mut reader) else {
            return cut(&start, 4);
        };
        if properties > length {
            return Parsed::NotMine;
        }
        if reader.take(properties).is_none() {
            return Parsed::Incomplete;
        }
    }
    let Some(identifier) = reader.block16() else {
        return Parsed::Incomplete;
    };
    let mut message = Message::new(Kind::Mqtt);
    message.put_text("packet", "connect");
    message.put_text("version", version);
    message.put_some("client_id", trimmed(identifier));
    message.put_flag("username", flags & 0x80 != 0);
    message.put_flag("password", flags & 0x40 != 0);
    message.put_integer("keep_alive", keep_alive);
    Parsed::Done(message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]
    use super::{parse_stream, Message, Parsed};

    const CONNECT: &[u8] = b"\x10\x19\0\x04MQTT\x04\xc2\0\x3c\0\x05meter\0\x01u\0\x01p\0\0";
    const CONNECT_5: &[u8] = b"\x10\x15\0\x04MQTT\x05\x02\0\x0a\x05\x11\0\0\0\x0a\0\x03cam";

    fn done(prefix: &[u8]) -> Option<Message> {
        match parse_stream(prefix, true, 8883) {
            Parsed::Done(message) => Some(message),
            _ => None,
        }
    }

    #[test]
    fn a_client_of_either_version() {
        let message = done(CONNECT);
        let text = |name| message.as_ref().and_then(|message| message.text(name));
        assert_eq!(
            (text("version"), text("client_id")),
            (Some("3.1.1"), Some("meter"))
        );
        assert_eq!(
            message
                .as_ref()
                .and_then(|message| message.integer("keep_alive")),
            Some(60)
        );
        assert!(message
            .as_ref()
            .is_some_and(|message| message.flag("username")));
        let newer = done(CONNECT_5);
        let text = |name| newer.as_ref().and_then(|message| message.text(name));
        assert_eq!(
            (text("version"), text("client_id")),
            (Some("5.0"), Some("cam"))
        );
        for end in 1..19 {
            assert_eq!(
                parse_stream(&CONNECT[..end], true, 1),
                Parsed::Incomplete,
                "{end}"
            );
        }
    }

    #[test]
    fn a_server_refuses() {
        let parsed = parse_stream(b"\x20\x02\0\x05", false, 1883);
        assert!(matches!(parsed, Parsed::Done(message) if message.integer("code") == Some(5)));
        assert_eq!(parse_stream(b"\x20\x02\0\x05", false, 80), Parsed::NotMine);
        assert_eq!(
            parse_stream(b"\x10\xff\xff\xff\xff\x01", true, 1883),
            Parsed::NotMine
        );
        assert_eq!(
            parse_stream(b"\x10\x20\0\x04HTTP", true, 1883),
            Parsed::NotMine
        );
    }
}
