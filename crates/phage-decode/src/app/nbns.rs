//! The `NetBIOS` name service (RFC 1001, RFC 1002).
//!
//! | field | type | what |
//! |---|---|---|
//! | `id` | integer | transaction |
//! | `operation` | text | `query`, `status`, `registration`, `release`, `wack`, `refresh` |
//! | `response` | flag | an answer |
//! | `name` | text | the name, decoded, without its padding; `*` asks for anyone |
//! | `suffix` | text | two hexadecimal digits: `00` workstation, `20` file server, `1b` domain master |
//! | `rcode` | integer | 0 for success, 3 for no such name; responses only |
//! | `address` | text | IPv4 address that is claimed or answered |
//! | `group` | flag | a group name; with an address only |
//! | `ttl` | integer | seconds; with an address only |
//! | `names` | list | names of a status response: `NAS<20>` |
//! | `mac` | text | hardware address of a status response |

use super::dns::name::Name;
use super::dns::wire::{Record, Wire};
use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::reader::Reader;
use super::text::{bounded, ipv4, mac, named, trimmed, MAX_ITEMS};

const NB: u16 = 0x20;
const NBSTAT: u16 = 0x21;

/// Parses a message; `cut` says that its end was not captured.
pub(crate) fn parse(data: &[u8], cut: bool) -> Result<Message, Reason> {
    let wire = Wire::read(data, cut)?;
    let header = wire.header;
    let records = || wire.sections.iter().flatten();
    let subject = wire
        .questions
        .first()
        .map(|question| (&question.name, question.kind))
        .or_else(|| records().next().map(|record| (&record.name, record.kind)))
        .ok_or(Reason::Length)?;
    let (name, suffix) = decode(subject.0).ok_or(Reason::Name)?;

    let mut message = Message::new(Kind::Nbns);
    message.put_integer("id", header.id);
    let operation = match header.opcode() {
        0 if subject.1 == NBSTAT => Some("status"),
        0 => Some("query"),
        5 => Some("registration"),
        6 => Some("release"),
        7 => Some("wack"),
        8 | 9 => Some("refresh"),
        15 => Some("multihomed"),
        _ => return Err(Reason::Value),
    };
    message.put_text("operation", named(operation, header.opcode()));
    message.put_flag("response", header.is_response());
    message.put_text("name", name);
    message.put_text("suffix", format!("{suffix:02x}"));
    if header.is_response() {
        message.put_integer("rcode", header.code());
    }
    if let Some(record) = records().find(|record| record.kind == NB) {
        put_address(&mut message, record, wire.data_of(record));
    }
    if let Some(record) = records().find(|record| record.kind == NBSTAT) {
        put_status(&mut message, wire.data_of(record));
    }
    Ok(message)
}

/// Undoes the first-level encoding (RFC 1001, section 14.1): 32 letters from A to P are 16 octets,
/// 15 of the name and the suffix.
fn decode(name: &Name) -> Option<(String, u8)> {
    let encoded: &[u8; 32] = name.labels().next()?.try_into().ok()?;
    let mut octets = [0_u8; 16];
    for (octet, pair) in octets.iter_mut().zip(encoded.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        let (high, low) = (high.wrapping_sub(b'A'), low.wrapping_sub(b'A'));
        if high > 15 || low > 15 {
            return None;
        }
        *octet = high << 4 | low;
    }
    let (suffix, name) = octets.split_last()?;
    Some((trimmed(name).unwrap_or_default(), *suffix))
}

/// Flags and address (RFC 1002, section 4.2.1.3); the first entry of a group.
fn put_address(message: &mut Message, record: &Record, data: &[u8]) {
    let mut reader = Reader::new(data);
    if let (Some(flags), Some(address)) = (reader.u16(), reader.array()) {
        message.put_text("address", ipv4(address));
        message.put_flag("group", flags & 0x8000 != 0);
        message.put_integer("ttl", record.ttl);
    }
}

