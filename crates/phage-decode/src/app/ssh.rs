//! SSH identification strings (RFC 4253, section 4.2).
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | the server's string |
//! | `protocol_version` | text | `2.0`, `1.99` |
//! | `software` | text | `OpenSSH_9.2p1` |
//! | `comments` | text | `Debian-2+deb12u3`; absent without any |

use super::fault::{AppFault, Reason};
use super::kind::Kind;
use super::message::{Message, Parsed};
use super::text::{printable, trimmed};

/// Longest identification string with its end (RFC 4253, section 4.2).
const MAX_LINE: usize = 255;

/// Most bytes of greeting that a server may send before its string and still be recognised; a
/// login banner of a screen's size.
const MAX_GREETING: usize = 2048;

/// Parses the string at the start of a stream; a server may send other lines before it.
pub(crate) fn parse_stream(prefix: &[u8], from_initiator: bool, server_port: u16) -> Parsed {
    const MARK: &[u8] = b"SSH-";
    let line = if prefix.starts_with(MARK) {
        prefix
    } else if MARK.starts_with(prefix) {
        return Parsed::Incomplete;
    } else if from_initiator {
        return Parsed::NotMine;
    } else {
        let head = prefix.get(..MAX_GREETING).unwrap_or(prefix);
        match head.windows(5).position(|window| window == b"\nSSH-") {
            Some(at) => prefix.get(at + 1..).unwrap_or(&[]),
            // Any text could be a greeting: only the port tells.
            None if server_port == 22 && prefix.len() < MAX_GREETING && prefix.is_ascii() => {
                return Parsed::Incomplete;
            }
            None => return Parsed::NotMine,
        }
    };
    let fault = |reason| {
        Parsed::Malformed(AppFault {
            kind: Kind::Ssh,
            reason,
        })
    };
    let Some(end) = line.iter().take(MAX_LINE).position(|&byte| byte == b'\n') else {
        return if line.len() < MAX_LINE {
            Parsed::Incomplete
        } else {
            fault(Reason::TooLarge)
        };
    };
    let text = line.get(MARK.len()..end).unwrap_or(&[]);
    let Some(dash) = text.iter().position(|&byte| byte == b'-') else {
        return fault(Reason::Value);
    };
    let (version, rest) = text.split_at(dash);
    let rest = rest.get(1..).unwrap_or(&[]).trim_ascii_end();
    let space = rest
        .iter()
        .position(|&byte| byte == b' ')
        .unwrap_or(rest.len());
    let (software, comments) = rest.split_at(space);
    let mut message = Message::new(Kind::Ssh);
    message.put_flag("server", !from_initiator);
    message.put_text("protocol_version", printable(version));
    message.put_text("software", printable(software));
    message.put_some("comments", trimmed(comments));
    Parsed::Done(message)
}

#[cfg(test)]
mod tests {
    use super::{parse_stream, AppFault, Kind, Parsed, Reason};
    use crate::app::message::Message;

    fn done(prefix: &[u8], from_initiator: bool) -> Option<Message> {
        match parse_stream(prefix, from_initiator, 22) {
            Parsed::Done(message) => Some(message),
            _ => None,
        }
    }

    #[test]
    fn strings_with_and_without_comments() {
        let message = done(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n\0\0", false);
        let text = |name| message.as_ref().and_then(|message| message.text(name));
        assert_eq!(text("protocol_version"), Some("2.0"));
        assert_eq!(text("software"), Some("OpenSSH_9.2p1"));
        assert_eq!(text("comments"), Some("Debian-2+deb12u3"));
        assert!(message
            .as_ref()
            .is_some_and(|message| message.flag("server")));
        let client = done(b"SSH-1.99-libssh-0.9\n", true);
        assert_eq!(
            client.as_ref().and_then(|message| message.text("software")),
            Some("libssh-0.9")
        );
        assert!(client.is_some_and(|message| message.get("comments").is_none()));
    }

    #[test]
    fn a_greeting_may_come_first() {
        assert!(done(b"Welcome\r\nSSH-2.0-x\r\n", false).is_some());
        assert_eq!(parse_stream(b"Welcome\r\n", false, 22), Parsed::Incomplete);
        assert_eq!(parse_stream(b"Welcome\r\n", false, 2222), Parsed::NotMine);
        assert_eq!(parse_stream(b"Welcome\r\n", true, 22), Parsed::NotMine);
    }

    #[test]
    fn a_string_without_end_or_form_is_a_fault() {
        let long = [b"SSH-2.0-".as_slice(), &[b'x'; 300]].concat();
        let fault = |reason| {
            Parsed::Malformed(AppFault {
                kind: Kind::Ssh,
                reason,
            })
        };
        assert_eq!(parse_stream(&long, false, 22), fault(Reason::TooLarge));
        assert_eq!(
            parse_stream(b"SSH-2.0\r\n", false, 22),
            fault(Reason::Value)
        );
        assert_eq!(parse_stream(b"SSH-2.0-x", false, 22), Parsed::Incomplete);
    }
}
