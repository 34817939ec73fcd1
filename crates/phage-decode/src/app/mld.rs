//! Multicast listener discovery of IPv6 (RFC 2710, RFC 3810): who listens to which groups.
//!
//! | field | type | what |
//! |---|---|---|
//! | `kind` | text | `query`, `report`, `done` |
//! | `version` | integer | 1 or 2 |
//! | `groups` | list | groups that are asked for, listened to, or left |

use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::reader::Reader;
use super::text::{ipv6, MAX_ITEMS};

/// `ICMPv6` type of a query.
pub(crate) const QUERY: u16 = 130;
/// `ICMPv6` type of a report of version 1.
pub(crate) const REPORT: u16 = 131;
/// `ICMPv6` type of a listener that leaves, version 1.
pub(crate) const DONE: u16 = 132;
/// `ICMPv6` type of a report of version 2.
pub(crate) const REPORT_2: u16 = 143;

/// Messages go to neighbours only (RFC 3810, section 5).
const ON_LINK: u8 = 1;

/// Octets of a query of version 1, behind type, code and checksum; those of version 2 are longer
/// (RFC 3810, section 8.1).
const QUERY_1: usize = 20;

/// Parses what follows type, code and checksum; `cut` says that its end was not captured.
pub(crate) fn parse(kind: u16, body: &[u8], hop_limit: u8, cut: bool) -> Result<Message, Reason> {
    if hop_limit != ON_LINK {
        return Err(Reason::Value);
    }
    let mut reader = Reader::new(body);
    reader.u16().ok_or(Reason::Truncated)?; // Delay, or nothing.
    let count = reader.u16().ok_or(Reason::Truncated)?;
    let mut message = Message::new(Kind::Mld);
    let name = match kind {
        QUERY => "query",
        DONE => "done",
        _ => "report",
    };
    message.put_text("kind", name);
    let second = kind == REPORT_2 || (kind == QUERY && body.len() > QUERY_1);
    message.put_integer("version", if second { 2 } else { 1 });
    let mut groups = Vec::new();
    if kind == REPORT_2 {
        for _ in 0..count {
            match record(&mut reader) {
                Some((group, true)) if groups.len() < MAX_ITEMS => groups.push(ipv6(group)),
                Some(_) => {}
                None if cut => break,
                None => return Err(Reason::Truncated),
            }
        }
    } else {
        let group: [u8; 16] = reader.array().ok_or(Reason::Truncated)?;
        if group != [0; 16] {
            groups.push(ipv6(group));
        }
    }
    message.put_list("groups", groups);
    Ok(message)
}

/// The next record: its group, and whether it is listened to; `None` where it is cut off (RFC 3810,
/// section 5.2).
fn record(reader: &mut Reader<'_>) -> Option<([u8; 16], bool)> {
    let kind = reader.u8()?;
    let words = usize::from(reader.u8()?);
    let sources = usize::from(reader.u16()?);
    let group = reader.array()?;
    reader.take(sources * 16 + words * 4)?;
    let left = matches!(kind, 1 | 3) && sources == 0;
    Some((group, !left))
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at what it did not expect"
    )]
    use super::{parse, Reason, DONE, QUERY, REPORT_2};

    fn records(kinds: &[u8]) -> Vec<u8> {
        let mut body = vec![0, 0, 0, kinds.len() as u8];
        for (number, &kind) in kinds.iter().enumerate() {
            body.extend([kind, 0, 0, 0, 0xff, 2]);
            body.extend([0; 13]);
            body.push(number as u8 + 1);
        }
        body
    }

    #[test]
    fn a_listener_tells_its_groups() {
        let message = parse(REPORT_2, &records(&[4, 3, 2]), 1, false).unwrap();
        assert_eq!(message.text("kind"), Some("report"));
        assert_eq!(message.integer("version"), Some(2));
        assert_eq!(message.list("groups"), ["ff02::1", "ff02::3"]);
    }

    #[test]
    fn queries_and_leavers() {
        let message = parse(QUERY, &[0; 20], 1, false).unwrap();
        assert_eq!(message.text("kind"), Some("query"));
        assert!(message.get("groups").is_none());
        let left = parse(DONE, &[&[0; 4][..], &[0xff; 16]].concat(), 1, false).unwrap();
        assert_eq!(left.list("groups").len(), 1);
        let second = parse(QUERY, &[0; 24], 1, false).unwrap();
        assert_eq!(second.integer("version"), Some(2));
    }

    #[test]
    fn what_a_router_passed_on_or_what_is_cut_off_is_refused() {
        assert_eq!(parse(QUERY, &[0; 20], 64, false), Err(Reason::Value));
        let body = records(&[4, 4]);
        let part = &body[..body.len() - 1];
        assert_eq!(parse(REPORT_2, part, 1, false), Err(Reason::Truncated));
        let message = parse(REPORT_2, part, 1, true).unwrap();
        assert_eq!(message.list("groups"), ["ff02::1"]);
    }
}