/// Names and hardware address of a node (RFC 1002, section 4.2.18).
fn put_status(message: &mut Message, data: &[u8]) {
    let mut reader = Reader::new(data);
    let count = reader.u8().unwrap_or(0);
    let mut names = Vec::new();
    for _ in 0..count {
        let (Some(name), Some(suffix), Some(_)) = (reader.take(15), reader.u8(), reader.u16())
        else {
            break;
        };
        if names.len() < MAX_ITEMS {
            let name = trimmed(name).unwrap_or_default();
            names.push(bounded(format!("{name}<{suffix:02x}>")));
        }
    }
    message.put_list("names", names);
    if let Some(address) = reader.take(6) {
        message.put_text("mac", mac(address));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::{parse, Reason};

    /// The name of RFC 1001, section 14.1: "FRED" padded with spaces.
    const RFC: &[u8; 32] = b"EGFCEFEECACACACACACACACACACACACA";

    fn question(kind: u8, name: &[u8]) -> Vec<u8> {
        let mut data = b"\x00\x07\x01\x10\0\x01\0\0\0\0\0\0".to_vec();
        data.push(name.len() as u8);
        data.extend(name);
        data.extend([0, 0, kind, 0, 1]);
        data
    }

    #[test]
    fn the_name_of_rfc_1001_is_decoded() {
        let query = parse(&question(0x20, RFC), false).unwrap();
        assert_eq!(query.text("name"), Some("FRED"));
        assert_eq!(query.text("suffix"), Some("20"));
        assert_eq!(query.text("operation"), Some("query"));
    }

    #[test]
    fn the_wildcard_status_request() {
        let query = parse(&question(0x21, b"CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), false).unwrap();
        assert_eq!(
            (query.text("name"), query.text("suffix")),
            (Some("*"), Some("00"))
        );
        assert_eq!(query.text("operation"), Some("status"));
    }

    #[test]
    fn a_registration_claims_an_address() {
        // FILESRV padded with spaces, suffix 0x20; the record points back at the question.
        let mut data = question(0x20, b"EGEJEMEFFDFCFGCACACACACACACACACA");
        data[2] = 0x29;
        data[11] = 1;
        data.extend(b"\xc0\x0c\0\x20\0\x01\0\x04\x93\xe0\0\x06\x00\x00\xc0\xa8\x01\x09");
        let claim = parse(&data, false).unwrap();
        assert_eq!(claim.text("operation"), Some("registration"));
        assert_eq!(
            (claim.text("name"), claim.text("suffix")),
            (Some("FILESRV"), Some("20"))
        );
        assert_eq!(claim.text("address"), Some("192.168.1.9"));
        assert_eq!(claim.integer("ttl"), Some(300_000));
        assert!(!claim.flag("group"));
    }

    #[test]
    fn a_status_response_names_the_node() {
        let mut data = b"\0\x07\x84\0\0\0\0\x01\0\0\0\0\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01\0\0\0\0".to_vec();
        let mut body = vec![2];
        body.extend(b"NAS            \x20\x04\0");
        body.extend(b"WORKGROUP      \x00\x84\0");
        body.extend([0, 0x11, 0x32, 1, 2, 3]);
        data.extend((body.len() as u16).to_be_bytes());
        data.extend(&body);
        let status = parse(&data, false).unwrap();
        assert_eq!(status.list("names"), ["NAS<20>", "WORKGROUP<00>"]);
        assert_eq!(status.text("mac"), Some("00:11:32:01:02:03"));
        assert_eq!(status.integer("rcode"), Some(0));
    }

    #[test]
    fn a_name_that_is_not_encoded_is_refused() {
        assert_eq!(parse(&question(0x20, b"plain"), false), Err(Reason::Name));
        assert_eq!(
            parse(&question(0x20, &[b'Z'; 32]), false),
            Err(Reason::Name)
        );
        assert_eq!(parse(&[0; 12], false), Err(Reason::Length));
    }
}
