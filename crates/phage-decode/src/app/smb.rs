//! SMB over TCP or `NetBIOS` sessions (MS-CIFS, MS-SMB2; RFC 1002, section 4.3).
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | the server's side |
//! | `version` | text | `1`, `2` (and 3, which shares its header), `encrypted`, `compressed`: of the first message |
//! | `command` | integer | of the first message: 0x72 or 0 is a negotiation |
//! | `failures` | integer | refused logins so far; server only |

use super::kind::Kind;
use super::message::{Message, Parsed};
use super::reader::Reader;

/// Statuses with which a login is refused (MS-ERREF, section 2.3.1): no such user, wrong
/// password, logon failure, restriction, locked out.
const REFUSALS: [u32; 5] = [
    0xc000_0064,
    0xc000_006a,
    0xc000_006d,
    0xc000_006e,
    0xc000_0234,
];

/// Parses the start of either side.
pub(crate) fn parse_stream(prefix: &[u8], from_initiator: bool) -> Parsed {
    let mut message: Option<Message> = None;
    let mut failures = 0_usize;
    let mut reader = Reader::new(prefix);
    while !reader.is_empty() {
        // Session request, positive and negative response, keep-alive; else a message.
        let session = matches!(reader.rest().first(), Some(0x81..=0x83 | 0x85));
        let start = reader;
        let (Some(kind), Some(length)) = (reader.u8(), reader.u24()) else {
            break;
        };
        if kind != 0 && !(session && length <= 0xffff) {
            break;
        }
        let body = reader.rest();
        if session {
            // A request carries two encoded names of 34 octets at least, a response nothing.
            if reader.take(length as usize).is_none() || (kind == 0x81 && length < 68) {
                reader = start;
                break;
            }
            continue;
        }
        let Some(header) = Header::read(body) else {
            if message.is_none() && Header::may_start(body) {
                return Parsed::Incomplete;
            }
            break;
        };
        failures += usize::from(header.refused);
        message.get_or_insert_with(|| {
            let mut message = Message::new(Kind::Smb);
            message.put_flag("server", !from_initiator);
            message.put_text("version", header.version);
            if let Some(command) = header.command {
                message.put_integer("command", command);
            }
            message
        });
        if reader.take(length as usize).is_none() {
            break;
        }
    }
    match message {
        Some(mut message) => {
            if !from_initiator {
                message.put_count("failures", failures);
            }
            Parsed::Done(message)
        }
        None if may_begin(reader.rest(), prefix) => Parsed::Incomplete,
        None => Parsed::NotMine,
    }
}

/// Whether more bytes can make a message of what is left behind session frames.
fn may_begin(rest: &[u8], prefix: &[u8]) -> bool {
    let session = |data: &[u8]| match data {
        [0x81, 0, 0, length, ..] => *length >= 68,
        [0x82 | 0x85, 0, 0, 0, ..] => true,
        [0x81 | 0x82 | 0x85, zeros @ ..] => zeros.len() < 3 && zeros.iter().all(|&byte| byte == 0),
        _ => false,
    };
    let plain = |data: &[u8]| matches!(data, [0] | [0, _] | [0, _, _]);
    if rest.len() == prefix.len() {
        session(prefix) || plain(prefix)
    } else {
        rest.is_empty() || session(rest) || plain(rest)
    }
}

struct Header {
    version: &'static str,
    command: Option<u16>,
    refused: bool,
}

impl Header {
    const MARK: [u8; 3] = *b"SMB";

    /// Whether a header may be at the start of some bytes that are too few.
    fn may_start(body: &[u8]) -> bool {
        let tail = body.get(1..).unwrap_or(&[]);
        matches!(body.first(), None | Some(0xfc..=0xff))
            && (tail.starts_with(&Self::MARK) || Self::MARK.starts_with(tail))
            && body.len() < 14
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let first = reader.u8()?;
        if reader.array()? != Self::MARK {
            return None;
        }
        Some(match first {
            0xff => {
                let command = reader.u8()?;
                let status = u32::from_le_bytes(reader.array()?);
                Self {
                    version: "1",
                    command: Some(u16::from(command)),
                    refused: command == 0x73 && REFUSALS.contains(&status),
                }
            }
            0xfe => {
                reader.take(4)?;
                let status = u32::from_le_bytes(reader.array()?);
                let command = u16::from_le_bytes(reader.array()?);
                Self {
                    version: "2",
                    command: Some(command),
                    refused: command == 1 && REFUSALS.contains(&status),
                }
            }
            0xfd => Self {
                version: "encrypted",
                command: None,
                refused: false,
            },
            0xfc => Self {
                version: "compressed",
                command: None,
                refused: false,
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]
    use super::{parse_stream, Message, Parsed};

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut out = (body.len() as u32).to_be_bytes().to_vec();
        out.extend(body);
        out
    }

    fn smb2(status: u32, command: u16) -> Vec<u8> {
        let mut body = b"\xfeSMB\x40\0\0\0".to_vec();
        body.extend(status.to_le_bytes());
        body.extend(command.to_le_bytes());
        body.resize(64, 0);
        frame(&body)
    }

    fn done(prefix: &[u8], from_initiator: bool) -> Option<Message> {
        match parse_stream(prefix, from_initiator) {
            Parsed::Done(message) => Some(message),
            _ => None,
        }
    }

    #[test]
    fn refused_logins_are_counted() {
        let stream = [
            smb2(0, 0),
            smb2(0xc000_0016, 1),
            smb2(0xc000_006d, 1),
            smb2(0xc000_006d, 3),
        ]
        .concat();
        let message = done(&stream, false);
        assert_eq!(
            message
                .as_ref()
                .and_then(|message| message.integer("failures")),
            Some(1)
        );
        assert_eq!(
            message.as_ref().and_then(|message| message.text("version")),
            Some("2")
        );
        assert_eq!(
            message.and_then(|message| message.integer("command")),
            Some(0)
        );
    }

    #[test]
    fn a_session_request_may_come_first() {
        let mut stream = vec![0x81, 0, 0, 68];
        stream.resize(72, b'A');
        assert_eq!(parse_stream(&stream, true), Parsed::Incomplete);
        stream.extend(frame(b"\xffSMB\x72\0\0\0\0"));
        let message = done(&stream, true);
        assert_eq!(
            message.and_then(|message| message.integer("command")),
            Some(0x72)
        );
        assert!(done(&[&[0x82, 0, 0, 0][..], &smb2(0, 0)].concat(), false).is_some());
    }

    #[test]
    fn cut_anywhere_more_is_awaited_and_other_bytes_are_not_mine() {
        let whole = smb2(0, 0);
        for end in 1..18 {
            assert_eq!(
                parse_stream(&whole[..end], true),
                Parsed::Incomplete,
                "{end}"
            );
        }
        assert_eq!(parse_stream(b"\0\0\0\x10\x42\0\0\0", true), Parsed::NotMine);
        assert_eq!(
            parse_stream(b"\x81\x81\0\x10\x42\0\0\0", true),
            Parsed::NotMine
        );
    }
}
